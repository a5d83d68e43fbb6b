"""Stream time within a slice of records, and which record made it pass what."""

from __future__ import annotations

from bisect import bisect_left


class StreamTime:
    """The latest event time seen in a partition, in ms, record by record.

    What a timer says comes after the record that made stream time pass it. That record is the same
    wherever slices begin and end, so a timer's lineage is as well.
    """

    __slots__ = ("_moments", "_offsets", "_start_ms", "before_last_ms", "clock_ms", "first")

    def __init__(self, clock_ms: int, first: int) -> None:
        self._start_ms = self.before_last_ms = self.clock_ms = clock_ms
        self.first = first
        self._moments: list[int] = []
        self._offsets: list[int] = []

    def move(self, at_ms: int, offset: int) -> None:
        """A record has moved stream time on to ``at_ms``."""
        self._moments.append(at_ms)
        self._offsets.append(offset)
        self.clock_ms = at_ms

    def end(self, last: int) -> None:
        """The record at ``last`` was the last; ``before_last_ms`` is stream time before it."""
        moments = [self._start_ms, *self._moments[-2:]]
        moved_at_last = self._offsets[-1:] == [last]
        self.before_last_ms = moments[-2] if moved_at_last else moments[-1]

    def passed(self, due_ms: int) -> int:
        """The offset of the record that made stream time reach ``due_ms``.

        The first record's, if it had been reached before.
        """
        if due_ms <= self._start_ms:
            return self.first
        return self._offsets[bisect_left(self._moments, due_ms)]
