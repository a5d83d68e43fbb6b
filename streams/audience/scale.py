"""How a share of viewers is told: of a group so coarsely that one step of it is worth a crowd.

A share of few viewers gives them away: ``.980`` of 50 to 99 is 49 of 50 or 50 of 51, and a bound or
an error to three digits says which. So a share of a group is told in steps of ``threshold / n``, n
rounded down to a multiple of the threshold as published counts are: who changes one step has
changed at least ``threshold`` viewers. Its bounds are worked out from what is told, so they say no
more. What is told of everyone together says how many, never who, and has three digits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from streams.audience.beta import Beta
from streams.audience.life_table import HIGH, LOW
from streams.audience.people import rounded

FINEST = 1000
"""Steps between 0 and 1 at most: three digits."""
DIGITS = 4
"""Enough to tell any two of them apart."""


class Scale(NamedTuple):
    """The shares that can be told: 0, 1/steps, 2/steps, ... 1."""

    steps: int

    @classmethod
    def of(cls, viewers: float, threshold: int) -> Scale:
        """Of a group with so many ``viewers``, at least ``threshold`` of them."""
        return cls(max(1, min(int(viewers) // threshold, FINEST)))

    def nearest(self, share: float) -> float:
        """For estimates."""
        return self._told(round(share * self.steps))

    def down(self, share: float) -> float:
        """For lower bounds."""
        return self._told(math.floor(share * self.steps))

    def up(self, share: float) -> float:
        """For upper bounds, and for errors."""
        return self._told(math.ceil(share * self.steps))

    def _told(self, step: int) -> float:
        return round(step / self.steps, DIGITS)


EVERYONES = Scale(FINEST)
"""For what is told of all viewers of a title together, and for what follows from what is told."""


class GroupShare(NamedTuple):
    """What is told of a group's share, and nothing else: all else here follows from it.

    ``value`` is in steps of ``1 / steps``, ``worth`` how many viewers with a known outcome would
    say as much (a multiple of the threshold; a share of n varies by ``c (1 - c) / n``), of no more
    than there are: the bounds where nobody stays behind would otherwise tell that nobody does.
    """

    value: float
    steps: int
    worth: int

    @classmethod
    def of(cls, share: float, size: float, viewers: float, threshold: int) -> GroupShare:
        """Of a ``share`` of so many ``viewers`` that is a Beta of ``size``."""
        to = Scale.of(viewers, threshold)
        worth = rounded(min(int(viewers), round(size + 1)), threshold)
        return cls(to.nearest(share), to.steps, worth)

    @property
    def low(self) -> float:
        """Lower 5 % bound of the least share that is told like this."""
        return EVERYONES.down(self._of(self._least).quantile(LOW)) if self._least > 0 else 0.0

    @property
    def high(self) -> float:
        """Upper 95 % bound of the greatest."""
        return EVERYONES.up(self._of(self._most).quantile(HIGH)) if self._most < 1 else 1.0

    @property
    def se(self) -> float:
        """The greatest standard error of any."""
        return EVERYONES.up(self._of(min(max(0.5, self._least), self._most)).deviation)

    def above(self, share: float) -> float:
        """The least probability, of any, to be at least ``share``."""
        return EVERYONES.down(self._of(self._least).above(share)) if self._least > 0 else 0.0

    @property
    def _least(self) -> float:
        return max(0.0, self.value - 0.5 / self.steps)

    @property
    def _most(self) -> float:
        return min(1.0, self.value + 0.5 / self.steps)

    def _of(self, mean: float) -> Beta:
        return Beta(mean, max(1.0, self.worth - 1.0))
