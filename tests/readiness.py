"""What a worker says of itself over HTTP."""

from __future__ import annotations

import time
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers import WorkerProcess

    from config.settings import Settings


class Answer(NamedTuple):
    """Status, content type and body; status 0 if nobody answers."""

    status: int
    kind: str
    text: str


def ask(port: int, path: str, method: str = "GET") -> Answer:
    """Ask a worker on this machine."""
    connection = HTTPConnection(f"127.0.0.1:{port}", timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers["content-type"], answer.read().decode())
    except (OSError, HTTPException) as problem:
        return Answer(0, "", str(problem))
    finally:
        connection.close()


class Readiness:
    """``/readyz`` of one worker."""

    def __init__(self, settings: Settings, worker: WorkerProcess) -> None:
        self._port = settings.web_port
        self._worker = worker

    def report(self) -> dict[str, Any]:
        """All it tells; empty while it does not answer."""
        answer = ask(self._port, "/readyz")
        if not answer.status:
            return {}
        report: dict[str, Any] = orjson.loads(answer.text)
        assert answer.status == (200 if report["ready"] else 503)
        return report

    def why(self) -> str:
        """Why it is not ready, as one text; empty if it is."""
        return "; ".join(self.report().get("why", ["it does not answer"]))

    def wait(self, within_s: float = 30.0) -> float:
        """Wait until it is ready. Returns how long that took, in seconds."""
        began = time.monotonic()
        self._worker.wait_for("readiness", lambda: not self.why(), within_s)
        return time.monotonic() - began

    def wait_for_reason(self, words: str, within_s: float = 30.0) -> str:
        """Wait until ``words`` are among the reasons. Returns them all."""

        def found() -> str:
            why = self.why()
            return why if words in why else ""

        text: str = self._worker.wait_for(f"the reason {words!r}", found, within_s)
        return text


@contextmanager
def cpu_share(worker: WorkerProcess) -> Iterator[list[float]]:
    """The share of one core that the worker uses within the block, as the only item at its end."""
    process = psutil.Process(worker.process.pid)
    found: list[float] = []
    before, began = process.cpu_times(), time.monotonic()
    yield found
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    found.append(used / (time.monotonic() - began))
