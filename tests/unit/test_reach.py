"""How far from home a title is watched, without showing the few who do."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from title_records import session, told

from streams.audience.reach import HOUR_MS, Home, Reach, cells
from streams.audience.records import Figures, Session

HOME = Home("KR", "ko")
PLENTY = {"KR": 500, "US": 300, "DE": 60, "FR": 4}
SPOKEN = {"ko": 500, "en": 350, "de": 60}


def told_of(
    reach: Reach, home: Home, countries: dict[str, int], languages: dict[str, int]
) -> dict[str, Any]:
    """The report of a title all of whose time is known to the ``reach``."""
    total_ms = max(sum(sums.values()) for sums in reach.dump())
    return reach.report(home, [countries], [languages], total_ms, 50)


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
    report = told_of(reach, HOME, PLENTY, SPOKEN)
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
    assert told_of(reach, HOME, PLENTY, SPOKEN)["countries"] == {"US": 12}


def test_few_viewers_are_hidden_among_the_smallest_that_are_not_few(reach):
    for hours, country in ((600, "KR"), (300, "US"), (100, "DE"), (7, "FR")):
        watch(reach, hours, country)
    countries = told_of(reach, HOME, PLENTY, SPOKEN)["countries"]
    assert countries == {"KR": 600, "US": 300, "other": 110}


def test_a_crowd_of_small_countries_is_told_together(reach):
    small = {f"A{letter}": 5 for letter in "ABCDEFGHIJ"}
    for country in small:
        watch(reach, 2, country)
    watch(reach, 600, "KR")
    countries = told_of(reach, HOME, PLENTY | small, SPOKEN)["countries"]
    assert countries == {"KR": 600, "other": 20}


def test_of_an_audience_too_small_nothing_is_told(reach):
    watch(reach, 20, "KR")
    report = told_of(reach, HOME, {"KR": 49}, {})
    assert (report["countries"], report["abroad_share"], report["evenness"]) == ({}, None, None)


def test_without_a_home_there_is_no_abroad(reach):
    watch(reach, 20, "KR", "ko")
    report = told_of(reach, Home("", ""), PLENTY, SPOKEN)
    assert report["home_country"] is report["home_language"] is None
    assert report["abroad_share"] is report["foreign_language_share"] is None


def test_where_home_has_no_cell_of_its_own_nobody_says_how_much_is_abroad(reach):
    for hours, country in ((130, "KR"), (1000, "US"), (1000, "JP")):
        watch(reach, hours, country, "ko" if country == "KR" else "en")
    few = told_of(reach, HOME, {"KR": 40, "US": 40, "JP": 40}, {"ko": 40, "en": 80})
    assert few["countries"] == {"other": 2100}
    assert few["abroad_share"] is few["foreign_language_share"] is None
    more = told_of(reach, HOME, {"KR": 3, "US": 100, "JP": 50}, {})
    assert more["countries"] == {"US": 1000, "other": 1100}
    assert more["abroad_share"] is None


def test_cells_of_the_same_hours_keep_their_order_when_one_viewer_watches_more(reach):
    for hours, country in ((600, "KR"), (100, "US"), (100, "DE")):
        watch(reach, hours, country)
    for more in ("US", "DE"):
        watch(reach, 0.1, more)
        countries = told_of(reach, HOME, PLENTY, {})["countries"]
        assert list(countries.items()) == [("KR", 600), ("DE", 100), ("US", 100)]


def test_hours_of_nobody_knows_where_are_told_among_others(reach):
    watch(reach, 2, "DE")
    watch(reach, 90, "KR")
    alone = reach.report(HOME, [{"KR": 400, "DE": 60, "": 1}], [], round(101.6 * HOUR_MS), 50)
    assert alone["countries"] == {"KR": 90, "other": 12}
    many = reach.report(HOME, [{"KR": 400, "DE": 60, "": 50}], [], round(101.6 * HOUR_MS), 50)
    assert many["countries"] == {"KR": 90, "DE": 2, "other": 9.6}
    nobody = reach.report(HOME, [{"DE": 60, "": 1}], [], round(101.6 * HOUR_MS), 50)
    assert nobody["countries"] == {"other": 100}


def test_who_began_two_seasons_in_two_small_countries_is_no_crowd(reach):
    for hours, country in ((600, "KR"), (300, "US"), (7, "FR"), (7, "BE")):
        watch(reach, hours, country)
    seasons = [{"KR": 500, "US": 300, "FR": 30}, {"KR": 500, "US": 300, "BE": 30}]
    report = reach.report(HOME, seasons, [], 914 * HOUR_MS, 50)
    assert report["countries"] == {"KR": 600, "other": 310}
    seasons[1]["FR"] = 20
    report = reach.report(HOME, seasons, [], 914 * HOUR_MS, 50)
    assert report["countries"] == {"KR": 600, "US": 300, "other": 14}


@pytest.mark.parametrize(("unknown_hours", "abroad"), [(4, 0.1346), (40, None)])
def test_what_is_abroad_is_said_while_hardly_anything_is_of_nobody_knows_where(
    reach, unknown_hours, abroad
):
    watch(reach, 90, "KR")
    watch(reach, 10, "US")
    total_ms = (100 + unknown_hours) * HOUR_MS
    report = reach.report(HOME, [PLENTY | {"": 70}], [], total_ms, 50)
    assert report["countries"] == {"KR": 90, "US": 10, "other": unknown_hours}
    assert report["abroad_share"] == abroad


VALUES = ["", *"ABCDEFGH"]
SUMS = st.dictionaries(st.sampled_from(VALUES), st.integers(0, 500 * HOUR_MS))
VIEWERS = st.dictionaries(st.sampled_from(VALUES), st.integers(0, 120))


@given(SUMS, VIEWERS)
def test_what_is_left_after_any_subtraction_is_a_crowd_or_nothing(sums, viewers):
    found = cells(sums, [viewers], 50)
    shown = {it for it in found if it != "other"}
    assert "" not in shown
    assert all(viewers[it] >= 50 for it in shown)
    hidden = {it for it, ms in sums.items() if ms > 0} - shown
    if shown or "other" in found:
        assert not hidden or sum(viewers.get(it, 0) for it in hidden) >= 50


@given(SUMS, VIEWERS)
def test_the_order_of_cells_says_nothing_that_their_hours_do_not(sums, viewers):
    found = cells(sums, [viewers], 50)
    shown = [it for it in found if it != "other"]
    assert shown == sorted(shown, key=lambda it: (-found[it], it))
    assert list(found)[len(shown) :] in ([], ["other"])


@given(SUMS, VIEWERS, st.sampled_from(VALUES), st.integers(0, HOUR_MS))
def test_one_viewer_more_moves_their_own_cell_only_unless_a_crowd_reaches_a_step(
    sums, viewers, value, ms
):
    sums[value] = sums.get(value, 0) + HOUR_MS
    more = viewers | {value: viewers.get(value, 0) + 1}
    small = {it for it, played in sums.items() if played and (not it or viewers.get(it, 0) < 50)}
    crowd = sum(viewers.get(it, 0) for it in small)
    if more[value] % 50 and not (value in small and crowd + 1 == 50):
        before, after = (
            cells(sums, [viewers], 50),
            cells(sums | {value: sums[value] + ms}, [more], 50),
        )
        assert before.keys() == after.keys()
        changed = {it for it in before if before[it] != after[it]}
        assert changed <= {value if value in before else "other"}


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
