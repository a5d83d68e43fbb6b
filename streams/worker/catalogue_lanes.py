"""The catalogue agent: one partition of the ``titles`` topic after the other, seen as lanes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from streams.worker.catalogue_store import read_titles
from streams.worker.dispatch import NOTHING_YET
from streams.worker.lane import WAITING
from streams.worker.store import NO_TIMERS, Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from config.settings import Settings
    from streams.worker.catalogue_store import CatalogueStore
    from streams.worker.publisher import Publisher
    from streams.worker.redis_store import RedisStore
    from streams.worker.store import Source


class CatalogueLane:
    """How far one partition of titles is, and what is being done about it."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self.now(WAITING)

    def now(self, doing: str) -> None:
        """Say what comes next, for whoever wonders what this lane is waiting for."""
        self.doing, self.doing_since = doing, time.monotonic()


class CatalogueLanes:
    """Takes slices of titles into the catalogue."""

    def __init__(
        self, settings: Settings, store: RedisStore, titles: CatalogueStore, publisher: Publisher
    ) -> None:
        self._settings = settings
        self._store = store
        self._titles = titles
        self._publisher = publisher
        self.lanes: dict[Source, CatalogueLane] = {}

    def assign(self, sources: Iterable[Source], marks: Mapping[Source, Mark]) -> None:
        """Start over with these partitions."""
        self.lanes = {at: CatalogueLane(marks.get(at, NOTHING_YET)) for at in sources}

    async def absorb(self, part: Any) -> None:
        """Take one slice in; doing it again changes nothing."""
        source: Source = (part.tp.topic, part.tp.partition)
        lane = self.lanes.get(source) or CatalogueLane(NOTHING_YET)
        titles, letters = read_titles(source, part.records, self._settings.max_value_bytes)
        lane.now("writing titles to Redis")
        await self._titles.put(titles)
        lane.now("publishing to Kafka")
        await self._publisher.publish((), letters)
        lane.now("moving the mark in Redis")
        mark = Mark(part.last, 0)
        await self._store.move_mark(source, mark, NO_TIMERS, 0)
        lane.mark = mark
        lane.now(WAITING)
