"""Which part of a round counts."""

from __future__ import annotations

from hookpoint.bench.measuring import Look, steady


def looks(*absorbed):
    return [
        Look(at_s=number / 10, absorbed=it, cpu_s=number / 20) for number, it in enumerate(absorbed)
    ]


def test_the_middle_of_the_backlog_counts():
    first, last = steady(looks(5, 12, 40, 70, 88, 95, 100))
    assert (first.absorbed, last.absorbed) == (12, 88)


def test_a_contender_that_stopped_early_is_measured_on_what_it_absorbed():
    first, last = steady(looks(1, 3, 9, 15, 24, 30))
    assert (first.absorbed, last.absorbed) == (3, 24)


def test_a_stream_too_short_for_looks_in_between_counts_whole():
    first, last = steady(looks(8, 95, 100))
    assert (first.absorbed, last.absorbed) == (8, 100)


def test_one_look_says_nothing():
    first, last = steady(looks(100))
    assert first == last
