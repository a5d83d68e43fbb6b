"""New voices: what the labelled creators' titles are given, and what they make of it.

Every season (or film) publishes one line about itself to a table that all titles share. From it:

- *exposure* of a label, its share of all starts, against *completion*, its share of all
  completions: above exposure, its titles keep more of those they are shown to than others do.
- *breakthrough*: a season with a label whose H_1 is above that of comparable ones by a margin, with
  a probability of .95: ``low >= median + .05``, where low is the lower 5 % bound of its H_1, and
  the median is over at least five seasons without that label, of about the same length (H_1 is a
  product over episodes), with enough viewers each. It ends when H_1 is no longer above the median.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from streams.audience.diversity import entropy_bits, evenness
from streams.audience.people import rounded
from streams.audience.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LENGTHS = (1, 2, 5, 9, 14, 23)
"""Shortest season of each class: film, miniseries, short, usual, long, network season, more."""
LEAST_PEERS = 5
MILLION = 1_000_000
MARGIN = 0.05
"""How much more of its viewers a breakthrough keeps to the end than comparable seasons do."""


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

    def shares(self, line: Line) -> tuple[float | None, float | None]:
        """Share of all starts, and of all completions, that one season has; None if there are none.

        The season's own line may be newer than the table, so neither is more than 1.
        """
        starts, done = self._all.starters, self._all.completers
        exposure = round(min(1.0, line.starters / starts), 4) if starts > 0 else None
        return exposure, round(min(1.0, line.completers / done), 4) if done > 0 else None

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
            ``h1`` (mean, weighted with viewers, or null), and how diverse an audience they reach:
            ``entropy_bits`` and ``evenness`` over its viewers' countries.
        """
        sums = self._labels.get(label)
        if sums is None or sums.starters < threshold:
            return None
        return self._label_report(sums)

    def _label_report(self, sums: _Sums) -> dict[str, Any]:
        exposure = sums.starters / self._all.starters
        done = self._all.completers
        completion = sums.completers / done if done > 0 else None
        countries = sums.countries.sums.values()
        even = evenness(countries)
        return {
            "titles": sums.titles,
            "exposure": round(exposure, 4),
            "completion": None if completion is None else round(completion, 4),
            "ratio": None if completion is None else round(completion / exposure, 3),
            "h1": round(sums.hooked / sums.n / MILLION, 4) if sums.n > 0 else None,
            "entropy_bits": round(entropy_bits(countries), 3),
            "evenness": None if even is None else round(even, 3),
        }


class Breakthrough(NamedTuple):
    """A labelled season begins, or ends, to hook clearly more than comparable ones.

    ``typical`` is the median H_1 of its ``peers``; None where it ends for want of a label, of
    viewers or of a curve. ``n`` is rounded down to a multiple of the threshold.
    """

    begins: bool
    label: str
    h1: float | None
    low: float | None
    n: int
    typical: float | None
    peers: int


class Breakthroughs:
    """By which labels a season has broken through, as of the last decision."""

    __slots__ = ("_going", "_threshold")

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        self._going: dict[str, Breakthrough] = {}

    def dump(self) -> list[Any]:
        """What has begun, JSON-able."""
        return [list(self._going[label][1:]) for label in sorted(self._going)]

    def load(self, dumped: Sequence[Any]) -> None:
        """Take up what ``dump`` gave."""
        self._going = {item[0]: Breakthrough(True, *item) for item in dumped}

    def decide(self, line: Line, table: Table) -> list[Breakthrough]:
        """Compare a season with those of its length, label by label.

        With fewer than five to compare with, nothing changes: a table that is not there yet is no
        reason to take a word back.
        """
        changes: list[Breakthrough] = []
        for label in sorted({*line.labels, *self._going}):
            peers = table.peers(line.of, label, self._threshold)
            change = self._judge(label, line, peers)
            if change is not None:
                changes.append(change)
        return changes

    def _judge(self, label: str, line: Line, peers: list[float]) -> Breakthrough | None:
        h1, low = line.h1, line.low
        going = label in self._going
        typical: float | None = None
        if h1 is None or low is None or line.n < self._threshold or label not in line.labels:
            above = False
        elif len(peers) < LEAST_PEERS:
            return None
        else:
            typical = median(peers)
            above = h1 > typical if going else low >= typical + MARGIN
        found = Breakthrough(
            above, label,
            None if h1 is None else round(h1, 4), None if low is None else round(low, 4),
            rounded(line.n, self._threshold),
            None if typical is None else round(typical, 4), len(peers),
        )  # fmt: skip
        if above:
            self._going[label] = found
            return None if going else found
        return found if self._going.pop(label, None) else None

    def score(self) -> float | None:
        """How far above the typical season it surely is; None if it has not broken through.

        It orders ``top:new-voices``.
        """
        leads = [
            it.low - it.typical
            for it in self._going.values()
            if it.low is not None and it.typical is not None
        ]
        return max(leads, default=None)

    def report(self, line: Line, table: Table) -> dict[str, Any]:
        """``voices`` of a season whose creators have labels.

        Args:
            line: what the season says of itself.
            table: all seasons.

        Returns:
            ``labels``; ``exposure`` and ``completion`` of the season (shares of all starts and of
            all completions); ``by_label`` the same of each label (``Table.label``), and
            ``breakthrough``: by which labels it stands out, with the numbers behind it.
        """
        exposure, completion = table.shares(line)
        told = {label: table.label(label, self._threshold) for label in line.labels}
        return {
            "labels": list(line.labels),
            "exposure": exposure,
            "completion": completion,
            "by_label": {label: it for label, it in told.items() if it is not None},
            "breakthrough": [
                {name: it for name, it in self._going[label]._asdict().items() if name != "begins"}
                for label in sorted(self._going)
            ],
        }
