"""One viewer's way through one season, and what it says: hooked, cooled, rekindled, lapsed, done.

| state | event | guard | next | signal |
|---|---|---|---|---|
| any | season at 90 % | not completed yet | completed | completed |
| none | episode begun or watched | p >= .70 and the rest of the rule | hooked | hooked |
| hooked | episode begun or watched | p < .50 | cooled | cooled |
| hooked | idle | p(idle) < .50 | cooled | cooled |
| hooked, cooled | idle | 28 days | lapsed | lapsed |
| cooled, lapsed | episode begun or watched | p >= .70 | hooked | rekindled |
| any | a late event | the last signal would not have been sent | the state before | retracted |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, NamedTuple

from streams.audience.records import Row, Seat
from streams.catalogue import Curve
from streams.rules import Rules
from streams.viewing.hooked import Chance, chance, cools_after_s, known, trustworthy
from streams.viewing.shapes import Past, State, Step, Word

AFTER: dict[Word, State] = {
    "hooked": "hooked",
    "cooled": "cooled",
    "rekindled": "hooked",
    "lapsed": "lapsed",
    "completed": "completed",
}
"""The state that each signal leads to; a retraction leads back."""
KEPT_SIGNALS = 4
"""Signals that a late event can still take back."""


NO_STEP = Step(0, 0, 0, 0, 0, False)


@dataclass(frozen=True, slots=True)
class Signal:
    """One change of a journey, with its reasons."""

    signal_id: str
    word: Word
    at_ms: int
    title_id: str
    season: int
    basis: str
    p: float | None
    interval: tuple[float, float] | None
    k: int
    of: int
    because: dict[str, Any]
    curve_version: str | None
    retracts: str | None = None


class View(NamedTuple):
    """What a journey is judged by: season length (0 unknown), its runtime, curve, thresholds.

    ``released_ms`` says when an episode came or comes out, and ``runtimes_ms`` how long it is, for
    those of which it is known.
    """

    of: int
    runtime_ms: int
    curve: Curve | None
    rules: Rules
    released_ms: Mapping[int, int] = MappingProxyType({})
    runtimes_ms: Mapping[int, int] = MappingProxyType({})


@dataclass(slots=True)
class Journey:
    """One viewer in one season."""

    viewer: str
    title_id: str
    season: int
    epoch: int = 0
    steps: dict[int, Step] = field(default_factory=dict)
    last_ms: int = 0
    state: State = ""
    basis: str = ""
    since_ms: int = 0
    p: float | None = None
    sent: int = 0
    past: list[Past] = field(default_factory=list)
    faded: tuple[int, int] = (0, 0)
    seat: Seat | None = None
    """Where and how it began, once it has."""

    # -- facts ---------------------------------------------------------------------------------
    @property
    def completed(self) -> int:
        """Episodes completed."""
        return sum(1 for s in self.steps.values() if s.completed_ms) or self.faded[1]

    @property
    def reached(self) -> int:
        """The furthest episode watched (k)."""
        done = [e for e, s in self.steps.items() if s.watched_ms or s.completed_ms]
        return max(done, default=self.faded[0])

    def rows(self) -> dict[int, Row]:
        """What the title's life tables count of this journey, by the episode behind it.

        0 stands for the beginning: passed once the season is completed. Only the first time through
        counts, and nothing is taken back of what has faded from memory.
        """
        if self.epoch or self.faded != (0, 0):
            return {}
        begun = [step.started_ms for step in self.steps.values() if step.started_ms]
        if not begun:
            return {}
        completed_ms = self.since_ms if self.state == "completed" else 0
        rows = {0: passed_row(min(begun), completed_ms)}
        for k, step in self.steps.items():
            if step.watched_ms:
                rows[k] = Row(step.watched_ms, self._went_on_ms(k, step.watched_ms))
        return rows

    def _went_on_ms(self, k: int, watched_ms: int) -> int:
        """When the viewer went on from episode k: to the next, or past it to a later one."""
        following = [
            max(step.started_ms, watched_ms)
            for e, step in self.steps.items()
            if step.started_ms and (e == k + 1 or (e > k and step.started_ms >= watched_ms))
        ]
        return min(following, default=0)

    def finished(self, view: View) -> bool:
        """Whether 90 % of the season's runtime is covered (every episode, if runtimes lack)."""
        if not view.of:
            return False
        if not view.runtime_ms:
            return self.completed >= view.of
        covered = sum(min(s.covered_ms, s.runtime_ms) for s in self.steps.values() if s.runtime_ms)
        return covered >= view.rules.completed_share * view.runtime_ms

    def finishes_with(self, view: View) -> int:
        """The episode by which 90 % are covered if all up to it are watched; at most the last."""
        k = self.reached
        watched = (s for e, s in self.steps.items() if e <= k)
        covered = sum(min(s.covered_ms, s.runtime_ms) for s in watched)
        for episode in range(k + 1, view.of):
            covered += view.runtimes_ms.get(episode, 0)
            if view.runtime_ms and covered >= view.rules.completed_share * view.runtime_ms:
                return episode
        return view.of

    def _latest(self, count: int) -> list[Step]:
        begun = [s for s in self.steps.values() if s.started_ms]
        return sorted(begun, key=lambda s: (s.started_ms, s))[-count:]

    def _on_next(self, k: int) -> bool:
        following = self.steps.get(k + 1)
        return following is not None and following.started_ms > 0

    def restart(self) -> None:
        """Begin anew: the season is watched another time."""
        self.epoch += 1
        self.steps, self.past, self.faded = {}, [], (0, 0)
        self.state, self.basis, self.since_ms, self.p = "", "", 0, None

    def shrink(self) -> None:
        """Forget the episodes of a season that is over, but for how far and how many."""
        self.faded = (self.reached, self.completed)
        self.steps, self.past = {}, []

    # -- judging -------------------------------------------------------------------------------
    def _chance(self, view: View, *, idle_s: float = 0.0) -> Chance | None:
        """The chance to finish by the title's curve, or None where it is not known yet."""
        curve, k = view.curve, self.reached
        if curve is None or curve.of != view.of or not 1 <= k < view.of:
            return None
        on_next = self._on_next(k) and not idle_s
        found = chance(curve, k, on_next=on_next, idle_s=idle_s, until=self.finishes_with(view))
        return found if known(curve, found, view.rules) else None

    def _trusted(self, view: View) -> bool:
        """Whether the curve is sure enough to call a viewer hooked on its word."""
        curve = view.curve
        if curve is None:
            return False
        until = self.finishes_with(view)
        found = chance(curve, self.reached, on_next=False, until=until)
        return trustworthy(found, view.rules)

    def _hooked_by_audience(self, found: Chance, view: View) -> bool:
        rules = view.rules
        left = view.of - self.reached
        return (
            found.p >= rules.hooked_at
            and self._trusted(view)
            and self.completed >= rules.min_completed
            and left >= rules.min_left
            and left >= rules.min_left_share * view.of
            and any(step.deliberate for step in self._latest(rules.deliberate_within))
        )

    def _hooked_by_pace(self, view: View) -> bool:
        if view.of and self.reached >= view.of:
            return False
        return _in_pace([s for s in self.steps.values() if s.completed_ms], view.rules)

    def finish(self, at_ms: int, view: View) -> Signal | None:
        """Decide whether what was watched up to ``at_ms`` makes the season complete."""
        if self.state == "completed" or not self.finished(view):
            return None
        return self._send("completed", at_ms, view, None)

    def advance(self, at_ms: int, view: View) -> Signal | None:
        """Decide after an episode was begun, watched or completed at ``at_ms``."""
        if self.finished(view):
            return self.finish(at_ms, view)
        found = self._chance(view)
        if self.state == "hooked":
            cold = found is not None and found.p < view.rules.cooled_below
            return self._send("cooled", at_ms, view, found) if cold else None
        if self.state == "completed":
            return None
        word: Word = "hooked" if self.state == "" else "rekindled"
        if found is not None:
            again = found.p >= view.rules.hooked_at and self._trusted(view)
            yes = self._hooked_by_audience(found, view) if word == "hooked" else again
        elif word == "hooked":
            yes = self._hooked_by_pace(view)
        else:
            yes = any(step.completed_ms > self.since_ms for step in self.steps.values())
        return self._send(word, at_ms, view, found) if yes else None

    def due_ms(self, view: View) -> int:
        """When idle time alone changes the state; 0 if it never will."""
        if self.state not in ("hooked", "cooled"):
            return 0
        lapse = self.idle_from_ms(view) + int(view.rules.lapsed_after_s * 1000)
        if self.state == "cooled":
            return lapse
        return min(lapse, self._cools_ms(view))

    def _cools_ms(self, view: View) -> int:
        if view.curve is not None and self._chance(view) is not None:
            until = self.finishes_with(view)
            wait = cools_after_s(view.curve, self.reached, view.rules, until)
        else:
            wait = view.rules.pace_cooled_after_s
        return self.idle_from_ms(view) + max(1, int(wait * 1000))

    def idle_from_ms(self, view: View) -> int:
        """Since when the viewer could have gone on: nobody is idle who waits for an episode."""
        return max(self.last_ms, view.released_ms.get(self.reached + 1, 0))

    def idle(self, at_ms: int, view: View) -> Signal | None:
        """Decide at ``at_ms``, the due time, that nothing happened."""
        due = self.due_ms(view)
        if not due or due > at_ms:
            return None
        idle_from = self.idle_from_ms(view)
        lapse = idle_from + int(view.rules.lapsed_after_s * 1000)
        word: Word = "lapsed" if self.state == "cooled" or lapse <= due else "cooled"
        found = self._chance(view, idle_s=max(0.001, (due - idle_from) / 1000))
        return self._send(word, due, view, found)

    # -- taking back -----------------------------------------------------------------------------
    def recheck(self, at_ms: int, event_ms: int, view: View) -> list[Signal]:
        """Take back what would not have been sent, had the event at ``event_ms`` been on time."""
        wrong = [i for i, past in enumerate(self.past) if self._undone(past, event_ms, view)]
        if not wrong:
            return []
        # What was sent after the first wrong signal rests on it, so it goes as well, newest first.
        undone = self.past[wrong[0] :]
        del self.past[wrong[0] :]
        return [self._retract(past, at_ms, view) for past in reversed(undone)]

    def _undone(self, past: Past, event_ms: int, view: View) -> bool:
        if past.word == "completed":
            return not self.finished(view)
        if past.word in ("cooled", "lapsed") and past.idle_from_ms:
            return past.idle_from_ms < event_ms <= past.at_ms
        if past.word == "hooked":
            return not self._had_hooked(past, view)
        if past.word == "rekindled":
            return self.completed < min(past.completed, view.rules.min_completed)
        return False

    def _had_hooked(self, past: Past, view: View) -> bool:
        """Whether what is known now of the time of a hooked signal still makes it right.

        The chance itself is not worked out again: curves move on, and are not the viewer's doing.
        """
        rules = view.rules
        steps = [s for s in self.steps.values() if s.started_ms and s.started_ms <= past.known_ms]
        done = [s for s in steps if s.completed_ms and s.completed_ms <= past.known_ms]
        if past.basis == "pace":
            return _in_pace(done, rules)
        latest = sorted(steps, key=_started_ms)[-rules.deliberate_within :]
        return len(done) >= rules.min_completed and any(step.deliberate for step in latest)

    def _retract(self, past: Past, at_ms: int, view: View) -> Signal:
        signal = self._signal("retracted", at_ms, view, None, retracts=past.signal_id)
        self.state, self.basis, self.since_ms, self.p = past.before
        return signal

    # -- sending ---------------------------------------------------------------------------------
    def _send(self, word: Word, at_ms: int, view: View, found: Chance | None) -> Signal:
        before = (self.state, self.basis, self.since_ms, self.p)
        self.basis = "audience" if found is not None else "pace"
        signal = self._signal(word, at_ms, view, found)
        idle_from = self.last_ms if word in ("cooled", "lapsed") and at_ms > self.last_ms else 0
        times = (max(s.started_ms, s.completed_ms) for s in self.steps.values())
        known_ms = max([at_ms, *times])
        said = (signal.signal_id, word, self.basis, at_ms, known_ms, idle_from, self.completed)
        self.past.append(Past(*said, before))
        del self.past[:-KEPT_SIGNALS]
        self.state = AFTER[word]
        self.since_ms, self.p = at_ms, signal.p
        return signal

    def _signal(
        self, word: Word, at_ms: int, view: View, found: Chance | None, retracts: str | None = None
    ) -> Signal:
        self.sent += 1
        name = (self.viewer, self.title_id, self.season, self.epoch, word, self.sent, at_ms)
        signal_id = blake2b(repr(name).encode(), digest_size=16).hexdigest()
        k = self.reached
        because: dict[str, Any] = {
            "completed": self.completed,
            "left": view.of - k if view.of else None,
            "last_activity_ms": self.last_ms,
            "idle_s": max(0, at_ms - self.last_ms) // 1000,
        }
        if found is not None:
            because["viewers"] = found.n
        return Signal(
            signal_id, word, at_ms, self.title_id, self.season, self.basis,
            round(found.p, 4) if found else None,
            (round(found.low, 4), round(found.high, 4)) if found else None,
            k, view.of, because,
            view.curve.version if found and view.curve else None,
            retracts,
        )  # fmt: skip


def passed_row(entered_ms: int, passed_ms: int) -> Row:
    """A row that was not passed before it was entered, as a late report's time would have it."""
    return Row(entered_ms, max(entered_ms, passed_ms) if passed_ms else 0)


def _in_pace(done: list[Step], rules: Rules) -> bool:
    """Enough episodes completed within a day, one of them by a deliberate act."""
    recent = sorted(done, key=_completed_ms)[-rules.pace_completed :]
    if len(recent) < rules.pace_completed:
        return False
    span_ms = recent[-1].completed_ms - recent[0].completed_ms
    return span_ms <= rules.pace_within_s * 1000 and any(step.deliberate for step in recent)


def _completed_ms(step: Step) -> int:
    return step.completed_ms


def _started_ms(step: Step) -> int:
    return step.started_ms
