"""Wherever slices begin and end, the same is said, under the same lineage, in the same order.

So a store that comes back older than it was, and is told everything anew in other slices, makes no
record that a reader with a mark per source partition would take for news.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from decided_state import decided
from hypothesis import given, settings
from hypothesis import strategies as st
from one_partition import records_of, run, world
from strategies import RULES

from producers.simulator import AudienceOptions
from streams.worker import lane as lanes

if TYPE_CHECKING:
    from one_partition import Notebook

    from streams.worker.store import Kept

OPTIONS = AudienceOptions(
    viewers=12, titles=6, weeks=0.6, seed=3, messy_share=0.5, late_share=0.2, keep_truth=False
)
STREAM, WORLD = records_of(OPTIONS), world(OPTIONS)


@cache
def in_one_go() -> tuple[Kept, Notebook]:
    return asyncio.run(run(STREAM, WORLD, []))


def public(kept: Kept) -> tuple[Any, ...]:
    states = {name: decided(name, it, RULES) for name, it in kept.states.items()}
    return states, kept.taste, kept.progress, kept.hooked, kept.marks, kept.timers


def test_the_stream_says_enough_by_timers_to_be_a_test():
    _, notebook = in_one_go()
    by_timers = [lineage for lineage, *_ in notebook.said if lineage[1]]
    assert len(by_timers) > 25
    assert len({lineage[0] for lineage in by_timers}) > 10


@pytest.mark.parametrize(("within", "at_once"), [(2000, 500), (2, 2), (1, 3)])
@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
@settings(max_examples=10)
def test_slices_change_neither_what_is_said_nor_its_lineage_nor_its_order(within, at_once, cuts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "DUE_WITHIN", within)
        patch.setattr(lanes, "DUE_AT_ONCE", at_once)
        kept, notebook = asyncio.run(run(STREAM, WORLD, cuts))
    expected_kept, expected = in_one_go()
    assert notebook.said == expected.said
    lineages = [lineage for lineage, *_ in notebook.said]
    assert lineages == sorted(lineages)
    assert public(kept)[:-1] == public(expected_kept)[:-1]
