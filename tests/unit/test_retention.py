"""A season's curve: pooled, by country, published; completion within days."""

from __future__ import annotations

import math

import orjson
import pytest

from streams.audience.life_table import NOTHING
from streams.audience.passages import HOUR_MS, NOT_OUT
from streams.audience.records import Passage, Row, Seat
from streams.audience.retention import MOST_GROUPS, Retention
from streams.catalogue import Curve
from streams.rules import Rules

DAY_MS = 24 * HOUR_MS
T0 = 20_000 * DAY_MS
LATER = T0 + 40 * DAY_MS


def crowd(season: Retention, k: int, went: int, stayed: int, *where: str, at_ms=T0) -> None:
    """``went`` viewers pass from k after half an hour, ``stayed`` do not."""
    for number in range(went + stayed):
        passed = at_ms + HOUR_MS // 2 if number < went else 0
        season.add(Passage(k, None, Row(at_ms, passed)), Seat(*where))


def test_the_chance_to_finish_is_the_product_of_the_steps_ahead():
    season = Retention(Rules())
    for k, went, stayed in [(1, 600, 400), (2, 480, 120), (3, 432, 48)]:
        crowd(season, k, went, stayed)
    curve = season.curve(4, LATER)
    assert [it.c for it in curve.steps] == pytest.approx([0.6, 0.8, 0.9])
    assert curve.h == pytest.approx((0.432, 0.72, 0.9))
    assert curve.horizon_s == 28 * 86400
    assert not curve.provisional
    relative = (0.4 / 600) + (0.2 / 480) + (0.1 / 432)
    assert curve.beliefs[0].deviation == pytest.approx(0.432 * math.sqrt(relative), rel=2e-3)


def test_what_is_published_is_a_curve_that_viewers_can_be_judged_by():
    season = Retention(Rules())
    for k in (1, 2, 3):
        crowd(season, k, 700 + k, 93)
    found = orjson.loads(orjson.dumps(season.curve(4, LATER).published(50)))
    curve = Curve.parse(found)
    assert curve.of == 4
    assert curve.n == (750, 750, 750)
    assert found["provisional"] is False
    for low, h, high in zip(found["h_low"], found["h"], found["h_high"], strict=True):
        assert 0 < low < h < high < 1


def test_an_audience_that_nobody_left_or_nobody_stayed_with_can_be_published():
    for went, stayed in [(80, 0), (0, 80), (50, 0)]:
        season = Retention(Rules())
        for k in (1, 2):
            crowd(season, k, went, stayed)
        Curve.parse(season.curve(3, LATER).published(50))


def test_a_curve_is_provisional_until_28_days_were_seen():
    season = Retention(Rules())
    crowd(season, 1, 60, 40)
    young, old = season.curve(2, T0 + 7 * DAY_MS), season.curve(2, T0 + 29 * DAY_MS)
    assert young.provisional
    assert young.horizon_s == 7 * 86400
    assert not old.provisional


def test_a_season_of_unknown_length_waits():
    season = Retention(Rules())
    crowd(season, 1, 60, 40)
    assert season.curve(0, LATER) is None
    assert season.curve(1, LATER) is None


def test_joining_at_episode_5_counts_from_5_on_only():
    season = Retention(Rules())
    crowd(season, 5, 80, 20)
    assert season.curve(6, LATER) is None
    curve = season.estimates(6, LATER)
    assert [it.n for it in curve.steps] == [0, 0, 0, 0, 100]
    assert curve.steps[4].c == pytest.approx(0.8)
    assert curve.horizon_s == 0


def test_a_curve_takes_50_viewers_behind_its_first_step():
    for viewers, is_told in [(0, False), (3, False), (49, False), (50, True)]:
        season = Retention(Rules())
        crowd(season, 1, viewers, 0)
        assert (season.curve(3, LATER) is not None) is is_told


