"""How good probabilities and signals are, beside what came of them. Pure."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BINS = 10
ENOUGH = 200
"""A bin is held to the bar if it has at least this many cases."""
Z95 = 1.959963984540054
_HOUR_S = 3600.0


class Case(NamedTuple):
    """One prediction and what came of it; ``who`` ties the predictions of one journey together."""

    who: str
    p: float
    came: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions from ``low`` up to ``low`` + 0.1; with ``mean_p`` sure, ``share`` came true."""

    low: float
    cases: int
    mean_p: float
    share: float

    @property
    def gap(self) -> float:
        """How much too sure (positive) or not sure enough (negative) they were."""
        return self.mean_p - self.share


@dataclass(frozen=True, slots=True)
class Score:
    """How good some probabilities were.

    ``skill`` is 1 - Brier / Brier of the share that came true in these very cases: 1 is a prophet,
    0 knows that share and nothing else (Murphy 1973). None where all came true, or none did.
    """

    cases: int
    mean_p: float
    share: float
    brier: float
    skill: float | None
    bins: tuple[Bin, ...]

    @property
    def worst_gap(self) -> float | None:
        """The greatest gap, by size, of a bin that has enough cases."""
        gaps = [it.gap for it in self.bins if it.cases >= ENOUGH]
        return max(gaps, key=abs) if gaps else None


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean of paired differences, and its standard error."""

    mean: float
    error: float


@dataclass(frozen=True, slots=True)
class Warned:
    """What a yes-or-no signal, the first of each journey, was worth.

    ``precision_95`` is Wilson's interval. ``lead_h`` and ``lead_episodes`` are medians over the
    journeys that were foreseen: from the signal to the end of the season.
    """

    said: int
    right: int
    finished: int
    foreseen: int
    lead_h: float | None
    lead_episodes: float | None
    leads_h: tuple[float, ...]

    @property
    def precision(self) -> float | None:
        """Share of the journeys with a signal that were finished."""
        return self.right / self.said if self.said else None

    @property
    def recall(self) -> float | None:
        """Share of the finished journeys that had a signal before the end."""
        return self.foreseen / self.finished if self.finished else None

    @property
    def precision_95(self) -> tuple[float, float] | None:
        """95 % interval of the precision."""
        return wilson(self.right, self.said) if self.said else None


class Call(NamedTuple):
    """The first yes of a journey: when (epoch seconds), and how many episodes were left."""

    at_s: float
    left: int


def score(cases: Sequence[Case]) -> Score | None:
    """Score probabilities; None without a case."""
    if not cases:
        return None
    share = statistics.fmean(it.came for it in cases)
    found = statistics.fmean((it.p - it.came) ** 2 for it in cases)
    base = share * (1 - share)
    return Score(
        cases=len(cases),
        mean_p=statistics.fmean(it.p for it in cases),
        share=share,
        brier=found,
        skill=1 - found / base if base else None,
        bins=reliability(cases),
    )


def reliability(cases: Iterable[Case]) -> tuple[Bin, ...]:
    """The cases in ten bins of equal width; empty ones are left out, 1.0 belongs to the last."""
    bins: dict[int, list[Case]] = defaultdict(list)
    for case in cases:
        bins[min(BINS - 1, int(case.p * BINS))].append(case)
    return tuple(
        Bin(
            low=number / BINS,
            cases=len(held),
            mean_p=statistics.fmean(it.p for it in held),
            share=statistics.fmean(it.came for it in held),
        )
        for number, held in sorted(bins.items())
    )


def brier_difference(ours: Sequence[Case], theirs: Sequence[Case]) -> Difference:
    """Their Brier score minus ours over the same cases; above 0 we are better.

    The standard error takes journeys, not cases, as independent (clustered by ``who``).

    Raises:
        ValueError: they are not the same cases.
    """
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for our, their in zip(ours, theirs, strict=True):
        if (our.who, our.came) != (their.who, their.came):
            raise ValueError("these are different cases")
        held = sums[our.who]
        held[0] += (their.p - our.came) ** 2 - (our.p - our.came) ** 2
        held[1] += 1
    if not sums:
        return Difference(0.0, 0.0)
    mean = sum(total for total, _ in sums.values()) / len(ours)
    spread = sum((total - mean * count) ** 2 for total, count in sums.values())
    return Difference(mean, math.sqrt(spread) / len(ours))


def warned(calls: Mapping[str, Call], finished_s: Mapping[str, float]) -> Warned:
    """Judge signals.

    Args:
        calls: the first yes of each journey that has one.
        finished_s: epoch second at which each finished journey was finished.
    """
    foreseen = {who: it for who, it in calls.items() if it.at_s < finished_s.get(who, -math.inf)}
    leads = sorted((finished_s[who] - it.at_s) / _HOUR_S for who, it in foreseen.items())
    left = [it.left for it in foreseen.values()]
    return Warned(
        said=len(calls),
        right=sum(who in finished_s for who in calls),
        finished=len(finished_s),
        foreseen=len(foreseen),
        lead_h=statistics.median(leads) if leads else None,
        lead_episodes=statistics.median(left) if left else None,
        leads_h=tuple(leads),
    )


def wilson(right: int, of: int) -> tuple[float, float]:
    """95 % interval of a share, by Wilson (1927): it holds near 0 and 1 as well."""
    share, z2 = right / of, Z95 * Z95
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return middle - half, middle + half
