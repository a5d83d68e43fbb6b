"""Events as the records that a broker hands out, and records that are no events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from hypothesis import strategies as st
from strategies import DAY, HOUR, RUNTIME_MS, T0, evenings, event, playbacks

from streams.events import TYPES
from streams.viewing.knots import NO_POSITION, NO_RATE, NO_SEQ, Kind

if TYPE_CHECKING:
    from streams.events import Event

RARELY = st.integers(0, 5).map(lambda number: number == 5)
WORDS = {kind: word for word, kind in TYPES.items()}
NO_HEADERS: tuple[tuple[str, bytes], ...] = ()
NOISE: list[tuple[bytes | None, bytes | None]] = [
    (b"ann", None),
    (b"ann", b"{not json"),
    (None, b'{"type":"play"}'),
    (b"\xff", b'{"type":"play","time":"2026-03-01T20:15:30Z","id":"a","source":"b","subject":"c"}'),
    (b"ann", b'{"type":"sing","time":"2026-03-01T20:15:30Z"}'),
]


class Raw(NamedTuple):
    """What of a consumer record the worker reads."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


class Said(NamedTuple):
    """What a viewer's player said, on one line where a failure is told."""

    viewer: str
    event: Event

    def __repr__(self) -> str:
        _, (playback, title, season, episode), knot, bare, facts = self.event
        what = f"{'bare ' if bare else ''}{Kind(knot.kind).name} at {(knot.at_ms - T0) / 1000:g} s"
        return (
            f"<{self.viewer} {playback}={title}:{season}:{episode} {what}, position"
            f" {knot.position_ms / 1000:g} s, seq {knot.seq}, rate {knot.rate:g}, {dict(facts)}>"
        )


def stamp(at_ms: int) -> str:
    """RFC 3339, UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def value_of(said: Event, viewer: str) -> bytes:
    """The structured CloudEvent that decodes to ``said`` of ``viewer``."""
    playback_id, title, season, episode = said.playback
    knot, facts = said.knot, dict(said.facts)
    data: dict[str, Any] = {"playback_id": playback_id, "title_id": title}
    data["position_s"] = knot.position_ms / 1000
    if season:
        data |= {"season": season, "episode": episode}
    if knot.origin_ms != NO_POSITION:
        data["from_position_s"] = knot.origin_ms / 1000
    if knot.rate != NO_RATE:
        data["rate"] = knot.rate
    if knot.seq != NO_SEQ:
        data["seq"] = knot.seq
    if "duration" in facts:
        data["duration_s"] = facts.pop("duration") / 1000
    return orjson.dumps(
        {
            "id": "e",
            "source": "/players/test",
            "type": WORDS.get((knot.kind, said.bare)) or WORDS[knot.kind, False],
            "subject": viewer,
            "time": stamp(knot.at_ms),
            "data": data | facts,
        }
    )


def tick_at(at_ms: int) -> bytes:
    """A record that moves time on."""
    body = {"id": "t", "source": "/import", "type": "stream.tick", "time": stamp(at_ms)}
    return orjson.dumps(body)


ENDS = st.sampled_from([Kind.COMPLETE, Kind.STOP, Kind.PAUSE, Kind.HEARTBEAT])
"""The last is a player that dies."""
SHARES = st.sampled_from([1.0, 1.0, 1.0, 0.8, 0.5, 0.03])


@st.composite
def sittings(draw: st.DrawFn) -> list[Event]:
    """Some episodes of one series in a row, as players report them."""
    title, first = draw(st.sampled_from(["dark", "office"])), draw(st.integers(1, 4))
    said: list[Event] = []
    at, bare = T0, draw(st.integers(0, 5)) == 0
    for number in range(first, min(5, first + draw(st.integers(1, 3)))):
        key, until = (f"{title}{number}", title, 1, number), round(RUNTIME_MS * draw(SHARES))
        start, last = (Kind.RESUME, Kind.PAUSE) if bare else (Kind.START, draw(ENDS))
        reports = [(start, 0), (Kind.HEARTBEAT, until // 2), (last, until)]
        said += [
            event(kind, at + passed, passed, key=key, bare=bare, device="tv")
            for kind, passed in reports
            if not bare or kind is not Kind.HEARTBEAT
        ]
        at += until
    return said


@st.composite
def viewings(draw: st.DrawFn, *, viewers: list[str]) -> list[Said]:
    """What some viewers' players report within a few hours, as it arrives: mostly in order."""
    said: list[Said] = []
    some = draw(st.lists(st.sampled_from(viewers), min_size=1, unique=True))
    if draw(st.booleans()):  # they watch together, so that their timers fall together
        one = draw(sittings())
        said = [Said(viewer, report) for report in one for viewer in some]
    else:
        anything = playbacks(number=draw(st.integers(0, 5)), span_ms=HOUR // 6)
        for viewer in some[:2]:
            said += [Said(viewer, one) for one in draw(anything if draw(RARELY) else sittings())]
    said.sort(key=lambda it: it.event.knot.at_ms)
    if draw(RARELY):
        late = draw(st.sets(st.integers(0, len(said) - 1), max_size=4))
        said = [s for i, s in enumerate(said) if i not in late] + [said[i] for i in sorted(late)]
    if draw(RARELY):
        said += draw(st.lists(st.sampled_from(said), max_size=4))
    return said


def one_evening() -> st.SearchStrategy[list[Said]]:
    """Anything that one viewer's players report within less than a day, in no order."""
    return evenings(most=2).map(lambda events: [Said(one.viewer, one) for one in events])


def shifted(said: Event, by_ms: int) -> Event:
    """The same at another time."""
    return said._replace(knot=said.knot._replace(at_ms=said.knot.at_ms + by_ms))


GAPS = st.sampled_from([0, HOUR, HOUR, 2 * HOUR, DAY, 3 * DAY, 8 * DAY, 31 * DAY])
"""Between one lot of records and the next, in ms."""
