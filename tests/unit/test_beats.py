"""A heartbeat that only goes on is stored beside the live part of a state; all else in it."""

from __future__ import annotations

import pytest
from decided_state import decided
from strategies import DAY, RULES, RUNTIME_MS, T0, Watching, event

from streams.viewing import packing
from streams.viewing.knots import Kind
from streams.viewing.public import Write, write_of
from streams.viewing.wire import BrokenState, Stored, dump_live, load

MINUTE = 60_000
KEY = ("office-1-", "office", 1, 1)


def beat(minute: float, **more: object) -> object:
    at_ms = round(minute * MINUTE)
    return event(Kind.HEARTBEAT, T0 + at_ms, at_ms, key=KEY, **more)


class Written(Watching):
    """One viewer whose every change is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.stored = Stored(0, b"", b"", b"", b"")
        self.say(event(Kind.START, T0, 0, key=KEY))
        self.write()

    def write(self) -> Write:
        write = write_of(self.viewer, self.world)
        kept = self.stored
        self.stored = Stored(
            write.version + 1,
            kept.live if write.live is None else write.live,
            kept.rest if write.rest is None else write.rest,
            kept.sums if write.sums is None else write.sums,
            write.out,
            write.beats,
        )
        self.viewer.version += 1
        self.viewer.written()
        return write

    def after(self, *events: object) -> Write:
        self.say(*events)
        write = self.write()
        found = decided("v", self.stored, RULES)
        assert found[0] == dump_live(self.viewer), "what is stored is not what is known"
        return write


def started() -> Written:
    """Somebody who has watched for so long that it counts as begun."""
    one = Written()
    one.after(beat(3))
    return one


def test_heartbeats_that_go_on_leave_the_live_part_as_it_is() -> None:
    one = started()
    for minute in range(4, 30):
        write = one.after(beat(minute))
        assert write.live is None
        assert len(write.beats) < 400 < len(one.stored.live)


def test_of_many_heartbeats_on_a_line_the_last_is_stored() -> None:
    one = started()
    one.after(*(beat(minute / 4) for minute in range(16, 39)))
    ((number, kept, knots),) = packing.unpack(one.stored.beats)[1]
    assert (number, kept) == (0, 2)
    assert [knot[0] for knot in knots] == [T0 + round(9.5 * MINUTE)]


@pytest.mark.parametrize(
    ("what", "one"),
    [
        ("a pause", event(Kind.PAUSE, T0 + 5 * MINUTE, 5 * MINUTE, key=KEY)),
        ("the end", event(Kind.STOP, T0 + 5 * MINUTE, 5 * MINUTE, key=KEY)),
        ("a threshold", beat(0.8 * RUNTIME_MS / MINUTE)),
        ("a late one off the line", event(Kind.HEARTBEAT, T0 + 210_000, 0, key=KEY)),
        ("a new fact", beat(6, device="tv")),
        ("another playback", event(Kind.START, T0 + 6 * MINUTE, 0, key=("p", "office", 1, 2))),
    ],
)
def test_anything_else_is_stored_in_the_live_part(what: str, one: object) -> None:
    viewer = started()
    assert viewer.after(beat(4)).live is None
    write = viewer.after(one)
    assert write.live is not None, what
    assert not write.beats


def test_silence_that_ends_a_playback_is_stored_in_the_live_part() -> None:
    one = started()
    one.after(beat(4))
    one.wait(T0 + DAY // 2)
    write = one.write()
    assert write.live is not None
    assert decided("v", one.stored, RULES)[0] == dump_live(one.viewer)


def test_an_episode_that_was_watched_before_goes_on_in_heartbeats_as_well() -> None:
    one = started()
    one.after(event(Kind.STOP, T0 + 10 * MINUTE, 10 * MINUTE, key=KEY))
    one.wait(T0 + 2 * DAY)
    again = ("office-1-again", "office", 1, 1)
    since = T0 + 2 * DAY

    def go_on(kind: Kind, minute: int) -> object:
        return event(kind, since + minute * MINUTE, (9 + minute) * MINUTE, key=again)

    one.after(go_on(Kind.START, 0))
    one.after(go_on(Kind.HEARTBEAT, 1))
    for minute in range(2, 10):
        assert one.after(go_on(Kind.HEARTBEAT, minute)).live is None
    seventy = round(0.7 * RUNTIME_MS / MINUTE) - 8
    assert one.after(go_on(Kind.HEARTBEAT, seventy)).live is not None, "it counts as watched now"


def test_a_viewer_that_is_read_back_goes_on_from_its_beats() -> None:
    one = started()
    one.after(beat(4), beat(5))
    one.viewer = load("v", one.stored, RULES)
    # What is known only in memory is worked out once more; then beats go on.
    one.after(beat(6))
    assert one.after(beat(7)).live is None


@pytest.mark.parametrize(
    "beats",
    [
        b"[",
        b"[{},[[1,0,[]]]]",
        b"[{},[[0,9,[]]]]",
        b"[{},[[0,-1,[]]]]",
        b'[{},[[0,0,["knot"]]]]',
    ],
)
def test_beats_that_cannot_be_of_this_state_are_broken_state(beats: bytes) -> None:
    with pytest.raises(BrokenState, match="'v'"):
        load("v", started().stored._replace(beats=beats), RULES)
