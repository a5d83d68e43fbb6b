"""A title is trending where far more begin it than its own past lets expect."""

from __future__ import annotations

import math
import random

import orjson
import pytest
from title_records import NOTHING, progress

from streams.audience.records import Row, Seat
from streams.audience.trending import DAY, HOUR_MS, Change, Trending, tail_of
from streams.rules import Rules

DAY_0 = 20_000
"""Days since 1970; the first hour of the title's first day is DAY_0 * 24."""


@pytest.fixture
def trending() -> Trending:
    return Trending(Rules())


def begin(trending: Trending, hour: int, viewers: int, country: str = "DE") -> None:
    row = Row(hour * HOUR_MS + 1, 0)
    for _ in range(viewers):
        said = ((NOTHING, None), (NOTHING, row))
        trending.progress(progress((1, 1), Seat(country=country), *said))


def live(trending: Trending, days: list[int], country: str = "DE", first: int = DAY_0):
    """So many starts on each day, evenly over its hours; a tick after every hour."""
    changes: list[Change] = []
    for day, starts in enumerate(days, start=first):
        for hour in range(DAY):
            viewers = starts * (hour + 1) // DAY - starts * hour // DAY
            begin(trending, day * DAY + hour, viewers, country)
            changes += trending.tick(day * DAY + hour + 1)
    return changes


@pytest.mark.parametrize(("mean", "dispersion"), [(3.0, 0.5), (100.0, 0.1), (0.2, 2.0)])
def test_the_tail_is_that_of_the_negative_binomial(mean, dispersion):
    size, p = 1 / dispersion, 1 / (1 + mean * dispersion)
    for observed in (0, 1, 2, 10, 150):
        below = math.fsum(
            math.exp(
                math.lgamma(x + size) - math.lgamma(size) - math.lgamma(x + 1)
                + size * math.log(p) + x * math.log1p(-p)
            )
            for x in range(observed)
        )  # fmt: skip
        assert tail_of(observed, mean, dispersion) == pytest.approx(1 - below, abs=1e-9)


def test_the_baseline_is_the_weighted_mean_of_settled_days_and_as_sure_as_they_are_many(trending):
    live(trending, [9, 90, 120, 150, 60])  # the first is left out, the last not settled
    k = 0.5 ** (1 / 14)
    weights, counts = (k * k, k, 1.0), (90, 120, 150)
    w, w2 = sum(weights), sum(it * it for it in weights)
    mean = sum(a * b for a, b in zip(weights, counts, strict=True)) / w
    square = sum(a * b * b for a, b in zip(weights, counts, strict=True)) / w
    days, expected = w * w / w2, mean + 0.5 / w
    variance = (square - mean * mean) / (1 - 1 / days)
    dispersion = (7 * 0.1 + days * max(0, variance - expected) / expected**2) / (7 + days)
    dispersion += (1 / expected + dispersion) / days
    hour = (DAY_0 + 5) * DAY
    burst = trending.burst("DE", hour)
    assert burst.observed == 60
    assert burst.expected == pytest.approx(expected)
    assert burst.tail == pytest.approx(tail_of(60, expected, dispersion))


def test_only_whole_hours_that_are_over_count(trending):
    live(trending, [1] * 10)
    hour = (DAY_0 + 10) * DAY
    begin(trending, hour, 200)
    assert trending.tick(hour) == []
    assert [it.begins for it in trending.tick(hour + 1)] == [True, True]


def test_a_burst_that_grows_less_unlikely_is_not_over_until_it_is_usual(trending):
    live(trending, [100] * 14 + [500])
    tails = []
    for hour in range((DAY_0 + 15) * DAY, (DAY_0 + 16) * DAY):
        begin(trending, hour, 4)
        changes = trending.tick(hour + 1)
        tails.append(trending.burst("DE", hour + 1).tail)
        assert (tails[-1] > 0.05) == bool(changes)
        if changes:
            break
    assert any(1e-3 < tail < 0.05 for tail in tails)
    assert tails[-1] > 0.05


def test_a_burst_begins_and_ends_once(trending):
    quiet = [100] * 14
    assert live(trending, quiet) == []
    changes = live(trending, [500, 100, 100], first=DAY_0 + 14)
    assert [(it.country, it.begins) for it in changes] == [
        ("", True), ("DE", True), ("", False), ("DE", False)
    ]  # fmt: skip
    begun, ended = changes[0], changes[-1]
    assert (DAY_0 + 14) * DAY < begun.hour < (DAY_0 + 15) * DAY < ended.hour
    assert begun.expected == 100
    assert begun.observed % 50 == 0
    assert begun.score == pytest.approx(begun.observed / 100)
    assert 1e-12 <= begun.tail < 1e-3
    there = changes[1]
    assert there.observed % 50 == 0
    assert there[4:] == (100, there.observed / 100, None)


def test_a_burst_in_a_country_tells_no_viewer_apart():
    told = set()
    for before, viewers in ((0, 63), (0, 69), (1, 67), (3, 68), (3, 99)):
        trending = Trending(Rules())
        live(trending, [200] * 10, "US")
        begin(trending, (DAY_0 + 9) * DAY - 1, before, "AT")  # not settled: late news of its day
        live(trending, [200], "US", DAY_0 + 10)
        begin(trending, (DAY_0 + 11) * DAY, viewers, "AT")
        changes = trending.tick((DAY_0 + 11) * DAY + 1)
        told |= {it for it in changes if it.country == "AT"}
        assert trending.report()["AT"] == 1
    assert told == {Change("AT", True, (DAY_0 + 11) * DAY + 1, 50, 0, 1, None)}


