"""One partition's worth of an audience, worked off by a lane over a store in memory."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson

from config.settings import Settings
from producers.send import tick
from producers.simulator import Audience, AudienceOptions
from streams.catalogue import Catalogue, parse_title
from streams.signals import lineage_order
from streams.viewing.context import Context
from streams.worker.cache import Cache
from streams.worker.lane import Lane, Shell
from streams.worker.store import Kept, Mark, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = ("playback-events", 0)
MANY_DAYS_S = 40 * 86_400.0


class Notebook:
    """Writes down what is published, in order."""

    def __init__(self) -> None:
        self.said: list[tuple[tuple[int, int, int, int], str, str, str]] = []

    async def publish(self, outs: Any, _letters: Any) -> None:
        ordered = sorted(outs, key=lambda pair: lineage_order(*pair))
        self.said += [(lineage_order(*it), it[1].topic, it[1].key, it[1].body) for it in ordered]


class NoCurves:
    async def await_titles(self, _titles: Any) -> None:
        """None are awaited."""

    async def refresh(self, _titles: Any) -> None:
        """There are none."""


def world(audience: AudienceOptions) -> Context:
    """The catalogue of an audience, without curves."""
    titles = {it["title_id"]: parse_title(it) for it in Audience(audience).catalogue()}
    return Context(Catalogue(titles, {}, {}, 1), Settings(_env_file=None).rules)


def records_of(audience: AudienceOptions) -> tuple[Any, ...]:
    """An audience's records, two jumps of stream time, and one more record after each."""
    found = list(Audience(audience).records())
    last_s = found[-1].time_s
    values = [(it.key, it.value, it.time_s) for it in found]
    for days in (1, 2):
        at_s = last_s + days * MANY_DAYS_S
        values += [(None, tick(at_s), at_s), (b"late", orjson.dumps({}), at_s)]
    return tuple(
        SimpleNamespace(
            topic=SOURCE[0], partition=0, offset=offset, key=key, value=value, headers=(),
            timestamp=int(time_s * 1000),
        )
        for offset, (key, value, time_s) in enumerate(values)
    )  # fmt: skip


async def once(call: Any, *args: Any) -> Any:
    return await call(*args)


async def run(
    records: Sequence[Any], context: Context, cuts: Sequence[int]
) -> tuple[Kept, Notebook]:
    """Everything that is said of records, cut at these places; a new worker takes each part."""
    kept, notebook = Kept(), Notebook()
    chosen = Settings(_env_file=None)
    for begin, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
        store = MemoryStore(kept)
        marks = await store.claim([SOURCE])
        shell = Shell(
            chosen, store, Cache(store, chosen.rules, 100, most_whole=0), notebook, NoCurves(),
            lambda: context, once, lambda *_: None, asyncio.Event(),
        )  # fmt: skip
        lane = Lane(shell, SOURCE, marks.get(SOURCE, Mark(-1, 0)))
        if begin < end:
            await lane.handle(records[begin:end])
    return kept, notebook
