"""Whether this worker is ready, and why not: the one place that knows.

The event loop tells it what happens; a web server asks it from a thread of its own, so nothing here
waits for the loop.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from streams.worker import metrics
from streams.worker.outage import KAFKA, REDIS, TOPICS
from streams.worker.watchdog import Progress, View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from config.settings import Settings
    from streams.worker.flood import Rejects
    from streams.worker.guard import Guard
    from streams.worker.lag import Lag
    from streams.worker.outage import Patience
    from streams.worker.store import Source
    from streams.worker.watchdog import Works

log = structlog.get_logger()
TURN_EVERY_S = 0.25
LOOK_EVERY_S = 1.0


class Watched(NamedTuple):
    """What the rest of the worker knows of itself."""

    patience: Patience
    lag: Lag
    rejects: Rejects
    guard: Guard
    lanes: Callable[[], Mapping[Source, Works]]


class Away(NamedTuple):
    """A server that does not do its part."""

    for_s: float
    problem: str


class Reason(NamedTuple):
    """Why the worker is not ready: one word that stays the same, and a sentence."""

    kind: str
    text: str


class Health:
    """What the worker is waiting for, if anything."""

    def __init__(self, settings: Settings, watched: Watched) -> None:
        self._settings = settings
        self._watched = watched
        self.stuck_after_s = max(settings.stuck_after_s, 2 * settings.io_timeout_s)
        self.progress = Progress(View(watched.lanes, watched.lag.behind, self._excused))
        self.began = time.monotonic()
        self.starting = "the worker is starting"
        """What the start waits for; empty once it is over."""
        self.has_place = False
        """Whether the group has given this worker its partitions, be it none."""
        self.knows_catalogue = False
        self.stops = ""
        """Why the worker ends; empty while it does not."""
        self._said: frozenset[str] | None = None
        self._gauged: set[str] = set()

    # -- told by the event loop ------------------------------------------------------------------
    async def keep(self) -> None:
        """Note that the loop turns, say each change once, keep the gauges. Never returns."""
        # Asked for when it is read: a loop that stands still would leave it at 1.
        metrics.READY.set_function(lambda: float(not self.why()))
        looked_at = 0.0
        try:
            while True:
                self.progress.turn()
                now = time.monotonic()
                if now - looked_at >= LOOK_EVERY_S:
                    looked_at = now
                    self._watched.rejects.sample()
                    self._gauge()
                self.say()
                await asyncio.sleep(TURN_EVERY_S)
        finally:
            self.progress.rest()

    def say(self) -> None:
        """Log that the worker is ready, or why not, if that has changed."""
        reasons = self.why()
        kinds = frozenset(reason.kind for reason in reasons)
        if kinds == self._said:
            return
        if not kinds:
            log.info("worker is ready", partitions=len(self._watched.lanes()))
        else:
            tell = log.info if self._said is None or self.starting or self.stops else log.warning
            tell("worker is not ready", why=[reason.text for reason in reasons])
        self._said = kinds

    def _gauge(self) -> None:
        away = self.away()
        for server in (REDIS, KAFKA):
            metrics.AWAY.labels(server).set(away[server].for_s if server in away else 0)
        partitions = self._partitions()
        for name in self._gauged - partitions.keys():
            metrics.LAG.remove(name)
        for name, lane in partitions.items():
            metrics.LAG.labels(name).set(lane["lag"])
        self._gauged = set(partitions)

    # -- asked from any thread -------------------------------------------------------------------
    def alive(self) -> str | None:
        """Why the process should be ended from outside; None if it should not."""
        still_s = self.progress.loop_still_s()
        if still_s < self.stuck_after_s:
            return None
        return f"the event loop has not turned for {still_s:.0f} s"

    def why(self) -> list[Reason]:
        """Every reason not to count on this worker now; none if it is ready."""
        found = [
            Reason(
                server.lower(),
                f"{server} has been away for {it.for_s:.0f} s: {it.problem.removesuffix(': ')}",
            )
            for server, it in self.away().items()
        ]
        lacking = self._watched.patience.outages.get(TOPICS)
        if lacking is not None:
            found.append(Reason("topics", lacking.problem))
        if self.stops:
            found.append(Reason("stops", f"the worker ends: {self.stops}"))
        elif self.starting:
            found.append(Reason("starting", self.starting))
        elif not self.has_place:
            found.append(Reason("group", "the worker has no place in the consumer group yet"))
        elif not self.knows_catalogue:
            found.append(Reason("catalogue", "titles that were sent earlier are still being read"))
        missing = sorted(self._watched.guard.missing)
        if missing:
            found.append(Reason("topics", f"the broker knows no topic {', '.join(missing)}"))
        flood = self._watched.rejects.flood()
        if flood:
            found.append(Reason("flood", flood))
        stuck = self.progress.stuck(self.stuck_after_s / 2)
        if stuck:
            found.append(Reason("progress", stuck))
        return found

    def away(self) -> dict[str, Away]:
        """The servers that do not answer, or refuse, by name."""
        now = time.monotonic()
        found = {
            server: Away(now - outage.since, outage.problem)
            for server, outage in dict(self._watched.patience.outages).items()
            if server != TOPICS
        }
        lag = self._watched.lag
        since, problem = lag.away_since, lag.problem
        if since is not None and (KAFKA not in found or now - since > found[KAFKA].for_s):
            found[KAFKA] = Away(now - since, problem)
        return found

    def _excused(self) -> bool:
        settled = self.has_place and self.knows_catalogue and not self.starting and not self.stops
        return bool(self.away()) or not settled

    def report(self) -> dict[str, Any]:
        """All that ``/readyz`` tells."""
        why = self.why()
        rejects = self._watched.rejects
        return {
            "ready": not why,
            "why": [reason.text for reason in why],
            "up_s": round(time.monotonic() - self.began, 1),
            "partitions": self._partitions(),
            "outages": {
                server: {"for_s": round(it.for_s, 1), "problem": it.problem}
                for server, it in self.away().items()
            },
            "rejects": {
                "window_s": self._settings.reject_flood_window_s,
                "share": round(rejects.share, 4),
                "reasons": dict(rejects.rejected),
            },
        }

    def _partitions(self) -> dict[str, dict[str, Any]]:
        now = time.monotonic()
        return {
            f"{source[0]}/{source[1]}": {
                "mark": lane.mark.offset,
                "lag": self._watched.lag.behind(source, lane.mark.offset),
                "doing": lane.doing,
                "for_s": round(now - lane.doing_since, 1),
            }
            for source, lane in sorted(dict(self._watched.lanes()).items())
        }
