"""Heartbeats that wait in a row leave what they leave one at a time."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HOUR, RULES, RUNTIME_MS, SOURCE, T0, context, event

from streams.events import Event
from streams.viewing.knots import NO_SEQ, Kind
from streams.viewing.public import write_of
from streams.viewing.runs import end_of_run
from streams.viewing.viewer import Viewer

WORLD = context()
FACTS = (("device", "tv"), ("country", "DE"))
"""One object for all reports, as the decoder gives the same words."""
KEYS = [("p1", "dark", 1, 1), ("p2", "dark", 1, 1), ("p3", "dark", 1, 2), ("p4", "heat", 0, 0)]
RATES = [0.0, 1.0, 2.0]
ODD = ["step", "second", "act", "nudge", "jump", "back", "stand", "count", "pace", "other"]
STEPS = ["on"] * 20 + ODD
OTHER_ACTS = [Kind.PAUSE, Kind.RESUME, Kind.SEEK, Kind.RATE, Kind.BUFFERING, Kind.BUFFERED,
              Kind.STOP, Kind.COMPLETE]  # fmt: skip


def shared(kind: Kind, at_ms: int, position_ms: int, key: Any, **more: Any) -> Event:
    return event(kind, at_ms, position_ms, key=key, **more)._replace(playback=key, facts=FACTS)


def reports(chance: Random) -> list[Event]:
    """What some players say in turns, heartbeats above all; the odd one jumps, stalls or acts."""
    spread = chance.choice([0, 900])
    at = {key: T0 + chance.randint(0, spread) * 1000 for key in KEYS}
    place, seq = dict.fromkeys(KEYS, 0), dict.fromkeys(KEYS, 0)
    counted, shake_ms = chance.random() < 0.5, chance.choice([0, 300, 1200])
    rate, key = chance.choice(RATES), chance.choice(KEYS)
    usual_s = chance.choice([1, 45, 45])
    found: list[Event] = []
    for _ in range(chance.randint(1, 120)):
        odd = chance.choice(STEPS)
        key = chance.choice(KEYS) if odd == "other" else key
        step_s = {"step": chance.choice([10, 240, 700]), "second": 1}.get(odd, usual_s)
        at[key] += step_s * 1000
        moved = round((rate or 1.0) * step_s * 1000)
        jump = {"nudge": 1500, "jump": 60_000, "back": -30_000, "stand": -moved}.get(odd, 0)
        place[key] = max(0, place[key] + moved + jump)
        seq[key] = max(0, seq[key] + (-2 if odd == "count" else 1))
        kind = chance.choice(OTHER_ACTS) if odd == "act" else Kind.HEARTBEAT
        said = max(0, place[key] + chance.randint(-shake_ms, shake_ms))
        number = seq[key] if counted else NO_SEQ
        named = chance.choice(RATES) if odd == "pace" else rate
        found.append(shared(kind, at[key], said, key, seq=number, rate=named))
    started = dict.fromkeys(it.playback for it in found)
    found = [shared(Kind.START, min(at[key], T0), 0, key, seq=0 if counted else NO_SEQ)
             for key in started] + found  # fmt: skip
    for _ in range(chance.randint(0, 3)):  # late, or twice
        found.insert(chance.randint(0, len(found)), chance.choice(found))
    return found


def works_of(found: list[Event]) -> list[tuple[int, int, Event]]:
    works, clock_ms = [], T0
    for offset, it in enumerate(found):
        works.append((offset, clock_ms, it))
        clock_ms = max(clock_ms, it.knot.at_ms)
    return works


def left_by(works: list[tuple[int, int, Event]], most: int) -> tuple[Any, ...]:
    viewer = Viewer("v", RULES)
    counts = [
        viewer.absorb_all(SOURCE, works[at : at + most], WORLD) for at in range(0, len(works), most)
    ]
    applied, refused = (sum(column) for column in zip(*counts, strict=True))
    return applied, refused, write_of(viewer, WORLD)


@settings(max_examples=1500)
@given(st.integers(0, 1 << 32), st.integers(2, 150))
def test_heartbeats_in_a_row_leave_what_they_leave_one_by_one(seed, most):
    works = works_of(reports(Random(seed)))
    assert left_by(works, most) == left_by(works, 1)


def a_run(count: int, **more: Any) -> list[tuple[int, int, Event]]:
    beats = [shared(Kind.HEARTBEAT, T0 + n * 10_000, n * 10_000, KEYS[0], **more)
             for n in range(1, count)]  # fmt: skip
    return works_of([shared(Kind.START, T0, 0, KEYS[0]), *beats])


def test_a_run_ends_before_what_could_reach_a_threshold_or_a_timer():
    viewer, works = Viewer("v", RULES), a_run(40)
    viewer.absorb_all(SOURCE, works[:4], WORLD)
    (playback,) = viewer.playbacks.values()
    assert end_of_run(works, 3, playback, RUNTIME_MS, T0 + HOUR, RULES) == 39
    assert end_of_run(works, 3, playback, 50_001, T0 + HOUR, RULES) == 8
    assert end_of_run(works, 3, playback, RUNTIME_MS, T0 + 95_000, RULES) == 10
    assert end_of_run(works, 3, playback, 0, T0 + HOUR, RULES) == 3


@pytest.mark.parametrize(
    ("said", "told_at"),
    [
        # One that is too far ahead of the last act is an unreported seek; the next one is not.
        ([(135, 135.5), (140, 140.5), (145, 146.5), (150, 150.5)], [4, 6, 7]),
        ([(135, 136.5), (140, 141.5), (145, 145.5), (150, 150.5)], [6]),
    ],
)
def test_a_heartbeat_that_changes_what_was_credited_is_not_passed_over(said, told_at):
    film = KEYS[3]
    said = [(45, 45.5), (90, 90.5), *said]
    beats = [shared(Kind.HEARTBEAT, T0 + at * 1000, int(s * 1000), film) for at, s in said]
    act = shared(Kind.RATE, T0 + 100_000, 99_000, film, rate=1.0)
    works = works_of([shared(Kind.START, T0, 0, film), *beats[:2], act, *beats[2:]])
    viewer = Viewer("v", RULES)
    viewer.absorb_all(SOURCE, works, WORLD)
    assert [out.offset for out in viewer.outbox] == told_at  # begun, and not, and begun
    assert left_by(works, 100) == left_by(works, 2) == left_by(works, 1)
