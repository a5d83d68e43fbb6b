"""What a viewing says, how it fades, and the shares that are published."""

from __future__ import annotations

import pytest

from streams.rules import Rules
from streams.viewing.taste import KEPT_VALUES, DecayingSums, Taste, autoplay_factor, shares
from streams.viewing.taste import viewing_value as value_of

RULES = Rules()
DAY_MS = 86_400_000
T0 = 1_772_400_000_000
HOUR_S = 3600


@pytest.mark.parametrize("order", [1, -1])
def test_the_worked_example_of_decay_holds_in_either_order(order: int) -> None:
    sums = DecayingSums(30 * DAY_MS)
    for day, weight in [(0, 1.0), (30, 0.6)][::order]:
        sums.add(T0 + day * DAY_MS, [("genre:drama", 1.0)], weight)
    assert sums.value("genre:drama", T0 + 60 * DAY_MS) == pytest.approx(0.55)
    assert sums.last_ms == T0 + 30 * DAY_MS


def test_what_is_taken_back_was_never_there() -> None:
    for weight in (0.8, -0.3):
        sums = DecayingSums(7 * DAY_MS)
        sums.add(T0, [("a", 0.5), ("b", 0.5)], 1.0)
        before = sums.current()
        sums.add(T0, [("a", 1.0)], weight)
        sums.take_back(T0, [("a", 1.0)], weight)
        assert sums.current() == pytest.approx(before)
        assert sums.negative.get("a", 0.0) == pytest.approx(0)


def test_dislike_is_kept_apart() -> None:
    sums = DecayingSums(7 * DAY_MS)
    sums.add(T0, [("a", 1.0)], -0.3)
    assert sums.current() == {}
    assert sums.negative == {"a": pytest.approx(0.3)}


def test_decay_survives_decades() -> None:
    sums = DecayingSums(7 * DAY_MS)
    for year in range(80):
        sums.add(T0 + year * 365 * DAY_MS, [("a", 1.0)], 1.0)
    assert sums.current() == {"a": pytest.approx(1.0)}


def test_a_profile_keeps_its_strongest_values_only() -> None:
    taste = Taste(RULES)
    for i in range(10 * KEPT_VALUES):
        taste.add(T0, [(f"creator:{i}", 1.0)], 1.0 + i)
    assert len(taste.lasting.positive) <= 2 * KEPT_VALUES
    assert f"creator:{10 * KEPT_VALUES - 1}" in taste.lasting.current()


@pytest.mark.parametrize(
    ("seconds", "settled", "value"),
    [
        (0, True, 0), (119.999, True, 0), (120, False, 0), (120, True, -0.3), (899, True, -0.3),
        (900, True, 0), (1799, True, 0), (1800, False, 0.5), (2700, False, 0.75), (9999, False, 1),
    ],
)  # fmt: skip
def test_what_a_viewing_of_an_hour_says(seconds: float, settled: bool, value: float) -> None:
    covered, runtime = round(seconds * 1000), HOUR_S * 1000
    found = value_of(covered, runtime, RULES, settled=settled, completed=False)
    assert found == pytest.approx(value)


def test_a_viewing_of_unknown_runtime_says_something_only_when_it_was_completed() -> None:
    assert value_of(9_000_000, 0, RULES, settled=True, completed=False) == 0
    assert value_of(1000, 0, RULES, settled=False, completed=True) == 1


def test_autoplay_says_less_with_every_episode_in_a_row() -> None:
    weights = [autoplay_factor(t, RULES) for t in range(8)]
    assert weights == [1, 0.982, 0.881, 0.5, 0.119, 0.018, 0.018, 0.018]


def test_shares_are_drawn_towards_the_catalogue() -> None:
    found = shares({"genre:a": 3.0, "genre:b": 2.0, "hour:20": 1.0}, {"genre:a": 0.4}, 5.0)
    assert found == pytest.approx({"genre:a": 0.5, "genre:b": 0.2, "hour:20": 1 / 6})


def test_shares_of_a_facet_add_up_to_one_at_most() -> None:
    sums = {f"genre:{i}": 1.7 * i for i in range(1, 9)}
    prior = {f"genre:{i}": 0.1 for i in range(1, 11)}
    assert sum(shares(sums, prior, 5.0).values()) <= 1
