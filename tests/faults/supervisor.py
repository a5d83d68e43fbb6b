"""Workers under a supervisor, which does what systemd or compose would: restart what failed.

A worker that ends with the exit code for a failure, or by a signal, is started again; one that was
asked to stop must end with 0. Anything else, and restarts that lead nowhere, fail the run.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Self

import orjson
import psutil
from workers import STOP_WITHIN_S, WorkerProcess, wait_until

from streams.worker.run import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings

PROGRAM = Path(__file__).with_name("stepping_worker.py")
LOOK_EVERY_S = 0.05
STACKS_TOLD_S = 0.5
GRACE_S = 10.0
"""Between SIGTERM and SIGKILL, as compose has it by default."""
MOST_IN_VAIN = 12
"""Restarts in a row, of all workers together, between which nothing has come on."""


class SteppingWorker(WorkerProcess):
    """A worker that takes commands; see ``stepping_worker``."""

    stdin = subprocess.PIPE

    def __init__(self, settings: Settings, folder: Path, *, name: str) -> None:
        super().__init__(settings, folder, name=name, command=(sys.executable, str(PROGRAM)))

    def tell(self, command: str) -> None:
        """Send one command; a worker that is just dying does not hear it any more."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{command}\n".encode())
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass


class Duty(Enum):
    """What a worker at a post is meant to do."""

    WORK = "work"
    STOP = "stop"
    """It was told to stop; another will take its post."""
    LEAVE = "leave"
    """It was told to stop, and nobody will take its post."""
    GONE = "gone"


@dataclass(slots=True)
class Post:
    """One place for a worker, filled again whenever its worker has failed."""

    name: str
    worker: SteppingWorker
    duty: Duty = Duty.WORK
    asked_at: float = 0.0
    """When it was told to stop (monotonic s)."""
    held: bool = False
    """Not to be filled again for now."""
    codes: list[int] = field(default_factory=list)
    """How its workers have ended."""


class Supervisor:
    """Keeps workers running; a context manager. ``failure`` says what broke the run, if anything.

    Args:
        settings: of all workers.
        folder: where their logs go, one file per post.
        progress: how far the run is; restarts in a row without any progress are a failure.
    """

    def __init__(self, settings: Settings, folder: Path, progress: Callable[[], object]) -> None:
        self.posts: list[Post] = []
        self.failure: str | None = None
        self.killed_late = 0
        """Workers that had not ended some time after they were told to."""
        self._settings = settings
        self._folder = folder
        self._progress = progress
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._seen: object = None
        self._in_vain = 0
        self._thread = threading.Thread(target=self._keep, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for post in self.posts:
            post.worker.kill()

    def add(self) -> Post:
        """One more worker."""
        with self._lock:
            name = f"{self._settings.key_prefix.rstrip(':')}-worker-{len(self.posts) + 1}"
            post = Post(name, SteppingWorker(self._settings, self._folder, name=name))
            self.posts.append(post)
            return post

    def running(self) -> list[Post]:
        """Posts whose worker runs and is meant to."""
        with self._lock:
            return [p for p in self.posts if p.worker.running and p.duty is Duty.WORK]

    def stop(self, post: Post, duty: Duty) -> None:
        """Ask a worker to end (SIGTERM)."""
        with self._lock:
            post.duty, post.asked_at = duty, time.monotonic()
            post.worker.process.terminate()

    def stop_all(self) -> None:
        """Ask all to end in order.

        Raises:
            AssertionError: one did not, or not in time.
        """
        for post in self.running():
            self.stop(post, Duty.LEAVE)
        wait_until(
            "the end of all workers",
            lambda: self.failure or all(post.duty is Duty.GONE for post in self.posts),
            GRACE_S + STOP_WITHIN_S,
        )
        self.check()

    def check(self) -> None:
        """Raise what has broken the run, if anything has."""
        if self.failure:
            raise AssertionError(self.failure)

    def tails(self) -> str:
        """The ends of all logs, with what every task of a worker that still runs is waiting for."""
        for post in self.posts:
            post.worker.tell("stacks")
        time.sleep(STACKS_TOLD_S)
        return "\n\n".join(f"{_state(post)}\n{post.worker.tail()}" for post in self.posts)

    def said(self, words: str) -> int:
        """How often ``words`` are in the logs."""
        return sum(post.worker.said(words) for post in self.posts)

    def last_words(self) -> Counter[str]:
        """How often workers said that they stop for which exception."""
        lines = [line for post in self.posts for line in post.worker.log.splitlines()]
        errors = [orjson.loads(line)["error"] for line in lines if '"worker stops"' in line]
        return Counter(error.partition(":")[0] for error in errors)

    def _keep(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            with self._lock:
                for post in self.posts:
                    if not (post.worker.running or post.held or post.duty is Duty.GONE):
                        self._see_to(post)
                    elif post.duty in (Duty.STOP, Duty.LEAVE):
                        self._hurry(post)

    def _hurry(self, post: Post) -> None:
        """A supervisor's patience ends; with Kafka away a worker may need longer to leave it."""
        if post.worker.running and time.monotonic() - post.asked_at > GRACE_S:
            post.worker.tell("stacks")
            time.sleep(STACKS_TOLD_S)
            post.worker.process.kill()
            self.killed_late += 1

    def _see_to(self, post: Post) -> None:
        code = post.worker.process.returncode
        post.codes.append(code)
        # One that is told to stop may just have failed, or have found no way to leave Kafka.
        unasked = code == 0 and post.duty is Duty.WORK
        if unasked or (code > 0 and code != FAILED):
            self._fail(post, f"ended with {code}")
        elif post.duty is Duty.LEAVE:
            post.duty = Duty.GONE
        else:
            self._refill(post)

    def _refill(self, post: Post) -> None:
        now = self._progress()
        self._in_vain = 0 if now != self._seen else self._in_vain + 1
        self._seen = now
        if self._in_vain > MOST_IN_VAIN:
            self._fail(post, f"and {self._in_vain} restarts in a row have led nowhere")
            return
        post.duty = Duty.WORK
        post.worker = SteppingWorker(self._settings, self._folder, name=post.name)

    def _fail(self, post: Post, how: str) -> None:
        post.duty = Duty.GONE
        self.failure = self.failure or f"{post.name} {how}\n{post.worker.tail()}"


def _state(post: Post) -> str:
    """Name, state and seconds of CPU of a worker."""
    try:
        process = psutil.Process(post.worker.process.pid)
        return f"{post.name}: {process.status()}, {sum(process.cpu_times()[:2]):.0f} s of CPU"
    except psutil.NoSuchProcess:
        return f"{post.name}: ended"
