"""Which part of a round counts."""

from __future__ import annotations

from hookpoint.bench.measuring import Look, steady


def looks(*absorbed):
    return [
        Look(at_s=number / 10, absorbed=it, cpu_s=number / 20) for number, it in enumerate(absorbed)
    ]


def test_the_middle_of_the_backlog_counts():
    first, last, enough = steady(looks(5, 12, 30, 40, 60, 70, 88, 95, 100))
    assert (first.absorbed, last.absorbed, enough) == (12, 88, True)


def test_a_contender_that_stopped_early_is_measured_on_what_it_absorbed():
    first, last, enough = steady(looks(1, 3, 6, 9, 15, 20, 24, 30))
    assert (first.absorbed, last.absorbed, enough) == (3, 24, True)


def test_a_stream_too_short_for_looks_in_between_says_nothing():
    first, last, enough = steady(looks(8, 12, 50, 88, 100))
    assert (first.absorbed, last.absorbed, enough) == (8, 100, False)


def test_looks_that_found_nothing_new_do_not_make_it_long_enough():
    assert steady(looks(5, 12, 12, 12, 12, 88, 88, 88, 100))[2] is False


def test_a_jump_over_half_of_the_backlog_says_nothing():
    assert steady(looks(5, 60, 65, 70, 75, 80, 85, 88, 100))[2] is False
