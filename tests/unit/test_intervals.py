"""Sets of intervals: against sets of integers, which are slow and surely right."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.viewing import intervals as iv

PIECES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12)


def numbers(pieces: list[tuple[int, int]] | iv.Intervals) -> set[int]:
    return {n for a, b in pieces for n in range(a, b)}


def built(pieces: list[tuple[int, int]]) -> iv.Intervals:
    found: iv.Intervals = []
    for start, end in pieces:
        iv.add(found, start, end)
    return found


@given(PIECES)
def test_adding_says_how_much_was_new(pieces: list[tuple[int, int]]) -> None:
    found: iv.Intervals = []
    for i, (start, end) in enumerate(pieces):
        fresh = numbers([(start, end)]) - numbers(pieces[:i])
        assert iv.add(found, start, end) == len(fresh)


@given(PIECES)
def test_a_set_is_sorted_disjoint_and_merged_and_holds_what_was_added(
    pieces: list[tuple[int, int]],
) -> None:
    found = built(pieces)
    assert numbers(found) == numbers(pieces)
    assert all(a < b for a, b in found)
    assert all(one[1] < other[0] for one, other in pairwise(found))
    assert iv.measure(found) == len(numbers(pieces))


@given(PIECES, st.integers(0, 60), st.integers(0, 60))
def test_overlap_counts_what_is_held_already(
    pieces: list[tuple[int, int]], start: int, end: int
) -> None:
    held = numbers(pieces) & numbers([(start, end)])
    assert iv.overlap(built(pieces), start, end) == len(held)


@given(PIECES, PIECES)
def test_a_union_leaves_its_parts_as_they_are(
    pieces: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    one, other = built(pieces), built(others)
    before = [list(i) for i in one], [list(i) for i in other]
    assert numbers(iv.union(one, other)) == numbers(pieces) | numbers(others)
    assert (one, other) == before


@given(PIECES, st.integers(0, 60))
def test_a_clip_keeps_what_lies_at_or_after_its_start(
    pieces: list[tuple[int, int]], start: int
) -> None:
    assert numbers(iv.clip(built(pieces), start)) == {n for n in numbers(pieces) if n >= start}


def test_intervals_that_touch_become_one() -> None:
    assert built([(0, 10), (20, 30), (10, 20)]) == [[0, 30]]
