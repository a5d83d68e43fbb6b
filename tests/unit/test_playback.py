"""What one playback adds up to: a worked example, and watch time gone wrong elsewhere."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from random import Random

import pytest

from streams.rules import Rules
from streams.viewing import intervals as iv
from streams.viewing.knots import NO_POSITION, NO_RATE, NO_SEQ, Kind, Knot
from streams.viewing.playback import Playback

RULES = Rules()
T0 = 1_772_400_000_000
RUNTIME_MS = 2_700_000


def knot(
    kind: Kind,
    at_s: float,
    position_s: float,
    *,
    rate: float = NO_RATE,
    origin_s: float | None = None,
    seq: int = NO_SEQ,
) -> Knot:
    origin = NO_POSITION if origin_s is None else round(origin_s * 1000)
    return Knot(T0 + round(at_s * 1000), seq, int(kind), round(position_s * 1000), rate, origin)


def played(*knots: Knot, limit_ms: int = RUNTIME_MS, rules: Rules = RULES) -> Playback:
    playback = Playback(("p", "dark", 1, 1), "s", limit_ms)
    for one in knots:
        playback.bare = False
        playback.add(one, rules)
    return playback


def seconds(playback: Playback) -> dict[str, float]:
    _, _, wall, advanced, covered, position, _ = playback.figures()
    names = ("wall", "advanced", "coverage", "position")
    values = (wall, advanced, covered, position)
    return {name: value / 1000 for name, value in zip(names, values, strict=True)}


THE_EXAMPLE = [
    knot(Kind.START, 0, 0),
    knot(Kind.SEEK, 600, 1200, origin_s=600),
    knot(Kind.RATE, 600.001, 1200, rate=1.5),
    knot(Kind.SEEK, 1000.001, 1500, origin_s=1800),
    knot(Kind.RATE, 1000.002, 1500, rate=1.0),
    knot(Kind.HEARTBEAT, 1250.002, 1750),
]


def test_the_worked_example_adds_up() -> None:
    found = seconds(played(*THE_EXAMPLE))
    assert found == {"wall": 1250, "advanced": 1450, "coverage": 1200, "position": 1750}
    assert found["advanced"] - found["coverage"] == 250
    assert round(found["coverage"] * 1000 / RUNTIME_MS, 3) == 0.444


def test_the_worked_example_adds_up_in_any_order_of_arrival() -> None:
    for order in permutations(THE_EXAMPLE):
        assert played(*order).figures() == played(*THE_EXAMPLE).figures()


# -- watch time gone wrong elsewhere ------------------------------------------------------------
def test_no_hours_are_credited_to_a_player_that_died() -> None:
    died = played(knot(Kind.START, 0, 0), knot(Kind.HEARTBEAT, 60, 60))
    assert seconds(died)["wall"] == 60


def test_paused_time_is_not_watched() -> None:
    found = played(
        knot(Kind.START, 0, 0),
        knot(Kind.PAUSE, 100, 100),
        knot(Kind.HEARTBEAT, 2000, 100),
        knot(Kind.RESUME, 3600, 100),
        knot(Kind.STOP, 3700, 200),
    )
    assert seconds(found) == {"wall": 200, "advanced": 200, "coverage": 200, "position": 200}


def test_idle_does_not_count_as_playing() -> None:
    idle = [knot(Kind.HEARTBEAT, at, 300) for at in range(310, 3600, 10)]
    found = played(knot(Kind.START, 0, 0), knot(Kind.HEARTBEAT, 300, 300), *idle)
    assert seconds(found)["wall"] == 300


def test_a_stall_does_not_count_as_playing() -> None:
    found = played(
        knot(Kind.START, 0, 0),
        knot(Kind.BUFFERING, 100, 100),
        knot(Kind.BUFFERED, 160, 100),
        knot(Kind.STOP, 260, 200),
    )
    assert seconds(found)["wall"] == 200


def test_a_duration_is_never_negative() -> None:
    """Elsewhere -2147483648: a player whose clock or position jumps back."""
    back = played(knot(Kind.START, 100, 500), knot(Kind.HEARTBEAT, 200, 10))
    clock = played(knot(Kind.START, 500, 0, seq=0), knot(Kind.HEARTBEAT, 100, 100, seq=1))
    for found in (back, clock):
        assert seconds(found)["wall"] == seconds(found)["coverage"] == 0


def test_thousands_of_one_second_plays_add_up_to_their_seconds() -> None:
    """A scrubbing player reports play and pause without end: no more than what passed."""
    acts = []
    for i in range(900):
        acts += [knot(Kind.RESUME, 2 * i, i), knot(Kind.PAUSE, 2 * i + 1, i + 1)]
    found = seconds(played(*acts))
    assert found == {"wall": 900, "advanced": 900, "coverage": 900, "position": 900}


def test_a_resumed_sitting_is_not_another_play() -> None:
    whole = played(knot(Kind.START, 0, 0), knot(Kind.STOP, 200, 200))
    resumed = played(
        knot(Kind.START, 0, 0),
        knot(Kind.STOP, 100, 100),
        knot(Kind.RESUME, 130, 100),
        knot(Kind.STOP, 230, 200),
    )
    assert seconds(resumed) == seconds(whole)


# -- stretches -----------------------------------------------------------------------------------
def test_a_jump_ahead_of_the_clock_is_an_unreported_seek() -> None:
    found = played(knot(Kind.START, 0, 0), knot(Kind.HEARTBEAT, 60, 600))
    assert seconds(found)["coverage"] == 0


@pytest.mark.parametrize(("ahead_s", "credited"), [(2.0, 62.0), (2.001, 0.0)])
def test_a_position_may_run_two_seconds_ahead_of_the_clock(ahead_s: float, credited: float) -> None:
    found = played(knot(Kind.START, 0, 0), knot(Kind.HEARTBEAT, 60, 60 + ahead_s))
    assert seconds(found)["coverage"] == credited
    assert seconds(found)["wall"] == (60 if credited else 0)


def test_the_slack_is_a_setting() -> None:
    strict = replace(RULES, seek_slack_s=0.0, drift_share=0.0)
    found = played(knot(Kind.START, 0, 0), knot(Kind.HEARTBEAT, 60, 61), rules=strict)
    assert seconds(found)["coverage"] == 0


def test_two_clocks_may_drift_apart_over_a_long_run() -> None:
    found = played(knot(Kind.START, 0, 0), knot(Kind.HEARTBEAT, 2000, 2009))
    assert seconds(found)["coverage"] == 2009


def test_nothing_beyond_the_runtime_is_credited() -> None:
    found = seconds(played(knot(Kind.START, 0, 2600), knot(Kind.STOP, 200, 2800)))
    assert found["coverage"] == found["wall"] == 100


def test_double_speed_covers_twice_the_time() -> None:
    found = seconds(played(knot(Kind.START, 0, 0, rate=2.0), knot(Kind.STOP, 100, 200)))
    assert (found["coverage"], found["wall"]) == (200, 100)


def test_what_a_seek_leaves_behind_is_not_left_out() -> None:
    found = seconds(
        played(
            knot(Kind.START, 0, 0),
            knot(Kind.SEEK, 50, 1000, origin_s=50),
            knot(Kind.STOP, 60, 1010),
        )
    )
    assert found["coverage"] == 60


def test_a_playback_that_begins_with_a_heartbeat_was_playing() -> None:
    found = played(knot(Kind.HEARTBEAT, 0, 30), knot(Kind.HEARTBEAT, 30, 60))
    assert found.playing
    assert seconds(found)["coverage"] == 30


def test_the_position_is_where_it_was_left_not_what_was_said_after_the_end() -> None:
    found = played(knot(Kind.START, 0, 0), knot(Kind.STOP, 100, 100), knot(Kind.HEARTBEAT, 200, 5))
    assert seconds(found)["position"] == 100
    assert found.figures()[1] == T0 + 100_000


def test_only_an_act_of_the_viewer_makes_a_playback_acted() -> None:
    quiet = [knot(Kind.START, 0, 0), knot(Kind.BUFFERING, 5, 5), knot(Kind.BUFFERED, 6, 5)]
    assert not played(*quiet).acted
    for act in (Kind.PAUSE, Kind.SEEK, Kind.RATE):
        assert played(*quiet, knot(act, 9, 8, origin_s=8)).acted


# -- silence --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("last", "minutes"),
    [(Kind.HEARTBEAT, 10), (Kind.BUFFERING, 10), (Kind.PAUSE, 30), (Kind.STOP, 0)],
)
def test_silence_closes_after(last: Kind, minutes: int) -> None:
    found = played(knot(Kind.START, 0, 0), knot(last, 60, 60))
    assert found.silence_ms(RULES) == T0 + 60_000 + minutes * 60_000


# -- bare words ------------------------------------------------------------------------------------
def bare(*knots: Knot, limit_ms: int = RUNTIME_MS) -> Playback:
    playback = Playback(("p", "dark", 1, 1), "s", limit_ms)
    for one in knots:
        playback.add(one, RULES)
    return playback


def test_a_bare_play_is_imputed_up_to_the_next_event() -> None:
    found = bare(knot(Kind.RESUME, 0, 100))
    assert found.impute(T0 + 300_000, RULES)
    assert found.figures() == [T0, T0 + 300_000, 300_000, 300_000, 300_000, 400_000, True]


def test_a_bare_play_is_imputed_no_further_than_the_runtime() -> None:
    found = bare(knot(Kind.RESUME, 0, 2000))
    found.impute(T0 + 9_000_000, RULES)
    assert seconds(found) == {"wall": 700, "advanced": 700, "coverage": 700, "position": 2700}


def test_a_bare_play_of_unknown_runtime_is_imputed_four_hours_at_most() -> None:
    found = bare(knot(Kind.RESUME, 0, 0), limit_ms=0)
    found.impute(T0 + 30 * 3_600_000, RULES)
    assert seconds(found)["coverage"] == 4 * 3600


def test_nothing_is_imputed_without_a_next_event_or_after_a_pause() -> None:
    found = bare(knot(Kind.RESUME, 0, 0))
    assert not found.impute(0, RULES)
    found.add(knot(Kind.PAUSE, 60, 60), RULES)
    assert not found.impute(T0 + 3_600_000, RULES)
    assert seconds(found)["coverage"] == 60


def test_a_feed_with_one_full_event_is_never_imputed() -> None:
    found = played(knot(Kind.RESUME, 0, 0))
    assert not found.impute(T0 + 600_000, RULES)


# -- the short way -----------------------------------------------------------------------------
def test_the_short_way_of_heartbeats_gives_what_the_long_way_gives() -> None:
    random = Random(7)
    for _ in range(200):
        at, position, knots = 0.0, 0.0, []
        for _ in range(40):
            at += random.choice([5, 10, 300])
            position += random.choice([5, 10, 10, 300, -20, 0])
            kind = random.choice([Kind.HEARTBEAT] * 6 + [Kind.PAUSE, Kind.RESUME, Kind.STOP])
            knots.append(knot(kind, at, max(0, position)))
        step_by_step = played(*knots)
        anew = played(*knots)
        anew.rebuild(RULES)
        assert step_by_step.figures() == anew.figures()
        assert step_by_step.cursor == anew.cursor
        assert iv.measure(anew.cover_all()) == anew.coverage_ms() <= RUNTIME_MS


# -- rates ---------------------------------------------------------------------------------------
def test_a_rate_that_comes_with_a_seek_begins_with_it() -> None:
    found = seconds(
        played(
            knot(Kind.START, 0, 0),
            knot(Kind.SEEK, 600, 1200, rate=1.5, origin_s=600),
            knot(Kind.STOP, 1000, 1800),
        )
    )
    assert (found["wall"], found["advanced"]) == (1000, 1200)


@pytest.mark.parametrize("kind", [Kind.HEARTBEAT, Kind.PAUSE])
def test_a_rate_that_explains_nothing_does_not_shorten_the_time_before_it(kind: Kind) -> None:
    found = seconds(played(knot(Kind.START, 0, 0), knot(kind, 600, 600, rate=2.0)))
    assert (found["wall"], found["advanced"]) == (600, 600)


def test_a_rate_that_only_a_report_names_explains_how_far_it_came() -> None:
    found = seconds(played(knot(Kind.START, 0, 0), knot(Kind.HEARTBEAT, 600, 900, rate=1.5)))
    assert (found["wall"], found["advanced"]) == (600, 900)
