"""Everything that watches a worker: health over HTTP, the watchdog, and what must end it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from config.logging import hush_libraries
from streams.worker.flood import RejectFlood, Rejects
from streams.worker.guard import Guard
from streams.worker.health import Health, Watched
from streams.worker.outage import KAFKA
from streams.worker.publisher import BrokerAway
from streams.worker.watchdog import Watchdog
from streams.worker.web import serve

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from config.settings import Settings
    from streams.worker.lag import Lag
    from streams.worker.outage import Patience
    from streams.worker.redis_store import RedisStore
    from streams.worker.store import Source
    from streams.worker.watchdog import Works

log = structlog.get_logger()
PLACE_WITHIN_S = 120.0
"""How long the group may take to give a worker its place, while all servers answer."""
TICK_MOST_S = 1.0
"""What counts at most between two looks: a process that was suspended has not waited."""


class Supervision:
    """The watchers of one worker."""

    def __init__(
        self,
        settings: Settings,
        patience: Patience,
        lag: Lag,
        store: RedisStore,
        works: Callable[[], Mapping[Source, Works]],
    ) -> None:
        self._settings = settings
        self.rejects = Rejects(settings)
        self.guard = Guard(settings, store, self.ends)
        self.health = Health(settings, Watched(patience, lag, self.rejects, self.guard, works))
        self._watchdog = Watchdog(self.health.progress, self.health.stuck_after_s)
        self._started = False
        self._looked_at = time.monotonic()
        self._without_place_s = 0.0

    def start(self) -> None:
        """Answer over HTTP and let the watchdog loose. Safe to call again.

        Raises:
            CannotServe: another process has the port.
        """
        if self._started:
            return
        self._started = True
        serve(self._settings, self.health)
        self._watchdog.start()

    def stop(self, error: BaseException | None) -> None:
        """The worker ends by itself, in order.

        Args:
            error: what ends it; None if it was told to.
        """
        if error is not None:
            self.ends(error)
        self.health.stops = self.health.stops or "it was told to"
        self._watchdog.stop()

    def ends(self, error: BaseException) -> None:
        """Say once what ends the worker."""
        if not self.health.stops:
            self.health.stops = f"{type(error).__name__}: {error}"
            log.critical("worker stops", error=self.health.stops)
            hush_libraries(error)

    def fatal(self, *lanes: asyncio.Future[None] | None) -> BaseException | None:
        """What must end the worker now, if anything; it is said in the log.

        Args:
            lanes: done where a lane of that kind has failed, which has been said.
        """
        failed = next((it for it in lanes if it is not None and it.done()), None)
        if failed is not None:
            error = failed.exception()
            self.health.stops = self.health.stops or f"{type(error).__name__}: {error}"
            hush_libraries(error)
            return error
        found = self._without_place() or self._away_for_too_long() or self._flooded()
        if found is not None:
            self.ends(found)
        return found

    def _without_place(self) -> Exception | None:
        """A group that cannot be joined: its coordinator gives up without a word."""
        now = time.monotonic()
        if self.health.has_place or self.health.away():
            self._without_place_s = 0.0
        else:
            self._without_place_s += min(now - self._looked_at, TICK_MOST_S)
        self._looked_at = now
        if self._without_place_s < PLACE_WITHIN_S:
            return None
        return TimeoutError(f"no place in the group after {PLACE_WITHIN_S:.0f} s")

    def _away_for_too_long(self) -> Exception | None:
        """As a lane that meets the outage, so an idle worker gives up in the end."""
        kafka = self.health.away().get(KAFKA)
        if kafka is None or kafka.for_s < self._settings.outage_max_s:
            return None
        return BrokerAway(f"away for {kafka.for_s:.0f} s: {kafka.problem}")

    def _flooded(self) -> Exception | None:
        flood = self.rejects.flood()
        if flood is None or not self._settings.reject_flood_stops:
            return None
        return RejectFlood(f"{flood}; HOOKPOINT_REJECT_FLOOD_STOPS says to end here")
