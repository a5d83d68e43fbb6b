"""One simulated season through the service's own tables, day by day, and what they say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hookpoint.evaluate.audience import draw
from hookpoint.evaluate.scenarios import DAY_S
from streams.audience.hook_point import FIRST, NONE, decide, lift
from streams.audience.passages import LAST_H
from streams.audience.records import Passage, Row
from streams.audience.retention import Retention
from streams.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hookpoint.evaluate.audience import Crowd, Truth
    from hookpoint.evaluate.scenarios import Scenario
    from streams.audience.season_curve import SeasonCurve

RULES = Rules()
LAUNCHED_MS = 20_000 * int(DAY_S) * 1000
BOUNDS = (0.025, 0.975)
"""Of a 95 % interval; what is published are 5 % and 95 %."""


class Beside(NamedTuple):
    """What an estimate is judged by, and what the two naive ways would have said.

    ``true`` is the share within the estimate's own horizon; ``since_launch`` the share within the
    whole time since the launch (or since the next episode came out).
    """

    true: float
    since_launch: float
    resolved_only: float
    pending_gone: float

    @classmethod
    def product(cls, factors: Sequence[Beside]) -> Beside:
        """The same of a product of shares."""
        return cls(*map(math.prod, zip(*factors, strict=True)))


class Reading(NamedTuple):
    """One estimate with its 95 % interval, and what it is judged by."""

    k: int
    n: float
    estimate: float
    low: float
    high: float
    horizon_s: float
    beside: Beside

    @property
    def covered(self) -> bool:
        """Whether the 95 % interval holds the truth."""
        return self.low <= self.beside.true <= self.high


class Outcome(NamedTuple):
    """What one run came to: each step, each H_k, and the hook point by every way."""

    steps: tuple[Reading, ...]
    ahead: tuple[Reading, ...]
    hook: int | None
    hook_resolved_only: int | None
    hook_pending_gone: int | None
    lift: float | None
    lifts: tuple[float, ...]
    """At every k from 2 on, hook point or not."""
    signals: int


def play(scenario: Scenario, truth: Truth, seed: int) -> Outcome:
    """One run of ``scenario``: the audience by ``seed``, a look every day, and the last look."""
    random = np.random.default_rng(seed)
    crowd = draw(scenario, scenario.viewers, random)
    # Launches are not on the hour.
    launched_ms = LAUNCHED_MS + int(random.integers(0, int(DAY_S))) * 1000
    season, hook, signals = Retention(RULES), NONE, 0
    curve = None
    for clock_ms in days(scenario, launched_ms, crowd, season):
        curve = season.estimates(scenario.of, clock_ms)
        told = curve.known_of(RULES.least_viewers) if curve is not None else None
        hook, change = decide(hook, told, clock_ms, RULES)
        signals += change is not None
    if curve is None:
        raise ValueError(f"{scenario.name}: a season of {scenario.of} episodes has no curve")
    steps, ahead = _read(scenario, truth, crowd, curve, scenario.days * DAY_S)
    n = [it.n for it in steps]
    return Outcome(
        steps=steps,
        ahead=ahead,
        hook=hook.k,
        hook_resolved_only=first_above([it.beside.resolved_only for it in ahead], n),
        hook_pending_gone=first_above([it.beside.pending_gone for it in ahead], n),
        lift=lift(curve, hook.k) if hook.k else None,
        lifts=tuple(lift(curve, k) for k in range(FIRST, scenario.of)),
        signals=signals,
    )


def by_day(scenario: Scenario, truth: Truth, seed: int, k: int) -> Iterator[Reading]:
    """What is said of episode ``k`` at the end of every day."""
    crowd, season = draw(scenario, scenario.viewers, np.random.default_rng(seed)), Retention(RULES)
    for day, clock_ms in enumerate(days(scenario, LAUNCHED_MS, crowd, season), 1):
        if curve := season.estimates(scenario.of, clock_ms):
            yield _read(scenario, truth, crowd, curve, day * DAY_S)[0][k - 1]


def days(scenario: Scenario, launched_ms: int, crowd: Crowd, season: Retention) -> Iterator[int]:
    """Feed ``season`` a day at a time, as records say it: what is now, and what was said before."""
    for k in range(1, scenario.of):
        if scenario.weekly:
            season.opens(k, launched_ms + int(scenario.opens_s(k + 1) * 1000))
    whole = math.ceil(scenario.days)
    for day in range(whole):
        until_s = min(day + 1, scenario.days) * DAY_S
        for k in range(1, scenario.of):
            for passage in _news(k, crowd, day * DAY_S, until_s, launched_ms):
                season.add(passage)
        clock_ms = launched_ms + int(until_s * 1000)
        season.compact(clock_ms)
        yield clock_ms


def _news(
    k: int, crowd: Crowd, from_s: float, until_s: float, launched_ms: int
) -> Iterator[Passage]:
    entered, passed = crowd.entered[k - 1], crowd.passed[k - 1]
    came = (entered > from_s) & (entered <= until_s)
    went = (entered <= from_s) & (passed > from_s) & (passed <= until_s)
    for mask, known in ((came, False), (went, True)):
        entered_ms = launched_ms + (entered[mask] * 1000).astype(np.int64)
        at = passed[mask]
        passed_ms = np.where(at <= until_s, launched_ms + np.minimum(at, until_s) * 1000, 0)
        for one, other in zip(
            entered_ms.tolist(), passed_ms.astype(np.int64).tolist(), strict=True
        ):
            yield Passage(k, Row(one, 0) if known else None, Row(one, other))


def _read(
    scenario: Scenario, truth: Truth, crowd: Crowd, curve: SeasonCurve, look_s: float
) -> tuple[tuple[Reading, ...], tuple[Reading, ...]]:
    """Each step, and each H_k, beside what they are judged by."""
    horizons = [it.horizon_s for it in curve.steps]
    besides = [
        Beside(
            truth.share(k, horizons[k - 1]),
            truth.share(k, look_s - scenario.opens_s(k + 1)),
            resolved_only,
            pending_gone,
        )
        for k, (resolved_only, pending_gone) in enumerate(naive(scenario, crowd, look_s), 1)
    ]
    steps, ahead = [], []
    for i, step in enumerate(curve.steps):
        low, high = map(step.belief.quantile, BOUNDS)
        steps.append(Reading(i + 1, step.n, step.c, low, high, horizons[i], besides[i]))
        low, high = map(curve.beliefs[i].quantile, BOUNDS)
        n = min(it.n for it in curve.steps[i:])
        beside = Beside.product(besides[i:])
        ahead.append(Reading(i + 1, n, curve.h[i], low, high, min(horizons[i:]), beside))
    return tuple(steps), tuple(ahead)


def naive(scenario: Scenario, crowd: Crowd, look_s: float) -> Iterator[tuple[float, float]]:
    """By k: of those whose outcome is known after 28 days or sooner, and of all who watched k."""
    for k in range(1, scenario.of):
        entered, passed = crowd.entered[k - 1], crowd.passed[k - 1]
        n = int((entered <= look_s).sum())
        went = int((passed <= look_s).sum())
        left = int(((entered <= look_s - LAST_H * 3600) & (passed > look_s)).sum())
        yield (went / (went + left) if went + left else 0.0), (went / n if n else 0.0)


def first_above(shares: Sequence[float], n: Sequence[float]) -> int | None:
    """The hook point by points alone: no bound, but as many viewers."""
    for k in range(FIRST, len(shares) + 1):
        if n[k - 1] >= RULES.least_viewers and shares[k - 1] >= RULES.hook_share:
            return k
    return None


def true_hook(shares: Sequence[float]) -> int | None:
    """The hook point of true H_k."""
    return first_above(shares, [RULES.least_viewers] * len(shares))
