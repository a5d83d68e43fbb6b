"""Many runs of every scenario, on all cores, and what they come to."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hookpoint.evaluate.audience import Truth
from hookpoint.evaluate.retention import Outcome, Reading, by_day, play, true_hook
from hookpoint.evaluate.scenarios import DAILY, SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from hookpoint.evaluate.scenarios import Scenario

AT_ONCE = 10
"""Runs that a process does before it says so."""
JUDGED_FROM = 50
"""Viewers behind an episode, on average, for its figures to say something."""
CLOSE = 0.02
"""What the bar calls close to the truth."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be evaluated."""

    runs: int = 200
    seed: int = 1
    scenarios: tuple[Scenario, ...] = SCENARIOS
    processes: int = os.cpu_count() or 1


class Figures(NamedTuple):
    """One share over all runs: means, and how often the 95 % interval held the truth.

    ``error`` is the mean of estimate - truth within the estimate's horizon, ``spread`` the standard
    deviation of the estimate, ``told`` what its interval implies. The last four are against the
    share within the time since the launch: ours, how often ours was within 0.02, and the naive.
    """

    k: int
    n: float
    horizon_s: float
    estimate: float
    true: float
    error: float
    spread: float
    told: float
    covered: float
    since_launch: float
    within_launch: float
    close: float
    resolved_only: float
    pending_gone: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One scenario over all runs."""

    scenario: Scenario
    steps: tuple[Figures, ...]
    ahead: tuple[Figures, ...]
    hook_seen: int | None
    """The true hook point within the horizons seen (by the mean truth over the runs)."""
    hook_ever: int | None
    """The true one if one could wait for ever."""
    hooks: Counter[int | None]
    hooks_resolved_only: Counter[int | None]
    hooks_pending_gone: Counter[int | None]
    early: int
    """Runs whose hook point lies before the true one within the horizons: a false claim."""
    signals: float
    lift: float | None
    """Mean of the lift that is reported, where a hook point is."""
    lifts: tuple[float, ...]
    """Mean at every k from 2 on."""

    def judged(self, figures: Sequence[Figures]) -> list[Figures]:
        """Those with enough viewers to say something."""
        return [it for it in figures if it.n >= JUDGED_FROM and it.horizon_s]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All of it."""

    options: Options
    judged: tuple[Judged, ...]
    days: tuple[Reading, ...]
    """The first episode of one audience, day by day."""

    def of(self, name: str) -> Judged | None:
        """One scenario, if it was run."""
        return next((it for it in self.judged if it.scenario.name == name), None)


def evaluate(options: Options, console: Console) -> Evaluation:
    """Run everything; the same seed gives the same figures, on any number of processes."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    seeds = [
        range(start, min(start + AT_ONCE, options.runs))
        for start in range(0, options.runs, AT_ONCE)
    ]
    # Forking a process that has threads (the bar's) can hang.
    pool = ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn"))
    judged = []
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            bars = [progress.add_task(it.what, total=options.runs) for it in options.scenarios]
            truths = [pool.submit(Truth, it, options.seed) for it in options.scenarios]
            for number, scenario in enumerate(options.scenarios):
                truth = truths[number].result()
                first = options.seed * 1_000_000 + _place(scenario) * 10_000
                parts = {
                    pool.submit(some, scenario, truth, [first + it for it in part]): part.start
                    for part in seeds
                }
                found: dict[int, list[Outcome]] = {}
                for done in as_completed(parts):
                    found[parts[done]] = done.result()
                    progress.advance(bars[number], len(found[parts[done]]))
                outcomes = [it for start in sorted(found) for it in found[start]]
                judged.append(judge(scenario, truth, outcomes))
    finally:
        pool.shutdown(cancel_futures=True)
    days = tuple(by_day(DAILY, Truth(DAILY, options.seed), options.seed, 1))
    return Evaluation(options, tuple(judged), days)


def _place(scenario: Scenario) -> int:
    """A scenario that is run alone has the audiences that it has among all of them."""
    return SCENARIOS.index(scenario) if scenario in SCENARIOS else 0


def some(scenario: Scenario, truth: Truth, seeds: Sequence[int]) -> list[Outcome]:
    """A few runs, in a process of their own."""
    return [play(scenario, truth, seed) for seed in seeds]


def judge(scenario: Scenario, truth: Truth, outcomes: Sequence[Outcome]) -> Judged:
    """What the runs of one scenario come to."""
    ahead = _figures([it.ahead for it in outcomes])
    hooks = Counter(it.hook for it in outcomes)
    seen = true_hook([it.true for it in ahead])
    ever = [truth.share(k, float("inf")) for k in range(1, scenario.of)]
    lifts = [it.lift for it in outcomes if it.lift is not None]
    return Judged(
        scenario=scenario,
        steps=_figures([it.steps for it in outcomes]),
        ahead=ahead,
        hook_seen=seen,
        hook_ever=true_hook([float(np.prod(ever[k:])) for k in range(scenario.of - 1)]),
        hooks=hooks,
        hooks_resolved_only=Counter(it.hook_resolved_only for it in outcomes),
        hooks_pending_gone=Counter(it.hook_pending_gone for it in outcomes),
        early=sum(n for k, n in hooks.items() if k and (seen is None or k < seen)),
        signals=float(np.mean([it.signals for it in outcomes])),
        lift=float(np.mean(lifts)) if lifts else None,
        lifts=tuple(np.mean([it.lifts for it in outcomes], axis=0).tolist()),
    )


def _figures(runs: Sequence[Sequence[Reading]]) -> tuple[Figures, ...]:
    return tuple(_of_one(same) for same in zip(*runs, strict=True))


def _of_one(readings: Sequence[Reading]) -> Figures:
    estimate = np.array([it.estimate for it in readings])
    true, since, resolved, pending = np.array([it.beside for it in readings]).T
    width = np.array([it.high - it.low for it in readings])
    return Figures(
        k=readings[0].k,
        n=float(np.mean([it.n for it in readings])),
        horizon_s=float(np.mean([it.horizon_s for it in readings])),
        estimate=float(estimate.mean()),
        true=float(true.mean()),
        error=float((estimate - true).mean()),
        spread=float((estimate - true).std()),
        told=float(width.mean() / 3.92),
        covered=float(np.mean([it.covered for it in readings])),
        since_launch=float(since.mean()),
        within_launch=float((estimate - since).mean()),
        close=float(np.mean(np.abs(estimate - since) <= CLOSE)),
        resolved_only=float((resolved - since).mean()),
        pending_gone=float((pending - since).mean()),
    )
