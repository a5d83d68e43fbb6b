"""What one trace says. Each is shaped like those of real exports, numbers changed."""

from __future__ import annotations

import json

import pytest

from producers.netflix.traces import Point, Step, TraceError, parse_trace, rate_of, steps
from streams.rules import Rules
from streams.viewing.knots import Kind, Knot
from streams.viewing.playback import Playback

KINDS = {
    "started": Kind.START,
    "resumed": Kind.RESUME,
    "heartbeat": Kind.HEARTBEAT,
    "rate_changed": Kind.RATE,
    "paused": Kind.PAUSE,
    "seeked": Kind.SEEK,
    "stopped": Kind.STOP,
}


def trace(*events: tuple[str, int, int]) -> list[Point]:
    return [Point(*event) for event in events]


def watched(done: list[Step]) -> tuple[float, float]:
    """Seconds spent playing and the last position, by the core's own rule."""
    playback = Playback(("p", "t", 0, 0), "p", 0)
    for seq, step in enumerate(done):
        origin = -1 if step.from_ms is None else step.from_ms
        kind = int(KINDS[step.verb])
        knot = Knot(step.at_ms, seq, kind, step.position_ms, step.rate or 0.0, origin)
        playback.add(knot, Rules())
    wall = sum(until - since for since, until in playback.played_all())
    return wall / 1000, playback.position_ms / 1000


def test_the_wait_between_start_and_the_first_frame_is_not_watching():
    done = steps(trace(("start", 0, 0), ("playing", 6_000, 0), ("stopped", 66_000, 60_000)))
    assert [step.verb for step in done] == ["started", "heartbeat", "stopped"]
    assert watched(done) == (60.0, 60.0)


@pytest.mark.parametrize("first", [("start", 63_223, 33_054), ("playing", 63_280, 33_054)])
def test_a_session_begins_with_its_playback_even_if_the_trace_begins_later(first):
    done = steps(trace(first, ("playing", 63_290, 33_054), ("stopped", 123_290, 93_054)))
    assert (done[0].verb, done[0].at_ms) == ("started", 0)
    assert watched(done) == (pytest.approx(60.0), 93.054)


def test_repeated_playing_is_a_heartbeat_and_a_missing_stop_credits_to_the_last_one():
    done = steps(
        trace(
            ("start", 0, 5_000),
            ("playing", 5_500, 5_000),
            ("playing", 9_500, 9_000),
            ("playing", 605_900, 605_000),
        )
    )
    assert [step.verb for step in done] == ["started", "heartbeat", "heartbeat", "heartbeat"]
    assert watched(done)[1] == 605.0
    assert watched(done)[0] == pytest.approx(600.0)


def test_a_pause_of_an_hour_is_not_watching():
    done = steps(
        trace(
            ("start", 0, 0),
            ("playing", 1_000, 0),
            ("paused", 301_000, 300_000),
            ("playing", 3_901_000, 300_000),
            ("stopped", 4_201_000, 600_000),
        )
    )
    assert watched(done) == (600.0, 600.0)


def test_a_stall_counts_only_what_moved():
    done = steps(
        trace(("start", 0, 0), ("playing", 20_000, 700_000), ("stopped", 443_000, 704_100))
    )
    assert watched(done) == (pytest.approx(4.1), 704.1)


def test_a_seek_after_a_pause_credits_what_was_played_before_and_after_it():
    done = steps(
        trace(
            ("start", 0, 0),
            ("playing", 1_000, 0),
            ("paused", 101_000, 100_000),
            ("reposition", 101_001, 900_000),
            ("playing", 101_400, 897_600),  # the key frame before it
            ("playing", 104_000, 900_000),
            ("stopped", 204_000, 1_000_000),
        )
    )
    assert done[3] == Step("seeked", 101_001, 900_000, None, 100_000)
    assert watched(done)[0] == pytest.approx(202.4)


def test_a_seek_while_playing_credits_the_stretch_before_it():
    done = steps(
        trace(
            ("start", 0, 0),
            ("playing", 1_000, 0),
            ("reposition", 61_000, 600_000),
            ("stopped", 91_000, 630_000),
        )
    )
    assert done[2].from_ms == 60_000
    assert watched(done) == (90.0, 630.0)


