"""One partition's work, cut off between two steps: what was said is said again, and only that."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from players import an_event

from config.settings import Settings
from streams.catalogue import Catalogue
from streams.viewing import knots
from streams.viewing.context import Context
from streams.worker.cache import Cache
from streams.worker.lane import Lane, Shell
from streams.worker.store import Kept, Mark, MemoryStore

SOURCE = ("playback-events", 0)
NOON_S = 1_750_000_000.0


class PowerCut(Exception):
    """The process is gone."""


class Paper:
    """Takes the place of the broker: keeps what is published, or fails before it does."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.cut = False

    async def publish(self, _outs: Any, letters: Any) -> None:
        if self.cut:
            raise PowerCut
        self.letters += letters


class NoCurves:
    async def await_titles(self, _titles: Any) -> None:
        """None are awaited."""

    async def refresh(self, _titles: Any) -> None:
        """There are none."""


async def once(call: Any, *args: Any) -> Any:
    return await call(*args)


async def a_lane(kept: Kept, paper: Paper) -> Lane:
    """A worker's lane that has just been given the partition."""
    settings = Settings()
    store = MemoryStore(kept)
    marks = await store.claim([SOURCE])
    shell = Shell(
        settings, store, Cache(store, settings.rules, 100), paper, NoCurves(),
        lambda: Context(Catalogue(), settings.rules), once, lambda *_: None, asyncio.Event(),
    )  # fmt: skip
    return Lane(shell, SOURCE, marks.get(SOURCE, Mark(-1, 0)))


def records(*events: Any) -> list[Any]:
    return [
        SimpleNamespace(
            topic=SOURCE[0], partition=SOURCE[1], offset=offset, key=event["subject"].encode(),
            value=orjson.dumps(event), headers=(), timestamp=int(NOON_S * 1000) + 10**6,
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
