"""How far from home a title is watched.

Hours by country and language of the session, signed. A cell is published only if enough viewers
began the title there. The rest goes under ``other``, which must itself
hold enough viewers, or the next smallest cells go there as well until it does: what is left after
subtracting all cells from the whole is then always a crowd. What is not known to be anywhere is
part of ``other``: it could else be worked out from the title's hours. Hours are rounded to two
significant digits; every share, and the order of cells, is made of what is published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from streams.audience.diversity import entropy_bits, evenness
from streams.audience.people import rounded
from streams.audience.tally import OTHER, UNKNOWN, Tally, spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.audience.records import Figures, Session

HOUR_MS = 3_600_000
MOST_UNKNOWN = 0.05
"""Share of the hours that may lie nobody knows where while it is still said what is spent away."""


class Home(NamedTuple):
    """Where a title comes from; empty where the catalogue does not say."""

    country: str
    language: str


class Reach:
    """Time spent with a title by country and by language of the audio."""

    __slots__ = ("_countries", "_languages")

    def __init__(self) -> None:
        self._countries = Tally()
        self._languages = Tally()

    def dump(self) -> list[Any]:
        """All sums in milliseconds, JSON-able."""
        return [self._countries.sums, self._languages.sums]

    def load(self, dumped: Sequence[Any]) -> None:
        """Take up what ``dump`` gave."""
        countries, languages = dumped
        self._countries, self._languages = Tally(countries), Tally(languages)

    def session(self, record: Session) -> None:
        """Count a playback that closed or was mended, maybe in another country; O(1)."""
        if record.before is not None:
            self._play(record.before, -1)
        self._play(record.now, 1)

    def _play(self, figures: Figures, sign: int) -> None:
        wall_ms = sign * round(figures.wall_s * 1000)
        self._countries.add(figures.country, wall_ms)
        self._languages.add(spoken(figures.language), wall_ms)

    def report(
        self,
        home: Home,
        country_viewers: Sequence[Mapping[str, int]],
        language_viewers: Sequence[Mapping[str, int]],
        total_ms: int,
        threshold: int,
    ) -> dict[str, Any]:
        """``reach`` without ``travels``.

        Args:
            home: where the title comes from.
            country_viewers: how many began each season, by country; ``""`` is unknown.
            language_viewers: the same by language without region.
            total_ms: time spent with the title by everyone, known where or not.
            threshold: viewers that a cell must have.

        Returns:
            ``countries`` and ``languages`` (hours), ``entropy_bits`` and ``evenness`` over
            countries (``other`` counts as one, so the entropy is at least this), and the shares
            away from home: null where home is not known or has no cell of its own, or where more
            than 5 % of the time are not known to be anywhere.
        """
        by_country = _with_unknown(self._countries.sums, total_ms)
        by_language = _with_unknown(self._languages.sums, total_ms)
        countries = cells(by_country, country_viewers, threshold)
        languages = cells(by_language, language_viewers, threshold)
        even = evenness(countries.values())
        return {
            "home_country": home.country or None,
            "home_language": home.language or None,
            "abroad_share": _elsewhere(countries, home.country.upper(), by_country),
            "foreign_language_share": _elsewhere(languages, spoken(home.language), by_language),
            "entropy_bits": round(entropy_bits(countries.values()), 3),
            "evenness": None if even is None else round(even, 3),
            "countries": countries,
            "languages": languages,
        }


def cells(
    sums: Mapping[str, int], seasons: Sequence[Mapping[str, int]], least: int
) -> dict[str, float]:
    """Hours of each value with at least ``least`` viewers, the largest first, and ``other``.

    Which cells are hidden, and how they are ordered, depends on nothing finer than what is
    published: one viewer more would show in it otherwise.

    Args:
        sums: milliseconds by value; ``""`` is unknown, and goes under ``other``.
        seasons: viewers of each season by value. One may have begun every season, each elsewhere,
            so as many people stand behind values together as in any one season.
        least: viewers that every cell holds, ``other`` as well.
    """
    played = {value: ms for value, ms in sums.items() if ms > 0}
    viewers = {it: _crowd([it], seasons) for it in played}
    shown = [it for it in played if it not in (OTHER, UNKNOWN) and viewers[it] >= least]
    shown.sort(key=lambda it: (-rounded(viewers[it], least), it))
    hidden = [it for it in played if it not in set(shown)]
    if hidden and shown and _crowd(hidden, seasons) < least:
        hidden.append(shown.pop())
    if _crowd(hidden, seasons) < least:
        hidden = []
    told = {it: _two_digits(played[it]) for it in shown}
    hours = {it: told[it] for it in sorted(told, key=lambda it: (-told[it], it))}
    if hidden:
        hours[OTHER] = _two_digits(sum(played[it] for it in hidden))
    return hours


def _crowd(values: Iterable[str], seasons: Sequence[Mapping[str, int]]) -> int:
    """How many different viewers of some values there are at least."""
    values = list(values)
    return max((sum(max(0, it.get(value, 0)) for value in values) for it in seasons), default=0)


def _with_unknown(sums: Mapping[str, int], total_ms: int) -> dict[str, int]:
    known_ms = sum(ms for ms in sums.values() if ms > 0)
    return {**sums, UNKNOWN: max(0, total_ms - known_ms)}


def _two_digits(wall_ms: int) -> float:
    return float(f"{wall_ms / HOUR_MS:.2g}")


def _elsewhere(hours: Mapping[str, float], home: str, sums: Mapping[str, int]) -> float | None:
    total = sum(hours.values())
    # Without a cell of its own, home is somewhere in `other`, nobody is told how much of it.
    if not home or home not in hours:
        return None
    if sums[UNKNOWN] > MOST_UNKNOWN * sum(ms for ms in sums.values() if ms > 0):
        return None
    return round((total - hours[home]) / total, 4)
