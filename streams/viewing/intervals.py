"""Sets of integers as sorted, disjoint, half-open intervals ``[[start, end], ...]``.

Used for media milliseconds (coverage) and for wall-clock milliseconds (time spent playing). All
arithmetic is on integers, so results never depend on the order of additions.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeAlias

Intervals: TypeAlias = list[list[int]]


def add(intervals: Intervals, start: int, end: int) -> int:
    """Add ``[start, end)`` in place, touching neighbours merged.

    Returns:
        How much of it was new.
    """
    if end <= start:
        return 0
    if not intervals or start > intervals[-1][1]:
        intervals.append([start, end])
        return end - start
    last = intervals[-1]
    if start >= last[0]:  # by far the most common: watching goes on where it was
        fresh = max(0, end - last[1])
        last[1] = max(last[1], end)
        return fresh
    return _add_inside(intervals, start, end)


def _add_inside(intervals: Intervals, start: int, end: int) -> int:
    first = bisect_left(intervals, start, key=_end)
    stop = first
    covered = 0
    low, high = start, end
    while stop < len(intervals) and intervals[stop][0] <= end:
        a, b = intervals[stop]
        covered += max(0, min(b, end) - max(a, start))
        low, high = min(low, a), max(high, b)
        stop += 1
    intervals[first:stop] = [[low, high]]
    return end - start - covered


def overlap(intervals: Intervals, start: int, end: int) -> int:
    """How much of ``[start, end)`` the set already holds."""
    if end <= start or not intervals or start >= intervals[-1][1]:
        return 0
    held = 0
    for i in range(bisect_left(intervals, start + 1, key=_end), len(intervals)):
        a, b = intervals[i]
        if a >= end:
            break
        held += min(b, end) - max(a, start)
    return held


def measure(intervals: Intervals) -> int:
    """Total length."""
    return sum(b - a for a, b in intervals)


def union(*sets: Intervals) -> Intervals:
    """The union as a new set; the inputs stay as they are."""
    result: Intervals = []
    for start, end in sorted((a, b) for intervals in sets for a, b in intervals):
        add(result, start, end)
    return result


def clip(intervals: Intervals, start: int) -> Intervals:
    """The part at or after ``start``, as a new set."""
    return [[max(a, start), b] for a, b in intervals if b > start]


def _end(interval: list[int]) -> int:
    return interval[1]
