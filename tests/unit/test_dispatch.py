"""Handing slices to lanes, while partitions come and go."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from faust.types import TP

from streams.worker import dispatch
from streams.worker.slices import Gap
from streams.worker.store import NO_TIMERS, Mark, MemoryStore

SOURCE, OTHER = ("playback-events", 0), ("playback-events", 1)
SLICE_MAX = 10


class SlowLane:
    """A lane that is done with a slice when it is told."""

    mark = None
    free_at = 0.0

    def __init__(self, *_) -> None:
        self.handled: list[list[int]] = []
        self.begun = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def handle(self, records) -> None:
        self.handled.append(list(records))
        self.begun.set()
        await self.goes_on.wait()

    async def idle(self) -> None:
        """Nothing to do."""

    async def leave(self) -> None:
        """Nothing is owed."""


class Slice(SimpleNamespace):
    """A Faust event whose value is a slice."""

    def __init__(self, *offsets, source=SOURCE, behind=-1) -> None:
        message = SimpleNamespace(topic=source[0], partition=source[1])
        value = SimpleNamespace(
            tp=TP(*source), records=list(offsets), first=offsets[0], last=offsets[-1], behind=behind
        )
        super().__init__(message=message, value=value)
        self.acked = asyncio.Event()

    def ack(self) -> None:
        self.acked.set()


@pytest.fixture
async def dispatcher(monkeypatch):
    async def at_once(call, *args):
        return await call(*args)

    monkeypatch.setattr(dispatch, "Lane", SlowLane)
    monkeypatch.setattr(dispatch, "FINISH_S", 0.01)
    ready = asyncio.Event()
    ready.set()
    shell = SimpleNamespace(
        ready=ready,
        retry=at_once,
        store=MemoryStore(),
        cache=SimpleNamespace(clear=lambda: None),
        settings=SimpleNamespace(slice_max=SLICE_MAX),
    )
    found = dispatch.Dispatcher(dispatch.ViewerLanes(shell))
    yield found
    await found.stop()


async def soon(event):
    await asyncio.wait_for(event.wait(), 1)


async def busy_with_a_slice(dispatcher, source=SOURCE):
    lane = dispatcher.lanes[source]
    dispatcher.submit(Slice(0, source=source))
    await soon(lane.begun)
    return lane


async def test_slices_that_came_while_their_lane_was_busy_are_done_as_one_and_in_order(dispatcher):
    await dispatcher.assign([SOURCE])
    lane = await busy_with_a_slice(dispatcher)
    waiting = [Slice(1, 2), Slice(3), Slice(5, 6, 7)]
    for event in waiting:
        dispatcher.submit(event)
    lane.goes_on.set()
    await soon(waiting[-1].acked)
    assert lane.handled == [[0], [1, 2, 3, 5, 6, 7]]
    assert all(event.acked.is_set() for event in waiting)


async def test_what_is_done_as_one_is_no_longer_than_a_slice_may_be(dispatcher):
    await dispatcher.assign([SOURCE])
    lane = await busy_with_a_slice(dispatcher)
    waiting = [Slice(*range(1, 7)), Slice(*range(7, 11)), Slice(11), Slice(*range(12, 30))]
    for event in waiting:
        dispatcher.submit(event)
    lane.goes_on.set()
    await soon(waiting[-1].acked)
    assert lane.handled == [[0], list(range(1, 11)), [11], list(range(12, 30))]


async def test_nothing_is_acked_before_its_lane_is_done_with_it(dispatcher):
    await dispatcher.assign([SOURCE])
    lane = await busy_with_a_slice(dispatcher)
    lane.begun.clear()
    waiting = [Slice(1), Slice(2)]
    for event in waiting:
        dispatcher.submit(event)
    lane.goes_on.set()
    lane.goes_on = asyncio.Event()
    await soon(lane.begun)
    assert not any(event.acked.is_set() for event in waiting)


async def test_a_lane_with_much_to_do_holds_up_no_other(dispatcher):
    await dispatcher.assign([SOURCE, OTHER])
    await busy_with_a_slice(dispatcher)
    for offset in range(1, 10 * SLICE_MAX):
        dispatcher.submit(Slice(offset))
    await busy_with_a_slice(dispatcher, OTHER)


async def test_a_slice_from_before_a_rebalance_is_left_to_whoever_owns_its_partition_now(
    dispatcher,
):
    await dispatcher.assign([SOURCE])
    await dispatcher.stop()
    late = Slice(1)
    dispatcher.submit(late)
    assert not late.acked.is_set()


async def test_after_a_rebalance_the_same_partition_takes_slices_again(dispatcher):
    await dispatcher.assign([SOURCE])
    await busy_with_a_slice(dispatcher)
    dispatcher.submit(Slice(1))
    await dispatcher.assign([SOURCE])
    lane = await busy_with_a_slice(dispatcher)
    assert lane.handled == [[0]], "what waited before is read again from the mark"


async def test_a_slice_before_which_another_was_let_go_goes_to_no_lane(dispatcher):
    await dispatcher.assign([SOURCE])
    lane = await busy_with_a_slice(dispatcher)
    dispatcher.submit(Slice(1, 2, behind=0))
    with pytest.raises(Gap, match=r"playback-events/0 from 3 to 4 .* 7 is the next"):
        dispatcher.submit(Slice(7, 8, behind=4))
    assert lane.handled == [[0]]


async def test_the_first_slice_may_not_lie_beyond_what_follows_the_mark(dispatcher):
    await dispatcher._kind._shell.store.move_mark(SOURCE, Mark(5, 0), NO_TIMERS, 0)
    await dispatcher.assign([SOURCE])
    with pytest.raises(Gap, match="from 6 to 6"):
        dispatcher.submit(Slice(7, behind=6))
    dispatcher.submit(Slice(6, behind=5))


async def test_holes_that_compaction_or_transactions_left_are_no_gaps(dispatcher):
    await dispatcher.assign([SOURCE])
    for event in (Slice(3, 9, behind=-1), Slice(12, behind=9), Slice(40, 41, behind=12)):
        dispatcher.submit(event)


async def test_what_is_handed_out_again_is_no_gap(dispatcher):
    await dispatcher.assign([SOURCE])
    for event in (Slice(0, 1, 2), Slice(1, behind=0), Slice(2, 3, behind=1), Slice(4, behind=3)):
        dispatcher.submit(event)


async def test_what_makes_a_lane_fail_meets_the_next_slice(dispatcher):
    await dispatcher.assign([SOURCE])
    dispatcher.failed.set_exception(RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        dispatcher.submit(Slice(1))


async def test_records_gather_until_the_lane_wants_them() -> None:
    inbox, begun = dispatch.Inbox(), time.monotonic()
    inbox.put(Slice(1, 2))
    taking = asyncio.create_task(inbox.take(SLICE_MAX, 1.0, begun + 0.2))
    await asyncio.sleep(0)
    inbox.put(Slice(3))
    taken = await taking
    assert time.monotonic() - begun >= 0.2
    assert [it.value.records for it in taken] == [[1, 2], [3]]


async def test_records_of_which_many_wait_do_not_gather_any_longer() -> None:
    inbox, begun = dispatch.Inbox(), time.monotonic()
    inbox.put(Slice(1))
    taking = asyncio.create_task(inbox.take(SLICE_MAX, 1.0, begun + 60))
    await asyncio.sleep(0)
    inbox.put(Slice(2, 3, 4, 5))
    taken = await asyncio.wait_for(taking, 10)
    assert [it.value.records for it in taken] == [[1], [2, 3, 4, 5]]
