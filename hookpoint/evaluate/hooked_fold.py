"""The real core lives through an audience, and is asked how sure it is after every episode.

Bytes go in as from Kafka, one partition; ``streams.viewing.viewer.Viewer`` decides, timers fire at
their own time, and the curves are those that were known at that stream time.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from streams.audience.records import Progress, read
from streams.catalogue import Catalogue, parse_title
from streams.events import Reject
from streams.signals import PROGRESS, SIGNALS
from streams.viewing.context import Context, season_view
from streams.viewing.hooked import chance, known, trustworthy
from streams.viewing.viewer import Viewer
from streams.worker.decoding import decode_slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hookpoint.evaluate.hooked_curves import Curves
    from producers.records import Record
    from streams.catalogue import Curve
    from streams.rules import Rules
    from streams.viewing.context import SeasonKey
    from streams.viewing.journey import Journey

SOURCE = ("playback-events", 0)
NAME = "playback-events/0"
MAX_VALUE_BYTES = 1 << 18
SLICE_S = 3600.0
DAY_MS = 86_400_000
CURVES_EVERY_MS = DAY_MS
AFTERWARDS_MS = 40 * DAY_MS
"""Stream time goes on after the last record until every idle timer has fired."""
IDLE_DAYS = (1, 3, 7)
"""Days after an episode at which the chance of those who have not gone on is looked at."""


class Raw(NamedTuple):
    """A record as a consumer hands it over."""

    offset: int
    key: bytes
    value: bytes
    timestamp: int
    topic: str = SOURCE[0]
    partition: int = SOURCE[1]
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Features(NamedTuple):
    """What anyone can see of a viewer without knowing the title's audience."""

    k: int
    share_done: float
    in_24h: int
    """Episodes completed in the last 24 hours, this one included."""
    log_gap_h: float
    """log(1 + hours) between the last two completed episodes; of 0 where there was but one."""
    autoplays: int
    """Episodes on end, up to this one, that nobody started."""


class Point(NamedTuple):
    """One prediction: what was known of a viewer when an episode was completed, or later."""

    viewer: str
    title_id: str
    of: int
    at_ms: int
    idle_days: int
    """0: the episode has just been completed."""
    p: float | None
    """None where there is no curve, or too few viewers behind it to speak of."""
    p_known: float
    """The same by the probabilities that the viewers were made with."""
    trusted: bool
    """Whether the rule would speak of the viewer on this curve."""
    pilot: bool
    """Whether the first episode is among those completed."""
    hook_reached: bool
    features: Features


class Said(NamedTuple):
    """A signal of the core."""

    signal_id: str
    viewer: str
    word: str
    basis: str
    at_ms: int
    k: int
    p: float | None
    retracts: str | None


@dataclass(slots=True)
class Found:
    """Everything that came of an audience."""

    points: list[Point] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    records: int = 0
    refused: int = 0


