"""Outages are waited out with growing pauses, and said once per change; bugs are not."""

from __future__ import annotations

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
from streams.worker.publisher import BrokerAway
from streams.worker.store import StoreAway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
log = structlog.get_logger()
LONGEST_PAUSE_S = 10


class Patience:
    """Calls that may meet an outage, tried until they succeed or patience runs out."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self.away = False

    async def __call__(self, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        """The result of ``call(*args)``.

        Raises:
            StoreAway, BrokerAway: the outage outlasted our patience.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((StoreAway, BrokerAway)),
            wait=wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE_S),
            stop=stop_after_delay(self._most_s),
            before_sleep=self._waiting,
            reraise=True,
        )
        result: T = await retrying(call, *args)
        if self.away:
            self.away = False
            log.warning("outage is over, going on")
        return result

    def _waiting(self, state: RetryCallState) -> None:
        if not self.away:
            self.away = True
            OUTAGES.inc()
            error = state.outcome.exception() if state.outcome else None
            log.error("outage, waiting for it to end", error=str(error), at_most_s=self._most_s)
