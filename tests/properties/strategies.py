"""Viewers that do anything at all: arbitrary events, and the worlds they are judged in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import strategies as st

from streams.catalogue import Catalogue, Curve, Season, Title
from streams.events import Event
from streams.rules import Rules
from streams.viewing.context import Context
from streams.viewing.knots import NO_POSITION, NO_RATE, NO_SEQ, Kind, Knot
from streams.viewing.public import Write, write_of
from streams.viewing.viewer import Viewer
from streams.viewing.wire import Stored, load

if TYPE_CHECKING:
    from collections.abc import Iterable

T0 = 1_772_400_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
RUNTIME_MS = 2_700_000
RULES = Rules()
SOURCE = "playback-events/0"
CURVE = Curve.parse(
    {
        "version": "3",
        "episodes": 4,
        "c": [0.9, 0.95, 0.95],
        "low": [0.85, 0.92, 0.92],
        "n": [400, 300, 200],
        "gap_s": [0, 3600, 86400, 604800],
        "gap_cdf": [0, 0.5, 0.9, 1],
    }
)


def context(*, curve: Curve | None = CURVE) -> Context:
    """Two series of which one has a curve, a film, and room for titles nobody knows."""
    episodes = dict.fromkeys(range(1, 5), RUNTIME_MS)
    titles = [
        Title(
            "dark",
            "Dark",
            (("genre:drama", 0.5), ("genre:mystery", 0.5), ("language:de", 1.0)),
            {1: Season(4, episodes), 2: Season(0, {1: RUNTIME_MS})},
        ),
        Title("office", "Office", (("genre:comedy", 1.0),), {1: Season(4, episodes)}),
        Title("heat", "Heat", (("genre:drama", 1.0),), {}, 2 * RUNTIME_MS),
    ]
    curves = {("dark", 1): curve} if curve else {}
    return Context(Catalogue({t.title_id: t for t in titles}, curves, version=7), RULES)


def event(
    kind: Kind,
    at_ms: int,
    position_ms: int,
    *,
    key: tuple[str, str, int, int] = ("p1", "dark", 1, 1),
    viewer: str = "v",
    seq: int = NO_SEQ,
    rate: float = NO_RATE,
    origin_ms: int = NO_POSITION,
    bare: bool = False,
    **facts: Any,
) -> Event:
    """One event; ``facts`` by the names that the decoder gives them."""
    if kind is Kind.SEEK and origin_ms == NO_POSITION:
        origin_ms = 0
    knot = Knot(at_ms, seq, int(kind), position_ms, rate, origin_ms)
    return Event(viewer, key, knot, bare, tuple(facts.items()))


FILM = ("heat", 0, 0)
TITLES = st.sampled_from(
    [*(("dark", 1, e) for e in range(1, 5)), *(("office", 1, e) for e in range(1, 5)),
     ("dark", 2, 1), FILM, ("unheard-of", 1, 1)]
)  # fmt: skip
POSITIONS = st.one_of(
    st.integers(0, 2 * RUNTIME_MS), st.sampled_from([0, RUNTIME_MS, RUNTIME_MS // 2])
)


@st.composite
def playbacks(
    draw: st.DrawFn, *, number: int, span_ms: int = 8 * HOUR, series: str = ""
) -> list[Event]:
    """All that one player reports: on a true line for a while, or anything at any time."""
    title = (series, 1, number % 4 + 1) if series else draw(TITLES)
    title = FILM if series == FILM[0] else title
    start = draw(st.integers(0, span_ms // MINUTE)) * MINUTE
    bare = draw(st.integers(0, 4)) == 0
    facts: dict[str, Any] = {"device": draw(st.sampled_from(["tv", "phone"]))}
    if draw(st.booleans()):
        facts["autoplay"] = draw(st.booleans())
    if title[0] == "unheard-of" and draw(st.booleans()):
        facts["duration"] = RUNTIME_MS
    counted, key = draw(st.booleans()), (f"p{number}", *title)
    faithful = draw(st.integers(0, 3 if series else 1)) > 0
    found = _faithful(draw, start, bare=bare, key=key, facts=facts) if faithful else []
    found += [
        _report(draw, start, bare=bare, key=key, facts=facts)
        for _ in range(draw(st.integers(0 if faithful else 1, 2 if faithful else 12)))
    ]
    if counted:
        found = [e._replace(knot=e.knot._replace(seq=i)) for i, e in enumerate(found)]
    if draw(st.integers(0, 3)) == 0:
        found = [e._replace(bare=False) if draw(st.booleans()) else e for e in found]
    if "autoplay" in facts and draw(st.booleans()):
        found = [_by_itself(e, draw(st.booleans())) for e in found]
    return found


def _by_itself(report: Event, automatic: bool) -> Event:
    """The report of a player that does not always say the same of how it was started."""
    return report._replace(facts=tuple((dict(report.facts) | {"autoplay": automatic}).items()))


def _faithful(
    draw: st.DrawFn,
    start: int,
    *,
    bare: bool,
    key: tuple[str, str, int, int],
    facts: dict[str, Any],
) -> list[Event]:
    """A player as it should be, which may die before it says that it stopped."""
    until = draw(
        st.sampled_from([RUNTIME_MS, RUNTIME_MS, RUNTIME_MS * 3 // 4, RUNTIME_MS // 5, 100_000])
    )
    until = until * 2 if key[1:] == FILM else until
    last = draw(st.sampled_from([Kind.COMPLETE, Kind.STOP, Kind.PAUSE, Kind.HEARTBEAT]))
    reports = [(Kind.START, 0)]
    if bare:
        reports, last = [(Kind.RESUME, 0)], Kind.PAUSE
    else:
        reports += [(Kind.HEARTBEAT, at) for at in range(5 * MINUTE, until, 5 * MINUTE)]
    return [
        event(kind, T0 + start + at, at, key=key, bare=bare, **facts)
        for kind, at in [*reports, (last, until)]
    ]


def _report(
    draw: st.DrawFn,
    start: int,
    *,
    bare: bool,
    key: tuple[str, str, int, int],
    facts: dict[str, Any],
) -> Event:
    kinds = [Kind.RESUME, Kind.PAUSE] if bare else [*Kind, *[Kind.HEARTBEAT] * 5, Kind.START]
    kind = draw(st.sampled_from(kinds))
    passed = draw(st.integers(0, 90)) * MINUTE // 2 + draw(st.sampled_from([0, 0, 1, 999]))
    on_line = draw(st.integers(0, 3)) > 0
    position = min(passed, 2 * RUNTIME_MS) if on_line else draw(POSITIONS)
    rate = draw(st.sampled_from([NO_RATE, NO_RATE, 1.0, 1.5, 0.5]))
    origin = draw(POSITIONS) if kind is Kind.SEEK else NO_POSITION
    return event(
        kind, T0 + start + passed, position, key=key, rate=rate, origin_ms=origin, bare=bare,
        **facts,
    )  # fmt: skip


@st.composite
def evenings(draw: st.DrawFn, *, most: int = 4) -> list[Event]:
    """Everything that one viewer's players report within less than a day, in no order."""
    count = draw(st.integers(1, most))
    return [e for number in range(count) for e in draw(playbacks(number=number))]