def test_a_later_step_of_fewer_than_50_is_told_as_if_nobody_was_there():
    nobody, few, enough = Retention(Rules()), Retention(Rules()), Retention(Rules())
    for season, viewers in [(nobody, 0), (few, 49), (enough, 50)]:
        crowd(season, 1, 90, 10)
        crowd(season, 2, viewers, 0)
    unknown = few.curve(3, LATER)
    assert unknown.steps[1] is NOTHING
    assert unknown.h == pytest.approx((0.45, 0.5))
    told = few.curve(3, LATER).published(50)
    assert told == nobody.curve(3, LATER).published(50)
    assert told["n"] == [100, 0]
    assert enough.curve(3, LATER).published(50)["c"] == [0.9, 1.0]


def test_the_gaps_of_fewer_than_50_who_went_on_are_not_told():
    few, enough = Retention(Rules()), Retention(Rules())
    crowd(few, 1, 49, 351)
    crowd(enough, 1, 50, 350)
    assert few.curve(2, LATER).published(50)["gap_cdf"][-2:] == [0.0, 1.0]
    assert enough.curve(2, LATER).published(50)["gap_cdf"][1] == 1.0


def test_waiting_for_a_weekly_episode_is_no_drop_out():
    season = Retention(Rules())
    crowd(season, 1, 90, 10)
    for number in range(100):
        season.add(Passage(2, None, Row(T0 + number, 0)), open_ms=NOT_OUT)
    assert season.curve(3, T0 + 6 * DAY_MS).steps[1].n == 0
    season.opens(2, T0 + 7 * DAY_MS)
    assert season.curve(3, T0 + 6 * DAY_MS).steps[1].n == 0
    assert season.curve(3, T0 + 8 * DAY_MS).steps[1].n == 100
    assert season.curve(3, T0 + 8 * DAY_MS).steps[1].horizon_s == 86400
    for number in range(80):
        waited, at = Row(T0 + number, 0), T0 + 7 * DAY_MS + HOUR_MS
        season.add(Passage(2, waited, Row(T0 + number, at)))
    done = season.curve(3, T0 + 36 * DAY_MS)
    assert done.steps[1].c == pytest.approx(0.8)
    assert done.gap_cdf[1] == 1  # an hour after it came out, not a week after the first


def test_a_country_is_told_from_50_viewers_behind_every_episode_on():
    season = Retention(Rules())
    for k in (0, 1, 2):
        crowd(season, k, 40, 10, "DE")
        crowd(season, k, 40, 9, "FR")
    assert season.curve(3, LATER, "DE").steps[0].c == pytest.approx(0.8)
    assert season.curve(3, LATER, "FR") is None
    assert season.curve(3, LATER, "IT") is None
    assert season.curve(3, LATER).steps[0].n == 99


def test_a_language_is_told_whatever_its_region_and_apart_from_countries():
    season = Retention(Rules())
    for k in (0, 1, 2):
        crowd(season, k, 40, 0, "BR", "pt-BR")
        crowd(season, k, 20, 20, "PT", "pt")
        crowd(season, k, 50, 50, "BR", "en")
    assert season.groups() == ["BR", "PT", "language:en", "language:pt"]
    assert season.groups_by_value("language") == {"en": "language:en", "pt": "language:pt"}
    assert season.curve(3, LATER, "language:pt").steps[0].c == pytest.approx(0.75)
    assert season.curve(3, LATER, "language:en").steps[0].c == pytest.approx(0.5)
    assert season.curve(3, LATER, "BR").steps[0].n == 140
    assert season.curve(3, LATER, "PT") is None


