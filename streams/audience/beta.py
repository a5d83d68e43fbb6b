"""What is known of a share: a Beta distribution, by its mean and what it is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.special import betainc, betaincinv

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 1e12
"""Observations that no audience exceeds: rounding must not make a variance vanish."""


@dataclass(frozen=True, slots=True)
class Beta:
    """Beta(mean x size, (1 - mean) x size); both parameters are above 0."""

    mean: float
    size: float

    @classmethod
    def of_moments(cls, mean: float, variance: float) -> Beta:
        """The one of this mean and variance: ``size = mean (1 - mean) / variance - 1``.

        A variance that no Beta has (so few viewers that the formula behind it breaks down) counts
        as one observation, which says next to nothing. A mean of 0 or 1 is moved off by 1e-12.
        """
        mean = min(max(mean, 1e-12), 1 - 1e-12)
        most = mean * (1 - mean)
        size = most / max(variance, most / MOST) - 1
        return cls(mean, max(size, 1.0))

    @classmethod
    def none_of(cls, n: float) -> Beta:
        """Where none of ``n`` (above 0) did: Beta(1, n).

        Its upper quantiles are the exact bounds of Clopper and Pearson (1934), 1 - a^(1/n).
        """
        return cls(1 / (n + 1), n + 1)

    @classmethod
    def all_of(cls, n: float) -> Beta:
        """Where all of ``n`` (above 0) did: Beta(n, 1), likewise."""
        return cls(n / (n + 1), n + 1)

    @classmethod
    def product(cls, factors: Iterable[Beta]) -> Beta:
        """Of independent shares, by matching the mean and the second moment of their product."""
        means, squares = 1.0, 1.0
        for it in factors:
            means *= it.mean
            squares *= it.mean**2 + it.variance
        return cls.of_moments(means, squares - means**2)

    @property
    def variance(self) -> float:
        """Its variance."""
        return self.mean * (1 - self.mean) / (self.size + 1)

    @property
    def deviation(self) -> float:
        """Its standard deviation."""
        return math.sqrt(self.variance)

    @staticmethod
    def quantiles(beliefs: Sequence[Beta], probability: float) -> list[float]:
        """``quantile`` of each, in one call."""
        parameters = [it._parameters for it in beliefs]  # noqa: SLF001  # its own
        if not parameters:
            return []
        found: list[float] = betaincinv(*zip(*parameters, strict=True), probability).tolist()
        return found

    def quantile(self, probability: float) -> float:
        """The share that it lies below with this probability."""
        return float(betaincinv(*self._parameters, probability))

    def above(self, share: float) -> float:
        """The probability that it is at least ``share``."""
        return 1 - float(betainc(*self._parameters, share))

    @property
    def _parameters(self) -> tuple[float, float]:
        return self.mean * self.size, (1 - self.mean) * self.size
