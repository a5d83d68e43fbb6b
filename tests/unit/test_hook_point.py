"""Which episode hooks: found, kept, revised, withdrawn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.audience.beta import Beta
from streams.audience.hook_point import (
    NONE,
    Change,
    Hook,
    above,
    decide,
    lift,
    peers_mean,
    published,
)
from streams.audience.life_table import Estimate
from streams.audience.passages import EDGES_S
from streams.audience.season_curve import SeasonCurve
from streams.rules import Rules

RULES = Rules()
GAPS = (0.4,) * 15 + (0.8,) * 10 + (1.0,) * (len(EDGES_S) - 26)


def season(*shares: float, viewers: float = 5000, horizon_s: float = 28 * 86400) -> SeasonCurve:
    """A curve of these steps, of which each was seen by ``viewers``."""
    steps = tuple(Estimate(c, viewers, Beta(c, viewers), GAPS, horizon_s) for c in shares)
    ahead = [steps[k:] for k in range(len(steps))]
    h = []
    for rest in ahead:
        product = 1.0
        for it in rest:
            product *= it.c
        h.append(product)
    beliefs = tuple(Beta.product(it.belief for it in rest) for rest in ahead)
    return SeasonCurve("7", steps, tuple(h), beliefs, (0.0, 1.0), horizon_s)


STEEP = season(0.5, 0.6, 0.9, 0.95, 0.95)
"""Three of five leave early; H_3 = .81."""


def test_it_is_the_first_episode_after_which_70_percent_finish():
    hook, change = decide(NONE, STEEP, 9, RULES)
    assert hook == Hook(3, 9)
    assert change == Change("found", 3, None, pytest.approx(1.0, abs=1e-6))


def test_the_pilot_is_never_one():
    assert decide(NONE, season(0.99, 0.99, 0.99), 9, RULES)[0].k == 2


def test_the_last_episode_is_none_as_nothing_is_left_to_finish():
    assert decide(NONE, season(0.9, 0.9, 0.3), 9, RULES) == (NONE, None)
    assert decide(NONE, season(0.9), 9, RULES) == (NONE, None)


def test_few_viewers_find_nothing():
    assert decide(NONE, season(0.5, 0.6, 0.9, 0.95, 0.95, viewers=49), 9, RULES) == (NONE, None)
    assert decide(NONE, season(0.95, 0.995, 0.995, viewers=50), 9, RULES)[0].k == 2


def test_it_must_be_likely_at_95_percent():
    sure, unsure = season(0.5, 0.75, viewers=300), season(0.5, 0.73, viewers=300)
    assert above(sure, 2, RULES) > 0.95 > above(unsure, 2, RULES) > 0.80
    assert decide(NONE, sure, 9, RULES)[0].k == 2
    assert decide(NONE, unsure, 9, RULES) == (NONE, None)


def test_what_was_found_stays_until_it_falls_below_80_percent():
    found = Hook(2, 5)
    unsure = season(0.5, 0.73, viewers=300)
    assert decide(found, unsure, 9, RULES) == (found, None)
    lost = season(0.5, 0.71, viewers=300)
    assert above(lost, 2, RULES) < 0.80
    hook, change = decide(found, lost, 9, RULES)
    assert hook == Hook(None, 9)
    assert change == Change("withdrawn", None, 2, above(lost, 2, RULES))


def test_it_moves_on_where_a_later_one_is_certain():
    hook, change = decide(Hook(2, 5), STEEP, 9, RULES)
    assert hook == Hook(3, 9)
    assert (change.what, change.k, change.before) == ("revised", 3, 2)


def test_it_moves_back_where_an_earlier_one_becomes_certain():
    hook, change = decide(Hook(4, 5), STEEP, 9, RULES)
    assert hook == Hook(3, 9)
    assert (change.what, change.k, change.before) == ("revised", 3, 4)


def test_while_provisional_it_moves_back_once_twice_as_much_time_was_seen():
    young = season(0.5, 0.6, 0.9, 0.95, 0.95, horizon_s=6 * 86400)
    found, three_days_ms = Hook(4, 10), 3 * 86_400_000
    assert decide(found, young, 10 + three_days_ms - 1, RULES) == (found, None)
    assert decide(found, young, 10 + three_days_ms, RULES)[0].k == 3
    lost = season(0.5, 0.6, 0.9, 0.6, 0.95, horizon_s=6 * 86400)
    assert decide(found, lost, 11, RULES)[0].k == 5  # what is lost is said at once


def test_looking_again_says_nothing_again():
    hook, _ = decide(NONE, STEEP, 9, RULES)
    assert decide(hook, STEEP, 10, RULES) == (hook, None)
    assert decide(NONE, season(0.5, 0.5), 9, RULES) == (NONE, None)


def test_while_the_length_is_unknown_nothing_changes():
    assert decide(Hook(3, 5), None, 9, RULES) == (Hook(3, 5), None)


def test_a_season_that_turned_out_shorter_loses_it():
    hook, change = decide(Hook(5, 5), season(0.5, 0.5), 9, RULES)
    assert hook.k is None
    assert change == Change("withdrawn", None, 5, 0.0)


def test_with_the_same_loss_everywhere_there_is_no_lift():
    for c in (0.7, 0.9, 0.99):
        even = season(*[c] * 7)
        assert [lift(even, k) for k in range(1, 8)] == pytest.approx([0.0] * 7, abs=1e-12)


def test_episodes_that_were_seen_for_unlike_times_make_no_lift():
    curve = season(0.9, 0.9, 0.9)
    late = Estimate(0.9 * 0.8, 200, Beta(0.72, 200), tuple(min(1, it / 0.8) for it in GAPS), 4e5)
    young = SeasonCurve("7", (*curve.steps[:2], late), curve.h, curve.beliefs, (), 4e5)
    assert lift(young, 2) == pytest.approx(0, abs=1e-12)
    assert lift(young, 3) == pytest.approx(0, abs=1e-12)


def test_where_the_loss_comes_early_the_lift_is_above_0():
    assert lift(STEEP, 3) == pytest.approx(0.81225 - (0.5 * 0.6 * 0.81225) ** (3 / 5), abs=1e-9)
    assert lift(STEEP, 3) > 0.3


def test_peers_are_compared_from_five_on():
    assert peers_mean([0.4] * 4, 5) is None
    assert peers_mean([0.3] * 3 + [0.6] * 2, 5) == pytest.approx(0.42)


def test_of_a_group_it_is_told_in_steps_of_50_viewers_and_its_bounds_follow_from_these():
    group = replace(season(0.87, 0.88, viewers=249), of_group=True)
    found = published(Hook(2, 5), group, RULES, 0.2)
    assert (found["p"], found["h1"], found["n"]) == (1.0, 0.75, 200)
    assert found["lift"] == 0.0
    assert found["lift_peers"] == 0.55
    least = Beta(0.875, 199)
    assert found["low"] == pytest.approx(least.quantile(0.05), abs=1e-3)
    assert found["high"] == 1
    assert found["certainty"] == pytest.approx(least.above(0.7), abs=1e-3)
    larger = replace(season(0.90, 0.90, viewers=203), of_group=True)
    told = published(Hook(2, 5), larger, RULES, 0.2)
    assert (told["low"], told["high"]) == (found["low"], found["high"])


def test_what_is_published_says_why():
    found = published(Hook(3, 5), STEEP, RULES, 0.2)
    assert found["k"] == 3
    assert found["of"] == 6
    assert found["share"] == 0.5
    assert found["low"] < found["p"] == 0.812 < found["high"]
    assert found["certainty"] == 1
    assert found["h1"] == 0.244
    assert found["lift_peers"] == 0.044
    assert found["provisional"] is False
    assert published(NONE, season(0.5, 0.5, horizon_s=9), RULES)["provisional"] is True
    assert published(NONE, STEEP, RULES)["lift"] is None