def test_completion_is_told_once_someone_could_have_been_watched_for_so_long():
    season = Retention(Rules())
    crowd(season, 0, 60, 40)
    assert season.completion([7 * 86400], T0 + 6 * DAY_MS)[0] is None
    assert season.completion([7 * 86400], T0 + 8 * DAY_MS)[0].c == pytest.approx(0.6)
    assert season.completion([28 * 86400], T0 + 8 * DAY_MS)[0] is None
    for number in range(30):
        before, now = Row(T0, 0), Row(T0, T0 + 20 * DAY_MS + number)
        season.add(Passage(0, before, now))
    assert season.completion([7 * 86400], LATER)[0].c == pytest.approx(0.6)
    assert season.completion([28 * 86400], LATER)[0].c == pytest.approx(0.9)


def test_a_larger_country_takes_the_table_of_the_smallest_and_is_told_from_then_on():
    season = Retention(Rules())
    for number in range(MOST_GROUPS["country"]):
        crowd(season, 0, 0, 5 + number, f"A{number}")
    crowd(season, 0, 0, 99, "US", at_ms=T0 + HOUR_MS)
    assert "US" not in season.groups()
    crowd(season, 0, 0, 1, "US", at_ms=T0 + HOUR_MS)
    assert "US" in season.groups()
    assert "A0" not in season.groups()
    crowd(season, 1, 10, 50, "US", at_ms=T0 + HOUR_MS)  # who were there before do not count
    assert season.curve(2, LATER, "US") is None
    crowd(season, 1, 80, 20, "US", at_ms=T0 + 2 * HOUR_MS)
    assert season.curve(2, LATER, "US").steps[0].c == pytest.approx(0.8)
    assert season.curve(2, LATER).steps[0].n == 160


@pytest.mark.parametrize(("kind", "others"), [("country", "A"), ("language", "a")])
def test_home_takes_a_table_however_few_watch_there_and_keeps_it(kind, others):
    season, home = Retention(Rules()), ("KR", "language:ko")
    for number in range(MOST_GROUPS[kind]):
        name = f"{others}{chr(97 + number)}"
        crowd(season, 0, 0, 50, *((name,) if kind == "country" else ("", name)))
    group = home[0] if kind == "country" else home[1]
    seat = Seat("KR", "ko")
    season.add(Passage(0, None, Row(T0, 0)), seat, home=home)
    assert group in season.groups()
    assert len(season.groups_by_value(kind)) == MOST_GROUPS[kind]
    for _ in range(200):
        larger = Seat("US", "en")
        season.add(Passage(0, None, Row(T0 + HOUR_MS, 0)), larger, home=home)
    assert {"US", "language:en"} & set(season.groups())
    assert group in season.groups()


def test_a_home_that_becomes_known_late_is_told_from_those_who_enter_later():
    season = Retention(Rules())
    for number in range(MOST_GROUPS["country"]):
        crowd(season, 0, 0, 50, f"A{number}")
    crowd(season, 0, 0, 5, "KR")
    assert "KR" not in season.groups()
    season.add(Passage(0, None, Row(T0, 0)), Seat("KR"), home=("KR",))
    assert "KR" in season.groups()
    for _ in range(5):  # counted before Korea had a table: nothing comes off that never came on
        season.add(Passage(1, Row(T0, 0), Row(T0, T0 + 1)), Seat("KR"), home=("KR",))
    crowd(season, 1, 60, 40, "KR", at_ms=T0 + 1)
    assert season.curve(2, LATER, "KR").steps[0].n == 100


def test_what_is_dumped_is_loaded():
    season = Retention(Rules())
    for k in (0, 1, 2):
        crowd(season, k, 70, 30, "DE", "de")
        crowd(season, k, 30, 30, "", "en-GB")
    season.opens(2, T0 + HOUR_MS)
    again = Retention.load(orjson.loads(orjson.dumps(season.dump())), Rules())
    for group in season.groups():
        again.load_group(group, orjson.loads(orjson.dumps(season.dump_group(group))))
    assert again.dump() == season.dump()
    assert again.groups() == season.groups()
    for group in ("DE", "language:de", "language:en"):
        assert again.curve(3, LATER, group) == season.curve(3, LATER, group) is not None
