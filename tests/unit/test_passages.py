"""Counting who passed: gaps, cells that grow coarser, episodes that come out later."""

from __future__ import annotations

import random
import tracemalloc

import orjson
import pytest

from streams.audience.life_table import Bucket, estimate
from streams.audience.passages import EDGES_H, HOUR_MS, LAST_H, NOT_OUT, Passages
from streams.audience.records import Passage, Row, Seat
from streams.audience.retention import Retention
from streams.rules import Rules

DAY_MS = 24 * HOUR_MS
T0 = 20_000 * DAY_MS


def row(entered_h: float, passed_h: float | None = None) -> Row:
    passed = 0 if passed_h is None else T0 + round(passed_h * HOUR_MS)
    return Row(T0 + round(entered_h * HOUR_MS), passed)


def table(passages: Passages, clock_h: float, open_ms: int = 0) -> dict[int, Bucket]:
    """Its buckets by where they begin, in hours."""
    found = passages.buckets(T0 + round(clock_h * HOUR_MS), open_ms)
    return dict(zip(EDGES_H, found, strict=False))


def test_the_design_s_edges_are_among_the_edges():
    assert {0, 1, 6, 24, 48, 96, 168, 336, 672} <= set(EDGES_H)


@pytest.mark.parametrize(
    ("gap_h", "bucket_h"),
    [(-5, 0), (0, 0), (0.5, 0), (1, 0), (1.001, 1), (7, 6), (24, 21), (671, 588), (672, 588)],
)
def test_a_gap_counts_in_the_bucket_it_ended_in(gap_h, bucket_h):
    passages = Passages()
    passages.add(row(0, gap_h), 1)
    assert [hour for hour, it in table(passages, 900).items() if it.went_on] == [bucket_h]


def test_who_goes_on_after_28_days_is_not_counted_as_going_on():
    passages = Passages()
    passages.add(row(0, LAST_H + 1), 1)
    found = table(passages, 900)
    assert all(it.entered == 1 and not it.went_on for it in found.values())
    assert estimate(list(found.values())).c == 0


def test_who_waits_is_pending_in_the_bucket_they_have_come_to():
    passages = Passages()
    passages.add(row(0), 1)
    assert table(passages, 2)[1].pending == 1  # entered within the first hour: 1 to 2 hours ago
    assert table(passages, 1.5)[0].pending == pytest.approx(0.5)
    assert table(passages, 1.5)[1].pending == pytest.approx(0.5)
    assert table(passages, 900)[588] == Bucket(1, 0, 0, LAST_H * 3600)


def test_who_waits_counts_for_the_part_of_the_bucket_they_waited_in():
    passages = Passages()
    passages.add(row(0.5), 1)
    assert table(passages, 28)[24].watched == pytest.approx(3.5 / 4)  # of the 4 hours since 24
    passages.add(row(-30), 1)
    assert table(passages, 28)[24].watched == pytest.approx(3.5 / 6)


def test_a_row_that_is_taken_off_leaves_nothing():
    passages = Passages()
    for sign in (1, -1):
        passages.add(row(3), sign)
        passages.add(row(3, 9), sign)
    assert passages.entered() == 0
    assert not any(it.entered for it in table(passages, 10).values())


def test_a_count_below_none_reads_as_none():
    passages = Passages()
    passages.add(row(3), -1)
    passages.add(row(3, 9), -1)
    passages.add(row(50), 1)
    found = table(passages, 60)
    assert found[0].entered == 1
    assert all(it.went_on == 0 for it in found.values())


def test_before_an_episode_is_out_nobody_is_at_risk():
    passages = Passages()
    passages.add(row(0), 1)
    assert not any(it.entered for it in table(passages, 100, NOT_OUT).values())
    assert not any(it.entered for it in table(passages, 100, T0 + 168 * HOUR_MS).values())
    assert passages.entered() == 1


def test_exposure_begins_when_the_next_episode_comes_out():
    out = T0 + 168 * HOUR_MS
    passages = Passages()
    passages.add(row(0), 1, out)
    passages.add(row(1, 170), 1, out)
    found = table(passages, 168 + 20, out)
    assert found[18].pending == 1
    assert found[18].watched == 1
    assert found[1].went_on == 1
    assert found[0].entered == 2


def test_a_day_that_is_announced_later_holds_for_those_who_wait_already():
    passages = Passages()
    passages.add(row(0), 1, NOT_OUT)
    for day in range(60):
        passages.compact(T0 + day * DAY_MS, NOT_OUT)
    found = table(passages, 60 * 24 + 5, T0 + 60 * DAY_MS)
    assert found[4] == Bucket(1, 0, 1, 5 * 3600, 1.0)


def test_nobody_is_gone_while_the_next_episode_is_not_28_days_old():
    out = T0 + 50 * DAY_MS
    passages = Passages()
    passages.add(row(0), 1, out)
    clock = T0 + 60 * DAY_MS
    passages.compact(clock, out)
    assert passages.buckets(clock, out)[EDGES_H.index(192)].pending == 1
    passages.compact(out + 29 * DAY_MS, out)
    assert all(it.pending == 0 for it in passages.buckets(out + 29 * DAY_MS, out))


