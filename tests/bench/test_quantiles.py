"""Latency figures: nothing that was late, and nothing that never came, may be left out."""

from __future__ import annotations

import math

import pytest

from hookpoint.bench.latency_report import share_of_width
from hookpoint.bench.quantiles import latencies, quantile, spread


def test_a_quantile_is_a_value_that_was_measured():
    ascending = [float(it) for it in range(1, 101)]
    assert quantile(ascending, 0.5) == 50.0
    assert quantile(ascending, 0.99) == 99.0
    assert quantile(ascending, 1.0) == 100.0
    assert quantile([7.0], 0.01) == 7.0


def test_no_values_have_no_quantile():
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_a_stall_delays_all_that_was_to_be_sent_meanwhile():
    """One event a millisecond; the service stands still for a second and is instant otherwise.

    A sender that waits for each answer would see one slow event of a thousand: p99 of 0 ms.
    """
    scheduled = {number: number / 1000 for number in range(2000)}
    seen = {n: max(at, 1.5) if 0.5 <= at <= 1.5 else at for n, at in scheduled.items()}
    found = spread(latencies(scheduled, seen))
    assert found.max_ms == pytest.approx(1000.0)
    assert found.p90_ms == pytest.approx(800.0, abs=2)
    assert found.p50_ms == pytest.approx(0.0, abs=2)


def test_what_is_sent_late_counts_from_when_it_was_to_be_sent():
    assert latencies({1: 10.0}, {1: 10.25}) == [0.25]


def test_what_never_arrives_counts_as_never():
    found = spread(latencies({1: 0.0, 2: 0.0, 3: 0.0}, {1: 0.01, 2: 0.02}))
    assert (found.count, found.unseen) == (3, 1)
    assert found.p50_ms == pytest.approx(20.0)
    assert math.isinf(found.p99_ms)
    assert math.isinf(found.max_ms)


def test_what_was_not_asked_for_does_not_count():
    assert latencies({1: 0.0}, {1: 0.5, 2: 9.0}) == [0.5]


@pytest.mark.parametrize(
    ("latency_ms", "share"),
    [(0.1, 0.0), (1.0, 0.0), (100.0, 0.5), (10_000.0, 1.0), (math.inf, 1.0)],
)
def test_the_picture_is_logarithmic_and_never_leaves_its_frame(latency_ms, share):
    assert share_of_width(latency_ms) == pytest.approx(share)
