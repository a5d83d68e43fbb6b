"""Handing slices to lanes, while partitions come and go."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from streams.worker import dispatch
from streams.worker.store import MemoryStore

SOURCE = ("playback-events", 0)


class BusyLane:
    """A lane that is never done with its first slice."""

    mark = None

    def __init__(self, *_) -> None:
        self.handled = 0

    async def handle(self, _records) -> None:
        self.handled += 1
        await asyncio.Event().wait()


def a_slice():
    message = SimpleNamespace(topic=SOURCE[0], partition=SOURCE[1])
    return SimpleNamespace(message=message, value=SimpleNamespace(records=[]), ack=lambda: None)


@pytest.fixture
async def dispatcher(monkeypatch):
    async def at_once(call, *args):
        return await call(*args)

    monkeypatch.setattr(dispatch, "Lane", BusyLane)
    monkeypatch.setattr(dispatch, "FINISH_S", 0.01)
    ready = asyncio.Event()
    ready.set()
    cache = SimpleNamespace(clear=lambda: None)
    shell = SimpleNamespace(ready=ready, retry=at_once, store=MemoryStore(), cache=cache)
    found = dispatch.Dispatcher(shell)
    yield found
    await found.stop()


async def fill_up(dispatcher):
    """Hand over slices until one has to wait; returns the one that waits."""
    while True:
        handing = asyncio.create_task(dispatcher.submit(a_slice()))
        done, _ = await asyncio.wait({handing}, timeout=0.05)
        if not done:
            return handing


async def test_a_slice_that_waits_for_its_lane_is_let_go_when_the_partition_is_taken_away(
    dispatcher,
):
    """Or else the agent that hands it over would wait for ever, for a lane that is gone."""
    await dispatcher.assign([SOURCE])
    waiting = await fill_up(dispatcher)
    await dispatcher.stop()
    await asyncio.wait_for(waiting, 1)


async def test_after_a_rebalance_the_same_partition_takes_slices_again(dispatcher):
    await dispatcher.assign([SOURCE])
    waiting = await fill_up(dispatcher)
    await dispatcher.assign([SOURCE])
    await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(dispatcher.submit(a_slice()), 1)
    await asyncio.sleep(0)
    assert dispatcher.lanes[SOURCE].handled == 1


async def test_what_makes_a_lane_fail_meets_a_slice_that_waits_for_it(dispatcher):
    await dispatcher.assign([SOURCE])
    waiting = await fill_up(dispatcher)
    dispatcher.failed.set_exception(RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        await asyncio.wait_for(waiting, 1)
