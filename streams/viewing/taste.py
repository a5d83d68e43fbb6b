"""What a viewer likes: decaying sums per facet value, and the shares they publish.

A sum decays by half every half-life h: ``S <- S * 2^(-(t - t_last)/h) + w``, and a contribution
older than ``t_last`` adds ``w * 2^(-(t_last - t)/h)``. All sums of one half-life decay alike, so
they are kept at a fixed reference time (forward decay, Cormode et al. 2009) and only one factor is
worked out per contribution; taking one back is adding its negative.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.rules import Rules

FADED = 1e-9
"""Sums below this are float dust left by signed differences."""
REBASE_HALF_LIVES = 200
"""Move the reference time on before 2^x leaves the range of a double."""
KEPT_VALUES = 60
"""Facet values kept per sign: about ten a facet. The faintest go first."""


class DecayingSums:
    """Sums per facet value under one half-life, all times in milliseconds of event time."""

    __slots__ = ("half_life_ms", "last_ms", "negative", "positive", "reference_ms")

    def __init__(self, half_life_ms: float) -> None:
        self.half_life_ms = half_life_ms
        self.reference_ms = 0
        self.last_ms = 0
        self.positive: dict[str, float] = {}
        self.negative: dict[str, float] = {}

    def add(self, at_ms: int, values: Iterable[tuple[str, float]], weight: float) -> None:
        """Add ``weight`` times each value's part, as of ``at_ms``."""
        if not self.reference_ms:
            self.reference_ms = at_ms
        if at_ms - self.reference_ms > REBASE_HALF_LIVES * self.half_life_ms:
            self._rebase(at_ms)
        self.last_ms = max(self.last_ms, at_ms)
        grown = weight * math.exp2((at_ms - self.reference_ms) / self.half_life_ms)
        for value, part in values:
            self._add_one(value, grown * part, credit=weight > 0)

    def take_back(self, at_ms: int, values: Iterable[tuple[str, float]], weight: float) -> None:
        """Undo an earlier ``add`` of the same arguments, up to float dust."""
        grown = weight * math.exp2((at_ms - self.reference_ms) / self.half_life_ms)
        for value, part in values:
            self._add_one(value, -grown * part, credit=weight > 0)

    def _add_one(self, value: str, amount: float, *, credit: bool) -> None:
        sums = self.positive if credit else self.negative
        sums[value] = sums.get(value, 0.0) + (amount if credit else -amount)

    def _rebase(self, at_ms: int) -> None:
        shrink = math.exp2((self.reference_ms - at_ms) / self.half_life_ms)
        for sums in (self.positive, self.negative):
            for value in sums:
                sums[value] *= shrink
        self.reference_ms = at_ms

    def value(self, name: str, at_ms: int) -> float:
        """The positive sum of one facet value as it stands at ``at_ms``."""
        return self.positive.get(name, 0.0) * self._decay(at_ms)

    def _decay(self, at_ms: int) -> float:
        return math.exp2((self.reference_ms - at_ms) / self.half_life_ms)

    def current(self) -> dict[str, float]:
        """Positive sums at the time of the last contribution, dust left out."""
        decay = self._decay(self.last_ms)
        return {v: s * decay for v, s in self.positive.items() if s * decay > FADED}

    def forget_faint(self) -> None:
        """Keep the strongest values only, so that a profile's memory is bounded."""
        decay = self._decay(self.last_ms)
        for name in ("positive", "negative"):
            sums: dict[str, float] = getattr(self, name)
            alive = sorted(((s, v) for v, s in sums.items() if s * decay > FADED), reverse=True)
            setattr(self, name, {v: s for s, v in alive[:KEPT_VALUES]})


class Taste:
    """The taste of *now* and the *lasting* one, side by side."""

    __slots__ = ("lasting", "now")

    def __init__(self, rules: Rules) -> None:
        self.now = DecayingSums(rules.half_life_now_s * 1000)
        self.lasting = DecayingSums(rules.half_life_lasting_s * 1000)

    def add(self, at_ms: int, values: list[tuple[str, float]], weight: float) -> None:
        """Count one viewing."""
        for sums in (self.now, self.lasting):
            sums.add(at_ms, values, weight)
            if len(sums.positive) > 2 * KEPT_VALUES or len(sums.negative) > 2 * KEPT_VALUES:
                sums.forget_faint()

    def reach(self, at_ms: int) -> None:
        """Read shares as of ``at_ms`` at the earliest.

        A contribution that was taken back leaves no sums but would leave its time, and shares
        would depend on the order in which late events came.
        """
        self.now.last_ms = max(self.now.last_ms, at_ms)
        self.lasting.last_ms = max(self.lasting.last_ms, at_ms)

    def clear(self) -> None:
        """Let go of all sums."""
        for sums in (self.now, self.lasting):
            sums.positive, sums.negative = {}, {}

    def take_back(self, at_ms: int, values: list[tuple[str, float]], weight: float) -> None:
        """Undo one viewing that was counted before."""
        self.now.take_back(at_ms, values, weight)
        self.lasting.take_back(at_ms, values, weight)


@lru_cache(maxsize=100_000)
def facet(name: str) -> str:
    """The facet that a value such as ``genre:drama`` belongs to; titles share few values."""
    return name.partition(":")[0]


def shares(
    sums: Mapping[str, float], prior: Mapping[str, float], weight: float
) -> dict[str, float]:
    """Shares within each facet, drawn towards the catalogue's own: ``(S + w*p0) / (sum S + w)``.

    Args:
        sums: positive sums per facet value.
        prior: the catalogue's share of each facet value.
        weight: how many episodes of viewing the prior weighs.

    Returns:
        A share for every value in ``sums``; the shares of one facet add up to at most 1.
    """
    totals: dict[str, float] = {}
    of: list[tuple[str, float, str]] = []
    for name, amount in sums.items():
        key = facet(name)
        totals[key] = totals.get(key, 0.0) + amount
        of.append((name, amount, key))
    return {
        name: (amount + weight * prior.get(name, 0.0)) / (totals[key] + weight)
        for name, amount, key in of
    }


def viewing_value(
    covered_ms: int, runtime_ms: int, rules: Rules, *, settled: bool, completed: bool
) -> float:
    """v(r): what one viewing of an episode says, before it is split over facet values.

    Nothing under two minutes. Less than a quarter, not taken up again within seven days
    (``settled``), speaks against the title; up to a half says nothing; more counts as the share r.
    """
    if covered_ms < rules.started_s * 1000 and not completed:
        return 0.0
    if runtime_ms <= 0:
        return 1.0 if completed else 0.0
    share = min(1.0, covered_ms / runtime_ms)
    if share < rules.abandoned_share:
        return rules.abandoned_weight if settled else 0.0
    return share if share >= rules.partial_share else 0.0


def autoplay_factor(streak: int, rules: Rules) -> float:
    """A: how much the t-th episode in a row says that nobody chose; 1 for a deliberate start."""
    if streak <= 0:
        return 1.0
    return rules.autoplay_weights[min(streak, len(rules.autoplay_weights)) - 1]
