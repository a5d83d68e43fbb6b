"""Reports of one playback as a set: what is kept does not depend on how it came."""

from __future__ import annotations

from itertools import permutations

import pytest

from streams.viewing.knots import (
    CELL_MS,
    MAX_KNOTS,
    MAX_STRUCTURAL,
    NO_POSITION,
    NO_RATE,
    NO_SEQ,
    Added,
    Kind,
    Knot,
    KnotSet,
)

T0 = 1_772_400_000_000 // CELL_MS * CELL_MS


def knot(kind: Kind, at_s: float, position_s: float | None = None, *, seq: int = NO_SEQ) -> Knot:
    position_s = at_s if position_s is None else position_s
    at_ms, position_ms = T0 + round(at_s * 1000), round(position_s * 1000)
    return Knot(at_ms, seq, int(kind), position_ms, NO_RATE, NO_POSITION)


def kept(knots: list[Knot] | tuple[Knot, ...]) -> list[Knot]:
    found = KnotSet()
    for one in knots:
        found.add(one)
    return found.knots


def test_heartbeats_on_a_line_leave_the_first_and_the_last() -> None:
    beats = [knot(Kind.HEARTBEAT, at) for at in range(0, 600, 10)]
    assert kept(beats) == [beats[0], beats[-1]]


def test_a_flood_of_heartbeats_leaves_two_knots_per_quarter_of_an_hour() -> None:
    beats = [knot(Kind.HEARTBEAT, at / 4) for at in range(4 * 3 * 3600)]
    assert len(kept(beats)) == 2 * 3 * 4


def test_which_heartbeats_are_kept_does_not_depend_on_their_order() -> None:
    beats = [knot(Kind.HEARTBEAT, at) for at in (0, 10, 20, 30)] + [knot(Kind.HEARTBEAT, 15, 400)]
    assert all(kept(order) == kept(beats) for order in permutations(beats))


def test_heartbeats_whose_numbers_contradict_their_times_are_kept_alike_in_any_order() -> None:
    beats = [
        knot(Kind.HEARTBEAT, 0, seq=1),
        knot(Kind.HEARTBEAT, 200, seq=2),
        knot(Kind.HEARTBEAT, 150, seq=3),
        knot(Kind.HEARTBEAT, 100, seq=4),
    ]
    assert all(kept(order) == kept(beats) for order in permutations(beats))


def test_a_heartbeat_off_the_line_is_kept() -> None:
    beats = [knot(Kind.HEARTBEAT, at) for at in (0, 10, 20)]
    stalled = knot(Kind.HEARTBEAT, 30, 21)
    assert kept([*beats, stalled]) == [beats[0], beats[2], stalled]


def test_acts_are_never_dropped() -> None:
    acts = [knot(Kind.START, 0), knot(Kind.PAUSE, 10), knot(Kind.RESUME, 10), knot(Kind.STOP, 20)]
    assert len(kept(acts)) == 4


@pytest.mark.parametrize("kind", [Kind.HEARTBEAT, Kind.PAUSE])
def test_a_duplicate_adds_nothing(kind: Kind) -> None:
    found = KnotSet()
    assert found.add(knot(kind, 10)) is Added.APPENDED
    assert found.add(knot(kind, 10)) is Added.NOTHING
    assert found.knots == [knot(kind, 10)]


def test_sequence_numbers_beat_times_if_every_report_has_one() -> None:
    late_clock = [knot(Kind.START, 100, seq=0), knot(Kind.PAUSE, 50, seq=1)]
    assert kept(late_clock[::-1]) == late_clock


def test_one_report_without_a_number_puts_all_in_order_of_time() -> None:
    numbered = [knot(Kind.START, 100, seq=0), knot(Kind.PAUSE, 50, seq=1)]
    plain = knot(Kind.STOP, 70)
    for order in permutations([*numbered, plain]):
        assert kept(order) == [numbered[1], plain, numbered[0]]


def test_a_late_report_takes_its_place() -> None:
    found = KnotSet()
    found.add(knot(Kind.START, 0))
    found.add(knot(Kind.STOP, 20))
    assert found.add(knot(Kind.PAUSE, 10)) is Added.REORDERED
    assert [k.kind for k in found.knots] == [Kind.START, Kind.PAUSE, Kind.STOP]


def test_knots_read_back_go_on_like_those_that_never_left_memory() -> None:
    stayed = KnotSet()
    for at in range(0, 300, 10):
        stayed.add(knot(Kind.HEARTBEAT, at))
    back = KnotSet(list(stayed.knots), sequenced=stayed.sequenced)
    for late in (155, 290, 300, 310):
        assert back.add(knot(Kind.HEARTBEAT, late)) == stayed.add(knot(Kind.HEARTBEAT, late))
    assert back.knots == stayed.knots


def test_a_broken_player_is_refused_before_it_fills_the_memory() -> None:
    acts = KnotSet([knot(Kind.PAUSE, at) for at in range(MAX_STRUCTURAL)])
    assert acts.refuses(knot(Kind.RESUME, 99_999))
    assert not acts.refuses(knot(Kind.HEARTBEAT, 99_999))
    scattered = KnotSet([knot(Kind.HEARTBEAT, at, at * 7) for at in range(MAX_KNOTS)])
    assert scattered.refuses(knot(Kind.HEARTBEAT, 99_999, 5))
    assert not scattered.refuses(knot(Kind.HEARTBEAT, 0, 0))


def test_a_healthy_player_is_never_refused() -> None:
    day = KnotSet()
    for at in range(0, 86_400, 30):
        beat = knot(Kind.HEARTBEAT, at, at * 0.98)  # half a second's stall every half minute
        assert not day.refuses(beat)
        day.add(beat)
