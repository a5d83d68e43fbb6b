"""Who passed from one point of a season to the next, counted: a life table that only adds.

Whoever has not passed yet is counted in a cell by the hour their exposure can have begun; no timer
and no memory per viewer. Older cells are coarser: what is 20 days ago needs no hour.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from streams.audience.life_table import Bucket

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from streams.audience.records import Row

HOUR_MS: Final = 3_600_000
EDGES_H: Final = (
    0, 1, 2, 3, 4, 6, 8, 10, 12, 15, 18, 21, 24, 30, 36, 42, 48, 60, 72, 84, 96, 108, 120, 132,
    144, 156, 168, 192, 240, 288, 336, 420, 504, 588, 672,
)  # fmt: skip
"""Hours since exposure began; more edges where days are long to wait."""
EDGES_S: Final = tuple(edge * 3600.0 for edge in EDGES_H)
LAST_H: Final = EDGES_H[-1]
"""28 days: whoever has not gone on by then is gone; those who do so later are counted apart."""
SIX_HOURS_AFTER_H, DAYS_AFTER_H = 48, 168
NOT_OUT: Final = 2**53 - 1
"""``open_ms`` of an episode that nobody can watch yet and whose day is not known."""

_EDGES_MS: Final = tuple(edge * HOUR_MS for edge in EDGES_H)
_BUCKETS: Final = len(EDGES_H) - 1
_WENT: Final = len(EDGES_H)
"""Counts of who went on: one per bucket, and one of those who did so later."""
_GONE: Final = -1
_NEVER_H: Final = 2**31 - 1


class Passages:
    """Rows of one group of viewers between two points; adding the same with sign -1 takes it off.

    ``open_ms`` says when what they pass on to came out (0: it was there already; ``NOT_OUT``):
    exposure begins then, or as they entered if that is later. It is told anew at each reading, so
    a date that is announced or moved later holds for those who wait as well.
    """

    # A title has some hundred of these, so all counts are in one array: who went on by bucket, then
    # the hour of each cell (from ``_base_h`` on, ascending), then the viewers of each cell.
    __slots__ = ("_base_h", "_clock_h", "_first_h", "_gone", "_gone_before_h", "_numbers")

    def __init__(self) -> None:
        self._numbers = array("h", bytes(2 * _WENT))
        self._base_h = 0
        self._gone = 0
        self._first_h = _NEVER_H
        self._clock_h = 0
        self._gone_before_h = 0

    def add(self, row: Row, sign: int, open_ms: int = 0) -> None:
        """Count ``row`` (``sign`` 1), or take it off (-1). O(log cells).

        The earliest hour that anyone entered only tells how long this was watched: it stays as it
        was when a row is taken off.
        """
        entered_ms = row.entered_ms
        hour = entered_ms // HOUR_MS
        try:
            if row.passed_ms:
                gap = row.passed_ms - (max(entered_ms, open_ms))
                # A gap that ends on an edge has ended within the bucket before it; 0 is the first.
                self._numbers[bisect_left(_EDGES_MS, gap) - 1 if gap > 0 else 0] += sign
            elif hour > self._clock_h - SIX_HOURS_AFTER_H:
                self._add_pending(hour, sign)
            else:
                self._add_pending(self._cell(hour)[0], sign)
        except OverflowError:  # nothing was counted yet
            self._numbers = array("i", self._numbers)
            self.add(row, sign, open_ms)
            return
        if sign > 0 and hour < self._first_h:
            self._first_h = _shared(hour)

    def compact(self, clock_ms: int, open_ms: int = 0) -> None:
        """Make cells coarser that are old by now, and merge those beyond the last edge.

        What results depends on the rows and the greatest clock alone, not on the calls between.
        """
        clock_h = clock_ms // HOUR_MS
        gone_before = clock_h - LAST_H if open_ms // HOUR_MS <= clock_h - LAST_H - 1 else 0
        if clock_h <= self._clock_h and gone_before <= self._gone_before_h:
            return
        self._clock_h = _shared(max(self._clock_h, clock_h))
        self._gone_before_h = _shared(max(self._gone_before_h, gone_before))
        cells: dict[int, int] = {}
        for hour, count in self._cells():
            cell = self._cell(hour)[0]
            cells[cell] = cells.get(cell, 0) + count
        self._gone += cells.pop(_GONE, 0)
        self._keep(self._numbers[:_WENT], {h: n for h, n in cells.items() if n})

    def entered(self) -> int:
        """All rows that are counted, whether at risk yet or not."""
        numbers = self._numbers
        waiting = numbers[(len(numbers) + _WENT) // 2 :]
        return max(0, sum(numbers[:_WENT]) + sum(waiting) + self._gone)

    def watched_s(self, clock_ms: int, open_ms: int = 0) -> float:
        """For how long anyone could have been watched at most."""
        return max(0, clock_ms - max(self._first_h * HOUR_MS, open_ms)) / 1000

    def buckets(self, clock_ms: int, open_ms: int = 0) -> list[Bucket]:
        """The life table as of ``clock_ms``; whoever cannot pass on yet is not in it.

        Those of one cell are taken to have entered evenly over its time. A negative count (the
        catalogue changed between the two records of one viewer) reads as none.
        """
        went = self._numbers[:_WENT].tolist()
        if min(went) < 0:
            went = [max(0, it) for it in went]
        longest_ms = max(0, clock_ms - max(self._first_h * HOUR_MS, open_ms))
        pending, watched_ms = self._pending(clock_ms, open_ms)
        left = sum(went) + sum(pending)
        furthest = _BUCKETS
        while furthest >= 0 and not went[furthest] and not pending[furthest]:
            furthest -= 1
        found: list[Bucket] = []
        for i, (begin_ms, edge_ms) in enumerate(pairwise(_EDGES_MS)):
            end_ms = min(longest_ms, edge_ms)
            if i > furthest and end_ms == longest_ms:  # nobody came as far
                return found + [Bucket(0.0, 0, 0.0, end_ms / 1000)] * (_BUCKETS - i)
            wait, share = pending[i], 0.5
            if wait and end_ms > begin_ms:
                share = min(watched_ms[i] / (wait * (end_ms - begin_ms)), 1.0)
            found.append(Bucket(left, went[i], wait, end_ms / 1000, share))
            left = max(0.0, left - went[i] - wait)
        return found

    def dump(self) -> list[Any]:
        """Plain values, to be kept; rows that cancelled out leave nothing behind."""
        numbers = self._numbers.tolist()
        half = (len(numbers) + _WENT) // 2
        went, hours, counts = numbers[:_WENT], numbers[_WENT:half], numbers[half:]
        if 0 in counts:
            hours = [hour for hour, count in zip(hours, counts, strict=True) if count]
            counts = [count for count in counts if count]
        while went and not went[-1]:
            went.pop()
        least = hours[0] if hours else 0
        first = self._base_h + least if hours else 0
        flat = [0] * (2 * len(hours))
        flat[::2], flat[1::2] = [hour - least for hour in hours], counts
        return [
            self._clock_h, self._gone_before_h, self._first_h, self._gone, went, first, flat,
        ]  # fmt: skip

    @classmethod
    def load(cls, data: list[Any]) -> Passages:
        """What ``dump`` gave."""
        it = cls()
        clock_h, gone_before_h, first_h, it._gone, went, first, flat = data
        it._clock_h, it._gone_before_h = _shared(clock_h), _shared(gone_before_h)
        it._first_h = _shared(first_h)
        hours = (first + hour for hour in flat[::2])
        it._keep([*went, *[0] * (_WENT - len(went))], dict(zip(hours, flat[1::2], strict=True)))
        return it

    def _cells(self) -> list[tuple[int, int]]:
        """First hour and viewers of each cell, ascending."""
        numbers, base = self._numbers, self._base_h
        half = (len(numbers) + _WENT) // 2
        hours, counts = numbers[_WENT:half], numbers[half:]
        return [(base + hour, count) for hour, count in zip(hours, counts, strict=True)]

    def _keep(self, went: Iterable[int], cells: Mapping[int, int]) -> None:
        """Hold these numbers, in two bytes each if they fit."""
        base = self._base_h = _shared(next(iter(cells), 0))
        numbers = [*went, *(hour - base for hour in cells), *cells.values()]
        try:
            self._numbers = array("h", numbers)
        except OverflowError:
            self._numbers = array("i", numbers)

    def _cell(self, hour: int) -> tuple[int, int]:
        """Start and width, in hours, of the cell that ``hour`` is counted in by now."""
        day = hour - hour % 24
        if day + 24 <= self._gone_before_h:
            return _GONE, 0
        if day + 24 <= self._clock_h - DAYS_AFTER_H:
            return day, 24
        six = hour - hour % 6
        if six + 6 <= self._clock_h - SIX_HOURS_AFTER_H:
            return six, 6
        return hour, 1

    def _add_pending(self, cell: int, count: int) -> None:
        if cell == _GONE:
            self._gone += count
            return
        numbers = self._numbers
        if len(numbers) == _WENT:
            self._base_h = _shared(cell)
        half = (len(numbers) + _WENT) // 2
        hour = cell - self._base_h
        at = bisect_left(numbers, hour, _WENT, half)
        if at < half and numbers[at] == hour:
            numbers[at + half - _WENT] += count
        else:
            numbers.insert(at, hour)
            numbers.insert(at + half - _WENT + 1, count)

    def _pending(self, clock_ms: int, open_ms: int) -> tuple[list[float], list[float]]:
        """By bucket: viewers who have come to it and wait, and for how long they were in it, ms.

        At the end of both are those beyond all buckets.
        """
        waiting, watched = [0.0] * (_BUCKETS + 1), [0.0] * (_BUCKETS + 1)
        waiting[_BUCKETS] = float(max(0, self._gone))
        for hour, count in self._cells():
            start = hour * HOUR_MS
            if count <= 0 or max(start, open_ms) >= clock_ms:
                continue
            end = min(start + self._cell(hour)[1] * HOUR_MS, clock_ms)
            if open_ms <= start:
                least, most = clock_ms - end, clock_ms - start
                bucket = bisect_right(_EDGES_MS, least) - 1
                if bucket == _BUCKETS or most <= _EDGES_MS[bucket + 1]:  # as nearly all of them
                    waiting[bucket] += count
                    watched[bucket] += count * ((least + most) / 2 - _EDGES_MS[bucket])
                    continue
            before = (min(open_ms, end) - start) / (end - start) if open_ms > start else 0.0
            if before:  # it came out while they waited: all of them are at risk since then
                since = clock_ms - open_ms
                bucket = max(1, bisect_left(_EDGES_MS, since)) - 1
                waiting[bucket] += count * before
                watched[bucket] += count * before * (since - _EDGES_MS[bucket])
            if before < 1:
                least, most = clock_ms - end, clock_ms - max(start, open_ms)
                for bucket, low, high in _pieces(least, most):
                    viewers = count * (1 - before) * (high - low) / (most - least)
                    waiting[bucket] += viewers
                    watched[bucket] += viewers * ((low + high) / 2 - _EDGES_MS[bucket])
        return waiting, watched


@lru_cache(maxsize=4096)
def _shared(hour: int) -> int:
    """One object for all tables that have this number, which would take 32 bytes in each."""
    return hour


def _pieces(least_ms: int, most_ms: int) -> Iterator[tuple[int, int, int]]:
    """The time from ``least_ms`` to ``most_ms``, cut at the edges: bucket, from, until."""
    bucket = bisect_right(_EDGES_MS, least_ms) - 1
    at = least_ms
    while at < most_ms:
        end = most_ms if bucket == _BUCKETS else min(most_ms, _EDGES_MS[bucket + 1])
        yield bucket, at, end
        at, bucket = end, bucket + 1
