"""The playbacks of an export: rows with their traces, trailers and repeated rows left out."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import xxhash

from producers.netflix.reading import PLAYBACK_FILE, Unreadable
from producers.netflix.titles import ParsedTitle, is_promotion, parse_title
from producers.netflix.traces import KNOWN_TYPES, Point, TraceError, parse_trace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from producers.netflix.reading import Export, PlaybackRow, ViewingRow

PROMOTION_AT_MOST_MS = 15 * 60_000
"""No trailer is longer; a title that merely sounds like one is."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that was read, and is not viewing."""

    line: int
    profile: str
    title: str
    started_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Playback:
    """One playback that counts as viewing, with Netflix's own record of it where there is one."""

    playback_id: str
    row: PlaybackRow
    points: tuple[Point, ...]
    parsed: ParsedTitle
    viewing: ViewingRow | None
    next_start_ms: int | None = None
    """When the same device next played anything, from this playback's start."""


@dataclass(slots=True)
class Selection:
    """What is to be imported, and what is not, with the reasons."""

    playbacks: list[Playback] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


class ViewingRecords:
    """Netflix's own records, found by profile and start, and by what else tells them apart."""

    def __init__(self, viewing: Iterable[ViewingRow], playback: Iterable[PlaybackRow]) -> None:
        self._records: dict[tuple[str, datetime], list[ViewingRow]] = defaultdict(list)
        for record in viewing:
            self._records[record.profile, record.start].append(record)
        self._rows = Counter((row.profile, row.start) for row in playback)

    def of(self, row: PlaybackRow) -> ViewingRow | None:
        """The record of this playback; None if there is none, or no telling which.

        The two files name a title in different languages, so equal titles decide, but different
        ones prove nothing. Within one second a clip and an episode may both have started.
        """
        found = self._records.get((row.profile, row.start), [])
        if len(found) == 1 and self._rows[row.profile, row.start] == 1:
            return found[0]
        promotion = is_promotion(row.title)
        alike = [record for record in found if bool(record.supplemental) == promotion]
        for candidates in (
            [record for record in found if record.title == row.title],
            alike,
            [record for record in alike if record.device == row.device],
        ):
            if len(candidates) == 1:
                return candidates[0]
        return None


def select(export: Export) -> Selection:
    """Decide row by row what is viewing."""
    records = ViewingRecords(export.viewing, export.playback)
    starts = _DeviceStarts(export.playback)
    selection = Selection()
    seen: dict[str, set[tuple[Point, ...]]] = defaultdict(set)
    for row in export.playback:
        points = _points(row, selection)
        if points is None:
            continue
        record = records.of(row)
        base = playback_id(row)
        why = _why_left_out(row, points, record)
        if why is None and points in seen[base]:
            why = "the same row again"
        if why is not None:
            selection.left_out.append(LeftOut(row.line, row.profile, row.title, row.start, why))
            continue
        # Two plays within one second differ in their traces only.
        name = f"{base}-{len(seen[base]) + 1}" if seen[base] else base
        seen[base].add(points)
        selection.playbacks.append(
            Playback(name, row, points, _parsed(row, record), record, starts.after(row))
        )
    return selection


class _DeviceStarts:
    """When each device of the account started to play anything, a trailer included."""

    def __init__(self, rows: Iterable[PlaybackRow]) -> None:
        self._starts: dict[str, list[datetime]] = defaultdict(list)
        for row in rows:
            self._starts[row.device].append(row.start)
        for starts in self._starts.values():
            starts.sort()

    def after(self, row: PlaybackRow) -> int | None:
        starts = self._starts[row.device]
        at = bisect_right(starts, row.start)
        if at == len(starts):
            return None
        return round((starts[at] - row.start).total_seconds() * 1000)


def _points(row: PlaybackRow, selection: Selection) -> tuple[Point, ...] | None:
    try:
        points, dropped = parse_trace(row.trace)
    except TraceError as error:
        selection.unreadable.append(Unreadable(PLAYBACK_FILE, row.line, "playtraces", str(error)))
        return None
    unknown = sorted({point.kind for point in points} - KNOWN_TYPES)
    dropped += [f"eventType {kind[:40]!r} is new, read as a heartbeat" for kind in unknown]
    selection.unreadable += [
        Unreadable(PLAYBACK_FILE, row.line, "playtraces", why) for why in dropped
    ]
    return tuple(points)


def _why_left_out(
    row: PlaybackRow, points: tuple[Point, ...], record: ViewingRow | None
) -> str | None:
    if record is not None:
        if record.supplemental:
            return f"promotion ({record.supplemental})"
    elif is_promotion(row.title) and all(p.position_ms <= PROMOTION_AT_MOST_MS for p in points):
        return "promotion (by its title)"
    return None if points else "empty trace"


def _parsed(row: PlaybackRow, record: ViewingRow | None) -> ParsedTitle:
    """The row's title, with the episode number that only the other file tells."""
    parsed = parse_title(row.title)
    if record is None or not parsed.is_series:
        return parsed
    other = parse_title(record.title)
    return ParsedTitle(
        parsed.name,
        parsed.season_label,
        parsed.season or other.season,
        other.episode or parsed.episode,
        parsed.episode_name,
    )


def playback_id(row: PlaybackRow) -> str:
    """The same for the same playback in every export of the same account."""
    facts = (row.profile, row.device, row.start.isoformat(), row.title)
    return "netflix-" + xxhash.xxh3_128_hexdigest("\x1f".join(facts).encode())
