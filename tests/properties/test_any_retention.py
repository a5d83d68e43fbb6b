"""Retention holds for any audience, in any order, however often it is compacted."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.audience.hook_point import NONE, above, decide
from streams.audience.life_table import estimate
from streams.audience.passages import EDGES_H, HOUR_MS, NOT_OUT, Passages
from streams.audience.records import Passage, Row
from streams.audience.retention import Retention
from streams.catalogue import Curve
from streams.rules import Rules

RULES = Rules()
DAY_MS = 24 * HOUR_MS
T0 = 20_000 * DAY_MS
SPAN = 45 * DAY_MS
MINUTES = st.integers(0, SPAN // 60_000)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    entered = T0 + draw(MINUTES) * 60_000
    gap = draw(st.none() | st.integers(-DAY_MS, SPAN))
    return Row(entered, 0 if gap is None else entered + gap)


OPENS = st.sampled_from([0, T0 + DAY_MS, T0 + 9 * DAY_MS, T0 + 30 * DAY_MS])
AUDIENCES = st.lists(rows(), max_size=30)


def counted(audience, open_ms=0) -> Passages:
    passages = Passages()
    for row in audience:
        passages.add(row, 1, open_ms)
    return passages


def but_first_hour(dumped: list) -> list:
    """Without the earliest hour ever entered: it only ever falls."""
    return dumped[:2] + dumped[3:]


@given(AUDIENCES, OPENS, st.lists(st.integers(0, 80), max_size=6), st.data())
def test_neither_order_nor_when_it_was_compacted_matters(audience, open_ms, days, data):
    clock = T0 + 80 * DAY_MS
    once = counted(audience, open_ms)
    once.compact(clock, open_ms)
    often = Passages()
    shuffled = data.draw(st.permutations(audience))
    for number, row in enumerate(shuffled):
        if number < len(days):
            often.compact(T0 + days[number] * DAY_MS, open_ms)
        often.add(row, 1, open_ms)
    often.compact(clock, open_ms)
    assert often.dump() == once.dump()


@given(st.lists(st.lists(rows() | st.none(), min_size=1, max_size=4), max_size=8), OPENS, st.data())
def test_any_chain_of_corrections_equals_the_final_rows(viewers, open_ms, data):
    clock, said, chained = T0 + 80 * DAY_MS, {}, Retention(RULES)
    chained.opens(1, open_ms)
    left = [number for number, chain in enumerate(viewers) for _ in chain]
    at = dict.fromkeys(range(len(viewers)), 0)
    for number in data.draw(st.permutations(left)):
        now = viewers[number][at[number]]
        at[number] += 1
        chained.add(Passage(1, said.get(number), now), open_ms=open_ms)
        said[number] = now
        if data.draw(st.booleans()):
            chained.compact(T0 + data.draw(st.integers(0, 80)) * DAY_MS)
    chained.compact(clock)
    final = counted([row for row in said.values() if row], open_ms)
    final.compact(clock, open_ms)
    group = chained._groups[""].passages.get(1, Passages())
    group.compact(clock, open_ms)
    assert but_first_hour(group.dump()) == but_first_hour(final.dump())


def by_hand(audience, clock, open_ms):
    """The life table from the rows one by one; whoever waits is spread over their hour."""
    edges = [edge * HOUR_MS for edge in EDGES_H]
    buckets = len(edges) - 1
    went, pending, late = [0] * buckets, [0.0] * buckets, 0.0
    for row in audience:
        if row.passed_ms:
            gap = max(0, row.passed_ms - max(row.entered_ms, open_ms))
            place = next((i for i in range(buckets) if gap <= edges[i + 1]), None)
            if place is None:
                late += 1
            else:
                went[place] += 1
            continue
        hour = row.entered_ms - row.entered_ms % HOUR_MS
        minutes = [hour + minute * 60_000 + 30_000 for minute in range(60)]
        minutes = [it for it in minutes if it < clock]
        for minute in minutes:
            waited = clock - max(minute, open_ms)
            if waited > edges[-1]:
                late += 1 / len(minutes)
            elif max(minute, open_ms) < clock:
                pending[max(1, bisect_left(edges, waited)) - 1] += 1 / len(minutes)
    left = sum(went) + sum(pending) + late
    for i in range(buckets):
        yield left, went[i], pending[i]
        left -= went[i] + pending[i]


@given(AUDIENCES, st.sampled_from([0, T0 + DAY_MS, T0 + 9 * DAY_MS]), st.integers(45, 90))
def test_the_life_table_is_that_of_the_rows_one_by_one(audience, open_ms, day):
    clock = T0 + day * DAY_MS
    found = counted(audience, open_ms).buckets(clock, open_ms)
    for bucket, expected in zip(found, by_hand(audience, clock, open_ms), strict=True):
        assert bucket[:3] == pytest.approx(expected, abs=1e-6)


@given(AUDIENCES, MINUTES)
def test_in_the_middle_of_an_hour_only_what_can_have_happened_counts(audience, minute):
    clock = T0 + minute * 60_000
    seen = [it for it in audience if it.entered_ms // HOUR_MS < clock // HOUR_MS]
    waiting = [Row(it.entered_ms, 0) for it in seen]
    found = counted(waiting).buckets(clock)
    for bucket, expected in zip(found, by_hand(waiting, clock, 0), strict=True):
        assert bucket[:3] == pytest.approx(expected, abs=1e-6)
    assert found[0].entered == pytest.approx(len(seen))


@given(AUDIENCES, OPENS | st.just(NOT_OUT), st.integers(0, 90))
def test_an_estimate_lies_between_its_bounds_whatever_the_audience(audience, open_ms, day):
    clock = T0 + day * DAY_MS
    found = estimate(counted(audience, open_ms).buckets(clock, open_ms))
    assert 0 <= found.low <= found.c <= found.high <= 1
    assert found.se > 0
    assert list(found.gap_cdf) == sorted(found.gap_cdf)


@given(st.lists(st.tuples(st.integers(1, 4), rows()), max_size=60), st.integers(0, 90))
def test_whatever_the_audience_its_curve_can_be_published(audience, day):
    season = Retention(RULES)
    for k, row in audience:
        season.add(Passage(k, None, row))
    curve = season.estimates(5, T0 + day * DAY_MS)
    assert Curve.parse(curve.published(50)).of == 5
    assert Curve.parse(replace(curve, of_group=True).published(50)).of == 5


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 90)), min_size=2, max_size=12))
def test_a_hook_point_changes_only_for_a_reason_and_never_twice_for_one(looks):
    hook = NONE
    for went, stayed in looks:
        season = Retention(RULES)
        for k in (1, 2, 3):
            for number in range(went + stayed):
                passed = T0 + 1 if number < went else 0
                season.add(Passage(k, None, Row(T0, passed)))
        curve = season.curve(4, T0 + 40 * DAY_MS)
        following, change = decide(hook, curve, 1, RULES)
        assert (change is None) == (following == hook)
        if change and change.what == "withdrawn":
            assert above(curve, hook.k, RULES) < RULES.hook_kept_at
        assert decide(following, curve, 2, RULES) == (following, None)
        hook = following