def test_a_position_that_runs_ahead_of_all_speeds_is_an_unreported_seek():
    done = steps(
        trace(
            ("start", 0, 0),
            ("playing", 1_000, 0),
            ("paused", 279_000, 556_000),
            ("stopped", 280_000, 0),
        )
    )
    assert watched(done)[0] == 0.0


@pytest.mark.parametrize("rate", [0.5, 0.75, 1.25, 1.5])
def test_a_playback_speed_shows_in_the_slope_and_time_is_counted_by_the_clock(rate):
    end = 1_000 + 600_000
    done = steps(
        trace(("start", 0, 0), ("playing", 1_000, 0), ("stopped", end, int(600_000 * rate)))
    )
    assert done[1].rate == rate
    assert watched(done)[0] == pytest.approx(600.0)


def test_a_short_stretch_takes_the_speed_that_a_long_one_shows():
    done = steps(
        trace(
            ("start", 0, 0),
            ("playing", 1_000, 0),
            ("playing", 9_000, 12_000),
            ("stopped", 609_000, 912_000),
        )
    )
    assert [step.rate for step in done] == [1.0, 1.5, 1.5, None]
    assert watched(done)[0] == pytest.approx(608.0)


def test_a_speed_changed_on_the_way_counts_as_its_mean():
    assert rate_of(1_000_000, 1_400_000) == pytest.approx(1.4, abs=0.001)


def test_drift_of_two_clocks_is_not_a_speed():
    assert rate_of(3_000_000, 3_010_000) == 1.0
    assert rate_of(3_000_000, 2_980_000) == 1.0


LOST_POWER = [
    ("start", 0, 1_000_000),
    ("playing", 8_000, 1_000_000),
    ("playing", 16_600, 1_008_000),
    ("stopped", 2_258_067, 3_249_467),
]


def test_a_computed_stop_is_cut_to_the_last_keep_alive():
    done = steps(trace(*LOST_POWER))
    assert (done[-1].verb, done[-1].at_ms) == ("stopped", 8_000 + 1_800_000)
    assert watched(done)[1] == pytest.approx(2_799.4)


def test_a_computed_stop_stands_if_the_television_was_back_soon():
    done = steps(trace(*LOST_POWER), next_start_ms=2_258_067 + 5_400_000)
    assert done[-1].at_ms == 2_258_067


def test_a_measured_stop_is_never_cut():
    measured = [*LOST_POWER[:-1], ("stopped", 2_258_067, 3_249_000)]
    assert steps(trace(*measured))[-1].at_ms == 2_258_067


def test_a_computed_stop_before_the_first_keep_alive_stands():
    early = [*LOST_POWER[:-1], ("stopped", 700_001, 1_691_401)]
    assert steps(trace(*early))[-1].at_ms == 700_001


def test_a_long_pause_begins_the_count_of_keep_alives_again():
    done = steps(
        trace(
            ("start", 0, 0),
            ("playing", 5_000, 0),
            ("paused", 605_000, 600_000),
            ("playing", 805_000, 600_000),
            ("stopped", 2_005_123, 1_800_123),
        )
    )
    assert done[-1].at_ms == 805_000 + 900_000


@pytest.mark.parametrize("cell", ["", "[]", "  ", "null"])
def test_an_empty_trace_has_no_points(cell):
    assert parse_trace(cell) == ([], [])


def test_events_are_put_in_order_and_repetitions_dropped():
    listed = [("playing", 9, 1), ("start", -2, -1), ("playing", 9, 1)]
    names = ("eventType", "sessionOffsetMs", "mediaOffsetMs")
    points, dropped = parse_trace(json.dumps([dict(zip(names, e, strict=True)) for e in listed]))
    assert points == trace(("start", 0, 0), ("playing", 9, 1))
    assert dropped == []


def test_an_event_that_cannot_be_read_is_dropped_and_named():
    cell = (
        '[{"eventType":"start","sessionOffsetMs":0,"mediaOffsetMs":0},'
        '{"eventType":"playing","sessionOffsetMs":99999999999,"mediaOffsetMs":0},7]'
    )
    points, dropped = parse_trace(cell)
    assert points == trace(("start", 0, 0))
    assert dropped == ["event 1: sessionOffsetMs is 99999999999", "event 2: not an object"]


@pytest.mark.parametrize("cell", ["[", '{"a": 1}', "nonsense"])
def test_a_cell_that_is_no_list_says_so(cell):
    with pytest.raises(TraceError):
        parse_trace(cell)
