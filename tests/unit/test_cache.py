"""Viewers in a worker's memory: bounded, and never taken from under a lane."""

from __future__ import annotations

import asyncio

from streams.rules import Rules
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
