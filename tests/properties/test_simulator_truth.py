"""What the simulator says it reported is what its events say, computed from the events alone."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.simulator import Audience, AudienceOptions
from producers.simulator.truth import length

STILL = {"playback.paused", "playback.buffering", "playback.completed", "playback.stopped"}
SEEKED = "playback.seeked"

audiences = st.builds(
    AudienceOptions,
    viewers=st.integers(1, 8),
    titles=st.integers(1, 12),
    weeks=st.floats(0.1, 2.0),
    seed=st.integers(0, 2**32),
    heartbeat_s=st.floats(5.0, 300.0),
    messy_share=st.floats(0.0, 1.0),
    duplicate_share=st.floats(0.0, 0.5),
    late_share=st.floats(0.0, 0.5),
)


def spans_of(events):
    """Media spans and seconds played, from the events of one playback, each once and in order."""
    spans, wall_s, before, playing = [], 0.0, None, True
    for event in events:
        position, at = event["data"]["position_s"], time_of(event)
        if before is not None and playing:
            until = event["data"]["from_position_s"] if event["type"] == SEEKED else position
            spans.append((before[0], until))
            wall_s += at - before[1]
        playing = event["type"] not in STILL
        before = (position, at)
    return [span for span in spans if span[1] > span[0]], wall_s


def time_of(event):
    return datetime.fromisoformat(event["time"]).timestamp()


def playbacks_of(records):
    found = defaultdict(dict)
    for record in records:
        event = orjson.loads(record.value)
        found[event["data"]["playback_id"]][event["data"]["seq"]] = event
    return {name: [events[seq] for seq in sorted(events)] for name, events in found.items()}


@settings(max_examples=40)
@given(audiences)
def test_truth_is_what_the_events_prove(options):
    audience = Audience(options)
    reported = playbacks_of(audience.records())
    truth = audience.truth()
    assert {playback.playback_id for playback in truth.playbacks} == set(reported)
    for playback in truth.playbacks:
        spans, wall_s = spans_of(reported[playback.playback_id])
        assert abs(length(spans) - playback.reported_s) < 0.1
        assert abs(wall_s - playback.reported_wall_s) < 0.1


@settings(max_examples=40)
@given(audiences)
def test_nobody_covers_more_than_there_is_or_plays_longer_than_they_sat(options):
    truth = Audience(options).truth()
    for playback in truth.playbacks:
        slack = 1e-6
        assert 0 <= playback.reported_s <= playback.covered_s + slack
        assert playback.covered_s <= truth.runtime_s(playback.episode) + slack
        assert 0 <= playback.reported_wall_s <= playback.wall_s + slack
        assert playback.wall_s <= playback.ended_s - playback.started_s + slack
        assert options.start_s <= playback.started_s < options.end_s
