"""How far from home a title is watched, without showing the few who do."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from title_records import session, told

from streams.audience.reach import Home, Reach, cells
from streams.audience.records import Figures, Session

HOME = Home("KR", "ko")
HOUR_MS = 3_600_000
PLENTY = {"KR": 500, "US": 300, "DE": 60, "FR": 4}
SPOKEN = {"ko": 500, "en": 350, "de": 60}


@pytest.fixture
def reach() -> Reach:
    return Reach()


def figures(hours: float, country: str, language: str = "") -> Figures:
    return Figures(hours * 3600, 0.0, 0.0, 0.0, 0.0, country, language)


def watch(reach: Reach, hours: float, country: str, language: str = "") -> None:
    reach.session(session((1, 1), None, figures(hours, country, language)))


def test_hours_are_those_of_where_it_was_watched(reach):
    watch(reach, 600, "KR", "ko")
    watch(reach, 300, "US", "en-US")
    watch(reach, 100, "DE", "en")
    report = reach.report(HOME, PLENTY, SPOKEN, 50)
    assert report == {
        "home_country": "KR", "home_language": "ko",
        "abroad_share": 0.4, "foreign_language_share": 0.4,
        "entropy_bits": 1.295, "evenness": 0.817,
        "countries": {"KR": 600, "US": 300, "DE": 100}, "languages": {"ko": 600, "en": 400},
    }  # fmt: skip


def test_a_session_that_turns_out_to_be_of_another_country_moves(reach):
    first = figures(10, "DE")
    reach.session(session((1, 1), None, first))
    reach.session(session((1, 1), first, figures(12, "US")))
    assert reach.report(HOME, PLENTY, SPOKEN, 50)["countries"] == {"US": 12}


def test_few_viewers_are_hidden_among_the_smallest_that_are_not_few(reach):
    for hours, country in ((600, "KR"), (300, "US"), (100, "DE"), (7, "FR")):
        watch(reach, hours, country)
    countries = reach.report(HOME, PLENTY, SPOKEN, 50)["countries"]
    assert countries == {"KR": 600, "US": 300, "other": 110}


def test_a_crowd_of_small_countries_is_told_together(reach):
    small = {f"A{letter}": 5 for letter in "ABCDEFGHIJ"}
    for country in small:
        watch(reach, 2, country)
    watch(reach, 600, "KR")
    countries = reach.report(HOME, PLENTY | small, SPOKEN, 50)["countries"]
    assert countries == {"KR": 600, "other": 20}


def test_of_an_audience_too_small_nothing_is_told(reach):
    watch(reach, 20, "KR")
    report = reach.report(HOME, {"KR": 49}, {}, 50)
    assert (report["countries"], report["abroad_share"], report["evenness"]) == ({}, None, None)


def test_without_a_home_there_is_no_abroad(reach):
    watch(reach, 20, "KR", "ko")
    report = reach.report(Home("", ""), PLENTY, SPOKEN, 50)
    assert report["home_country"] is report["home_language"] is None
    assert report["abroad_share"] is report["foreign_language_share"] is None


def test_where_home_is_not_shown_the_share_abroad_is_at_least_what_is_shown_elsewhere(reach):
    for hours, country in ((60, "US"), (20, "DE"), (20, "KR")):
        watch(reach, hours, country)
    report = reach.report(HOME, {"US": 90, "DE": 50, "KR": 3}, {}, 50)
    assert report["countries"] == {"US": 60, "other": 40}
    assert report["abroad_share"] == 0.6


SUMS = st.dictionaries(st.sampled_from("ABCDEFGH"), st.integers(0, 500 * HOUR_MS))
VIEWERS = st.dictionaries(st.sampled_from("ABCDEFGH"), st.integers(0, 120))


@given(SUMS, VIEWERS)
def test_what_is_left_after_any_subtraction_is_a_crowd_or_nothing(sums, viewers):
    found = cells(sums, viewers, 50)
    shown = {it for it in found if it != "other"}
    assert all(viewers[it] >= 50 for it in shown)
    hidden = {it for it, ms in sums.items() if ms > 0} - shown
    if shown or "other" in found:
        assert not hidden or sum(viewers.get(it, 0) for it in hidden) >= 50


@given(told())
def test_any_order_and_any_steps_end_in_the_same_hours(said: tuple[list[Any], list[Any]]) -> None:
    found = []
    for records in said:
        reach = Reach()
        for record in records:
            if isinstance(record, Session):
                reach.session(record)
        loaded = Reach()
        loaded.load(orjson.loads(orjson.dumps(reach.dump())))
        assert loaded.dump() == reach.dump()
        found.append([{k: v for k, v in sums.items() if v} for sums in reach.dump()])
    assert found[0] == found[1]
