"""One threshold of viewers rules in all that is told of a title, whatever it is set to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from audiences import DAY, HOUR, T0, TITLE, Hearing, in_order, journey, surroundings
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.audience.hook_point import Hook, published
from streams.audience.life_table import Bucket, estimate, pooled
from streams.audience.records import Figures, Seat, Session
from streams.audience.report import report_of
from streams.audience.scale import GroupShare
from streams.audience.season_curve import SeasonCurve
from streams.audience.seasons import standing
from streams.audience.travels import Travels
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


def told_of_group(steps: list[tuple[int, int]], least: int) -> tuple[Any, ...]:
    """All that is said of a group of which n watched an episode and d of them went on, by step."""
    rules = Rules(least_viewers=least)
    tables = [[Bucket(n, d, 0, HOUR / 1000)] for n, d in steps]
    estimates = tuple(map(estimate, tables))
    curve = SeasonCurve.made_of("7", estimates, estimate(pooled(tables)), of_group=True)
    hooks = [published(Hook(k), curve, rules) for k in (None, *range(1, len(steps) + 1))]
    found = standing(curve)
    # What is said of it when a decision falls; that it falls is exact, and said apart.
    travel = Travels(rules)._travel(True, "country", "there", found, found)
    return curve.published(least), hooks, travel


@pytest.mark.parametrize("least", [7, 20, 50])
def test_what_is_told_of_a_small_group_fits_a_crowd_of_counts(least: int) -> None:
    told = {
        (n, d): repr(told_of_group([(n, d)], least))
        for n in range(least, 4 * least)
        for d in range(n + 1)
    }
    alike: dict[str, set[tuple[int, int]]] = {}
    for pair, said in told.items():
        alike.setdefault(said, set()).add(pair)
    for (n, d), said in told.items():
        neighbours = {(n, d - 1), (n, d + 1), (n - 1, d), (n + 1, d)}
        neighbours |= {(n - 1, d - 1), (n + 1, d + 1)}
        assert neighbours & alike[said], (n, d)
    assert min(map(len, alike.values())) >= least - 1


@settings(max_examples=200)
@given(
    st.integers(2, 60),
    st.lists(st.tuples(st.floats(0.2, 1), st.floats(0, 1)), min_size=1, max_size=4),
    st.integers(0, 3),
    st.sampled_from([(0, 1), (1, 0), (1, 1)]),
)
def test_one_viewer_more_changes_nothing_of_a_group_or_a_whole_step(
    least: int, sizes: list[tuple[float, float]], at: int, more: tuple[int, int]
) -> None:
    steps = [(int(least / size), int(least / size * went)) for size, went in sizes]
    n, d = steps[at % len(steps)]
    if d + more[1] > n + more[0]:
        return
    others = [*steps]
    others[at % len(steps)] = (n + more[0], d + more[1])
    one, other = told_of_group(steps, least)[0], told_of_group(others, least)[0]
    for name in ("n", "n_eff"):
        for before, after in zip(one[name], other[name], strict=True):
            assert (after - before) % least == 0
    for k in range(len(steps)):
        behind = [(it["n"][k], min(it["n"][k:])) for it in (one, other)]
        if behind[0] == behind[1]:  # else a whole step of viewers has come
            for name, n in zip(("c", "h"), behind[0], strict=True):
                change = abs(other[name][k] - one[name][k])
                assert not change or change * n >= least - n * 1e-4  # told to four digits
    told = [(it["c"], it["n"], it["n_eff"], it["h"]) for it in (one, other)]
    if told[0] == told[1]:  # the rest follows from these, but for the gaps
        rest = ("low", "high", "se")
        assert [one[name] for name in rest] == [other[name] for name in rest]


@settings(max_examples=100)
@given(st.integers(7, 60), st.floats(1, 40), st.floats(0, 1))
def test_the_told_bounds_of_a_group_hold_what_the_exact_ones_hold(
    least: int, times: float, went: float
) -> None:
    n = int(least * times)
    exact = estimate([Bucket(n, int(n * went), 0, HOUR / 1000)])
    share = GroupShare.of(exact.c, exact.belief.size, exact.n, least)
    assert share.low <= exact.low
    assert exact.high <= share.high


@settings(max_examples=50)
@given(SIZES, THRESHOLDS)
def test_everyones_curve_says_nothing_of_fewer_viewers(sizes: list[int], least: int) -> None:
    fields = report_of((one := heard(sizes, least)).title, one.around).fields
    everyone = sum(sizes)
    assert fields["least_viewers"] == least
    assert ("curve:1" in fields) == ("hook:1" in fields) == (everyone >= least)
    if everyone >= least:
        curve = orjson.loads(fields["curve:1"])
        unknown = [place for place, n in enumerate(curve["n"]) if not n]
        assert [curve["c"][place] for place in unknown] == [0.5] * len(unknown)


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
