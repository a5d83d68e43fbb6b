"""What the broker holds beyond what this worker has taken: lag, and proof of quiet.

A partition without new records is quiet only if the broker says so. While it cannot be asked, time
must not move on by the wall clock: what it holds back may be older than that.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from config.kafka import aiokafka_security

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from config.settings import Settings
    from streams.worker.store import Source

log = structlog.get_logger()
LOOK_EVERY_S = 1.0
ANSWER_WITHIN_S = 5.0


class Position(NamedTuple):
    """How far the consumer is in one partition.

    ``next`` is the offset that it reads next, ``handed`` the last one that went to a lane (-1 if
    none did). Beyond ``handed`` there may be records that nobody is to see, such as the markers
    that end a transaction.
    """

    next: int
    handed: int


class End(NamedTuple):
    """The end of a partition, and the monotonic time in s at which the broker was asked."""

    offset: int
    position: Position
    asked_at: float


class Lag:
    """Asks the broker for the ends of the assigned partitions, once a second."""

    def __init__(
        self, settings: Settings, positions: Callable[[], Awaitable[Mapping[Source, Position]]]
    ) -> None:
        self._settings = settings
        self._positions = positions
        self._client: Any = None
        self._ends: dict[Source, End] = {}
        self.away_since: float | None = None
        """Monotonic time in s since which the broker has not answered; None while it does."""
        self.problem = ""
        """What the broker's last failure to answer was."""

    async def keep(self) -> None:
        """Look again and again. Never returns; an outage is noted, not raised."""
        while True:
            try:
                await self.look()
            except (KafkaError, OSError, TimeoutError) as error:
                self._away(error)
            else:
                self._back()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Ask once.

        Raises:
            KafkaError, OSError, TimeoutError: the broker did not answer.
        """
        async with asyncio.timeout(ANSWER_WITHIN_S):
            asked_at = time.monotonic()
            held = await self._positions()
            wanted = {source: TopicPartition(*source) for source in held}
            client = await self._connected()
            ends = await client.end_offsets(wanted.values()) if wanted else {}
        self._ends = {
            source: End(ends[tp], held[source], asked_at)
            for source, tp in wanted.items()
            if tp in ends
        }

    async def _connected(self) -> Any:
        if self._client is None:
            client = AIOKafkaConsumer(
                bootstrap_servers=self._settings.kafka_bootstrap.split(","),
                client_id=f"{self._settings.group}-lag",
                isolation_level="read_committed",
                request_timeout_ms=int(ANSWER_WITHIN_S * 1000),
                **aiokafka_security(self._settings),
            )
            try:
                await client.start()
            except BaseException:
                await client.stop()
                raise
            self._client = client
        return self._client

    def quiet_at(self, source: Source, offset: int) -> float | None:
        """When the broker last said that nothing lies beyond ``offset`` (monotonic s); None if not.

        Args:
            source: a partition.
            offset: the last one of it that is done.
        """
        end = self._ends.get(source)
        if end is None or self.behind(source, offset):
            return None
        return end.asked_at

    def behind(self, source: Source, offset: int) -> int:
        """How many offsets beyond ``offset`` the partition holds, as far as is known."""
        end = self._ends.get(source)
        if end is None or (end.position.next >= end.offset and end.position.handed <= offset):
            return 0
        return max(0, max(end.offset, end.position.handed + 1) - offset - 1)

    def _away(self, error: Exception) -> None:
        self.problem = f"{type(error).__name__}: {error}"
        if self.away_since is None:
            self.away_since = time.monotonic()
            log.error("Kafka does not answer, waiting for it", error=self.problem)

    def _back(self) -> None:
        if self.away_since is not None:
            seconds = time.monotonic() - self.away_since
            self.away_since = None
            log.warning("Kafka answers again", after_s=round(seconds, 1))

    async def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            await self._client.stop()
            self._client = None
