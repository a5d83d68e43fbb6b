"""The rule of the comparison: seconds between two reports, whatever the order of arrival."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookpoint.bench.peers.watching import add, credit


def report(seq, at_s, position_s, rate=1.0, reached_s=None):
    return (seq, at_s, position_s, rate, position_s if reached_s is None else reached_s)


PLAYED = [
    report(0, 0.0, 100.0),
    report(1, 45.0, 145.0),
    report(2, 50.0, 150.0),  # paused
    report(3, 170.0, 150.0),  # resumed
    report(4, 180.0, 60.0, reached_s=160.0),  # sought back
    report(5, 190.0, 70.0, rate=2.0),  # faster from here
    report(6, 210.0, 110.0, rate=2.0),
]
WATCHED_S = 45 + 5 + 0 + 10 + 10 + 20


def total(reports):
    held = []
    return sum(add(held, it) for it in reports)


def test_what_was_played_counts_and_a_pause_does_not():
    assert total(PLAYED) == WATCHED_S


def test_a_stall_between_two_reports_is_not_watched():
    assert credit(report(0, 0.0, 0.0), report(1, 60.0, 20.0)) == 20.0


def test_a_move_that_is_too_far_for_the_rate_is_a_jump():
    assert credit(report(0, 0.0, 0.0), report(1, 10.0, 13.0)) == 0.0
    assert credit(report(0, 0.0, 0.0), report(1, 10.0, 11.5)) == 10.0


def test_a_late_seek_takes_back_what_its_neighbours_seemed_to_say():
    held = []
    for it in (report(0, 0.0, 0.0), report(2, 45.0, 30.0)):
        add(held, it)
    # Played 20 s, sought back 15 s, played 25 s: the two ends looked like 30 s and a stall.
    gained_s = add(held, report(1, 20.0, 5.0, reached_s=20.0))
    assert gained_s == pytest.approx(15.0)
    assert [it[0] for it in held] == [0, 1, 2]


def test_a_report_before_all_others_is_added_in_front():
    held = []
    add(held, report(1, 10.0, 10.0))
    assert add(held, report(0, 0.0, 0.0)) == 10.0


@given(st.permutations(PLAYED), st.lists(st.sampled_from(PLAYED), max_size=5))
def test_order_and_repetition_change_nothing(shuffled, again):
    assert total([*shuffled, *again]) == pytest.approx(WATCHED_S)
    assert total([*again, *shuffled]) == pytest.approx(WATCHED_S)