@st.composite
def months(draw: st.DrawFn) -> list[Event]:
    """Evenings with days or weeks between them, in order of time but for what comes late."""
    found: list[Event] = []
    shift = 0
    series = draw(st.sampled_from(["", "dark", "office", "heat"]))
    waits = [HOUR, HOUR, HOUR, 2 * HOUR, DAY, 3 * DAY, 8 * DAY, 31 * DAY]
    if series == FILM[0]:  # only after a month is another time of it told
        waits = [31 * DAY, 31 * DAY, 8 * DAY, HOUR]
    for number in range(draw(st.integers(1, 7))):
        found += [
            e._replace(knot=e.knot._replace(at_ms=e.knot.at_ms + shift))
            for e in draw(playbacks(number=number, span_ms=HOUR, series=series))
        ]
        shift += draw(st.sampled_from(waits))
    late = draw(st.lists(st.integers(0, 20 * HOUR), min_size=len(found), max_size=len(found)))
    often = draw(st.booleans())
    arrival = [e.knot.at_ms + (delay if often else 0) for e, delay in zip(found, late, strict=True)]
    order = sorted(range(len(found)), key=lambda i: (arrival[i], i))
    return [found[i] for i in order]


class Store:
    """One viewer as a store holds it: written parts replace those before them."""

    def __init__(self) -> None:
        self.stored: Stored | None = None
        self.taste: dict[str, str] = {}
        self.progress: dict[str, bytes] = {}
        self.hooked: dict[str, bytes] = {}
        self.sent: set[tuple[str, str, str]] = set()

    def write(self, viewer: Viewer, world: Context) -> None:
        """Apply what changed, whole."""
        if not viewer.touched:
            return
        write: Write = write_of(viewer, world)
        rest = write.rest if write.rest is not None else self.stored and self.stored.rest
        sums = write.sums if write.sums is not None else self.stored and self.stored.sums
        live = write.live if write.live is not None else self.stored and self.stored.live
        assert rest
        assert sums
        assert live
        self.stored = Stored(write.version + 1, live, rest, sums, write.out, write.beats)
        self.taste = write.taste if write.taste is not None else self.taste
        self.progress.update(write.progress)
        self.hooked.update(write.hooked)
        for gone in write.progress_gone:
            self.progress.pop(gone, None)
        for gone in write.hooked_gone:
            self.hooked.pop(gone, None)
        self.sent |= {(o.topic, o.key, o.body) for o in viewer.outbox}
        viewer.version += 1
        viewer.written()

    def read(self) -> Viewer:
        """The viewer as a worker that never saw it before finds it."""
        return load("v", self.stored, RULES) if self.stored else Viewer("v", RULES)


