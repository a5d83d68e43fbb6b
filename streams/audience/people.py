"""Who watches a title: counts that are published so coarsely that nobody is seen in them.

Every count is rounded down to a multiple of the threshold T, and zero is left out. All published
numbers are therefore multiples of T, and so is every sum and every difference of any of them,
within a report, between seasons, and between two reports: it is 0, or at least T. (Statistical
offices call this rounding to a base; Hundepool et al., Statistical Disclosure Control, 2012, ch. 5)
Counts stand for people: a viewer counts once per season, and seasons are rounded one by one before
they are added up, so that fifty viewings by a few viewers of many seasons never pass for fifty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.audience.tally import UNKNOWN, Tally, spoken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.audience.records import Progress, Row, Seat

FACETS = ("country", "language", "device", "hour", "genre", "age")
MOST_SEASONS = 100


def rounded(count: int, threshold: int) -> int:
    """The greatest multiple of the threshold that is no more than the count (0 below it)."""
    return max(0, count - count % threshold)


class Crowd:
    """Who began one season (or film)."""

    __slots__ = ("facets", "n")

    def __init__(self) -> None:
        self.n = 0
        self.facets = tuple(Tally() for _ in FACETS)

    def seat(self, seat: Seat, sign: int) -> None:
        """Count a viewer in (1), or out again (-1)."""
        self.n += sign
        country, language, device, hour, genre, age = self.facets
        country.add(seat.country, sign)
        language.add(spoken(seat.language), sign)
        device.add(seat.device, sign)
        hour.add(str(seat.hour) if seat.hour >= 0 else "", sign)
        genre.add(seat.genre, sign)
        age.add(seat.age, sign)


class People:
    """Who began a title (or completed it, if so asked), by season."""

    __slots__ = ("_completed", "_seasons")

    def __init__(self, *, completed: bool = False) -> None:
        self._completed = completed
        self._seasons: dict[int, Crowd] = {}

    def dump(self) -> list[Any]:
        """All counts, JSON-able."""
        return [
            [number, crowd.n, *(it.sums for it in crowd.facets)]
            for number, crowd in sorted(self._seasons.items())
        ]

    def load(self, dumped: Sequence[Any]) -> None:
        """Take up the counts that ``dump`` gave."""
        self._seasons = {}
        for number, n, *facets in dumped:
            crowd = self._seasons[number] = Crowd()
            crowd.n = n
            crowd.facets = tuple(Tally(sums) for sums in facets)

    def progress(self, record: Progress) -> None:
        """Count the seat of a viewer who began (or completed) a season; O(1)."""
        for passage in record.passages:
            if passage.k:
                continue
            sign = self._is_in(passage.now) - self._is_in(passage.before)
            if sign:
                crowd = self._crowd(record.season)
                if crowd is not None:
                    crowd.seat(record.seat, sign)

    def _is_in(self, row: Row | None) -> bool:
        return row is not None and (row.passed_ms > 0 or not self._completed)

    def _crowd(self, season: int) -> Crowd | None:
        found = self._seasons.get(season)
        if found is None and len(self._seasons) < MOST_SEASONS:
            found = self._seasons[season] = Crowd()
        return found

    def by_season(self, facet: str) -> list[dict[str, int]]:
        """Viewers of each season by value, exactly. Not for publication.

        Those of whom the value is not known are under ``""``.
        """
        index = FACETS.index(facet)
        return [
            known | {UNKNOWN: crowd.n - sum(known.values())}
            for crowd in self._seasons.values()
            for known in (crowd.facets[index].sums,)
        ]

    def of_season(self, season: int, facet: str, threshold: int) -> dict[str, int]:
        """Viewers of one season by value, in steps of the threshold."""
        crowd = self._seasons.get(season)
        counts = crowd.facets[FACETS.index(facet)].sums if crowd else {}
        shown = {value: rounded(counts[value], threshold) for value in sorted(counts)}
        return {value: count for value, count in shown.items() if count}

    def report(self, threshold: int) -> dict[str, Any]:
        """``audience``: ``n`` and, by facet, a count per value, in steps of the threshold."""
        said: dict[str, Any] = {"n": self._sum(threshold)}
        for index, facet in enumerate(FACETS):
            counts: dict[str, int] = {}
            for crowd in self._seasons.values():
                for value, count in crowd.facets[index].sums.items():
                    counts[value] = counts.get(value, 0) + rounded(count, threshold)
            said[facet] = {value: counts[value] for value in sorted(counts) if counts[value]}
        return said

    def _sum(self, threshold: int) -> int:
        return sum(rounded(crowd.n, threshold) for crowd in self._seasons.values())
