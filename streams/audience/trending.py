"""Where a title is trending: far more viewers begin it than its own slow baseline lets expect.

Observed is how many began a season or film within the last 24 whole hours of the title's clock.
Expected is the exponentially weighted mean of its daily counts. The count of a day is negative
binomial with mean m and variance m + m^2 * d: its tail P(X >= x) is I_q(x, 1/d) with q = m*d /
(1 + m*d), where I is the regularised incomplete beta function (NIST DLMF 8.17.5).

- The variance is that of weighted data over 1 - 1/n, where n = (sum w)^2 / sum w^2 is how many days
  of equal weight the baseline is as good as (Kish, Survey Sampling, 1965, 11.7).
- The dispersion d = (variance - m) / m^2 (moments, Anscombe 1950) is drawn towards a prior, worth
  a week of days: three quiet weekdays say nothing about a Saturday.
- What is told of a country tells no fewer than the threshold apart: counts in steps of it, and a
  score made of those. The chance, which would give the count away, is told of everyone only.
- A day is taken into the baseline a full day after its end, when nothing late changes it any more.
  The title's first day is cut short and is left out; three full days are the least there must be.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from scipy.special import betainc

from streams.audience.people import rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.audience.records import Progress
    from streams.rules import Rules

HOUR_MS = 3_600_000
DAY = 24
EVERYWHERE = ""
"""Stands for all countries together."""
LEAST_DAYS = 3
"""Full days that a baseline rests on at least."""
DAY_S = 86_400
PRIOR_DISPERSION = 0.1
"""Daily counts of a steady title vary by a third, with weekdays and weather."""
PRIOR_DAYS = 7.0
FORGOTTEN_BELOW = 0.05
"""A country that saw fewer than one start in twenty days has no baseline worth keeping."""
LEAST_TAIL = 1e-12
"""Stands for every smaller chance: what lies below says nothing more."""
HALF_A_START = 0.5
"""Added to the sum of a baseline, so that there is a ratio where nobody ever began."""


class Change(NamedTuple):
    """A title begins or ends to be trending in a country (``""``: everywhere)."""

    country: str
    begins: bool
    hour: int
    """The whole hour since 1970 at which this was decided."""
    observed: int
    """Starts in the 24 hours before, rounded down to a multiple of the threshold."""
    expected: float
    """Of a country rounded down likewise."""
    score: float
    """Observed / expected; of a country, which may have been expected none, at least the threshold
    stands below the line."""
    tail: float | None
    """Probability of as many, or more, on a usual day; None of a country."""


class Burst(NamedTuple):
    """What was observed, what was expected, and how likely as much would be by chance."""

    observed: int
    expected: float
    tail: float


class Country:
    """Starts of one country: by hour while they may change, and the baseline of settled days."""

    __slots__ = ("_hours", "_starts", "squares", "sum")

    def __init__(self, total: float = 0.0, squares: float = 0.0) -> None:
        self._hours = array("i")
        """Ascending; an array takes a tenth of what a dict does, and there are many countries."""
        self._starts = array("i")
        self.sum = total
        self.squares = squares

    def count(self, hour: int, sign: int) -> None:
        """Count a start in (1), or out again (-1)."""
        at = bisect_left(self._hours, hour)
        if at == len(self._hours) or self._hours[at] != hour:
            self._hours.insert(at, hour)
            self._starts.insert(at, sign)
        elif self._starts[at] + sign:
            self._starts[at] += sign
        else:
            del self._hours[at], self._starts[at]

    @property
    def lively(self) -> bool:
        """Whether anything is kept by the hour."""
        return bool(self._hours)

    def first_hour(self, default: int) -> int:
        """The earliest that is kept."""
        return self._hours[0] if self._hours else default

    def take(self, day: int) -> int:
        """Starts of a day, which are then kept by the hour no longer."""
        begin, end = (bisect_left(self._hours, hour) for hour in (day * DAY, (day + 1) * DAY))
        taken = sum(self._starts[begin:end])
        del self._hours[begin:end], self._starts[begin:end]
        return taken

    def fade(self, factor: float) -> None:
        """Let the baseline weigh less."""
        self.sum *= factor
        self.squares *= factor

    def dump_hours(self) -> list[int]:
        """By hour: how many hours after the one before, and the starts; few digits each."""
        last, flat = 0, []
        for hour, count in zip(self._hours, self._starts, strict=True):
            flat += [hour - last, count]
            last = hour
        return flat

    def load_hours(self, flat: Sequence[int]) -> None:
        """Take up what ``dump_hours`` gave."""
        self._hours = array("i", accumulate(flat[0::2]))
        self._starts = array("i", flat[1::2])

    def observed(self, hour: int) -> int:
        """Starts in the 24 whole hours before this one."""
        begin, end = (bisect_left(self._hours, at) for at in (hour - DAY, hour))
        return sum(self._starts[begin:end])


def tail_of(observed: int, mean: float, dispersion: float) -> float:
    """P(X >= observed) of a negative binomial with variance mean + dispersion * mean^2."""
    if observed <= 0:
        return 1.0
    spread = mean * dispersion
    return float(betainc(observed, 1 / dispersion, spread / (1 + spread)))


class Trending:
    """Starts of a title by country and hour, and where it is trending."""

    __slots__ = (
        "_countries",
        "_day",
        "_first",
        "_keep",
        "_rules",
        "_scores",
        "_threshold",
        "_w",
        "_w2",
    )

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._threshold = rules.least_viewers
        self._keep = 0.5 ** (DAY_S / rules.trending_half_life_s)
        self._countries: dict[str, Country] = {EVERYWHERE: Country()}
        self._first = 0
        """The day on which the title was first begun; 0 until a day is settled."""
        self._day = 0
        """The first day that is not settled."""
        self._w = 0.0
        """Sum of the weights of all days in the baseline, and of their squares."""
        self._w2 = 0.0
        self._scores: dict[str, float] = {}

    def dump(self) -> list[Any]:
        """All that is kept, JSON-able."""
        countries = [
            [name, it.sum, it.squares, *it.dump_hours()]
            for name, it in sorted(self._countries.items())
            if it.lively or it.sum
        ]
        return [self._first, self._day, self._w, self._w2, countries, self._scores]

    def load(self, dumped: Sequence[Any]) -> None:
        """Take up what ``dump`` gave."""
        self._first, self._day, self._w, self._w2, countries, scores = dumped
        self._scores = dict(scores)
        self._countries = {EVERYWHERE: Country()}
        for name, total, squares, *hours in countries:
            country = self._countries[name] = Country(total, squares)
            country.load_hours(hours)

    # -- counting ----------------------------------------------------------------------------------
    def progress(self, record: Progress) -> None:
        """Count a viewer who began a season or film, in the hour in which it was begun; O(1)."""
        for passage in record.passages:
            if passage.k:
                continue
            if passage.before is not None:
                self._count(record.seat.country, passage.before.entered_ms, -1)
            if passage.now is not None:
                self._count(record.seat.country, passage.now.entered_ms, 1)

    def _count(self, country: str, at_ms: int, sign: int) -> None:
        hour = at_ms // HOUR_MS
        if hour < self._day * DAY:
            return  # its day is settled
        self._countries[EVERYWHERE].count(hour, sign)
        if country:
            found = self._countries.get(country)
            if found is None:
                found = self._countries[country] = Country()
            found.count(hour, sign)

    # -- the baseline ------------------------------------------------------------------------------
    def _settle(self, until: int) -> None:
        """Take all days before ``until`` into the baseline."""
        everywhere = self._countries[EVERYWHERE]
        oldest = everywhere.first_hour(until * DAY) // DAY
        if not self._first:
            if oldest >= until:
                return
            self._first = self._day = oldest
            for country in self._countries.values():
                country.take(oldest)  # cut short by when the title came out: no day to go by
            self._day += 1
        while self._day < until:
            busy = min(everywhere.first_hour(until * DAY) // DAY, until)
            self._pass_quiet_days(busy - self._day)
            self._day = busy
            if busy < until:
                self._pass_day()
        self._forget()

    def _pass_day(self) -> None:
        self._fade(1)
        for country in self._countries.values():
            count = country.take(self._day)
            country.sum += count
            country.squares += count * count
        self._day += 1

    def _pass_quiet_days(self, days: int) -> None:
        if days > 0:
            self._fade(days)

    def _fade(self, days: int) -> None:
        """Let ``days`` days of no starts pass: every one of them weighs 1 when it is new."""
        keep = self._keep
        faded, faded2 = keep**days, keep ** (2 * days)
        self._w = self._w * faded + (1 - faded) / (1 - keep)
        self._w2 = self._w2 * faded2 + (1 - faded2) / (1 - keep * keep)
        for country in self._countries.values():
            country.fade(faded)

    def _forget(self) -> None:
        """Give up countries where next to nobody begins the title: their baseline is nothing."""
        for name, country in list(self._countries.items()):
            faint = country.sum < FORGOTTEN_BELOW * self._w
            if faint and not country.lively and name and name not in self._scores:
                del self._countries[name]

    def burst(self, name: str, hour: int) -> Burst | None:
        """The 24 hours before this one, against the baseline; None before there is one."""
        if not self._first or self._day - self._first - 1 < LEAST_DAYS:
            return None
        country = self._countries[name]
        days = self._w * self._w / self._w2
        mean = country.sum / self._w
        variance = max(0.0, country.squares / self._w - mean * mean) / (1 - 1 / days)
        expected = (country.sum + HALF_A_START) / self._w
        seen = max(0.0, variance - expected) / (expected * expected)
        dispersion = (PRIOR_DAYS * PRIOR_DISPERSION + days * seen) / (PRIOR_DAYS + days)
        # The mean is itself an estimate, of so many days.
        dispersion += (1 / expected + dispersion) / days
        observed = country.observed(hour)
        return Burst(observed, expected, tail_of(observed, expected, dispersion))

    # -- deciding ----------------------------------------------------------------------------------
    def tick(self, hour: int) -> list[Change]:
        """Settle what is settled by this whole hour, and decide where the title is trending.

        Args:
            hour: hours since 1970 of the title's clock; ever later ones.
        """
        self._settle(hour // DAY - 1)
        enough = self._rules.trending_room * self._threshold
        changes = []
        # No country has more starts than all together, so mostly none needs to be looked at.
        burst_is_possible = self._countries[EVERYWHERE].observed(hour) >= enough
        for name in sorted(self._countries if burst_is_possible else self._scores):
            if name in self._scores or self._countries[name].observed(hour) >= enough:
                burst = self.burst(name, hour)
                if burst is not None:
                    changes += self._decide(name, hour, burst)
        return changes

    def _decide(self, name: str, hour: int, burst: Burst) -> list[Change]:
        observed, expected, score, tail = self._told(name, burst)
        if name in self._scores:
            if burst.observed >= self._threshold and burst.tail <= self._rules.trending_over:
                self._scores[name] = score
                return []
            del self._scores[name]
            begins = False
        elif (
            burst.observed >= self._rules.trending_room * self._threshold
            and burst.tail < self._rules.trending_tail
        ):
            self._scores[name] = score
            begins = True
        else:
            return []
        return [Change(name, begins, hour, observed, expected, score, tail)]

    def _told(self, name: str, burst: Burst) -> tuple[int, float, float, float | None]:
        """Observed, expected, score and chance as they are published."""
        observed = rounded(burst.observed, self._threshold)
        if name == EVERYWHERE:
            tail = max(LEAST_TAIL, float(f"{burst.tail:.2g}"))
            score = float(f"{observed / burst.expected:.2g}")
            return observed, float(f"{burst.expected:.2g}"), score, tail
        expected = rounded(int(burst.expected), self._threshold)
        score = float(f"{observed / max(expected, self._threshold):.3g}")
        return observed, expected, score, None

    def countries(self) -> list[str]:
        """Countries that are kept apart, and ``""`` for everywhere."""
        return sorted(self._countries)

    def report(self) -> dict[str, float]:
        """Where the title is trending as of the last tick: its score by country."""
        return dict(self._scores)
