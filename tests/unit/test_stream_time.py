"""Which record of a slice made stream time pass what."""

from __future__ import annotations

import pytest

from streams.viewing.stream_time import StreamTime


def a_slice(*moves, start_ms=1000, first=10, last=19):
    time = StreamTime(start_ms, first)
    time.end([at_ms for at_ms, _ in moves], [offset for _, offset in moves], last)
    return time


@pytest.mark.parametrize(
    ("due_ms", "offset"), [(1001, 12), (2000, 12), (2001, 15), (3000, 15), (4000, 19)]
)
def test_a_moment_is_passed_by_the_first_record_at_it_or_later(due_ms, offset):
    assert a_slice((2000, 12), (3000, 15), (4000, 19)).passed(due_ms) == offset


def test_what_was_passed_before_counts_from_the_first_record():
    assert a_slice((2000, 12)).passed(1000) == 10
    assert a_slice().passed(7) == 10


@pytest.mark.parametrize(
    ("moves", "before_ms", "after_ms"),
    [
        ((), 1000, 1000),
        (((2000, 12),), 2000, 2000),
        (((2000, 19),), 1000, 2000),
        (((2000, 12), (3000, 19)), 2000, 3000),
        (((2000, 12), (3000, 15)), 3000, 3000),
    ],
)
def test_stream_time_before_and_after_the_last_record(moves, before_ms, after_ms):
    time = a_slice(*moves)
    assert (time.before_last_ms, time.clock_ms) == (before_ms, after_ms)
