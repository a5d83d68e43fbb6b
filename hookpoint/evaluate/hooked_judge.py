"""One audience judged: the rule's probabilities and signals beside its rivals'. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hookpoint.evaluate.hooked_rivals import BASE, Rival, rivals
from hookpoint.evaluate.hooked_scores import (
    Call,
    Case,
    Difference,
    Score,
    Warned,
    brier_difference,
    score,
    warned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hookpoint.evaluate.hooked_fold import Found, Point, Said

OURS, KNOWN = "hooked rule", "hooked rule, curve known"
RELIABLE_WITHIN = 0.05
LONG_SEASON = 11
"""From here on, nine tenths of the runtime are reached before the last episode."""


class Journey(NamedTuple):
    """What only the audience's maker knows. Times are epoch seconds, ``finished_s`` 0 for never."""

    title_id: str
    of: int
    weekly: bool
    began_with: int
    arrived_s: float
    finished_s: float


@dataclass(frozen=True, slots=True)
class Rated:
    """Probabilities of one kind; ``behind``: their Brier score less the rule's."""

    name: str
    score: Score
    behind: Difference | None


@dataclass(frozen=True, slots=True)
class Group:
    """The rule on some of the predictions, by learned curves (where there are any) and by true."""

    name: str
    learned: Score | None
    known: Score | None


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal by name, and how many were taken back (None: it never takes back)."""

    name: str
    warned: Warned
    retracted: int | None


@dataclass(frozen=True, slots=True)
class Judged:
    """Everything that is said of one audience; ``cases`` are what the plots are drawn from."""

    name: str
    viewers: int
    judged: int
    events: int
    refused: int
    predictions: int
    without_curve: int
    rated: tuple[Rated, ...]
    groups: tuple[Group, ...]
    signals: tuple[Signal, ...]
    words: Mapping[str, int]
    cases: Mapping[str, tuple[Case, ...]]

    @property
    def beats_all(self) -> bool:
        """Whether no rival has as good a Brier score."""
        return all(it.behind.mean > 0 for it in self.rated if it.behind and it.name != KNOWN)

    @property
    def reliable(self) -> bool:
        """Whether every bin with enough cases is right to within 0.05."""
        gap = self.rated[0].score.worst_gap
        return gap is not None and abs(gap) <= RELIABLE_WITHIN


def judge(
    name: str, found: Found, journeys: Mapping[str, Journey], split_s: float, hooked_at: float
) -> Judged:
    """Judge what was found of viewers who arrived after ``split_s`` by what became of them.

    Args:
        name: of the audience.
        found: the core's predictions and signals.
        journeys: the truth, by viewer.
        split_s: those who arrived before this epoch second train the rivals.
        hooked_at: the probability at which a regression is taken to say yes.
    """
    judged = {viewer: it for viewer, it in journeys.items() if it.arrived_s >= split_s}
    finished_s = {who: it.finished_s for who, it in journeys.items() if it.finished_s}
    points = [it for it in found.points if it.viewer in judged]
    fresh = [it for it in points if not it.idle_days]
    spoken = [it for it in fresh if it.p is not None]
    # Rivals learn from the same kind of cases: equal title and episode.
    cells = {(it.title_id, it.features.k) for it in spoken}
    training = [
        it
        for it in found.points
        if it.viewer not in judged and not it.idle_days and (it.title_id, it.features.k) in cells
    ]
    others = rivals(training, fresh, finished_s, hooked_at) if training else []
    cases = _cases(fresh, others, finished_s)
    judged_s = {who: at_s for who, at_s in finished_s.items() if who in judged}
    return Judged(
        name=name,
        viewers=len(journeys),
        judged=len(judged),
        events=found.records,
        refused=found.refused,
        predictions=len(fresh),
        without_curve=len(fresh) - len(spoken),
        rated=_rated(cases),
        groups=tuple(_groups(points, journeys, finished_s)),
        signals=tuple(_signals(found.said, fresh, others, judged_s, judged)),
        words=dict(Counter(f"{it.word}, {it.basis}" for it in found.said if it.viewer in judged)),
        cases=cases,
    )


def _cases(
    points: Sequence[Point], others: Sequence[Rival], finished: Mapping[str, float]
) -> dict[str, tuple[Case, ...]]:
    """Those with a curve, as each of them puts it."""
    columns: dict[str, Sequence[float | None]] = {
        OURS: [it.p for it in points],
        KNOWN: [it.p_known for it in points],
        **{it.name: it.p for it in others},
    }
    return {
        name: tuple(
            Case(point.viewer, p, point.viewer in finished)
            for point, p in zip(points, column, strict=True)
            if p is not None and point.p is not None
        )
        for name, column in columns.items()
    }


def _rated(cases: Mapping[str, tuple[Case, ...]]) -> tuple[Rated, ...]:
    ours = cases[OURS]
    rated = []
    for name, held in cases.items():
        found = score(held)
        if found is not None:
            behind = None if name == OURS else brier_difference(ours, held)
            rated.append(Rated(name, found, behind))
    return tuple(rated)


def _groups(
    points: Sequence[Point], journeys: Mapping[str, Journey], finished: Mapping[str, float]
) -> list[Group]:
    def of(point: Point) -> Journey:
        return journeys[point.viewer]

    whole = [it for it in points if of(it).began_with == 1]
    fresh = [it for it in whole if not it.idle_days]
    kinds: list[tuple[str, Sequence[Point], Callable[[Point], bool]]] = [
        ("curve trusted: the signal may speak", fresh, lambda it: it.trusted),
        ("all episodes out", fresh, lambda it: not of(it).weekly),
        ("an episode a week", fresh, lambda it: of(it).weekly),
        ("fewer than 11 episodes", fresh, lambda it: it.of < LONG_SEASON),
        ("11 episodes and more", fresh, lambda it: it.of >= LONG_SEASON),
        ("began in the middle", [it for it in points if of(it).began_with > 1], lambda _: True),
    ]
    for days in sorted({it.idle_days for it in points} - {0}):
        idle = [it for it in whole if it.idle_days == days]
        kinds.append((f"idle {days} d, all out", idle, lambda it: not of(it).weekly))
        kinds.append((f"idle {days} d, weekly", idle, lambda it: of(it).weekly))
    found = []
    for name, pool, belongs in kinds:
        group = [it for it in pool if belongs(it)]
        learned = [Case(it.viewer, it.p, it.viewer in finished) for it in group if it.p is not None]
        known = [Case(it.viewer, it.p_known, it.viewer in finished) for it in group]
        found.append(Group(name, score(learned), score(known)))
    return found


def _signals(
    said: Sequence[Said],
    points: Sequence[Point],
    others: Sequence[Rival],
    finished_s: Mapping[str, float],
    judged: Mapping[str, Journey],
) -> list[Signal]:
    retracted = {it.retracts for it in said if it.retracts}
    first: dict[str, Said] = {}
    for it in said:
        if it.word == "hooked" and it.viewer in judged:
            first.setdefault(it.viewer, it)
    found = []
    for name, basis in ((OURS, None), ("  basis audience", "audience"), ("  basis pace", "pace")):
        mine = {who: it for who, it in first.items() if basis in (None, it.basis)}
        calls = {who: Call(it.at_ms / 1000, judged[who].of - it.k) for who, it in mine.items()}
        taken_back = sum(it.signal_id in retracted for it in mine.values())
        found.append(Signal(name, warned(calls, finished_s), taken_back))
    found += [
        Signal(rival.name, warned(_first_yes(rival, points), finished_s), None)
        for rival in others
        if rival.name != BASE
    ]
    return found


def _first_yes(rival: Rival, points: Sequence[Point]) -> dict[str, Call]:
    calls: dict[str, Call] = {}
    for point, yes in zip(points, rival.yes, strict=True):
        if yes:
            calls.setdefault(point.viewer, Call(point.at_ms / 1000, point.of - point.features.k))
    return calls
