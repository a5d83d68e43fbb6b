"""Outages are waited out with growing pauses, and said once per change and server; bugs are not."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from streams.worker.metrics import OUTAGES
from streams.worker.publisher import BrokerAway, TopicsMissing
from streams.worker.store import StoreAway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
log = structlog.get_logger()
LONGEST_PAUSE_S = 5
BEGINS, OVER = "outage, waiting for it to end", "outage is over, going on"
MISSING, MADE = "topics are missing, waiting for them", "topics are there, going on"
REDIS, KAFKA, TOPICS = "Redis", "Kafka", "Kafka's topics"
ANSWERED = {REDIS: (), KAFKA: (REDIS,), TOPICS: (REDIS, KAFKA)}
"""Who has done its part for a call that fails on another: none gets to Kafka without Redis."""


@dataclass(slots=True)
class Outage:
    """A server that does not do its part, and the calls that wait for it."""

    problem: str
    since: float = field(default_factory=time.monotonic)
    """Monotonic time in s."""
    waiting: set[object] = field(default_factory=set)


class _Again:
    """A call that has failed once: the first attempt is that failure, the next ones are its own."""

    def __init__(self, error: Exception, call: Callable[..., Awaitable[Any]]) -> None:
        self._error: Exception | None = error
        self._call = call

    async def __call__(self, *args: Any) -> Any:
        error, self._error = self._error, None
        if error is not None:
            raise error
        return await self._call(*args)


class Patience:
    """Calls that may meet an outage, tried until they succeed or patience runs out.

    Many lanes make calls side by side. A server is away from the first call that fails on it until
    the last one that did has succeeded.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self.outages: dict[str, Outage] = {}
        """By server: ``REDIS`` or ``KAFKA``; ``TOPICS`` where Kafka answers and lacks them."""

    async def __call__(self, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        """The result of ``call(*args)``.

        Raises:
            StoreAway, BrokerAway: the outage outlasted our patience.
        """
        began = time.monotonic()
        try:
            return await call(*args)
        except (StoreAway, BrokerAway) as error:
            first = _Again(error, call)
        # Made only now: for a call that succeeds, it would cost as much as the call itself.
        caller = object()
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((StoreAway, BrokerAway)),
            wait=wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE_S),
            stop=stop_after_delay(self._most_s - (time.monotonic() - began)),
            before_sleep=partial(self._waits, caller),
            reraise=True,
        )
        try:
            result: T = await retrying(first, *args)
        except BaseException:
            self._leaves(caller, "nobody waits for the outage to end any more", *self.outages)
            raise
        self._leaves(caller, OVER, *self.outages)
        return result

    def _waits(self, caller: object, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        server, problem = _at_fault(error), str(error)
        self._leaves(caller, OVER, *ANSWERED[server])
        if server not in self.outages:
            self.outages[server] = Outage(problem)
            if server != TOPICS:
                OUTAGES.labels(server).inc()
            log.error(
                MISSING if server == TOPICS else BEGINS,
                server=server,
                error=problem,
                at_most_s=self._most_s,
            )
        self.outages[server].problem = problem
        self.outages[server].waiting.add(caller)

    def _leaves(self, caller: object, why: str, *servers: str) -> None:
        for server in servers:
            outage = self.outages.get(server)
            if outage is None or caller not in outage.waiting:
                continue
            outage.waiting.discard(caller)
            if not outage.waiting:
                del self.outages[server]
                after_s = round(time.monotonic() - outage.since, 1)
                made = why == OVER and server == TOPICS
                log.warning(MADE if made else why, server=server, after_s=after_s)


def _at_fault(error: BaseException | None) -> str:
    if isinstance(error, TopicsMissing):
        return TOPICS
    return KAFKA if isinstance(error, BrokerAway) else REDIS
