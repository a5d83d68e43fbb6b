"""What a lane says, it says once: cut off between two steps, or beside another of the viewer's."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from players import an_event

from config.settings import Settings
from streams.catalogue import Catalogue
from streams.signals import SESSIONS, Out
from streams.viewing import knots
from streams.viewing.context import Context
from streams.worker.cache import Cache
from streams.worker.lane import Lane, Shell
from streams.worker.store import Kept, Mark, MemoryStore, Source

SOURCE = ("playback-events", 0)
OTHER = ("playback-events", 1)
NOON_S = 1_750_000_000.0


class PowerCut(Exception):
    """The process is gone."""


class Paper:
    """Takes the place of the broker: keeps what is published, or fails before it does."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.outs: list[Out] = []
        self.cut = False

    async def publish(self, outs: Any, letters: Any) -> None:
        if self.cut:
            raise PowerCut
        self.letters += letters
        self.outs += [out for _, out in outs]

    def sessions(self) -> list[str]:
        """Playbacks whose summary went out, in order."""
        bodies = [orjson.loads(out.body) for out in self.outs if out.topic == SESSIONS]
        return [body["playback_id"] for body in bodies]


class NoCurves:
    async def await_titles(self, _titles: Any) -> None:
        """None are awaited."""

    async def refresh(self, _titles: Any) -> None:
        """There are none."""


async def once(call: Any, *args: Any) -> Any:
    return await call(*args)


async def lanes(kept: Kept, paper: Paper, *sources: Source) -> list[Lane]:
    """Those of a worker that has just been given the partitions."""
    settings = Settings()
    store = MemoryStore(kept)
    marks = await store.claim(sources)
    shell = Shell(
        settings, store, Cache(store, settings.rules, 100), paper, NoCurves(),
        lambda: Context(Catalogue(), settings.rules), once, lambda *_: None, asyncio.Event(),
    )  # fmt: skip
    return [Lane(shell, source, marks.get(source, Mark(-1, 0))) for source in sources]


async def a_lane(kept: Kept, paper: Paper) -> Lane:
    [lane] = await lanes(kept, paper, SOURCE)
    return lane


def records(*events: Any, source: Source = SOURCE) -> list[Any]:
    return [
        SimpleNamespace(
            topic=source[0], partition=source[1], offset=offset, key=event["subject"].encode(),
            value=orjson.dumps(event), headers=(), timestamp=int(NOON_S * 1000) + 10**7,
        )
        for offset, event in enumerate(events)
    ]  # fmt: skip


async def test_a_refusal_that_rests_on_the_viewer_is_told_though_a_crash_came_first(monkeypatch):
    """The viewer's mark has passed the record, so nothing but the outbox remembers it."""
    monkeypatch.setattr(knots, "MAX_STRUCTURAL", 2)
    words = ["started", "paused", "resumed", "paused"]
    given = records(*(an_event("ann", w, NOON_S + n, n) for n, w in enumerate(words)))
    kept, paper = Kept(), Paper()
    paper.cut = True
    with pytest.raises(PowerCut):
        await (await a_lane(kept, paper)).handle(given)
    assert paper.letters == []
    paper.cut = False
    await (await a_lane(kept, paper)).handle(given)
    assert [(it.offset, it.reason, it.value) for it in paper.letters] == [
        (record.offset, "too_many", record.value) for record in given[2:]
    ]
    assert kept.marks[SOURCE].offset == 3


async def test_silence_that_is_long_past_when_it_is_heard_of_is_told_by_any_partition() -> None:
    """Another partition's index has the same viewer at the same time; this one's needs it too."""
    paper = Paper()
    first, second = await lanes(Kept(), paper, SOURCE, OTHER)
    await first.handle(records(an_event("ann", "started", NOON_S, 0, playback_id="on tv")))
    late = [
        an_event("ann", "started", NOON_S + 3600, 0, playback_id="on tablet"),
        an_event("ann", "started", NOON_S, 0, playback_id="on phone"),
    ]
    await second.handle(records(*late, source=OTHER))
    assert paper.sessions() == ["on tv", "on phone"]


async def test_a_playback_told_of_in_two_partitions_closes_in_the_one_where_time_goes_on() -> None:
    paper = Paper()
    first, second = await lanes(Kept(), paper, SOURCE, OTHER)
    await first.handle(records(an_event("ann", "started", NOON_S, 0)))
    more = [an_event("ann", "paused", NOON_S, 0), an_event("bob", "started", NOON_S + 3600, 0)]
    await second.handle(records(*more, source=OTHER))
    assert paper.sessions() == ["p-ann"]
