"""Side inputs: topics that are not decided on but looked up, partition by partition.

Titles are one, what viewers declare is another. Each record is taken in by its own offset, so
doing a slice again, or a worker that lost the partition, changes nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from streams.worker.dispatch import NOTHING_YET
from streams.worker.lane import WAITING
from streams.worker.slices import Gap
from streams.worker.store import NO_TIMERS, Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from config.settings import Settings
    from streams.worker.decoding import DeadLetter
    from streams.worker.publisher import Publisher
    from streams.worker.redis_store import RedisStore
    from streams.worker.store import Source

News = TypeVar("News")


class SideInput(Protocol[News]):
    """One such topic: how its records are read, and where they go."""

    what: str
    """What its records are about, for people."""

    def read(
        self, source: Source, records: Sequence[Any], most_bytes: int
    ) -> tuple[News, list[DeadLetter]]:
        """What a slice says in the end, and what of it cannot be taken."""
        ...

    async def put(self, news: News) -> None:
        """Take it in; doing it again changes nothing, and what was overtaken stays so."""
        ...


class SideLane:
    """How far one partition is, and what is being done about it."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self.now(WAITING)

    def now(self, doing: str) -> None:
        """Say what comes next, for whoever wonders what this lane is waiting for."""
        self.doing, self.doing_since = doing, time.monotonic()


class SideLanes(Generic[News]):
    """Takes slices of a side input in."""

    def __init__(
        self, settings: Settings, store: RedisStore, publisher: Publisher, topic: SideInput[News]
    ) -> None:
        self._settings = settings
        self._store = store
        self._publisher = publisher
        self._input = topic
        self.lanes: dict[Source, SideLane] = {}

    def assign(self, sources: Iterable[Source], marks: Mapping[Source, Mark]) -> None:
        """Start over with these partitions."""
        self.lanes = {at: SideLane(marks.get(at, NOTHING_YET)) for at in sources}

    async def absorb(self, part: Any) -> None:
        """Take one slice in; doing it again changes nothing.

        Raises:
            Gap: records before it came to nobody.
        """
        source: Source = (part.tp.topic, part.tp.partition)
        lane = self.lanes.get(source)
        if lane is None:  # it was begun before a rebalance took the partition away
            lane = SideLane(Mark(part.behind, 0))
        if part.behind > lane.mark.offset:
            raise Gap.of(part, lane.mark.offset)
        news, letters = self._input.read(source, part.records, self._settings.max_value_bytes)
        lane.now(f"writing {self._input.what} to Redis")
        await self._input.put(news)
        lane.now("publishing to Kafka")
        await self._publisher.publish((), letters)
        lane.now("moving the mark in Redis")
        mark = Mark(part.last, 0)
        await self._store.move_mark(source, mark, NO_TIMERS, 0)
        lane.mark = max(lane.mark, mark)  # tried again after a rebalance, it may be behind by now
        lane.now(WAITING)
