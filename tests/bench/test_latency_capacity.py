"""The highest rate that is kept up with, found by halving."""

from __future__ import annotations

import pytest

from hookpoint.bench.latency_capacity import STEPS, sustained


@pytest.mark.parametrize("true", [700.0, 3_210.0, 9_000.0])
def test_it_is_found_to_within_a_thirtieth_of_the_range(true):
    tried = []

    def behind(rate):
        tried.append(rate)
        return max(0.0, rate - true) * 15

    found = sustained(10_000.0, behind)
    assert true - 10_000 / 2**STEPS < found < true * 1.04
    assert len(tried) == STEPS


def test_a_worker_that_keeps_up_with_nothing_has_no_capacity():
    assert sustained(10_000.0, lambda rate: rate) == 0