def test_a_chance_that_is_next_to_none_is_told_as_one_in_a_million_million(trending):
    live(trending, [100] * 10)
    hour = (DAY_0 + 10) * DAY
    begin(trending, hour, 100_000)
    assert trending.tick(hour + 1)[0].tail == 1e-12


def test_while_it_lasts_the_score_is_observed_over_expected(trending):
    live(trending, [100] * 14)
    live(trending, [500], first=DAY_0 + 14)
    assert trending.report() == {"": 5.0, "DE": 5.0}
    live(trending, [100, 100], first=DAY_0 + 15)
    assert trending.report() == {}


def test_before_three_full_days_nothing_is_a_burst(trending):
    assert live(trending, [0, 20, 20, 900]) == []


def test_the_day_on_which_a_title_came_out_is_no_day_to_go_by(trending):
    # Three full days after the first (20,000) are settled when the clock reaches the sixth.
    changes = live(trending, [3, 20, 20, 20, 300, 300])
    assert min(it.hour for it in changes) == (DAY_0 + 5) * DAY


def test_a_launch_that_fades_is_no_burst(trending):
    assert live(trending, [400, 2000, 1500, 1200, 1000, 900, 800, 700, 650, 600]) == []


def test_a_busier_weekend_is_no_burst(trending):
    week = [100, 100, 100, 100, 140, 170, 150]
    assert live(trending, week * 6) == []


def test_a_weekly_premiere_is_no_burst_once_it_is_a_habit(trending):
    week = [500, 150, 60, 40, 40, 40, 40]
    late = [it for it in live(trending, week * 8) if it.hour > (DAY_0 + 28) * DAY]
    assert late == []


def test_below_the_threshold_nothing_is_a_burst(trending):
    assert live(trending, [1] * 10 + [49]) == []


def test_countries_are_judged_apart(trending):
    live(trending, [1000] * 10, "US")
    live(trending, [1] * 10, "KR")  # late news of the same days: only what is not settled counts
    for hour in range(DAY):
        at = (DAY_0 + 10) * DAY + hour
        begin(trending, at, 40, "US")
        begin(trending, at, 5, "KR")
        changes = trending.tick(at + 1)
        if changes:
            assert {it.country for it in changes} == {"KR"}
    assert trending.report().keys() == {"KR"}


def test_a_start_that_is_taken_back_is_not_counted(trending):
    live(trending, [5] * 10)
    hour = (DAY_0 + 10) * DAY
    begin(trending, hour, 100)
    row = Row(hour * HOUR_MS + 1, 0)
    for _ in range(60):
        trending.progress(progress((1, 1), Seat(country="DE"), (NOTHING, row), (NOTHING, None)))
    assert trending.tick(hour + 1) == []


def test_starts_that_come_a_day_after_their_day_are_no_burst(trending):
    live(trending, [100] * 10)
    hour = (DAY_0 + 10) * DAY
    live(trending, [100] * 2, first=DAY_0 + 10)
    before = trending.dump()
    begin(trending, hour, 1000)
    assert trending.dump() == before
    assert trending.tick((DAY_0 + 12) * DAY + 1) == []


def test_a_long_silence_ends_what_was_trending(trending):
    live(trending, [100] * 14 + [500])
    assert trending.report()
    changes = trending.tick((DAY_0 + 400) * DAY)
    assert [it.begins for it in changes] == [False, False]
    assert changes[0].observed == 0


def test_a_silence_weighs_like_as_many_days_without_a_start():
    one, other = Trending(Rules()), Trending(Rules())
    for trending in (one, other):
        live(trending, [100] * 5)
    for hour in range((DAY_0 + 5) * DAY, (DAY_0 + 40) * DAY + 1):
        one.tick(hour)
    other.tick((DAY_0 + 40) * DAY)
    hour = (DAY_0 + 40) * DAY
    assert one.burst("", hour) == pytest.approx(other.burst("", hour))


def test_countries_where_next_to_nobody_begins_are_forgotten(trending):
    begin(trending, DAY_0 * DAY + 30, 1, "FR")
    live(trending, [100] * 200)
    assert {name for name, *_ in trending.dump()[4]} == {"", "DE"}


def test_a_title_that_the_whole_world_begins_every_hour_takes_less_than_a_hundred_kilobytes(
    trending,
):
    names = [a + b for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "ABCDEFGHIJ"]
    row = Row(DAY_0 * DAY * HOUR_MS, 0)
    for number, name in enumerate(names):
        for hour in range(4 * DAY):
            at = Row(row.entered_ms + hour * HOUR_MS, 0)
            record = progress((1, 1), Seat(country=name), (NOTHING, None), (NOTHING, at))
            for _ in range(1 + number % 3):
                trending.progress(record)
    trending.tick((DAY_0 + 4) * DAY)
    assert len(orjson.dumps(trending.dump())) < 100_000


def test_steady_titles_seldom_seem_to_trend():
    """Days of a negative binomial with the prior's own dispersion: less than one alarm in 200."""
    rng, alarms, days = random.Random(7), 0, 0
    for _ in range(30):
        counts = [_poisson(rng, rng.gammavariate(10, 10)) for _ in range(60)]
        alarms += sum(it.begins for it in live(Trending(Rules()), counts, ""))
        days += 60
    assert alarms <= days / 200


def _poisson(rng: random.Random, mean: float) -> int:
    total, count = rng.expovariate(1), 0
    while total < mean:
        total, count = total + rng.expovariate(1), count + 1
    return count
