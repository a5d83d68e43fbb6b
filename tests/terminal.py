"""Commands on a real terminal: a pseudoterminal of their own, as wide as a test wants it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class OnTerminal(NamedTuple):
    """How a command ended, and all that the terminal was sent, without control sequences."""

    returncode: int
    text: str


def on_a_terminal(
    command: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    columns: int = 100,
    typed: bytes = b"",
) -> OnTerminal:
    """Run ``command`` with input, output and errors on one terminal, until it ends."""
    ours, theirs = pty.openpty()
    os.write(ours, typed)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    # A width in the environment would count for more than the terminal's own.
    kept = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, "TERM": "xterm-256color"},
        cwd=cwd,
    ) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
    return OnTerminal(process.returncode, _CONTROL.sub("", shown.decode(errors="replace")))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody holds the other end any more
        return b""
