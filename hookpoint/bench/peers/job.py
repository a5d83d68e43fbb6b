"""What a peer is told, and the keys that it writes: the contract between the bench and a peer."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

REDIS_VARIABLE = "PEER_REDIS_URL"
PARENT_EVERY_S = 1.0
EVENTS, STOPPED = "events", "stopped"


@dataclass(frozen=True, slots=True)
class Job:
    """One round of one peer: its only argument, as JSON.

    The address of Redis, which may hold a password, comes in ``PEER_REDIS_URL``.
    """

    broker: str
    topic: str
    group: str
    prefix: str
    """Goes before every key."""
    catalogue: str
    """A file: JSON, title id to its genres. Reference data, known before the first event."""
    session_timeout_s: float
    batch: int
    """Records at once at most, as many as a slice of hookpoint's."""
    stop_events: int
    """Take no more after so many events ..."""
    stop_s: float
    """... or so many seconds after the first; 0 and 0: no end."""

    def text(self) -> str:
        """The argument."""
        return json.dumps(asdict(self))

    def genres(self) -> dict[str, list[str]]:
        """Title id to its genres."""
        genres: dict[str, list[str]] = json.loads(Path(self.catalogue).read_bytes())
        return genres

    @property
    def absorbed_key(self) -> str:
        """See ``absorbed_key``."""
        return absorbed_key(self.prefix)

    def profile_key(self, viewer: str) -> str:
        """See ``profile_key``."""
        return profile_key(self.prefix, viewer)


def absorbed_key(prefix: str) -> str:
    """A hash: ``events`` absorbed, next offset by partition, ``stopped`` 1 if it takes no more."""
    return f"{prefix}peer:absorbed"


def profile_key(prefix: str, viewer: str) -> str:
    """A hash: ``watched_s`` and ``genre:drama`` ..., in seconds."""
    return f"{prefix}peer:{{{viewer}}}"


def job_of_arguments() -> tuple[Job, str]:
    """The job of this process, and the address of Redis."""
    job = Job(**json.loads(sys.argv[1]))
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    return job, os.environ[REDIS_VARIABLE]


def _end_with_parent(parent: int) -> None:
    """A bench that was killed must not leave its peers behind."""
    while os.getppid() == parent:
        time.sleep(PARENT_EVERY_S)
    os._exit(1)


class Limit:
    """When a slow peer has done enough."""

    def __init__(self, job: Job) -> None:
        self._events, self._seconds = job.stop_events, job.stop_s
        self._since: float | None = None

    def reached(self, events: int) -> bool:
        """Whether ``events``, or the time since the first call, are enough."""
        now = time.monotonic()
        self._since = self._since or now
        if self._events and events >= self._events:
            return True
        return bool(self._seconds) and now - self._since >= self._seconds


def progress(events: int, positions: Mapping[int, int], *, stopped: bool) -> dict[str, int]:
    """Fields of ``absorbed_key``."""
    fields = {str(partition): offset for partition, offset in positions.items()}
    return fields | {EVENTS: events, STOPPED: int(stopped)}