class Fold:
    """One partition's viewers, in memory.

    Args:
        titles: facts of the titles, as the ``titles`` topic has them.
        curves: what is known of the titles' audiences; the viewers are judged by it.
        known: the truth about them, for comparison alone.
        rules: thresholds of the core.
        passed: is told of stream time in ms now and then.
    """

    def __init__(
        self,
        titles: Iterable[dict[str, Any]],
        curves: Curves,
        known: Mapping[SeasonKey, Curve],
        rules: Rules,
        passed: Callable[[int], None] = lambda _: None,
    ) -> None:
        parsed = {facts["title_id"]: parse_title(facts) for facts in titles}
        self._context = Context(Catalogue(parsed, {}, {}, 1), rules)
        self._curves, self._known, self._passed = curves, known, passed
        self._snapshot = curves.at(0)
        self._viewers: dict[str, Viewer] = {}
        self._completed: dict[str, int] = {}
        self._due: list[tuple[int, str]] = []
        self._later: list[tuple[int, str, int, int]] = []
        self._clock_ms = self._offset = self._refreshed = 0
        self.found = Found()

    def run(self, records: Iterable[Record]) -> Found:
        """Live through all records, and through the idle time after them."""
        for _, group in groupby(records, key=lambda it: int(it.time_s // SLICE_S)):
            part = [
                Raw(offset, it.key, it.value, int(it.time_s * 1000))
                for offset, it in enumerate(group, start=self._offset)
            ]
            self._offset += len(part)
            self._take(part)
        end_ms = self._clock_ms + AFTERWARDS_MS
        while self._clock_ms < end_ms:
            self._move_on(self._clock_ms + DAY_MS)
        self.found.records = self._offset
        return self.found

    def _take(self, part: list[Raw]) -> None:
        rules = self._context.rules
        decoded = decode_slice(SOURCE, part, self._clock_ms, rules, MAX_VALUE_BYTES)
        self.found.refused += len(decoded.rejects)
        for name, works in decoded.viewers.items():
            viewer = self._viewers.get(name)
            if viewer is None:
                viewer = self._viewers[name] = Viewer(name, rules)
            for offset, clock_ms, event in works:
                try:
                    viewer.absorb(NAME, offset, clock_ms, event, self._context)
                except Reject:
                    self.found.refused += 1
                if viewer.outbox:
                    self._note(viewer)
            self._leave(viewer)
        self._move_on(decoded.time.clock_ms)

    def _move_on(self, clock_ms: int) -> None:
        """Stream time has come to ``clock_ms``: fire what is due, and learn."""
        self._clock_ms = max(clock_ms, self._clock_ms)
        while self._due and self._due[0][0] <= self._clock_ms:
            viewer = self._viewers[heapq.heappop(self._due)[1]]
            if viewer.due_ms <= self._clock_ms:
                viewer.after(NAME, self._offset - 1)
                viewer.fire(self._clock_ms, self._context)
                self._note(viewer)
                self._leave(viewer)
        while self._later and self._later[0][0] <= self._clock_ms:
            self._look_again(*heapq.heappop(self._later))
        today = self._clock_ms // CURVES_EVERY_MS
        if today > self._refreshed:
            self._refreshed = today
            self._snapshot = self._curves.at(self._clock_ms)
            self._context.catalogue.curves.clear()
            self._context.catalogue.curves.update(self._snapshot.curves)
            self._passed(self._clock_ms)

    def _leave(self, viewer: Viewer) -> None:
        viewer.written()
        if viewer.due_ms < 1 << 62:
            heapq.heappush(self._due, (viewer.due_ms, viewer.name))

    def _note(self, viewer: Viewer) -> None:
        """Write down what the viewer said, and how sure the core is if an episode is over."""
        for out in viewer.outbox:
            if out.topic == SIGNALS:
                self.found.said.append(_said(orjson.loads(out.body)))
            elif out.topic == PROGRESS and isinstance(told := read(out.body.encode()), Progress):
                self._curves.hear(told)
        viewer.outbox = []
        for journey in viewer.journeys.values():
            if journey.completed > self._completed.get(viewer.name, 0):
                self._completed[viewer.name] = journey.completed
                self._predict(viewer.name, journey)

    # -- predictions -----------------------------------------------------------------------------
    def _predict(self, name: str, journey: Journey) -> None:
        view = season_view((journey.title_id, journey.season), self._context)
        k = journey.reached
        if journey.finished(view) or k >= view.of:
            return
        at_ms = max(step.completed_ms for step in journey.steps.values())
        following = journey.steps.get(k + 1)
        begun = following is not None and following.started_ms > 0
        self.found.points.append(self._point(name, journey, at_ms, 0, begun=begun))
        for days in IDLE_DAYS:
            heapq.heappush(self._later, (at_ms + days * DAY_MS, name, k, days))

    def _look_again(self, due_ms: int, name: str, k: int, days: int) -> None:
        """The chance of someone who has not gone on for some days."""
        (journey,) = self._viewers[name].journeys.values()
        following = journey.steps.get(k + 1)
        begun = following is not None and 0 < following.started_ms <= due_ms
        if journey.steps and journey.reached == k and not begun:
            self.found.points.append(self._point(name, journey, due_ms, days, begun=False))

    def _point(self, name: str, journey: Journey, at_ms: int, days: int, *, begun: bool) -> Point:
        key, k = (journey.title_id, journey.season), journey.reached
        view = season_view(key, self._context)
        idle_s = max(0, at_ms - journey.idle_from_ms(view)) / 1000 if days else 0.0
        until = journey.finishes_with(view)
        p_known = chance(self._known[key], k, on_next=begun, idle_s=idle_s, until=until).p
        p, trusted = None, False
        if view.curve is not None and view.curve.of == view.of:
            found = chance(view.curve, k, on_next=False, until=until)
            if known(view.curve, found, view.rules):
                trusted = trustworthy(found, view.rules)
                p = chance(view.curve, k, on_next=begun, idle_s=idle_s, until=until).p
        hook = self._snapshot.hook_points.get(key)
        first = journey.steps.get(1)
        pilot = first is not None and first.completed_ms > 0
        return Point(
            name, journey.title_id, view.of, at_ms, days, p, p_known, trusted,
            pilot, hook is not None and k >= hook, _features(journey, view.of),
        )  # fmt: skip


def _features(journey: Journey, of: int) -> Features:
    completed = sorted(step.completed_ms for step in journey.steps.values() if step.completed_ms)
    at_ms = completed[-1]
    gap_ms = at_ms - completed[-2] if len(completed) > 1 else 0
    autoplays = 0
    for step in sorted(journey.steps.values(), key=lambda it: -it.started_ms):
        if step.deliberate:
            break
        autoplays += step.completed_ms > 0
    return Features(
        journey.reached,
        journey.reached / of,
        sum(at_ms - it < DAY_MS for it in completed),
        math.log1p(gap_ms / 3_600_000),
        autoplays,
    )


def _said(body: dict[str, Any]) -> Said:
    data = body["data"]
    at_ms = round(datetime.fromisoformat(body["time"]).timestamp() * 1000)
    return Said(
        body["id"], body["subject"], data["state"], data["basis"], at_ms, data["k"], data["p"],
        data.get("retracts"),
    )  # fmt: skip
