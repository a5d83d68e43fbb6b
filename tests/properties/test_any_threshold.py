"""One threshold of viewers rules in all that is told of a title, whatever it is set to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
from audiences import DAY, HOUR, T0, TITLE, Hearing, in_order, journey, surroundings
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.audience.records import Figures, Seat, Session
from streams.audience.report import report_of
from streams.audience.voices import Line
from streams.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH = 3
SEATS = (Seat("DE", "de"), Seat("FR", "fr-FR"), Seat("FR", "fr-CA"), Seat("US", "en"))
COUNTS = {"n", "n_eff", "observed", "starters", "completers"}
"""What these are called is a count of viewers, wherever it is in a signal or in a line of peers."""
EXACT = {"starters", "completers"}
"""In a report these are of whole titles, seasons and episodes, and exact (docs/redis.md)."""

SIZES = st.lists(st.integers(1, 70), min_size=len(SEATS), max_size=len(SEATS))
THRESHOLDS = st.sampled_from([1, 7, 30, 60, 80, 200])


def heard(sizes: list[int], least: int) -> Hearing:
    """Viewers by seat; home loses two of five after the first episode, others one of five."""
    rules = Rules(least_viewers=least)
    one = Hearing(surroundings(LENGTH, rules, country="DE", language="de", labels=("new",)))
    for number in range(6):
        line = Line(10 * least, 2 * least, h1=0.1, low=0.05, n=5 * least, of=LENGTH)
        one.around.table.put(f"other-{number}:1", line)
    told: list[Any] = []
    for seat, size in zip(SEATS, sizes, strict=True):
        for number in range(size):
            leaves = number % 5 < (2 if seat.country == "DE" else 1)
            name, at_ms = f"{seat.language}-{number}", T0 + number * DAY // max(size, 1)
            told += journey(name, at_ms, 1 if leaves else LENGTH, seat=seat)
            played = Figures(1800, 1800, 1800, 0, 900, seat.country, seat.language, "tv")
            told.append(
                Session(name, TITLE, 1, 1, at_ms + HOUR, f"s-{name}", 1, at_ms, played, None, 2700)
            )
    played = Figures(9, 9, 9, 900, 909, "DE", "de", "tv")
    late_ms = T0 + 35 * DAY
    told.append(Session("de-0", TITLE, 1, 1, late_ms, "late", 1, late_ms, played, None, 2700))
    one.hear(*in_order(told))
    one.wait(T0 + 40 * DAY)
    return one


def counts(value: Any, name: str = "", below: str = "") -> Iterator[tuple[str, float]]:
    """Every number in nested lists and dicts, with its name and the way to it."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from counts(each, key, f"{below}/{name}")
    elif isinstance(value, list):
        for each in value:
            yield from counts(each, name, below)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield f"{below}/{name}", value


def named_as_a_count(value: Any, names: set[str]) -> list[tuple[str, float]]:
    return [(way, it) for way, it in counts(value) if way.rpartition("/")[2] in names]


@settings(max_examples=50)
@given(SIZES, THRESHOLDS)
def test_every_published_count_is_a_multiple_of_the_threshold(sizes: list[int], least: int) -> None:
    one = heard(sizes, least)
    report = report_of(one.title, one.around)
    fields = {name: orjson.loads(it) for name, it in report.fields.items() if isinstance(it, bytes)}
    lines = [orjson.loads(line) for line in report.lines.values()]
    signals = [orjson.loads(out.body)["data"] for out in one.title.outbox]
    found = [*counts(fields.get("audience", {}), "audience")]
    found += [it for line in lines for it in counts(line.get("countries", {}))]
    found += named_as_a_count([lines, signals], COUNTS)
    found += named_as_a_count(fields, COUNTS - EXACT)
    assert [(way, it) for way, it in found if it % least] == []


@settings(max_examples=50)
@given(SIZES, THRESHOLDS)
def test_a_group_is_told_of_exactly_from_the_threshold_on(sizes: list[int], least: int) -> None:
    one = heard(sizes, least)
    fields = report_of(one.title, one.around).fields
    stayed = Counter[str]()
    began = Counter[str]()
    for seat, size in zip(SEATS, sizes, strict=True):
        leave = sum(number % 5 < (2 if seat.country == "DE" else 1) for number in range(size))
        for group in (seat.country, f"language:{seat.language.partition('-')[0]}"):
            stayed[group] += size - leave
            began[group] += size
    enough = {group for group, viewers in stayed.items() if viewers >= least}
    for kind in ("curve", "hook"):
        place = f"{kind}:1:"
        told = {name.removeprefix(place) for name in fields if name.startswith(place)}
        assert told == enough
    audience, reach = orjson.loads(fields["audience"]), orjson.loads(fields["reach"])
    crowds = {group for group, viewers in began.items() if viewers >= least}
    assert set(audience["country"]) == {group for group in crowds if ":" not in group}
    assert set(reach["countries"]) - {"other"} <= set(audience["country"])
    assert set(reach["languages"]) - {"other"} <= set(audience["language"])
    everyone = sum(sizes)
    assert set(orjson.loads(fields["dropoff:1"])) == ({"1"} if everyone >= least else set()) | (
        {"2", "3"} if sum(stayed.values()) / 2 >= least else set()
    )
    assert ("completion_28d" in fields) == (everyone >= least)
    hooked = {
        (it["country"], it["language"])
        for it in (orjson.loads(out.body)["data"] for out in one.title.outbox)
        if "k" in it
    }
    assert hooked - {(None, None)} <= {
        (None, group.removeprefix("language:")) if ":" in group else (group, None)
        for group in enough
    }
