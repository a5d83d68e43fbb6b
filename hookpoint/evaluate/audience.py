"""Draws the audience of a scenario, and knows what is true of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from hookpoint.evaluate.scenarios import DAY_S

if TYPE_CHECKING:
    from hookpoint.evaluate.scenarios import Scenario

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Mask = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
RUNTIME_S = 45 * 60.0
BINGE_MEDIAN_H = 1 / 12
BINGE_STAYS = 0.04
"""How much more likely a binger is to go on (and another viewer less)."""
COMES_BACK = 0.8
"""Share of viewers who watch what they skipped."""
JOINS_AT = 5
SAMPLE, AT_ONCE = 2_000_000, 200_000
"""Viewers behind a truth that has no formula, where its own error is below 0.001."""
HOURS = 24 * 100


@dataclass(frozen=True, slots=True)
class Crowd:
    """Each viewer's times by episode (index k-1), in seconds after launch; infinite for never.

    ``entered`` is when k was watched, ``passed`` when the viewer went on from it.
    """

    entered: Floats
    passed: Floats


def draw(scenario: Scenario, viewers: int, random: np.random.Generator) -> Crowd:
    """The whole story of ``viewers``, the part that nobody has seen yet included."""
    shape = (scenario.of, viewers)
    entered, passed = np.full(shape, np.inf), np.full(shape, np.inf)
    begins = random.uniform(0, scenario.days * DAY_S, viewers)
    joins = random.random(viewers) < scenario.joins
    entered[np.where(joins, JOINS_AT - 1, 0), np.arange(viewers)] = begins + RUNTIME_S
    binger = random.random(viewers) < scenario.bingers
    returned = np.zeros(shape)
    for k in range(1, scenario.of):
        here = entered[k - 1]
        goes = np.isfinite(here) & ~np.isfinite(passed[k - 1])
        goes &= random.random(viewers) < _stays(scenario, k, binger)
        skips = goes & (k + 2 <= scenario.of) & (random.random(viewers) < scenario.skips)
        ready = np.maximum(np.maximum(here, returned[k - 1]), scenario.opens_s(k + 1))
        starts = ready + _gaps(scenario, binger, random)
        passed[k - 1, goes] = starts[goes]
        straight = goes & ~skips
        entered[k, straight] = starts[straight] + RUNTIME_S
        if skips.any():
            entered[k + 1, skips] = starts[skips] + RUNTIME_S
            back = skips & (random.random(viewers) < COMES_BACK)
            later = entered[k + 1] + _gaps(scenario, binger, random) + RUNTIME_S
            # Whoever watched k+2 has gone on from k+1 as soon as they have watched it.
            entered[k, back] = passed[k, back] = returned[k + 1, back] = later[back]
    return Crowd(entered, passed)


def _stays(scenario: Scenario, k: int, binger: Mask) -> Floats:
    by_type = BINGE_STAYS if scenario.bingers else 0.0
    step = scenario.steps[k - 1]
    return np.clip(np.where(binger, step + by_type, step - by_type), 0.0, 0.995)


def _gaps(
    scenario: Scenario,
    binger: Mask,
    random: np.random.Generator,
) -> Floats:
    median = np.where(binger, BINGE_MEDIAN_H, scenario.gap_median_h) * 3600
    return median * np.exp(scenario.gap_sigma * random.standard_normal(len(binger)))


class Truth:
    """Of those who have watched k by the look, the share that goes on within a time."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._scenario = scenario
        self._by_hour: Floats | None = None
        if not scenario.is_uniform:
            random, steps = np.random.default_rng(seed), scenario.of - 1
            gone, seen = np.zeros((steps, HOURS)), np.zeros((steps, 1))
            for _ in range(SAMPLE // AT_ONCE):
                crowd = draw(scenario, AT_ONCE, random)
                for i in range(steps):
                    here = crowd.entered[i] <= scenario.days * DAY_S
                    since = np.maximum(crowd.entered[i][here], scenario.opens_s(i + 2))
                    gaps = np.maximum(crowd.passed[i][here] - since, 0.0) / 3600
                    gone[i] += np.histogram(gaps, bins=HOURS, range=(0, HOURS))[0].cumsum()
                    seen[i] += here.sum()
            self._by_hour = gone / np.maximum(seen, 1)

    def share(self, k: int, within_s: float) -> float:
        """The share that goes on from episode ``k`` within ``within_s`` (infinite for ever)."""
        if within_s <= 0:
            return 0.0
        if self._by_hour is not None:
            ends = np.arange(1, HOURS + 1)
            return float(np.interp(within_s / 3600, ends, self._by_hour[k - 1]))
        scenario = self._scenario
        if math.isinf(within_s):
            return scenario.steps[k - 1]
        standard = math.log(within_s / 3600 / scenario.gap_median_h) / scenario.gap_sigma
        return scenario.steps[k - 1] * float(ndtr(standard))
