"""Viewers in a worker's memory: bounded, and never taken from under a lane."""

from __future__ import annotations

import asyncio

from strategies import DAY, T0, event

from streams.catalogue import Catalogue
from streams.rules import Rules
from streams.viewing.context import Context
from streams.viewing.knots import Kind
from streams.viewing.public import write_of
from streams.viewing.viewer import Viewer
from streams.worker.cache import Cache
from streams.worker.store import MemoryStore

RULES = Rules()


class SlowStore(MemoryStore):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()

    async def load(self, viewers):
        await self.answer.wait()
        return await super().load(viewers)


async def test_the_least_recently_used_go_first() -> None:
    cache = Cache(MemoryStore(), RULES, most=2)
    [kept, _] = await cache.get(["a", "b"])
    await cache.get(["a"])
    await cache.get(["c"])
    cache.trim()
    [a] = await cache.get(["a"])
    assert a is kept
    assert len(cache._entries) == 2


async def cached(names: list[str], most_whole: int) -> Cache:
    """Viewers who have a past, in the order in which they came."""
    store = MemoryStore()
    context = Context(Catalogue(), RULES)
    writes = []
    for name in names:
        viewer = Viewer(name, RULES)
        viewer.absorb("events/0", 0, T0, event(Kind.START, T0, 0), context)
        viewer.fire(T0 + 2 * DAY, context)
        writes.append(write_of(viewer, context))
    await store.write(writes)
    cache = Cache(store, RULES, most=10, most_whole=most_whole)
    for name in names:
        async with cache.borrowed([name]):
            pass
    return cache


def whole(cache: Cache) -> list[str]:
    return [name for name, entry in cache._entries.items() if not entry.viewer.away]


async def test_only_the_last_to_come_are_held_whole() -> None:
    cache = await cached(["a", "b", "c", "d"], most_whole=2)
    assert len(cache._entries) == 4
    assert whole(cache) == ["c", "d"]


async def test_who_is_needed_whole_again_takes_the_place_of_another() -> None:
    cache = await cached(["a", "b", "c"], most_whole=2)
    async with cache.borrowed(["a"]) as [entry]:
        assert not entry.viewer.episodes
        entry.viewer.recall()
        assert entry.viewer.episodes
    assert sorted(whole(cache)) == ["a", "c"]


async def test_a_viewer_that_a_lane_works_on_stays_whole() -> None:
    cache = await cached(["c", "d", "a"], most_whole=2)
    async with cache.borrowed(["a"]):
        for name in "cd":
            async with cache.borrowed([name]) as [entry]:
                entry.viewer.recall()
        assert "a" in whole(cache)
    assert len(whole(cache)) == 2


async def test_a_viewer_that_goes_while_others_are_loaded_stays_with_the_lane() -> None:
    store = SlowStore()
    cache = Cache(store, RULES, most=1)
    store.answer.set()
    [held] = await cache.get(["a"])
    store.answer.clear()
    loading = asyncio.create_task(cache.get(["a", "b"]))
    await asyncio.sleep(0)
    cache.clear()
    store.answer.set()
    [a, b] = await loading
    assert a is held
    assert b.viewer.name == "b"
