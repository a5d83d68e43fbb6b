"""New voices: what the labelled creators' titles are given, and what they make of it.

Every season (or film) publishes one line about itself to a table that all titles share. From it
come the seasons that one is compared with, and for each label its *exposure*, the share of all
starts, against its *completion*, the share of all completions: where that is above exposure, its
titles keep more of those they are shown to than others do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from streams.audience.diversity import entropy_bits, evenness
from streams.audience.scale import Scale
from streams.audience.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.audience.breakthroughs import Breakthroughs

LENGTHS = (1, 2, 5, 9, 14, 23)
"""Shortest season of each class: film, miniseries, short, usual, long, network season, more."""
MILLION = 1_000_000


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one season (or film) says of itself to all others.

    ``h1``, ``low`` and ``n`` are null and 0 until it has a curve. ``of`` is its number of episodes
    (1 for a film, 0 if unknown). ``countries`` are the published counts of its viewers.
    """

    starters: int = 0
    completers: int = 0
    labels: tuple[str, ...] = ()
    h1: float | None = None
    low: float | None = None
    n: int = 0
    of: int = 0
    countries: dict[str, int] = {}


_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def read_line(body: bytes) -> Line:
    """A line as the table holds it; ``msgspec.json.encode`` writes it.

    Raises:
        ValueError: naming the field that is missing or wrong.
    """
    return _decoder.decode(body)


def length_class(of: int) -> int:
    """Which seasons are about as long as one of ``of`` episodes; 0 if that is unknown."""
    return sum(1 for shortest in LENGTHS if of >= shortest)


class _Sums:
    """What all lines of a label add up to."""

    __slots__ = ("completers", "countries", "hooked", "n", "starters", "titles")

    def __init__(self) -> None:
        self.titles = 0
        self.starters = 0
        self.completers = 0
        self.n = 0
        self.hooked = 0
        """Viewers times H_1, in millionths: whole numbers come off as exactly as they came on."""
        self.countries = Tally()

    def add(self, line: Line, sign: int) -> None:
        self.titles += sign
        self.starters += sign * line.starters
        self.completers += sign * line.completers
        if line.h1 is not None:
            self.n += sign * line.n
            self.hooked += sign * line.n * round(line.h1 * MILLION)
        for country, count in line.countries.items():
            self.countries.add(country, sign * count)


class Table:
    """The lines of all seasons and films, and their sums by label; an update is O(labels)."""

    __slots__ = ("_all", "_labels", "_lengths", "_lines")

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._lengths: dict[int, dict[str, Line]] = {}
        self._labels: dict[str, _Sums] = {}
        self._all = _Sums()

    @classmethod
    def of(cls, lines: Mapping[str, bytes]) -> Table:
        """The table as it is stored.

        Raises:
            ValueError: a line cannot be read.
        """
        self = cls()
        for key, line in lines.items():
            self.put(key, read_line(line))
        return self

    def put(self, key: str, line: Line | None) -> None:
        """Take in the latest line of a season (``title:season``), or None if it is gone."""
        old = self._lines.pop(key, None)
        if old is not None:
            self._add(old, -1)
            del self._lengths[length_class(old.of)][key]
        if line is not None:
            self._lines[key] = line
            self._add(line, 1)
            self._lengths.setdefault(length_class(line.of), {})[key] = line

    def _add(self, line: Line, sign: int) -> None:
        self._all.add(line, sign)
        for label in set(line.labels):
            found = self._labels.get(label)
            if found is None:
                found = self._labels[label] = _Sums()
            found.add(line, sign)
            if not found.titles:
                del self._labels[label]

    def peers(self, of: int, label: str, least: int) -> list[float]:
        """H_1 of the seasons of about that length, without the label, with ``least`` viewers."""
        if not of:
            return []
        lines = self._lengths.get(length_class(of), {}).values()
        fit = (it for it in lines if it.n >= least and label not in it.labels)
        return [it.h1 for it in fit if it.h1 is not None]

    def same_length(self, of: int, but: str, least: int) -> list[float]:
        """H_1 of the other seasons of exactly that length; ``but`` is the name of one's own."""
        lines = self._lengths.get(length_class(of), {}).items()
        fit = (it for name, it in lines if it.of == of and it.n >= least and name != but)
        return [it.h1 for it in fit if it.h1 is not None]

    def shares(self, starters: int, completers: int) -> tuple[float | None, float | None]:
        """Which shares of all starts and of all completions these are; None of none at all.

        What is asked about may be newer than the table, so neither is more than 1.
        """
        starts, done = self._all.starters, self._all.completers
        exposure = round(min(1.0, starters / starts), 4) if starts > 0 else None
        return exposure, round(min(1.0, completers / done), 4) if done > 0 else None

    def report(self, threshold: int) -> dict[str, dict[str, Any]]:
        """All labels of which enough viewers began something, as ``label`` tells them."""
        found = {label: self.label(label, threshold) for label in sorted(self._labels)}
        return {label: told for label, told in found.items() if told is not None}

    def label(self, label: str, threshold: int) -> dict[str, Any] | None:
        """What the titles of a label are given, and what they make of it.

        Args:
            label: one of the service's words.
            threshold: starters that a label must have; None is returned below.

        Returns:
            ``titles`` (seasons and films), ``exposure`` and ``completion`` (shares of all starts
            and of all completions), ``ratio`` of the two (null before anything was completed),
            ``h1`` (mean, weighted with viewers, in steps of the threshold, or null), and how
            diverse an audience they reach: ``entropy_bits`` and ``evenness`` over its viewers'
            countries.
        """
        sums = self._labels.get(label)
        if sums is None or sums.starters < threshold:
            return None
        return self._label_report(sums, threshold)

    def _label_report(self, sums: _Sums, threshold: int) -> dict[str, Any]:
        exposure = sums.starters / self._all.starters
        done = self._all.completers
        completion = sums.completers / done if done > 0 else None
        countries = sums.countries.sums.values()
        even = evenness(countries)
        to = Scale.of(sums.n, threshold)
        return {
            "titles": sums.titles,
            "exposure": round(exposure, 4),
            "completion": None if completion is None else round(completion, 4),
            "ratio": None if completion is None else round(completion / exposure, 3),
            "h1": to.nearest(sums.hooked / sums.n / MILLION) if sums.n > 0 else None,
            "entropy_bits": round(entropy_bits(countries), 3),
            "evenness": None if even is None else round(even, 3),
        }


def voices_of(
    lines: Mapping[int, Line],
    broken: Mapping[int, Breakthroughs],
    table: Table,
    threshold: int,
) -> dict[str, Any]:
    """``voices`` of a title whose creators have labels.

    Args:
        lines: what its seasons say of themselves.
        broken: what was decided about them.
        table: all seasons of all titles.
        threshold: starters that a label must have.

    Returns:
        ``labels``; ``exposure`` and ``completion`` of the title (shares of all starts and of all
        completions); ``by_label`` the same of each label (``Table.label``); and ``breakthrough``,
        a list of the seasons and labels by which it stands out, with the numbers behind it.
    """
    labels = sorted({label for line in lines.values() for label in line.labels})
    exposure, completion = table.shares(
        sum(line.starters for line in lines.values()),
        sum(line.completers for line in lines.values()),
    )
    told = {label: table.label(label, threshold) for label in labels}
    return {
        "labels": labels,
        "exposure": exposure,
        "completion": completion,
        "by_label": {label: it for label, it in told.items() if it is not None},
        "breakthrough": [
            {"season": number} | it for number in sorted(broken) for it in broken[number].report()
        ],
    }
