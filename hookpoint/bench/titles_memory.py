"""What one title takes: in a worker's memory, and in Redis."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consumers.connection import connect
from hookpoint.bench.titles_journeys import days_of
from streams.audience.report import report_of
from streams.audience.title import Surroundings
from streams.audience.voices import Table
from streams.audience.wire import load
from streams.catalogue import Catalogue, parse_title
from streams.keys import Keys
from streams.worker.audience_store import RedisAudienceStore
from streams.worker.redis_store import RedisStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config.settings import Settings
    from hookpoint.bench.titles_journeys import Span
    from producers.simulator.catalogue import Title
    from streams.worker.audience_store import StoredTitle


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a title with one season.

    ``counts_bytes`` and ``report_bytes`` are what a worker holds of it: its counts, and its last
    report, from which curves are taken again. The others are keys of Redis (``MEMORY USAGE``):
    private counts, the public report, and who watched it, ever and on each day.
    """

    viewers: int
    records: int
    countries: int
    languages: int
    counts_bytes: int
    report_bytes: int
    audience_bytes: int
    engagement_bytes: int
    viewers_bytes: int

    @property
    def in_memory(self) -> int:
        """All that a worker holds of it."""
        return self.counts_bytes + self.report_bytes


def memory_of(settings: Settings, title: Title, records: int, span: Span) -> Memory:
    """Look at what a worker has written about a title."""
    counts, report = _in_memory(settings, title.facts())
    private, public, viewers = _in_redis(settings, title.title_id, days_of(span))
    reach = (span.countries, span.languages)
    return Memory(span.viewers, records, *reach, counts, report, private, public, viewers)


def _in_memory(settings: Settings, facts: Mapping[str, Any]) -> tuple[int, int]:
    """Bytes of a title's counts, and of its report, as a worker holds what Redis has of it."""
    title_id = str(facts["title_id"])
    stored = asyncio.run(_stored(settings, title_id))
    catalogue = Catalogue({title_id: parse_title(facts)})
    around = Surroundings(catalogue, settings.rules, Table())
    # Once before it counts: what is imported or kept for good meanwhile is no title's.
    report_of(load(title_id, stored.version, stored.parts, stored.out, settings.rules), around)
    tracemalloc.start()
    try:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        title = load(title_id, stored.version, stored.parts, stored.out, settings.rules)
        gc.collect()
        loaded = tracemalloc.get_traced_memory()[0]
        report = report_of(title, around)
        gc.collect()
        reported = tracemalloc.get_traced_memory()[0]
        del title, report
    finally:
        tracemalloc.stop()
    return loaded - before, reported - loaded


async def _stored(settings: Settings, title_id: str) -> StoredTitle:
    store = RedisStore(settings)
    try:
        (found,) = await RedisAudienceStore(settings, store).load([title_id])
        return found
    finally:
        await store.close()


def _in_redis(settings: Settings, title_id: str, days: list[str]) -> tuple[int, int, int]:
    """Bytes of a title's private counts, its report, and the ids of who watched it."""
    keys = Keys(settings.key_prefix)
    names = [keys.audience(title_id), keys.engagement(title_id)]
    names += [keys.viewers(title_id, day) for day in ("", *days)]
    client: Any
    with closing(connect(settings)) as client:
        sizes = [client.memory_usage(name, samples=0) or 0 for name in names]
    return sizes[0], sizes[1], sum(sizes[2:])
