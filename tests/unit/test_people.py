"""Who watches a title, and why a few of them cannot be seen."""

from __future__ import annotations

import pytest
from title_records import NOTHING, T0, progress

from streams.audience.people import People, rounded
from streams.audience.records import Flags, Passage, Row, Seat
from streams.audience.tally import MOST_VALUES, Tally, spoken

ROW = Row(T0, 0)


def begin(people: People, viewers: int, season: int = 1, **seat) -> None:
    for _ in range(viewers):
        record = progress((season, 1), Seat(**seat), (NOTHING, None), (Flags(True), ROW))
        people.progress(record)


@pytest.fixture
def people() -> People:
    return People()


@pytest.mark.parametrize(
    ("count", "published"), [(-3, 0), (0, 0), (49, 0), (50, 50), (99, 50), (100, 100)]
)
def test_counts_are_rounded_down_to_steps_of_the_threshold(count, published):
    assert rounded(count, 50) == published


def test_a_cell_below_the_threshold_is_left_out(people):
    begin(people, 120, country="DE", device="tv", hour=20, genre="drama", language="de")
    begin(people, 49, country="FR", device="tv", age="25-34")
    assert people.report(50) == {
        "n": 150, "country": {"DE": 100}, "language": {"de": 100}, "device": {"tv": 150},
        "hour": {"20": 100}, "genre": {"drama": 100}, "age": {},
    }  # fmt: skip


def test_the_last_viewer_of_a_crowd_is_not_found_by_subtraction(people):
    begin(people, 99, country="DE")
    begin(people, 1, country="FR")
    report = people.report(50)
    assert (report["n"], report["country"]) == (100, {"DE": 50})


def test_a_few_viewers_of_many_seasons_do_not_pass_for_a_crowd(people):
    for season in range(1, 11):
        begin(people, 5, season=season, country="DE")
    assert people.report(50) == {
        "n": 0, "country": {}, "language": {}, "device": {}, "hour": {}, "genre": {}, "age": {},
    }  # fmt: skip


def test_viewers_of_whom_a_value_is_not_known_are_counted_apart(people):
    begin(people, 5, season=1, country="DE")
    begin(people, 3, season=1)
    begin(people, 2, season=2)
    assert people.by_season("country") == [{"DE": 5, "": 3}, {"": 2}]


def test_a_viewer_whose_beginning_was_taken_back_is_gone(people):
    begin(people, 50, country="DE")
    people.progress(progress((1, 1), Seat(country="DE"), (Flags(True), ROW), (NOTHING, None)))
    assert people.report(50)["n"] == 0
    assert people.report(1)["country"] == {"DE": 49}


def test_going_on_in_a_season_counts_nobody_again(people):
    begin(people, 1, country="DE")
    later = progress((1, 2), Seat(country="DE"), (NOTHING, ROW), (Flags(True), Row(T0, T0 + 1)))
    people.progress(later)
    rows = (Passage(1, None, ROW), Passage(2, None, ROW))
    people.progress(later.__class__("v", "t", 1, 2, T0, Seat(), NOTHING, Flags(True), rows))
    assert people.report(1)["n"] == 1


def test_those_who_completed_it_are_a_crowd_of_their_own():
    completed = People(completed=True)
    seat, done = Seat(country="DE"), Row(T0, T0 + 1)
    completed.progress(progress((1, 1), seat, (NOTHING, None), (Flags(True), ROW)))
    assert completed.report(1)["n"] == 0
    completed.progress(progress((1, 8), seat, (NOTHING, ROW), (Flags(True), done)))
    assert completed.report(1)["country"] == {"DE": 1}
    completed.progress(progress((1, 8), seat, (Flags(True), done), (Flags(True), ROW)))
    assert completed.report(1)["n"] == 0


def test_a_language_counts_without_its_region(people):
    begin(people, 1, language="pt-BR")
    begin(people, 1, language="pt")
    assert people.report(1)["language"] == {"pt": 2}
    assert spoken("zh-Hant-TW") == "zh"


def test_words_without_end_go_under_other():
    tally = Tally()
    for number in range(MOST_VALUES + 5):
        tally.add(f"device-{number}", 1)
    assert tally.sums["other"] == 5
    tally.add("device-302", -1)
    assert tally.sums["other"] == 4
    assert len(tally.sums) == MOST_VALUES + 1
