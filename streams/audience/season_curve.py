"""What is known of who goes on through a season: its curve, as it is published."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from streams.audience.beta import Beta
from streams.audience.life_table import HIGH, LOW, NOTHING
from streams.audience.passages import EDGES_S
from streams.audience.people import rounded
from streams.audience.scale import EVERYONES, GroupShare, Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.audience.life_table import Estimate

PROVISIONAL_UNTIL_S = EDGES_S[-1]
NO_GAPS = (*[0.0] * (len(EDGES_S) - 1), 1.0)
"""Told as the gaps where too few went on: all at the last moment."""


@dataclass(frozen=True, slots=True)
class SeasonCurve:
    """What is known of a season, for episodes 1 .. K-1 at index 0 .. K-2.

    ``steps[j-1]`` is c_j, the share of those who watched j that goes on; ``h[k-1]`` is H_k, the
    product of c_j from k on: the share of those who watched k that goes on to the end.
    ``beliefs[k-1]`` is the distribution around H_k (steps err independently; the Beta of their
    product's first two moments). ``gap_cdf`` is the share of gaps over by ``EDGES_S``.
    ``horizon_s`` is the shortest of the steps' horizons, ``went_on`` how many went on to the next
    episode, from all episodes together. ``of_group`` if it is not everyone's: what it tells is
    coarser then.
    """

    version: str
    steps: tuple[Estimate, ...]
    h: tuple[float, ...]
    beliefs: tuple[Beta, ...]
    gap_cdf: tuple[float, ...]
    horizon_s: float
    went_on: float = 0.0
    of_group: bool = False

    @classmethod
    def made_of(
        cls, version: str, steps: tuple[Estimate, ...], gaps: Estimate, *, of_group: bool
    ) -> SeasonCurve:
        """From its steps, and the gaps of all of them together."""
        ahead = [steps[k:] for k in range(len(steps))]
        known = gaps is not NOTHING and gaps.c > 0
        return cls(
            version=version,
            steps=steps,
            h=tuple(math.prod(it.c for it in rest) for rest in ahead),
            beliefs=tuple(Beta.product(it.belief for it in rest) for rest in ahead),
            gap_cdf=(0.0, *gaps.gap_cdf) if known else NO_GAPS,
            horizon_s=min(it.horizon_s for it in steps),
            went_on=gaps.c * gaps.n,
            of_group=of_group,
        )

    def known_of(self, least: int) -> SeasonCurve | None:
        """What is known of at least so many viewers: other steps are as if nobody was there.

        None if the first step is such a one.
        """
        if self.steps[0].n < least:
            return None
        if self.fewest(1) >= least:
            return self
        steps = tuple(it if it.n >= least else NOTHING for it in self.steps)
        made = SeasonCurve.made_of(self.version, steps, NOTHING, of_group=self.of_group)
        return replace(made, gap_cdf=self.gap_cdf, went_on=self.went_on)

    def fewest(self, k: int) -> int:
        """The viewers behind H_k, k from 1: of the episode from k on that has the fewest."""
        return int(min(it.n for it in self.steps[k - 1 :]))

    def group_share(self, k: int, least: int) -> GroupShare:
        """H_k as it is told of a group: as finely as the fewest viewers behind it allow."""
        return GroupShare.of(self.h[k - 1], self.beliefs[k - 1].size, self.fewest(k), least)

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
        # Where nobody went on, or nothing is known, there are no gaps.
        return tuple(it.c * it.gap_cdf[edge - 1] if it.gap_cdf else it.c for it in self.steps)

    @property
    def provisional(self) -> bool:
        """Whether who leaves cannot be known yet: nobody was watched for 28 days."""
        return self.horizon_s < PROVISIONAL_UNTIL_S

    @property
    def told_horizon_s(self) -> int:
        """As published: of a group an edge of the gaps, as it runs since its first viewer came."""
        if not self.of_group:
            return int(self.horizon_s)
        return int(EDGES_S[bisect_right(EDGES_S, self.horizon_s) - 1])

    def published(self, least: int) -> dict[str, Any]:
        """The field ``curve:S`` of docs/redis.md; counts are multiples of ``least``."""
        told = self._told_of_group(least) if self.of_group else self._told_of_everyone(least)
        return {
            "version": self.version,
            "episodes": self.of,
            **told,
            "n": [rounded(int(it.n), least) for it in self.steps],
            "gap_s": [int(edge) for edge in EDGES_S],
            "gap_cdf": self._told_gaps(least),
            "horizon_s": self.told_horizon_s,
            "provisional": self.provisional,
        }

    def _told_of_everyone(self, least: int) -> dict[str, list[float]]:
        c, around = [it.c for it in self.steps], [it.belief for it in self.steps]
        return {
            "c": list(map(EVERYONES.nearest, c)),
            "low": _lows(c, around),
            "high": _highs(c, around),
            "se": [EVERYONES.nearest(it.se) for it in self.steps],
            "n_eff": [rounded(int(it.n_eff), least) for it in self.steps],
            "h": list(map(EVERYONES.nearest, self.h)),
            "h_low": _lows(self.h, self.beliefs),
            "h_high": _highs(self.h, self.beliefs),
        }

    def _told_of_group(self, least: int) -> dict[str, list[float]]:
        steps = [GroupShare.of(it.c, it.belief.size, it.n, least) for it in self.steps]
        ends = [self.group_share(k, least) for k in range(1, self.of)]
        return {
            "c": [it.value for it in steps],
            "low": [it.low for it in steps],
            "high": [it.high for it in steps],
            "se": [it.se for it in steps],
            "n_eff": [it.worth for it in steps],
            "h": [it.value for it in ends],
            "h_low": [it.low for it in ends],
            "h_high": [it.high for it in ends],
        }

    def _told_gaps(self, least: int) -> list[float]:
        # A viewer of a group may have gone on from every episode.
        viewers = self.went_on / len(self.steps) if self.of_group else self.went_on
        if viewers < least:
            return list(NO_GAPS)
        to = Scale.of(viewers, least) if self.of_group else EVERYONES
        return [to.nearest(it) for it in self.gap_cdf]


def _lows(shares: Sequence[float], beliefs: Sequence[Beta]) -> list[float]:
    return list(map(EVERYONES.down, map(min, shares, Beta.quantiles(beliefs, LOW))))


def _highs(shares: Sequence[float], beliefs: Sequence[Beta]) -> list[float]:
    return list(map(EVERYONES.up, map(max, shares, Beta.quantiles(beliefs, HIGH))))