def test_old_cells_grow_coarser_and_a_row_is_still_found_to_be_taken_off():
    passages, rows = Passages(), [row(hour + 0.5) for hour in range(40 * 24)]
    for it in rows:
        passages.add(it, 1)
    clock = T0 + 40 * DAY_MS
    fine = passages.buckets(clock)
    passages.compact(clock)
    assert len(passages.dump()[-1]) / 2 < 48 + 7 + 21 + 22 + 24
    coarse = passages.buckets(clock)
    for one, other in zip(fine, coarse, strict=True):
        assert other.entered == pytest.approx(one.entered, abs=0.01 + one.entered * 0.02)
    for it in rows:
        passages.add(it, -1)
    assert not passages.entered()
    assert passages.dump()[-1] == []


def test_the_longest_anyone_was_watched_bounds_the_buckets():
    passages = Passages()
    passages.add(row(0), 1)
    assert max(it.end_s for it in passages.buckets(T0 + 30 * HOUR_MS)) == 30 * 3600


def test_what_is_dumped_is_loaded():
    passages = Passages()
    for hour in range(300):
        passages.add(row(hour), 1)
        passages.add(row(hour, hour + 5), 1)
    passages.compact(T0 + 300 * HOUR_MS)
    again = Passages.load(orjson.loads(orjson.dumps(passages.dump())))
    assert again.dump() == passages.dump()
    again.add(row(10), -1)
    passages.add(row(10), -1)
    clock = T0 + 301 * HOUR_MS
    assert again.buckets(clock) == passages.buckets(clock)


def kaplan_meier(rows: list[Row], clock_ms: int, within_ms: float) -> float:
    """The share that goes on within a time, viewer by viewer, with every moment exact."""
    seen = [it for it in rows if it.entered_ms <= clock_ms]
    went = [0 < it.passed_ms <= clock_ms for it in seen]
    waits = sorted(
        ((it.passed_ms if on else clock_ms) - it.entered_ms, not on)
        for it, on in zip(seen, went, strict=True)
    )
    staying, left = 1.0, len(waits)
    for wait, pending in waits:
        if wait <= within_ms and not pending:
            staying *= 1 - 1 / left
        left -= 1
    return 1 - staying


@pytest.mark.parametrize("days", [3, 7, 20, 40])
def test_the_life_table_is_close_to_kaplan_and_meier_over_every_single_viewer(days):
    draw, passages, rows, clock = random.Random(days), Passages(), [], T0 + days * DAY_MS
    for _ in range(5000):
        # More and more viewers come: those who wait are mostly new.
        entered = draw.random() ** 0.5 * days * 24
        rows.append(row(entered, entered + 12 * draw.lognormvariate(0, 1.6)))
        if draw.random() > 0.8:
            rows[-1] = row(entered)
    for it in rows:
        passages.add(it if it.passed_ms <= clock else Row(it.entered_ms, 0), 1)
    passages.compact(clock)
    found = estimate(passages.buckets(clock))
    assert found.horizon_s > 0.7 * min(days, 28) * 86400
    assert found.c == pytest.approx(kaplan_meier(rows, clock, found.horizon_s * 1000), abs=0.005)


def busy_season(viewers: int) -> Retention:
    """10 episodes, 10 countries, 5 languages, and viewers who wait at every hour of 40 days."""
    draw, season = random.Random(5), Retention(Rules())
    for viewer in range(viewers):
        seat = Seat(f"C{viewer % 10}", ("de", "en", "fr", "it", "ko")[viewer // 10 % 5])
        for k in range(11):
            entered = draw.uniform(0, 40 * 24)
            on = row(entered, entered + draw.expovariate(1 / 30)) if draw.random() < 0.3 else None
            season.add(Passage(k, None, on or row(entered)), seat)
    season.compact(T0 + 40 * DAY_MS)
    return season


def loaded(dumped: bytes) -> Retention:
    pooled, by_group = orjson.loads(dumped)
    season = Retention.load(pooled, Rules())
    for group, tables in by_group.items():
        season.load_group(group, tables)
    return season


def test_a_season_in_ten_countries_and_five_languages_fits_in_200_kb():
    busy = busy_season(20_000)
    tables = {group: busy.dump_group(group) for group in busy.groups()}
    dumped = orjson.dumps([busy.dump(), tables])
    tracemalloc.start()
    try:
        season = loaded(dumped)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(season.groups()) == 15
    assert held < 200_000
    assert len(dumped) < 110_000


def test_a_table_whose_numbers_outgrow_two_bytes_counts_on():
    passages = Passages()
    for _ in range(40_000):
        passages.add(row(1, 2), 1)
        passages.add(row(3), 1)
    passages.add(row(40_000), 1)
    again = Passages.load(passages.dump())
    assert again.dump() == passages.dump()
    assert passages.entered() == again.entered() == 80_001
    later = again.buckets(T0 + 40_002 * HOUR_MS)
    assert (later[0].entered, later[0].went_on) == (80_001, 40_000)
    for _ in range(40_000):
        passages.add(row(3), -1)
    assert passages.entered() == 40_001
