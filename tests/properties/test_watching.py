"""What no playback may ever say, whatever a player reports."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from strategies import MINUTE, RULES, RUNTIME_MS, playbacks

from streams.events import Event
from streams.viewing.knots import CELL_MS, HEARTBEAT, LINE_MS
from streams.viewing.playback import Playback

LIMITS = st.sampled_from([0, RUNTIME_MS, RUNTIME_MS // 3])


def played(events: list[Event], limit_ms: int) -> Playback:
    playback = Playback(events[0].playback, "s", limit_ms)
    for event in events:
        playback.bare = playback.bare and event.bare
        playback.learn(event.facts, event.knot.at_ms)
        playback.add(event.knot, RULES)
    return playback


@given(playbacks(number=0), LIMITS, st.integers(0, 600))
def test_no_playback_is_watched_more_than_there_is(
    events: list[Event], limit_ms: int, minutes: int
) -> None:
    playback = played(events, limit_ms)
    playback.impute(max(e.knot.at_ms for e in events) + minutes * MINUTE, RULES)

    first, end, wall, advanced, covered, _, imputed = playback.figures()

    assert 0 <= covered <= advanced
    assert 0 <= wall <= end - first
    assert not limit_ms or covered <= limit_ms
    assert not imputed or playback.bare


@given(playbacks(number=0), LIMITS, st.randoms(use_true_random=False))
def test_order_and_repetition_of_reports_change_nothing(
    events: list[Event], limit_ms: int, random
) -> None:
    shuffled = events + random.sample(events, random.randint(0, len(events)))
    random.shuffle(shuffled)
    one, other = played(events, limit_ms), played(shuffled, limit_ms)
    assert one.figures() == other.figures()
    assert one.knots.knots == other.knots.knots
    assert one.facts == other.facts
    assert one.silence_ms(RULES) == other.silence_ms(RULES)


@given(playbacks(number=0), LIMITS)
def test_bringing_up_to_date_gives_what_working_out_anew_gives(
    events: list[Event], limit_ms: int
) -> None:
    playback = played(events, limit_ms)
    before = playback.figures(), playback.cursor, playback.acted, playback.completed_event
    playback.rebuild(RULES)
    assert (playback.figures(), playback.cursor, playback.acted, playback.completed_event) == before


@given(playbacks(number=0), st.integers(0, 60))
def test_heartbeats_leave_two_knots_per_quarter_of_an_hour_and_line(
    events: list[Event], floods: int
) -> None:
    playback = played(events, RUNTIME_MS)
    for event in events:
        for i in range(floods):
            knot = event.knot._replace(
                kind=HEARTBEAT,
                at_ms=event.knot.at_ms + 250 * i,
                position_ms=event.knot.position_ms + int(250 * i * (event.knot.rate or 1)),
            )
            playback.add(knot, RULES)
    beats = [k for k in playback.knots.knots if k.kind == HEARTBEAT]
    lines = {
        (k.at_ms // CELL_MS, (k.position_ms - (k.rate or 1.0) * k.at_ms) // LINE_MS, k.rate)
        for k in beats
    }
    assert len(beats) <= 2 * len(lines)
    assert len(lines) <= 4 * len(events) + 20
