"""Ends a worker that comes no further, from outside of its event loop.

Nothing inside a loop can be trusted to notice that the loop stands still, so a thread looks. What
it finds is said in the log, with what every lane waits for and the stack of every thread, and the
process ends on the spot: a supervisor starts another, which reads on from the marks.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from streams.worker.lane import WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streams.worker.store import Mark, Source

log = structlog.get_logger()
FAILED = 70
"""Exit code (EX_SOFTWARE) of a worker that crashed or was fenced; a supervisor restarts it."""
LOOK_EVERY_S = 1.0
SUSPENDED_S = 3.0
"""A gap this long between two looks means that the whole process did not run, not just its loop."""
SAY_WITHIN_S = 5.0
END_WITHIN_LOOKS = 30
"""So many looks may an orderly end take: without a limit one that hangs is never started again."""
STARVED_TIMES = 5
"""How much longer one lane may get no records while others do: with many partitions and a long
backlog their turn can be a while away."""


class Works(Protocol):
    """Someone who works off one partition: what is seen of a lane from outside.

    Every step is over, or has failed, within ``io_timeout_s``; so a lane comes further exactly if
    its steps change.
    """

    mark: Mark
    doing: str
    doing_since: float


class View(NamedTuple):
    """What progress is judged by. Every part may be called from any thread."""

    lanes: Callable[[], Mapping[Source, Works]]
    behind: Callable[[Source, int], int]
    """How many offsets a partition holds beyond one."""
    excused: Callable[[], bool]
    """Whether there is a reason to stand still: an outage, a rebalance, the start."""


class Still(NamedTuple):
    """A lane that has work: for how long it has come no further, and with what."""

    for_s: float
    doing: str


class Progress:
    """How long the event loop, and each lane that has work, has come no further."""

    def __init__(self, view: View, clock: Callable[[], float] = time.monotonic) -> None:
        self._view = view
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at = self._awake_since = clock()
        self._turned_at: float | None = None
        self._still_since: dict[Works, float] = {}

    def turn(self) -> None:
        """Note that the event loop turns. To be called by a task of it, several times a second."""
        self._turned_at = self._clock()

    def rest(self) -> None:
        """The event loop ends: from here on nobody expects it to turn."""
        self._turned_at = None

    def loop_still_s(self) -> float:
        """For how long the event loop has not turned, in s; 0 before it first did."""
        with self._lock:
            now = self._note_time()
        turned_at = self._turned_at
        return 0.0 if turned_at is None else now - max(turned_at, self._awake_since)

    def _note_time(self) -> float:
        now = self._clock()
        if now - self._looked_at > SUSPENDED_S:
            # Suspended until a moment ago: the loop has its chance first.
            self._awake_since = now
        self._looked_at = now
        return now

    def look(self) -> dict[str, Still]:
        """Note who has moved since the last time; returns those with work, by partition."""
        lanes = dict(self._view.lanes())
        excused = self._view.excused()
        with self._lock:
            now = self._note_time()
            before = self._still_since
            since = {
                lane: max(before.get(lane, now), lane.doing_since, self._awake_since)
                for source, lane in lanes.items()
                if not excused and self._has_work(source, lane)
            }
            self._still_since = since
        return {
            f"{topic}/{number}": Still(now - since[lane], lane.doing)
            for (topic, number), lane in lanes.items()
            if lane in since
        }

    def _has_work(self, source: Source, lane: Works) -> bool:
        return lane.doing != WAITING or self._view.behind(source, lane.mark.offset) > 0

    def stuck(self, after_s: float) -> str | None:
        """Why the worker counts as stuck after standing still for ``after_s``; None if not."""
        loop_s = self.loop_still_s()
        if loop_s >= after_s:
            return f"the event loop has not turned for {loop_s:.0f} s"
        lanes = self.look()
        least_s = min((lane.for_s for lane in lanes.values()), default=0.0)
        if lanes and least_s >= after_s:
            return f"there is work, and no lane has come further for {least_s:.0f} s"
        for name, lane in lanes.items():
            patience_s = after_s * STARVED_TIMES if lane.doing == WAITING else after_s
            if lane.for_s >= patience_s:
                return f"{name} has been {lane.doing} for {lane.for_s:.0f} s"
        return None

    def doings(self) -> dict[str, str]:
        """What every lane is doing, and for how long, for people."""
        now = self._clock()
        return {
            f"{topic}/{number}": f"{lane.doing} for {now - lane.doing_since:.0f} s"
            for (topic, number), lane in dict(self._view.lanes()).items()
        }


class Watchdog:
    """The thread that looks, and ends the process."""

    def __init__(
        self,
        progress: Progress,
        stuck_after_s: float,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._progress = progress
        self._stuck_after_s = stuck_after_s
        self._end = end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look; safe to call again."""
        if not self._thread.is_alive() and not self._stopped.is_set():
            self._thread.start()

    def stop(self) -> None:
        """The worker ends by itself; from here on it is only watched whether it does."""
        self._stopped.set()

    def _keep_looking(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            why = self._progress.stuck(self._stuck_after_s)
            if why is not None:
                self._end_process(why)
                return
        for _ in range(END_WITHIN_LOOKS):  # not the time: a suspended process cannot end
            time.sleep(LOOK_EVERY_S)
        self._end_process("it was to end, and did not")

    def _end_process(self, why: str) -> None:
        # In a thread: what stands still may be the very pipe that the log goes to.
        saying = threading.Thread(target=self._say, args=(why,), daemon=True)
        saying.start()
        saying.join(SAY_WITHIN_S)
        self._end(FAILED)

    def _say(self, why: str) -> None:
        log.critical(
            "worker is stuck, ending it for another to start",
            why=why,
            lanes=self._progress.doings(),
            code=FAILED,
        )
        with contextlib.suppress(OSError, ValueError):  # no stderr to write to
            faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
