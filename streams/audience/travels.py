"""Whether a title hooks viewers elsewhere about as well as at home, or better.

H_1 is the share of those who watched the first episode that goes on to the last (retention). A
title travels to a country (or language) if H_1 there is at least nine tenths of H_1 at home
(``Rules.travels_share``). It
begins when that is shown: the lower 5 % bound of ``there - 0.9 * home`` is at least 0, where the
bounds of both estimates (a, b) are combined as by Zou and Donner (2008, "MOVER"):

    L = a - c*b - sqrt((a - a_low)^2 + c^2 * (b_high - b)^2)

It ends when the estimate itself says otherwise (a < c*b). Between the two lies the uncertainty of
both estimates, so a title does not flap. A comparison takes enough viewers on both sides. Where
home is unknown, or has too small an audience, nothing can be said: nothing begins, and what had
begun ends.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from streams.audience.people import rounded
from streams.audience.scale import GroupShare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.rules import Rules

To = Literal["country", "language"]


class Standing(NamedTuple):
    """H_1 of a season with its 5 % and 95 % bounds, and the viewers behind it.

    ``n`` are those of the episode with the fewest; ``size`` is that of the Beta around it.
    """

    h1: float
    low: float
    high: float
    n: int
    size: float


class Travel(NamedTuple):
    """A title begins or ends to travel somewhere; the numbers are what decided it.

    ``home`` and ``home_high`` are None where home is unknown or too small, ``h1`` and ``low`` where
    too few are left there. ``n`` is rounded down to a multiple of the threshold, and shares are
    told as finely as the viewers behind them allow (``GroupShare``).
    """

    begins: bool
    to: To
    value: str
    h1: float | None
    low: float | None
    n: int
    home: float | None
    home_high: float | None


def lead_low(there: Standing, home: Standing, share: float) -> float:
    """Lower 5 % bound of ``there - share * home``."""
    spread = math.hypot(there.h1 - there.low, share * (home.high - home.h1))
    return there.h1 - share * home.h1 - spread


class Travels:
    """Where a title travels, as of the last decision."""

    __slots__ = ("_going", "_share", "_threshold")

    def __init__(self, rules: Rules) -> None:
        self._threshold = rules.least_viewers
        self._share = rules.travels_share
        self._going: dict[tuple[To, str], Travel] = {}

    def dump(self) -> list[Any]:
        """Where it travels, JSON-able."""
        return [list(self._going[key][1:]) for key in sorted(self._going)]

    def load(self, dumped: Sequence[Any]) -> None:
        """Take up what ``dump`` gave."""
        travels = [Travel(True, *item) for item in dumped]
        self._going = {(it.to, it.value): it for it in travels}

    def decide(self, to: To, home: str, standings: Mapping[str, Standing]) -> list[Travel]:
        """Compare every country (or language) with home.

        Args:
            to: what the standings are of.
            home: the value that the title comes from, or empty if it is unknown.
            standings: by country or language, home among them.

        Returns:
            What begins and what ends, by name.
        """
        at_home = self._enough(standings.get(home)) if home else None
        changes: list[Travel] = []
        values = {value for kind, value in self._going if kind == to} | standings.keys()
        for value in sorted(values - {home, ""}):
            there = self._enough(standings.get(value))
            change = self._compare(to, value, there, at_home)
            if change is not None:
                changes.append(change)
        if (to, home) in self._going:  # the catalogue has changed its mind about home
            del self._going[to, home]
            changes.append(self._travel(False, to, home, at_home, at_home))
        return changes

    def _enough(self, standing: Standing | None) -> Standing | None:
        return standing if standing is not None and standing.n >= self._threshold else None

    def _compare(
        self, to: To, value: str, there: Standing | None, home: Standing | None
    ) -> Travel | None:
        key = (to, value)
        if there is None or home is None:
            as_well = False
        elif key in self._going:
            as_well = there.h1 >= self._share * home.h1
        else:
            as_well = there.h1 > 0 and lead_low(there, home, self._share) >= 0
        travel = self._travel(as_well, to, value, there, home)
        if as_well:
            begins = key not in self._going
            self._going[key] = travel
            return travel if begins else None
        return travel if self._going.pop(key, None) else None

    def _travel(
        self, begins: bool, to: To, value: str, there: Standing | None, home: Standing | None
    ) -> Travel:
        told, beside = self._told(there), self._told(home)
        return Travel(
            begins, to, value,
            told.value if told else None,
            told.low if told else None,
            rounded(there.n, self._threshold) if there else 0,
            beside.value if beside else None,
            beside.high if beside else None,
        )  # fmt: skip

    def _told(self, it: Standing | None) -> GroupShare | None:
        return GroupShare.of(it.h1, it.size, it.n, self._threshold) if it else None

    def report(self) -> list[dict[str, Any]]:
        """``reach.travels``: countries first, then languages, by name."""
        found = [self._going[key]._asdict() for key in sorted(self._going)]
        return [{name: value for name, value in it.items() if name != "begins"} for it in found]
