"""One title: everything that its viewers' records and the hours bring about.

A record is applied only if it lies beyond the title's mark for its source partition. Decisions are
taken at whole hours of stream time, before the first record after them, so nothing depends on where
a slice of records begins or ends, or on when the hours are looked at.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from streams.audience.decisions import Decisions
from streams.audience.engagement import Engagement
from streams.audience.people import People
from streams.audience.reach import Reach
from streams.audience.records import Lineage, Progress
from streams.audience.retention import Retention, groups_of
from streams.audience.trending import Trending
from streams.signals import SIGNALS, Out

if TYPE_CHECKING:
    from streams.audience.records import Record
    from streams.audience.voices import Table
    from streams.catalogue import Catalogue, Title
    from streams.rules import Rules

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NEVER = 1 << 62
LIVELY_MS = 25 * HOUR_MS
"""A title is looked at every hour for this long after its last record,"""
WATCHED_MS = 29 * DAY_MS
"""and every day for this long: then nothing that is pending can change any more."""
LEAST_NEWS, NEWS_SHARE = 20, 0.05
"""A season is decided on anew at the whole hour after so many passages, and this share of all that
there were: fewer could not move an estimate by much. Once a day it is in any case."""
MOST_SEASONS = 200
NO_MARK = Lineage(-1, 0, 0, 0)


class Surroundings(NamedTuple):
    """What decisions rest on besides a title's counts: the catalogue, thresholds, other titles."""

    catalogue: Catalogue
    rules: Rules
    table: Table
    """What all seasons say of themselves."""


class TitleAudience:
    """Counts of one title, and what has changed since they were last written."""

    __slots__ = (
        "changed", "clock_ms", "decided_ms", "decisions", "due_ms", "engagement", "marks", "news",
        "outbox", "people", "place", "reach", "retention", "seen", "title_id", "touched",
        "trending", "version",
    )  # fmt: skip

    def __init__(self, title_id: str, rules: Rules) -> None:
        self.title_id = title_id
        self.version = 0
        self.marks: dict[str, Lineage] = {}
        self.clock_ms = 0
        """The latest event time that its records had."""
        self.due_ms = NEVER
        """When to look at it next: a whole hour,"""
        self.decided_ms = 0
        """and when it was looked at last."""
        self.engagement = Engagement(rules)
        self.people = People()
        self.reach = Reach()
        self.trending = Trending(rules)
        self.retention: dict[int, Retention] = {}
        self.news: dict[int, tuple[int, int]] = {}
        """By season: passages since it was decided on, and ever."""
        self.decisions = Decisions(title_id, rules)
        self.outbox: list[Out] = []
        self.place: tuple[str, int] = ("", -1)
        """Source of the records at hand, and the offset up to which they are taken together."""
        self.written()

    def written(self) -> None:
        """Everything up to here is stored."""
        self.seen: dict[str, set[str]] = {}
        for season in self.retention.values():
            season.changed.clear()
        self.changed: set[int] = set()
        """Seasons whose passages are."""
        self.touched = False

    # -- one record --------------------------------------------------------------------------------
    def absorb(
        self, source: str, lineage: Lineage, record: Record, clock_ms: int, around: Surroundings
    ) -> bool:
        """Apply one record, unless the mark says that it was applied before.

        Args:
            source: topic and partition of the events that the record stems from.
            lineage: its place among all that stem from there.
            record: what it says.
            clock_ms: stream time before the record.
            around: catalogue, thresholds and peers.

        Returns:
            Whether it was new.
        """
        if lineage <= self.marks.get(source, NO_MARK):
            return False
        self.pass_time(clock_ms, around)
        self.marks[source] = lineage
        self.touched = True
        self.clock_ms = max(self.clock_ms, record.at_ms)
        self.seen.setdefault(day_of(record.at_ms), set()).add(record.viewer)
        if isinstance(record, Progress):
            self.engagement.progress(record)
            self.people.progress(record)
            self.trending.progress(record)
            if record.passages:
                self._pass_on(record, around)
        else:
            self.engagement.session(record)
            self.reach.session(record)
        soon_ms = max(self.clock_ms - self.clock_ms % HOUR_MS, self.decided_ms) + HOUR_MS
        self.due_ms = min(self.due_ms, soon_ms)
        return True

    def _pass_on(self, record: Progress, around: Surroundings) -> None:
        number, title = record.season, around.catalogue.titles.get(self.title_id)
        season = self.retention.get(number)
        if season is None:
            if len(self.retention) >= MOST_SEASONS:
                return
            season = self.retention[number] = Retention(around.rules)
        home = groups_of(title.country, title.language) if title else ()
        for passage in record.passages:
            season.add(passage, record.seat, opens_ms(title, number, passage.k), home)
        self.changed.add(number)
        fresh, ever = self.news.get(number, (0, 0))
        count = len(record.passages)
        self.news[number] = (fresh + count, ever + count)

    # -- hours -------------------------------------------------------------------------------------
    def pass_time(self, clock_ms: int, around: Surroundings) -> None:
        """Take the decisions of all hours that are due by ``clock_ms`` (stream time)."""
        while self.due_ms <= clock_ms:
            at_ms = self.due_ms
            self._decide(at_ms, around)
            self.decided_ms = at_ms
            self.due_ms = self._next_look(at_ms)

    def _next_look(self, at_ms: int) -> int:
        quiet_ms = at_ms - self.clock_ms
        if quiet_ms < LIVELY_MS:
            return at_ms + HOUR_MS
        return at_ms - at_ms % DAY_MS + DAY_MS if quiet_ms < WATCHED_MS else NEVER

    def _decide(self, at_ms: int, around: Surroundings) -> None:
        self.touched = True
        daily = at_ms % DAY_MS == 0
        moved = [number for number in sorted(self.retention) if daily or self._has_news(number)]
        for number in moved:
            self.news[number] = (0, self.news[number][1])
        if daily:
            for number, season in self.retention.items():
                season.compact(at_ms)
                self.changed.add(number)
        for body in self.decisions.take(self, at_ms, moved, around):
            source, offset = self.place
            rank = sum(1 for out in self.outbox if out.offset == offset)
            self.outbox.append(Out(source, offset, 0, rank, SIGNALS, self.title_id, body))

    def _has_news(self, season: int) -> bool:
        fresh, ever = self.news[season]
        return fresh >= max(LEAST_NEWS, NEWS_SHARE * ever)

    # -- records out -------------------------------------------------------------------------------
    def forget_sent(self, source: str, mark: int) -> None:
        """Drop what is published: up to the partition's mark."""
        if self.outbox:
            self.outbox = [o for o in self.outbox if o.source != source or o.offset > mark]


def opens_ms(title: Title | None, season: int, k: int) -> int:
    """When what follows episode ``k`` came out: the next one, for 0 the last; 0 if nobody says."""
    found = title.seasons.get(season) if title else None
    if found is None or not found.released_ms:
        return 0
    if k:
        return found.released_ms.get(k + 1, 0)
    return max(found.released_ms.values())


def day_of(at_ms: int) -> str:
    """The UTC day of an event time, ``2026-11-22``."""
    return _day(at_ms // DAY_MS)


@lru_cache(maxsize=1000)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")
