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

    def end(self, moments: list[int], offsets: list[int], last: int) -> None:
        """Say which records moved stream time on, and which was the last.

        Args:
            moments: where stream time moved to, in ms, in order.
            offsets: of the records that moved it there.
            last: offset of the last record; ``before_last_ms`` is stream time before it.
        """
        self._moments, self._offsets = moments, offsets
        until = len(moments)
        if until and offsets[-1] == last:
            until -= 1
        self.before_last_ms = moments[until - 1] if until else self._start_ms
        self.clock_ms = moments[-1] if moments else self._start_ms

    def passed(self, due_ms: int) -> int:
        """The offset of the record that made stream time reach ``due_ms``.

        The first record's, if it had been reached before.
        """
        if due_ms <= self._start_ms:
            return self.first
        return self._offsets[bisect_left(self._moments, due_ms)]
