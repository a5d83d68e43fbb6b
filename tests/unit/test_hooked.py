"""The chance to finish, by a curve made by hand."""

from __future__ import annotations

import math

import pytest

from streams.catalogue import Curve
from streams.rules import Rules
from streams.viewing.hooked import Z90, chance, cools_after_s, gap_share, going_on, trustworthy

RULES = Rules()
CURVE = Curve.parse(
    {
        "version": "3",
        "episodes": 4,
        "c": [0.6, 0.8, 0.9],
        "low": [0.5, 0.7, 0.85],
        "n": [400, 300, 200],
        "gap_s": [0, 100, 200],
        "gap_cdf": [0, 0.5, 1],
    }
)


def test_the_chance_is_the_product_of_what_lies_ahead() -> None:
    assert chance(CURVE, 1, on_next=False).p == pytest.approx(0.6 * 0.8 * 0.9)
    assert chance(CURVE, 1, on_next=True).p == pytest.approx(0.8 * 0.9)
    assert chance(CURVE, 3, on_next=True).p == 1


def test_the_product_ends_with_the_episode_that_finishes_the_season() -> None:
    found = chance(CURVE, 1, on_next=False, until=3)
    assert found.p == pytest.approx(0.6 * 0.8)
    assert found.n == 300
    assert chance(CURVE, 2, on_next=True, until=3).p == 1
    wait_s = cools_after_s(CURVE, 2, RULES, until=3)
    assert chance(CURVE, 2, on_next=False, idle_s=wait_s, until=3).p == pytest.approx(0.5)
    assert wait_s > cools_after_s(CURVE, 2, RULES)


def test_the_gap_is_shared_out_evenly_between_edges() -> None:
    shares = [gap_share(CURVE, idle) for idle in (-1, 0, 50, 100, 150, 200, 999)]
    assert shares == [0, 0, 0.25, 0.5, 0.75, 1, 1]


def test_idle_time_lowers_the_chance_by_the_formula() -> None:
    still = 0.8 * (1 - 0.5)
    assert going_on(0.8, 0.5) == pytest.approx(still / (still + 0.2))
    idle = chance(CURVE, 2, on_next=False, idle_s=100)
    assert idle.p == pytest.approx(still / (still + 0.2) * 0.9)


def test_after_the_longest_gap_nobody_comes_back() -> None:
    assert chance(CURVE, 2, on_next=False, idle_s=200).p == 0
    assert going_on(1.0, 1.0) == 1


def test_the_interval_follows_from_the_bounds() -> None:
    found = chance(CURVE, 2, on_next=False)
    spread = math.hypot(0.1 / 0.8, 0.05 / 0.9)
    assert found.low == pytest.approx(0.72 * math.exp(-spread))
    assert found.high == pytest.approx(0.72 * math.exp(spread))
    assert found.n == 200
    assert pytest.approx(1.645, abs=1e-3) == Z90


def test_a_curve_is_trusted_by_its_bound_and_its_viewers() -> None:
    sure = chance(CURVE, 2, on_next=False)
    assert trustworthy(sure, RULES) is (sure.low >= 0.6)
    assert not trustworthy(chance(CURVE, 1, on_next=False), RULES)
    few = Curve(CURVE.version, CURVE.c, CURVE.c, (400, 300, 49), CURVE.gap_s, CURVE.gap_cdf)
    enough = Curve(CURVE.version, CURVE.c, CURVE.c, (400, 300, 50), CURVE.gap_s, CURVE.gap_cdf)
    assert not trustworthy(chance(few, 2, on_next=False), RULES)
    assert trustworthy(chance(enough, 2, on_next=False), RULES)


def test_it_cools_when_the_chance_falls_to_one_half() -> None:
    wait = cools_after_s(CURVE, 2, RULES)
    assert 0 < wait < 200
    assert chance(CURVE, 2, on_next=False, idle_s=wait).p == pytest.approx(RULES.cooled_below)
    assert chance(CURVE, 2, on_next=False, idle_s=wait + 1).p < RULES.cooled_below


def test_where_nobody_ever_goes_on_the_chance_is_nothing() -> None:
    dead = Curve("1", (0.0, 0.9), (0.0, 0.8), (90, 90), (0.0, 9.0), (0.0, 1.0))
    assert chance(dead, 1, on_next=False).p == 0
    assert cools_after_s(dead, 1, RULES) == 0


def test_where_everybody_goes_on_it_cools_after_the_longest_gap() -> None:
    sure = Curve("1", (1.0, 1.0), (1.0, 1.0), (90, 90), (0.0, 9.0), (0.0, 1.0))
    assert cools_after_s(sure, 1, RULES) == 9
