"""The share that goes on, by a worked example and at the edges."""

from __future__ import annotations

import math

import pytest

from streams.audience.beta import Beta
from streams.audience.life_table import NOTHING, Bucket, estimate, pooled
from streams.catalogue import Curve

EXAMPLE = [Bucket(100, 60, 20, 3600), Bucket(20, 5, 10, 21600), Bucket(5, 0, 3, 86400)]


def naive_resolved_only(table):
    """Leaves out who is pending: only those who went on, or were watched to the end."""
    went, pending = sum(it.went_on for it in table), sum(it.pending for it in table)
    return went / (table[0].entered - pending)


def naive_pending_as_gone(table):
    return sum(it.went_on for it in table) / table[0].entered


def example_holds(c):
    return c == pytest.approx(0.7778, abs=5e-5)


def test_the_worked_example_of_the_design():
    found = estimate(EXAMPLE)
    assert example_holds(found.c)
    assert found.se == pytest.approx(0.0524, abs=5e-5)
    assert found.n_eff == pytest.approx(62, abs=0.1)
    assert found.low == pytest.approx(0.687, abs=5e-4)
    assert found.n == 100
    assert found.horizon_s == 21600  # the last bucket speaks for 16 of them
    assert found.gap_cdf == pytest.approx([2 / 3 / 0.77778, 1, 1], abs=1e-4)


def test_the_naive_answers_fail_the_worked_example():
    assert naive_resolved_only(EXAMPLE) == pytest.approx(0.970, abs=5e-4)
    assert naive_pending_as_gone(EXAMPLE) == pytest.approx(0.650)
    assert not example_holds(naive_resolved_only(EXAMPLE))
    assert not example_holds(naive_pending_as_gone(EXAMPLE))


def test_who_was_watched_for_most_of_a_bucket_counts_for_most_of_it():
    whole, half, none = (
        estimate([Bucket(100, 30, 40, 3600, watched)]).c for watched in (1.0, 0.5, 0.0)
    )
    assert (whole, half, none) == pytest.approx((0.3, 0.375, 0.5))


def test_without_anyone_pending_it_is_the_plain_share_and_its_binomial_error():
    found = estimate([Bucket(200, 90, 0, 3600), Bucket(110, 60, 0, 7200)])
    assert found.c == pytest.approx(0.75)
    assert found.se == pytest.approx(math.sqrt(0.75 * 0.25 / 200))
    assert found.n_eff == pytest.approx(199)


def test_of_nobody_nothing_is_known():
    assert estimate([]) is NOTHING
    assert estimate([Bucket(0, 0, 0, 0)]) is NOTHING
    assert (NOTHING.low, NOTHING.high) == pytest.approx((0.05, 0.95))
    assert NOTHING.n == NOTHING.horizon_s == 0


def test_where_nobody_went_on_the_bound_rests_on_those_watched_to_the_end():
    found = estimate([Bucket(1000, 0, 900, 3600), Bucket(100, 0, 0, 7200)])
    assert found.c == found.low == 0
    assert found.high == pytest.approx(1 - 0.05 ** (1 / 100))
    many = estimate([Bucket(1000, 0, 0, 3600), Bucket(1000, 0, 0, 7200)])
    assert many.high < found.high


def test_where_everyone_went_on_the_bound_says_how_many_they_were():
    few, many = (estimate([Bucket(n, n, 0, 3600), Bucket(0, 0, 0, 7200)]) for n in (10, 1000))
    assert few.c == few.high == many.c == many.high == 1
    assert few.low == pytest.approx(0.05 ** (1 / 10))
    assert few.low < many.low < 1
    assert few.horizon_s == 7200


def test_where_the_last_who_wait_all_go_on_those_still_pending_widen_the_bound():
    sure = estimate([Bucket(100, 80, 0, 3600), Bucket(20, 20, 0, 7200)])
    unsure = estimate([Bucket(100, 40, 40, 3600), Bucket(20, 20, 0, 7200)])
    assert sure.c == unsure.c == 1
    assert unsure.low < sure.low


def test_a_bucket_that_speaks_for_a_handful_is_not_read():
    table = [Bucket(1000, 300, 690, 3600), Bucket(10, 9, 0, 7200)]
    found = estimate(table)
    assert found.c == pytest.approx(300 / 655)
    assert found.horizon_s == 3600


def test_few_who_stay_of_many_who_went_on_are_read_to_the_end():
    found = estimate([Bucket(300, 295, 0, 3600), Bucket(5, 1, 0, 7200), Bucket(4, 0, 0, 9000)])
    assert found.c == pytest.approx(296 / 300)
    assert found.horizon_s == 9000


def test_a_small_audience_that_was_watched_to_the_end_is_read_to_the_end():
    found = estimate([Bucket(4, 2, 0, 3600), Bucket(2, 1, 0, 7200)])
    assert found.c == pytest.approx(0.75)
    assert found.horizon_s == 7200


def test_tables_are_pooled_bucket_by_bucket():
    assert pooled([EXAMPLE, EXAMPLE])[1] == Bucket(40, 10, 20, 21600, 0.5)
    one, other = Bucket(50, 0, 10, 3600, 0.2), Bucket(50, 0, 30, 1800, 0.6)
    assert pooled([[one], [other], [Bucket(5, 5, 0, 0)]]) == [Bucket(105, 5, 40, 3600, 0.5)]
    assert estimate(pooled([EXAMPLE, EXAMPLE])).c == pytest.approx(estimate(EXAMPLE).c)


def test_a_product_of_shares_keeps_the_mean_and_the_variance_of_independent_factors():
    one, two = Beta(0.8, 50), Beta(0.9, 200)
    both = Beta.product([one, two])
    assert both.mean == pytest.approx(0.72)
    square = (0.8**2 + one.variance) * (0.9**2 + two.variance)
    assert both.variance == pytest.approx(square - 0.72**2)
    assert both.above(both.quantile(0.3)) == pytest.approx(0.7)


def test_a_variance_that_no_share_has_counts_as_one_observation():
    assert Beta.of_moments(0.5, 0.4).size == 1


def test_a_share_without_variance_is_as_good_as_known():
    known = Beta.of_moments(0.7, 0.0)
    assert known.quantile(0.05) == pytest.approx(0.7, abs=1e-5)


def test_the_shares_of_gaps_make_a_curve_that_viewers_can_be_judged_by():
    found = estimate(EXAMPLE)
    Curve.parse(
        {
            "version": 1, "episodes": 2, "c": [found.c], "low": [found.low], "n": [found.n],
            "gap_s": [0, 3600, 21600, 86400], "gap_cdf": [0, *found.gap_cdf],
        }
    )  # fmt: skip