def accepted(events: Iterable[Event], *, clock_ms: int = 0) -> list[tuple[int, int, Event]]:
    """(offset, stream time before it, event) of what a worker would let through."""
    work = []
    for offset, one in enumerate(events):
        if one.knot.at_ms >= clock_ms - DAY:
            work.append((offset, clock_ms, one))
            clock_ms = max(clock_ms, one.knot.at_ms)
    return work


class Watching:
    """One viewer before a worker's eyes: events in, records out, in the order of a stream."""

    def __init__(self, world: Context | None = None) -> None:
        self.world = world or context()
        self.viewer = Viewer("v", RULES)
        self.clock_ms = 0
        self.offset = -1

    def say(self, *events: Event) -> None:
        """Absorb events as they come."""
        for one in events:
            self.offset += 1
            self.viewer.absorb(SOURCE, self.offset, self.clock_ms, one, self.world)
            self.clock_ms = max(self.clock_ms, one.knot.at_ms)

    def watch(
        self,
        episode: int,
        at_ms: int,
        *,
        title: str = "office",
        share: float = 1.0,
        run: str = "",
        last: Kind = Kind.STOP,
        **facts: Any,
    ) -> int:
        """Watch a share of an episode from its beginning; returns when it was left."""
        key = (f"{title}-{episode}-{run}", title, 1, episode)
        length = round(RUNTIME_MS * share)
        self.say(
            event(Kind.START, at_ms, 0, key=key, **facts),
            event(last, at_ms + length, length, key=key, **facts),
        )
        return at_ms + length

    def wait(self, until_ms: int) -> None:
        """Let the stream's time go on without a word of this viewer."""
        self.clock_ms = max(self.clock_ms, until_ms)
        self.viewer.after(SOURCE, self.offset)
        self.viewer.fire(self.clock_ms, self.world)

    def sent(self, topic: str) -> list[dict[str, Any]]:
        """Bodies of everything that went out to a topic, oldest first."""
        return [orjson.loads(out.body) for out in self.viewer.outbox if out.topic == topic]

    def words(self) -> list[str]:
        """What the signals said, oldest first."""
        return [body["data"]["state"] for body in self.sent("g")]
