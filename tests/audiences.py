"""Viewers of one title as its audience hears of them, without any of the world around."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.audience.records import Flags, Lineage, Passage, Progress, Row, Seat
from streams.audience.title import Surroundings, TitleAudience
from streams.audience.voices import Table
from streams.catalogue import Catalogue, Season, Title
from streams.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.audience.records import Record

RULES = Rules()
HOUR, DAY = 3_600_000, 86_400_000
T0 = 1_772_409_600_000
"""2026-03-02T00:00:00Z"""
RUNTIME_MS = 2_700_000
TITLE = "dark"
EVENTS = "playback-events/0"


def surroundings(of: int = 4, rules: Rules = RULES, **facts: object) -> Surroundings:
    """A catalogue of one series whose first season has ``of`` episodes (0: nobody knows)."""
    runtimes = dict.fromkeys(range(1, (of or 4) + 1), RUNTIME_MS)
    title = Title(TITLE, "Dark", (), {1: Season(of, runtimes)}, **facts)
    return Surroundings(Catalogue({TITLE: title}, version=7), rules, Table())


def began(viewer: str, at_ms: int, seat: Seat | None = None) -> Progress:
    """A viewer begins the season with episode 1."""
    passages = (Passage(0, None, Row(at_ms, 0)),)
    return Progress(
        viewer, TITLE, 1, 1, at_ms, seat or Seat("DE", "de", "tv", 20, "drama"),
        Flags(), Flags(True), passages,
    )  # fmt: skip


def watched(viewer: str, k: int, at_ms: int, seat: Seat | None = None) -> Progress:
    """A viewer watches episode ``k``."""
    passages = (Passage(k, None, Row(at_ms, 0)),)
    return Progress(
        viewer, TITLE, 1, k, at_ms, seat or Seat("DE", "de", "tv", 20, "drama"),
        Flags(True), Flags(True, True, True), passages,
    )  # fmt: skip


def went_on(viewer: str, k: int, watched_ms: int, at_ms: int, seat: Seat | None = None) -> Progress:
    """A viewer who had watched episode ``k`` begins the next one."""
    passages = (Passage(k, Row(watched_ms, 0), Row(watched_ms, at_ms)),)
    return Progress(
        viewer, TITLE, 1, k + 1, at_ms, seat or Seat("DE", "de", "tv", 20, "drama"),
        Flags(), Flags(True), passages,
    )  # fmt: skip


def journey(
    viewer: str, at_ms: int, last: int, *, gap_ms: int = 6 * HOUR, seat: Seat | None = None
) -> list[Record]:
    """Everything of a viewer who leaves after having watched episode ``last``."""
    told: list[Record] = [began(viewer, at_ms, seat)]
    for k in range(1, last + 1):
        told.append(watched(viewer, k, at_ms, seat))
        if k < last:
            told.append(went_on(viewer, k, at_ms, at_ms + gap_ms, seat))
            at_ms += gap_ms
    return told


def in_order(records: Iterable[Record]) -> list[Record]:
    """As a partition has them: by time."""
    return sorted(records, key=lambda record: record.at_ms)


class Hearing:
    """One title before a worker's eyes: records in, signals out, in the order of a partition."""

    def __init__(self, around: Surroundings | None = None) -> None:
        self.around = around or surroundings()
        self.title = TitleAudience(TITLE, self.around.rules)
        self.title.place = ("title-progress/0", 0)
        self.clock_ms = 0
        self.offset = -1

    def hear(self, *records: Record) -> None:
        """Absorb records as they come."""
        for record in records:
            self.offset += 1
            place = Lineage(self.offset, 0, 0, 0)
            self.title.absorb(EVENTS, place, record, self.clock_ms, self.around)
            self.clock_ms = max(self.clock_ms, record.at_ms)

    def wait(self, until_ms: int) -> None:
        """Let stream time go on without a word about this title."""
        self.clock_ms = max(self.clock_ms, until_ms)
        self.title.pass_time(self.clock_ms, self.around)
