"""Starts by hour are those of the last word, in any order between two whole hours."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from title_records import NOTHING, T0, progress, told

from streams.audience.records import Progress, Row, Seat
from streams.audience.trending import DAY, EVERYWHERE, HOUR_MS, Trending
from streams.rules import Rules

FIRST = T0 // HOUR_MS
STARTS = st.lists(
    st.tuples(st.integers(0, 12 * DAY), st.sampled_from(["", "DE", "FR"]), st.integers(1, 90)),
    max_size=40,
)


def counted(records: list[Any]) -> Trending:
    trending = Trending(Rules())
    for record in records:
        if isinstance(record, Progress):
            trending.progress(record)
    return trending


@given(told())
def test_any_order_and_any_steps_end_in_the_same_starts(said: tuple[list[Any], list[Any]]) -> None:
    at_once, steps = said
    one, other = counted(at_once), counted(steps)
    assert one.dump() == other.dump()
    for hour in (FIRST + DAY, FIRST + 5 * DAY, FIRST + 9 * DAY):
        assert one.tick(hour) == other.tick(hour)
    assert one.dump() == other.dump()


def feed(trending: Trending, starts: list[tuple[int, str, int]]) -> list[Any]:
    changes: list[Any] = []
    clock = 0
    for hour, country, viewers in starts:
        if hour > clock:
            changes += trending.tick(FIRST + hour)
            clock = hour
        row = Row((FIRST + hour) * HOUR_MS, 0)
        for _ in range(viewers):
            said = ((NOTHING, None), (NOTHING, row))
            trending.progress(progress((1, 1), Seat(country=country), *said))
    return changes


@given(STARTS, st.integers(0, 40))
def test_what_is_stored_and_taken_up_decides_the_same(
    starts: list[tuple[int, str, int]], cut: int
) -> None:
    starts.sort()
    whole, first, rest = Trending(Rules()), Trending(Rules()), Trending(Rules())
    changes = feed(whole, starts)
    head = feed(first, starts[:cut])
    rest.load(orjson.loads(orjson.dumps(first.dump())))
    clock = starts[:cut][-1][0] if starts[:cut] else 0
    assert head + [it for it in feed(rest, starts[cut:]) if it.hour > FIRST + clock] == changes
    assert rest.dump() == whole.dump()


@given(STARTS)
def test_begins_and_ends_alternate_and_nothing_below_the_threshold_is_told(
    starts: list[tuple[int, str, int]],
) -> None:
    trending = Trending(Rules())
    going: set[str] = set()
    for change in feed(trending, sorted(starts)):
        assert change.begins == (change.country not in going)
        going ^= {change.country}
        assert change.observed % 50 == 0
        if change.begins:
            assert change.observed >= 50
            assert change.tail is None or 1e-12 <= change.tail < 1e-3
    assert trending.report().keys() == going


@given(STARTS)
def test_of_a_country_only_steps_of_the_threshold_are_told(
    starts: list[tuple[int, str, int]],
) -> None:
    trending = Trending(Rules())
    changes = feed(trending, sorted(starts))
    for change in changes:
        if change.country != EVERYWHERE:
            assert change.observed % 50 == change.expected % 50 == 0
            below = max(change.expected, 50)
            assert change.score == float(f"{change.observed / below:.3g}")
        assert (change.tail is None) == (change.country != EVERYWHERE)


@given(STARTS)
def test_all_countries_together_have_no_fewer_starts_than_any_one(
    starts: list[tuple[int, str, int]],
) -> None:
    trending = Trending(Rules())
    feed(trending, sorted(starts))
    hour = FIRST + 12 * DAY + 1
    trending.tick(hour)
    everywhere = trending.burst(EVERYWHERE, hour)
    for name, *_ in trending.dump()[4]:
        burst = trending.burst(name, hour)
        assert (burst is None) == (everywhere is None)
        if burst is not None and everywhere is not None:
            assert everywhere.observed >= burst.observed
            assert everywhere.expected >= burst.expected
            assert 0 <= burst.tail <= 1
