"""Lanes that are ready together share their ways to the store and the broker, and their fate."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from players import an_event

from config.settings import Settings
from streams.catalogue import Catalogue
from streams.viewing.context import Context
from streams.worker import group_commit
from streams.worker.cache import Cache
from streams.worker.group_commit import GroupCommit
from streams.worker.lane import Lane, Shell
from streams.worker.store import Fenced, Kept, Mark, MemoryStore, Source

SOURCES = [("playback-events", number) for number in range(4)]
NOON_S = 1_750_000_000.0


class CountingStore(MemoryStore):
    """Counts the ways that are made, each of which takes a moment."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept)
        self.ways: Counter[str] = Counter()
        self.hangs = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def _way(self, name: str) -> None:
        self.ways[name] += 1
        self.hangs.set()
        await self.may_go_on.wait()

    async def write(self, writes: Any, sources: Any = ()) -> None:
        await self._way("write")
        await super().write(writes, sources)

    async def move_marks(self, moves: Any, most: int) -> Any:
        await self._way("move")
        return await super().move_marks(moves, most)


class Paper:
    def __init__(self) -> None:
        self.published = 0

    async def publish(self, outs: Any, letters: Any) -> None:
        assert not [*outs, *letters], "who starts a playback says nothing yet"
        self.published += 1


class NoCurves:
    async def await_titles(self, _titles: Any) -> None:
        """None are awaited."""

    async def refresh(self, _titles: Any) -> None:
        """There are none."""


async def once(call: Any, *args: Any) -> Any:
    return await call(*args)


class World:
    """A worker's lanes, one for each partition."""

    def __init__(self) -> None:
        self.kept, self.paper = Kept(), Paper()
        self.store = CountingStore(self.kept)
        settings = Settings()
        shell = Shell(
            settings, self.store, Cache(self.store, settings.rules, 100), self.paper, NoCurves(),
            lambda: Context(Catalogue(), settings.rules), once, lambda *_: None, asyncio.Event(),
        )  # fmt: skip
        self.commit = GroupCommit(shell)
        self.lanes = [Lane(shell, source, Mark(-1, 0), self.commit) for source in SOURCES]

    async def claim(self) -> World:
        await self.store.claim(SOURCES)
        for lane in self.lanes:
            await lane.settle()
        self.store.ways.clear()
        return self

    def begin(self, **more: Any) -> list[asyncio.Task[None]]:
        """Every lane is handed a slice in the same turn."""
        return [asyncio.create_task(it.handle(a_slice(it.source, **more))) for it in self.lanes]

    def marks(self) -> list[int]:
        return [self.kept.marks[source].offset for source in SOURCES if source in self.kept.marks]


def a_slice(source: Source, viewers: int = 3, viewer: str = "") -> list[Any]:
    events = [
        an_event(viewer or f"v{source[1]}-{number}", "started", NOON_S + number, 0)
        for number in range(viewers)
    ]
    return [
        SimpleNamespace(
            offset=offset, key=event["subject"].encode(), value=orjson.dumps(event), headers=(),
            timestamp=int(NOON_S * 1000) + 10**7,
        )
        for offset, event in enumerate(events)
    ]  # fmt: skip


async def test_lanes_that_are_ready_together_make_each_way_once():
    world = await World().claim()
    await asyncio.gather(*world.begin())
    assert world.store.ways == {"write": 1, "move": 1}
    assert world.paper.published == 1
    assert world.marks() == [2, 2, 2, 2]
    assert len(world.kept.states) == 12


async def test_long_slices_go_alone(monkeypatch):
    monkeypatch.setattr(group_commit, "TOGETHER_MOST", 5)
    world = await World().claim()
    await asyncio.gather(*world.begin(viewers=6))
    assert world.store.ways == {"write": 4, "move": 4}
    assert world.marks() == [5, 5, 5, 5]


async def test_a_group_that_is_full_leaves_the_rest_to_another(monkeypatch):
    monkeypatch.setattr(group_commit, "TOGETHER_MOST", 6)
    world = await World().claim()
    await asyncio.gather(*world.begin())
    assert world.store.ways == {"write": 2, "move": 2}
    assert world.marks() == [2, 2, 2, 2]


async def test_who_comes_while_a_group_is_on_its_way_does_not_wait_for_it():
    world = await World().claim()
    world.store.may_go_on.clear()
    first = asyncio.create_task(world.lanes[0].handle(a_slice(SOURCES[0])))
    await world.store.hangs.wait()
    world.store.hangs.clear()
    second = asyncio.create_task(world.lanes[1].handle(a_slice(SOURCES[1])))
    await world.store.hangs.wait()
    assert world.store.ways["write"] == 2
    world.store.may_go_on.set()
    await asyncio.gather(first, second)


async def test_a_viewer_of_two_partitions_has_the_marks_of_both():
    world = await World().claim()
    await asyncio.gather(*world.begin(viewer="ann"))
    (state,) = world.kept.states.values()
    assert state.version == 1
    live = orjson.loads(state.live)
    assert live[1] == {f"{topic}/{number}": 2 for topic, number in SOURCES}


async def test_what_one_partition_fails_of_fails_the_group():
    world = await World().claim()
    await MemoryStore(world.kept).claim([SOURCES[2]])
    found = await asyncio.gather(*world.begin(), return_exceptions=True)
    assert [type(it) for it in found] == [Fenced] * 4
    assert world.paper.published == 0
    assert world.marks() == [-1, -1, -1, -1]


async def test_a_group_that_is_cut_short_leaves_no_lane_waiting():
    world = await World().claim()
    world.store.may_go_on.clear()
    tasks = world.begin()
    await world.store.hangs.wait()
    tasks[0].cancel()
    done, pending = await asyncio.wait(tasks, timeout=5)
    assert (len(done), len(pending)) == (4, 0)
    assert all(task.cancelled() for task in done)
    world.store.may_go_on.set()
    await asyncio.gather(*world.begin())
    assert world.marks() == [2, 2, 2, 2]


async def test_the_others_go_on_where_one_is_cancelled_that_only_waits():
    world = await World().claim()
    world.store.may_go_on.clear()
    tasks = world.begin()
    await world.store.hangs.wait()
    tasks[3].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[3]
    world.store.may_go_on.set()
    await asyncio.gather(*tasks[:3])
    assert world.marks() == [2, 2, 2, 2]
