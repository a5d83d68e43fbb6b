"""Nobody is seen in what is published about who watches, however it is added and subtracted."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from title_records import NOTHING, SEATS, T0, progress, told

from streams.audience.people import People
from streams.audience.records import Progress, Row, Seat

THRESHOLDS = st.integers(1, 60)
GROUPS = st.lists(st.tuples(SEATS, st.integers(1, 3), st.integers(-30, 130)), max_size=6)
"""A seat, a season, and how many viewers with it come (or go)."""


def counted(records: list[Any]) -> People:
    people = People()
    for record in records:
        if isinstance(record, Progress):
            people.progress(record)
    return people


def join(people: People, seat: Seat, season: int, viewers: int) -> None:
    row = Row(T0, 0)
    said = ((NOTHING, None), (NOTHING, row)) if viewers > 0 else ((NOTHING, row), (NOTHING, None))
    for _ in range(abs(viewers)):
        people.progress(progress((season, 1), seat, *said))


def numbers(report: dict[str, Any]) -> dict[tuple[str, str], int]:
    facets = {name: values for name, values in report.items() if name != "n"}
    found = {(name, value): it for name, counts in facets.items() for value, it in counts.items()}
    return found | {("n", ""): report["n"]}


@given(told())
def test_any_order_and_any_steps_end_in_the_same_crowd(said: tuple[list[Any], list[Any]]) -> None:
    at_once, steps = said
    for threshold in (1, 2):
        assert counted(steps).report(threshold) == counted(at_once).report(threshold)


@given(told())
def test_a_crowd_survives_being_stored(said: tuple[list[Any], list[Any]]) -> None:
    people = counted(said[1])
    loaded = People()
    loaded.load(orjson.loads(orjson.dumps(people.dump())))
    assert loaded.dump() == people.dump()
    assert loaded.report(1) == people.report(1)


@given(GROUPS, GROUPS, THRESHOLDS)
def test_no_two_published_numbers_differ_by_fewer_viewers_than_the_threshold(
    first: list[tuple[Seat, int, int]], then: list[tuple[Seat, int, int]], threshold: int
) -> None:
    people, reports = People(), []
    for groups in (first, then):
        for group in groups:
            join(people, *group)
        reports.append(numbers(people.report(threshold)))
    one, other = reports
    for values in reports:
        assert all(count >= threshold for key, count in values.items() if key != ("n", ""))
    published = {0, *one.values(), *other.values()}
    for a in published:
        for b in published:
            assert a == b or abs(a - b) >= threshold
    for key in one.keys() | other.keys():
        change = abs(one.get(key, 0) - other.get(key, 0))
        assert change == 0 or change >= threshold


@given(GROUPS, THRESHOLDS, st.data())
def test_no_sum_of_published_numbers_singles_out_fewer(
    groups: list[tuple[Seat, int, int]], threshold: int, data: st.DataObject
) -> None:
    people = People()
    for group in groups:
        join(people, *group)
    values = list(numbers(people.report(threshold)).values())
    factors = data.draw(st.lists(st.integers(-3, 3), min_size=len(values), max_size=len(values)))
    mixed = abs(sum(f * value for f, value in zip(factors, values, strict=True)))
    assert mixed == 0 or mixed >= threshold


@given(GROUPS, THRESHOLDS)
def test_no_number_is_more_than_there_are(
    groups: list[tuple[Seat, int, int]], threshold: int
) -> None:
    people = People()
    for group in groups:
        join(people, *group)
    exact, published = numbers(people.report(1)), numbers(people.report(threshold))
    assert all(count <= exact.get(key, 0) for key, count in published.items())
    for facet in ("country", "age"):
        counts = people.report(threshold)[facet].values()
        if all(viewers >= 0 for _, _, viewers in groups):
            assert sum(counts) <= people.report(threshold)["n"]
