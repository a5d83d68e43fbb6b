"""The sender of a live stream as a child process, spoken to by lines of JSON."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from hookpoint.demo.worker import environment
from hookpoint.processes import StackError, undisturbed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Settings
    from hookpoint.bench.crowd import CrowdOptions


class Sender:
    """``hookpoint.bench.latency_load``, which says what it takes and answers."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def begin(self, **command: Any) -> None:
        """Tell it what to do."""
        if self._process.stdin is None:
            raise AssertionError("the sender has an input")
        self._process.stdin.write(orjson.dumps(command) + b"\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for what it says.

        Raises:
            StackError: it has ended.
        """
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise StackError("the sender ended; its error is above")
        said: dict[str, Any] = orjson.loads(line)
        return said


@contextmanager
def running_sender(settings: Settings, crowd: CrowdOptions) -> Iterator[Sender]:
    """A sender that is ready; it ends with the block."""
    options = orjson.dumps(asdict(crowd)).decode()
    command = [sys.executable, "-m", "hookpoint.bench.latency_load", options]
    with ExitStack() as running:
        with undisturbed():
            process = running.enter_context(
                subprocess.Popen(  # noqa: S603 - our own program, no input from outside
                    command,
                    env=os.environ | environment(settings),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    start_new_session=True,
                )
            )
            running.callback(process.terminate)
        sender = Sender(process)
        sender.answer()
        yield sender
