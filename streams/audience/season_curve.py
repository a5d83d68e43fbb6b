"""What is known of who goes on through a season: its curve, as it is published."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.audience.beta import Beta
from streams.audience.life_table import HIGH, LOW
from streams.audience.passages import EDGES_S
from streams.audience.people import rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.audience.life_table import Estimate

PROVISIONAL_UNTIL_S = EDGES_S[-1]
DIGITS, SCALE = 3, 1000
"""Of published shares: finer ones would tell the counts behind them."""


@dataclass(frozen=True, slots=True)
class SeasonCurve:
    """What is known of a season, for episodes 1 .. K-1 at index 0 .. K-2.

    ``steps[j-1]`` is c_j, the share of those who watched j that goes on; ``h[k-1]`` is H_k, the
    product of c_j from k on: the share of those who watched k that goes on to the end.
    ``beliefs[k-1]`` is the distribution around H_k (steps err independently; the Beta of their
    product's first two moments). ``gap_cdf`` is the share of gaps over by ``EDGES_S``.
    ``horizon_s`` is the shortest of the steps' horizons.
    """

    version: str
    steps: tuple[Estimate, ...]
    h: tuple[float, ...]
    beliefs: tuple[Beta, ...]
    gap_cdf: tuple[float, ...]
    horizon_s: float

    @property
    def of(self) -> int:
        """Episodes of the season."""
        return len(self.steps) + 1

    def evenly_seen(self) -> tuple[float, ...]:
        """The shares of ``steps`` that go on within the one time that all of them were seen for.

        Early in a launch the first episodes were watched for longer than the last; shares within
        unlike times must not be compared.
        """
        edge = bisect_right(EDGES_S, self.horizon_s) - 1
        if edge < 1:
            return tuple(it.c for it in self.steps)
        return tuple(it.c * it.gap_cdf[edge - 1] for it in self.steps)

    @property
    def provisional(self) -> bool:
        """Whether who leaves cannot be known yet: nobody was watched for 28 days."""
        return self.horizon_s < PROVISIONAL_UNTIL_S

    def published(self, least: int) -> dict[str, Any]:
        """The field ``curve:S`` of docs/redis.md; counts are multiples of ``least``."""
        c, around = [it.c for it in self.steps], [it.belief for it in self.steps]
        return {
            "version": self.version,
            "episodes": self.of,
            "c": list(map(_nearest, c)),
            "low": _lows(c, around),
            "high": _highs(c, around),
            "se": [_nearest(it.se) for it in self.steps],
            "n": [rounded(int(it.n), least) for it in self.steps],
            "n_eff": [rounded(int(it.n_eff), least) for it in self.steps],
            "h": list(map(_nearest, self.h)),
            "h_low": _lows(self.h, self.beliefs),
            "h_high": _highs(self.h, self.beliefs),
            "gap_s": [int(edge) for edge in EDGES_S],
            "gap_cdf": [_nearest(it) for it in self.gap_cdf],
            "horizon_s": int(self.horizon_s),
            "provisional": self.provisional,
        }


def _lows(shares: Sequence[float], beliefs: Sequence[Beta]) -> list[float]:
    bounds = Beta.quantiles(beliefs, LOW)
    return [_down(min(it)) for it in zip(shares, bounds, strict=True)]


def _highs(shares: Sequence[float], beliefs: Sequence[Beta]) -> list[float]:
    bounds = Beta.quantiles(beliefs, HIGH)
    return [_up(max(it)) for it in zip(shares, bounds, strict=True)]


def _nearest(share: float) -> float:
    return round(share, DIGITS)


def _down(share: float) -> float:
    return math.floor(share * SCALE) / SCALE


def _up(share: float) -> float:
    return math.ceil(share * SCALE) / SCALE
