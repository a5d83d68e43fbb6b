"""Find and read the two files of an export that speak of playback; nothing in them is fatal."""

from __future__ import annotations

import csv
import io
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLAYBACK_FILE = "PlaybackRelatedEvents.csv"
VIEWING_FILE = "ViewingActivity.csv"
Row = TypeVar("Row", "PlaybackRow", "ViewingRow")

NO_NAME = "(no name)"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

csv.field_size_limit(2**31 - 1)  # a trace of a long evening exceeds csv's 128 KiB


class ExportError(Exception):
    """The directory holds no export that can be read at all; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One row, or one event of its trace, that could not be read."""

    file: str
    line: int
    field: str
    why: str


@dataclass(frozen=True, slots=True)
class PlaybackRow:
    """One row of ``PlaybackRelatedEvents.csv``; the trace is still its JSON text."""

    line: int
    profile: str
    title: str
    device: str
    start: datetime
    country: str | None
    trace: str


@dataclass(frozen=True, slots=True)
class ViewingRow:
    """One row of ``ViewingActivity.csv``: Netflix's own record of a playback.

    ``duration_s`` and ``bookmark_s`` are whole seconds; ``supplemental`` is "" for real viewing.
    """

    line: int
    profile: str
    title: str
    device: str
    start: datetime
    duration_s: int
    bookmark_s: int | None
    supplemental: str
    autoplayed: bool


@dataclass(slots=True)
class Export:
    """What was read: rows in file order, and what could not be read."""

    playback: list[PlaybackRow] = field(default_factory=list)
    viewing: list[ViewingRow] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    """Data rows seen per file name, readable or not."""


class _FieldError(ValueError):
    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name
        self.why = why


def read_export(where: Path) -> Export:
    """Read the export under ``where``: a directory (searched in depth), the .zip, or a .csv in it.

    Raises:
        ExportError: There is no ``PlaybackRelatedEvents.csv``, or it lacks columns.
    """
    if not where.exists():
        raise ExportError(f"{where} does not exist")
    if where.suffix.casefold() == ".csv":
        where = where.parent
    export = Export()
    playback = _find(where, PLAYBACK_FILE)
    if not playback:
        raise ExportError(f"no {PLAYBACK_FILE} under {where}")
    for source in playback:
        _read_file(source, _playback_row, export, export.playback)
    for source in _find(where, VIEWING_FILE):
        _read_file(source, _viewing_row, export, export.viewing)
    return export


@dataclass(frozen=True, slots=True)
class _Source:
    """A file on disk, or a member of a zip."""

    path: Path
    member: str | None

    @property
    def name(self) -> str:
        return self.member or str(self.path)

    @contextmanager
    def open(self) -> Iterator[io.TextIOBase]:
        # utf-8-sig drops a byte order mark; a stray byte spoils a letter, not the import.
        if self.member is None:
            with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
                yield text
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as raw:
            yield io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")


def _find(where: Path, name: str) -> list[_Source]:
    wanted = name.casefold()
    if where.is_dir():
        found = sorted(p for p in where.rglob("*") if p.name.casefold() == wanted and p.is_file())
        return [_Source(path, None) for path in found]
    if not zipfile.is_zipfile(where):
        raise ExportError(f"{where} is neither a directory nor a zip")
    with zipfile.ZipFile(where) as archive:
        members = sorted(m for m in archive.namelist() if Path(m).name.casefold() == wanted)
    return [_Source(where, member) for member in members]


_PLAYBACK_COLUMNS = ("profile name", "title description", "playback start utc ts", "playtraces")
_VIEWING_COLUMNS = ("profile name", "start time", "duration", "title")


