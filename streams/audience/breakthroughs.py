"""New voices that break through: a labelled season that hooks clearly more than comparable ones.

A breakthrough is an H_1 above that of comparable seasons by a margin, with a probability of .95:
``low >= median + .05``, where low is the lower 5 % bound of its H_1, and the median is over at
least five seasons without that label, of about the same length (H_1 is a product over episodes),
with enough viewers each. It ends when H_1 is no longer above the median.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.audience.people import rounded
from streams.audience.scale import EVERYONES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.audience.voices import Line, Table
    from streams.rules import Rules


class Breakthrough(NamedTuple):
    """A labelled season begins, or ends, to hook clearly more than comparable ones.

    ``typical`` is the median H_1 of its ``peers``; None where it ends for want of a label, of
    viewers or of a curve. ``n`` is rounded down to a multiple of the threshold,
    and shares have the three digits of the season's curve.
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

    __slots__ = ("_going", "_rules", "_threshold")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._threshold = rules.least_viewers
        self._going: dict[str, Breakthrough] = {}

    def dump(self) -> list[Any]:
        """What has begun, JSON-able."""
        return [list(self._going[label][1:]) for label in sorted(self._going)]

    def load(self, dumped: Sequence[Any]) -> None:
        """Take up what ``dump`` gave."""
        self._going = {item[0]: Breakthrough(True, *item) for item in dumped}

    def decide(self, line: Line, table: Table) -> list[Breakthrough]:
        """Compare a season with those of its length, label by label.

        With too few to compare with, nothing changes: a table that is not there yet is no
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
        elif len(peers) < self._rules.least_peers:
            return None
        else:
            typical = median(peers)
            above = h1 > typical if going else low >= typical + self._rules.breakthrough_margin
        found = Breakthrough(
            above, label,
            None if h1 is None else EVERYONES.nearest(h1),
            None if low is None else EVERYONES.down(low),
            rounded(line.n, self._threshold),
            None if typical is None else EVERYONES.nearest(typical), len(peers),
        )  # fmt: skip
        if above:
            self._going[label] = found
            return None if going else found
        return found if self._going.pop(label, None) else None

    def report(self) -> list[dict[str, Any]]:
        """The labels by which it stands out, with the numbers behind it."""
        found = [self._going[label]._asdict() for label in sorted(self._going)]
        return [{name: value for name, value in it.items() if name != "begins"} for it in found]
