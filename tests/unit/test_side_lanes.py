"""Side inputs: each slice is taken in once it is known that none before it was let go."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from faust.types import TP

from streams.worker.side_lanes import SideLanes
from streams.worker.slices import Gap, Slice
from streams.worker.store import Mark, MemoryStore

SOURCE = ("titles", 0)


class Input:
    """What is taken in, as it comes."""

    what = "titles"

    def __init__(self):
        self.taken = []

    def read(self, _source, records, _most_bytes):
        return [record.offset for record in records], []

    async def put(self, news):
        self.taken.append(news)


class Publisher:
    async def publish(self, _outs, letters):
        assert not letters


@pytest.fixture
def lanes():
    settings = SimpleNamespace(max_value_bytes=1000)
    made = SideLanes(settings, MemoryStore(), Publisher(), Input())
    made.assign([SOURCE], {SOURCE: Mark(5, 0)})
    return made


def a_slice(*offsets, behind):
    return Slice(TP(*SOURCE), [SimpleNamespace(offset=offset) for offset in offsets], behind)


async def test_a_slice_that_follows_the_mark_moves_it(lanes):
    await lanes.absorb(a_slice(6, 7, behind=5))
    assert lanes.lanes[SOURCE].mark.offset == 7
    assert lanes._input.taken == [[6, 7]]


async def test_a_slice_before_which_another_was_let_go_is_not_taken_in(lanes):
    with pytest.raises(Gap, match=r"titles/0 from 6 to 8"):
        await lanes.absorb(a_slice(9, behind=8))
    assert lanes._input.taken == []
    assert lanes.lanes[SOURCE].mark.offset == 5


async def test_offsets_that_compaction_left_out_are_no_gap(lanes):
    await lanes.absorb(a_slice(20, behind=5))
    await lanes.absorb(a_slice(31, 40, behind=20))
    assert lanes.lanes[SOURCE].mark.offset == 40


async def test_an_old_slice_that_is_tried_again_after_a_rebalance_takes_the_mark_nowhere(lanes):
    await lanes.absorb(a_slice(3, 4, behind=2))
    assert lanes.lanes[SOURCE].mark.offset == 5
    await lanes.absorb(a_slice(6, behind=5))


async def test_a_slice_of_a_partition_that_was_taken_away_is_taken_in_all_the_same(lanes):
    lanes.assign([], {})
    await lanes.absorb(a_slice(9, behind=8))
    assert lanes._input.taken == [[9]]
