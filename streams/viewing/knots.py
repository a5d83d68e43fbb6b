"""What a player reported: a set of knots that absorbs repetition and arrival order by itself.

A heartbeat says little that its neighbours on the same straight line do not say. So of all
heartbeats of one quarter of an hour that lie on one line of position over time (to two seconds),
only the first and the last are kept. That choice is a function of the set, whatever the order in
which it arrived; dropping "interior points" as they come would not be (docs/adr/0003).
"""

from __future__ import annotations

from bisect import bisect_left
from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """What happened, in the order that makes most sense of one millisecond."""

    PAUSE = 0
    BUFFERING = 1
    SEEK = 2
    RATE = 3
    START = 4
    RESUME = 5
    BUFFERED = 6
    HEARTBEAT = 7
    COMPLETE = 8
    STOP = 9


HEARTBEAT = int(Kind.HEARTBEAT)
NO_SEQ = -1
NO_RATE = 0.0
NO_POSITION = -1

CELL_MS = 900_000
LINE_MS = 2_000
MAX_STRUCTURAL = 2_000
"""Acts of one playback that are kept; a player that reports more is broken."""
MAX_KNOTS = 20_000
"""Acts and heartbeats that are kept: five hours of a player that keeps its double speed to itself
and whose heartbeats therefore lie on no line."""


class Knot(NamedTuple):
    """One report: times and positions in milliseconds.

    ``rate`` is 0 where the player did not say (it goes on as it was); ``origin_ms`` is where a
    seek began, else -1; ``seq`` is -1 where the player does not count.
    """

    at_ms: int
    seq: int
    kind: int
    position_ms: int
    rate: float
    origin_ms: int


class Added(IntEnum):
    """What adding a knot did to the set."""

    NOTHING = 0
    APPENDED = 1
    REPLACED_LAST = 2
    REORDERED = 3


Cell = tuple[int, int, float]
"""Quarter of an hour, line of position over time, rate."""


def _cell(knot: Knot) -> Cell:
    at_ms, _, _, position_ms, rate, _ = knot  # taking it apart at once is faster than by names
    line = position_ms - (rate or 1.0) * at_ms
    return at_ms // CELL_MS, int(line // LINE_MS), rate


def _by_seq(knot: Knot) -> tuple[int, Knot]:
    return knot.seq, knot


class KnotSet:
    """Knots of one playback, sorted by ``seq`` if every report had one, else by time."""

    __slots__ = ("_cells", "_here", "_structural", "_there", "knots", "sequenced")

    def __init__(self, knots: list[Knot] | None = None, *, sequenced: bool = True) -> None:
        self.knots: list[Knot] = knots or []
        self.sequenced = sequenced
        self._cells: dict[Cell, list[Knot]] = {}
        """The first and the last heartbeat of each cell."""
        self._here: Cell = (0, 0, 0.0)
        self._there: list[Knot] = []
        """The cell in which a heartbeat went on last, and what it holds: mostly the next one's."""
        self._structural = 0
        for knot in self.knots:
            if knot.kind == HEARTBEAT:
                self._widen(_cell(knot), knot)
            else:
                self._structural += 1

    @property
    def full(self) -> bool:
        """Whether no further act may be added."""
        return self._structural >= MAX_STRUCTURAL or len(self.knots) >= MAX_KNOTS

    def refuses(self, knot: Knot) -> bool:
        """Whether there is no room for this report; a heartbeat on a known line needs none."""
        if knot.kind == HEARTBEAT:
            return len(self.knots) >= MAX_KNOTS and _cell(knot) not in self._cells
        return self.full

    def add(self, knot: Knot) -> Added:
        """Add one report; the result depends on the set only, not on the order of calls."""
        if knot.kind == HEARTBEAT:
            added = self.go_on(knot)
            if added is not Added.NOTHING:
                return added
        if knot.seq < 0 and self.sequenced:
            self.sequenced = False
            if self.knots:
                self.knots.sort()
                self._add(knot)
                return Added.REORDERED
        return self._add(knot)

    def go_on(self, knot: Knot) -> Added:
        """Let a heartbeat follow the last knot, or take its place if that is what it does.

        Nearly every report of a player that plays does one or the other.

        Returns:
            Which; ``NOTHING``, and nothing is changed, if it does neither as far as this can tell.
        """
        knots = self.knots
        if not knots:
            return Added.NOTHING
        last = knots[-1]
        if knot <= last or (self.sequenced and knot.seq <= last.seq):
            return Added.NOTHING
        cell = _cell(knot)
        held: list[Knot] | None = self._there if cell == self._here else self._cells.get(cell)
        if not held:
            if len(knots) >= MAX_KNOTS:
                return Added.NOTHING
            held = self._cells[cell] = [knot, knot]
        elif held[1] is last:
            held[1] = knot
            if held[0] is not last:
                knots[-1] = knot
                return Added.REPLACED_LAST
        else:
            return Added.NOTHING
        self._here, self._there = cell, held
        knots.append(knot)
        return Added.APPENDED

    def is_on_line(self) -> bool:
        """Whether the last knot is a heartbeat, behind which another went on last."""
        there = self._there
        return bool(there) and there[1] is self.knots[-1]

    def begins_line(self) -> bool:
        """Whether that heartbeat is the first of its line, and so will stay beside the next."""
        return self._there[0] is self._there[1]

    def _add(self, knot: Knot) -> Added:
        knots = self.knots
        in_order = not knots or (
            _by_seq(knot) > _by_seq(knots[-1]) if self.sequenced else knot > knots[-1]
        )
        if knot.kind == HEARTBEAT:
            return self._add_heartbeat(knot, in_order=in_order)
        if in_order:
            self._structural += 1
            knots.append(knot)
            return Added.APPENDED
        return self._insert(knot)

    def _add_heartbeat(self, knot: Knot, *, in_order: bool) -> Added:
        cell = _cell(knot)
        held = self._cells.get(cell)
        if held is None:
            self._cells[cell] = [knot, knot]
            if not in_order:
                return self._insert(knot)
            self.knots.append(knot)
            return Added.APPENDED
        first, last = held
        if first <= knot <= last:
            return Added.NOTHING
        self._widen(cell, knot)
        dropped = None if first == last else (last if knot > last else first)
        if in_order and dropped is None:
            self.knots.append(knot)
            return Added.APPENDED
        if in_order and dropped == self.knots[-1]:
            self.knots[-1] = knot
            return Added.REPLACED_LAST
        if dropped is not None:
            self.knots.remove(dropped)
        self._insert(knot)
        return Added.REORDERED

    def _insert(self, knot: Knot) -> Added:
        if self.sequenced:
            at = bisect_left(self.knots, _by_seq(knot), key=_by_seq)
        else:
            at = bisect_left(self.knots, knot)
        if at < len(self.knots) and self.knots[at] == knot:
            return Added.NOTHING
        if knot.kind != HEARTBEAT:
            self._structural += 1
        self.knots.insert(at, knot)
        return Added.REORDERED

    def _widen(self, cell: Cell, knot: Knot) -> None:
        held = self._cells.get(cell)
        if held is None:
            self._cells[cell] = [knot, knot]
        else:
            held[0], held[1] = min(held[0], knot), max(held[1], knot)