def _read_file(
    source: _Source,
    parse: Callable[[int, dict[str, str]], Row],
    export: Export,
    into: list[Row],
) -> None:
    needed = _PLAYBACK_COLUMNS if parse is _playback_row else _VIEWING_COLUMNS
    with source.open() as text:
        reader = csv.reader(text)
        columns = [_clean(name).casefold() for name in next(reader, [])]
        missing = [name for name in needed if name not in columns]
        if missing:
            message = f"{source.name} lacks the columns {', '.join(missing)}; it has {columns}"
            if parse is _playback_row:
                raise ExportError(message)
            export.unreadable.append(Unreadable(source.name, 1, "header", message))
            return
        for cells in _rows(reader, source, export):
            export.rows[source.name] = export.rows.get(source.name, 0) + 1
            try:
                into.append(parse(reader.line_num, _by_name(columns, cells)))
            except _FieldError as error:
                export.unreadable.append(
                    Unreadable(source.name, reader.line_num, error.name, error.why)
                )


def _rows(reader: Iterator[list[str]], source: _Source, export: Export) -> Iterator[list[str]]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            export.unreadable.append(
                Unreadable(source.name, getattr(reader, "line_num", 0), "row", str(error))
            )
            continue
        if any(cell.strip() for cell in cells):
            yield cells


def _by_name(columns: list[str], cells: list[str]) -> dict[str, str]:
    full = [cell for cell in cells if cell.strip(" ;")]
    if len(full) == 1 and len(columns) > 1 and "," in full[0]:
        # A spreadsheet that saved the file anew has quoted each whole line once more.
        cells = next(csv.reader([full[0]]))
    if len(cells) < len(columns):
        raise _FieldError("row", f"{len(cells)} fields where the header has {len(columns)}")
    return dict(zip(columns, cells, strict=False))


def _playback_row(line: int, cell: dict[str, str]) -> PlaybackRow:
    return PlaybackRow(
        line=line,
        profile=_name(cell["profile name"]),
        title=_required(cell, "title description"),
        device=_clean(cell.get("device", "")),
        start=_timestamp(cell, "playback start utc ts"),
        country=country_code(cell.get("country", "")),
        trace=cell["playtraces"].strip(" ;"),
    )


def _viewing_row(line: int, cell: dict[str, str]) -> ViewingRow:
    duration = clock_seconds(cell["duration"])
    if duration is None:
        raise _FieldError("duration", f"not H:MM:SS: {cell['duration'][:40]!r}")
    attributes = cell.get("attributes", "").casefold()
    return ViewingRow(
        line=line,
        profile=_name(cell["profile name"]),
        title=_required(cell, "title"),
        device=_clean(cell.get("device type", "")),
        start=_timestamp(cell, "start time"),
        duration_s=duration,
        bookmark_s=clock_seconds(cell.get("bookmark", "")),
        supplemental=_clean(cell.get("supplemental video type", "")),
        autoplayed="autoplayed" in attributes and "none" in attributes,
    )


def country_code(text: str) -> str | None:
    """``CA`` from ``CA`` or ``CA (Canada)``; None if there is no ISO 3166-1 alpha-2 code."""
    code = _clean(text)[:2].upper()
    rest = _clean(text)[2:3]
    return code if len(code) == 2 and code.isascii() and code.isalpha() and rest in "( " else None  # noqa: PLR2004 - alpha-2


def clock_seconds(text: str) -> int | None:
    """Seconds of ``H:MM:SS`` (hours may exceed 24); None for ``Not latest view`` and the like."""
    parts = _clean(text).split(":")
    if not 2 <= len(parts) <= 3 or not all(p.isascii() and p.isdigit() for p in parts):  # noqa: PLR2004 - M:SS and H:MM:SS
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return seconds


def _timestamp(cell: dict[str, str], column: str) -> datetime:
    text = _clean(cell[column]).removesuffix("UTC").strip()
    try:
        when = datetime.fromisoformat(text)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _FieldError(column, f"not a timestamp: {text[:40]!r}") from None
    if not EARLIEST <= when <= datetime.now(UTC):
        raise _FieldError(column, f"before 2000 or in the future: {text[:40]!r}")
    return when


def _required(cell: dict[str, str], column: str) -> str:
    text = _clean(cell[column])
    if not text:
        raise _FieldError(column, "empty")
    return text


def _name(text: str) -> str:
    return _clean(text)[:256] or NO_NAME


def _clean(text: str) -> str:
    # Line breaks and runs of blanks inside a quoted cell mean nothing here.
    return " ".join(text.replace("\ufeff", "").split()).strip(" ;")
