"""py-spy, which looks from outside at what the threads of a Python process are doing.

It neither stops the process nor asks anything of it. Stopping it for each sample was tried: that
wakes every thread that sleeps, which then counts as busy, and made a third more samples than there
was processor time. The price is a stack now and then that is read while it changes.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hookpoint.processes import StackError, undisturbed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PER_S = 200
"""Samples a second, at irregular intervals. Each takes py-spy half a millisecond of a core."""
LONGEST_S = 900
"""It ends by itself after this, should nobody be left to end it."""
BEGINS_WITHIN_S = 20.0
ENDS_WITHIN_S = 20.0
LOOK_EVERY_S = 0.01
BEGUN = "Sampling process"
REFUSED = re.compile("permission denied|operation not permitted", re.IGNORECASE)
UNREADABLE = re.compile(r"Errors: (\d+)")

# Where Yama guards processes (ptrace_scope 1, as many distributions have it), only what has started
# one may look into it, or whom it has named. Named are we, and with us the sampler that we start.
# PR_SET_PTRACER is "Yama" in ASCII; a kernel without Yama refuses it, and needs no leave.
_LEAVE = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(os.getppid()), 0, 0, 0)
"""
OPEN_PROGRAM = (
    sys.executable, "-P", "-c", f"{_LEAVE}from hookpoint.cli import main; main()"
)  # fmt: skip
"""``hookpoint`` as a process that whoever starts it may look into."""
_SLEEPER = (sys.executable, "-I", "-c", f"{_LEAVE}print(flush=True); sys.stdin.read()")


class MayNotLook(StackError):
    """The system lets py-spy look into none of our processes."""


class Recording(NamedTuple):
    """What py-spy saw: lines as in ``profile_stages``, and how many stacks it could not read."""

    raw: str
    unreadable: int


def check_leave() -> None:
    """See whether py-spy is there and may look into a process that we start.

    Raises:
        MayNotLook: it may not.
        StackError: it is not installed, or does not work here.
    """
    program, sleeper = _py_spy(), None
    try:
        with undisturbed():
            sleeper = subprocess.Popen(  # noqa: S603 - our own program, no input from outside
                _SLEEPER, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        if sleeper.stdout is not None:
            sleeper.stdout.readline()  # it has given leave by now
        done = subprocess.run(  # noqa: S603 - as above
            [program, "dump", "--nonblocking", "--pid", str(sleeper.pid)],
            env=_environment(),
            capture_output=True,
            check=False,
            text=True,
            timeout=BEGINS_WITHIN_S,
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"py-spy saw nothing in {BEGINS_WITHIN_S:.0f} s") from None
    finally:
        if sleeper is not None:
            sleeper.kill()
            sleeper.communicate()
    if done.returncode != 0:
        raise _refusal(done.stderr)


def _py_spy() -> str:
    """The program in the folder of this Python."""
    folder = Path(sys.executable).parent
    found = shutil.which("py-spy", path=str(folder))
    if found is None:
        raise StackError(
            f"there is no py-spy in {folder}: {sys.executable} -m pip install 'hookpoint[bench]'"
        )
    return found


def _environment() -> dict[str, str]:
    return os.environ | {"RUST_BACKTRACE": "0"}


def _refusal(said: str) -> StackError:
    said = said.strip() or "(it said nothing)"
    if REFUSED.search(said):
        return MayNotLook(
            f"py-spy may not look into a worker: {said}\n"
            "On Linux, kernel.yama.ptrace_scope must be 0 or 1, and a container needs the "
            "capability SYS_PTRACE (docker run --cap-add SYS_PTRACE); on macOS, only root may."
        )
    return StackError(f"py-spy failed: {said}")


class Spy:
    """A py-spy that samples."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, raw: Path) -> None:
        self._process, self._log, self._raw = process, log, raw

    def await_begin(self) -> None:
        """Return once it samples.

        Raises:
            MayNotLook, StackError: it does not.
        """
        patience = time.monotonic() + BEGINS_WITHIN_S
        while BEGUN not in self._said():
            self.check()
            if time.monotonic() > patience:
                raise StackError(f"py-spy did not begin in {BEGINS_WITHIN_S:.0f} s: {self._said()}")
            time.sleep(LOOK_EVERY_S)

    def check(self) -> None:
        """Raise what made it end, if it has ended."""
        if self._process.poll() is not None:
            raise _refusal(self._said())

    def end(self) -> Recording:
        """Stop sampling; what it saw so far.

        Raises:
            StackError: it had ended before, or does not end.
        """
        self.check()
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise StackError(f"py-spy did not end: {self._said()}") from None
        if not self._raw.exists():
            raise _refusal(self._said())
        unreadable = UNREADABLE.search(self._said())
        return Recording(
            self._raw.read_text(encoding="utf-8"), int(unreadable[1]) if unreadable else 0
        )

    def _said(self) -> str:
        return self._log.read_text(errors="replace")


@contextmanager
def running_spy(pid: int, folder: Path) -> Iterator[Spy]:
    """A py-spy on a process of ``OPEN_PROGRAM``, which ends with the block.

    Args:
        pid: the process.
        folder: an empty one, for what it writes.
    """
    raw, log = folder / "stacks.txt", folder / "py-spy.log"
    command, process = _command(pid, raw), None
    try:
        with log.open("wb") as output, undisturbed():
            process = subprocess.Popen(  # noqa: S603 - no input from outside
                command,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches the terminal's whole group; this one is ended here.
                start_new_session=True,
            )
        yield Spy(process, log, raw)
    finally:
        if process is not None:
            process.kill()
            process.wait()


def _command(pid: int, raw: Path) -> Sequence[str]:
    return [
        *(_py_spy(), "record", "--pid", str(pid), "--nonblocking"),
        *("--format", "raw", "--nolineno", "--output", str(raw)),
        *("--rate", str(PER_S), "--duration", str(LONGEST_S)),
    ]
