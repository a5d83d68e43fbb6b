"""From an export to the records of ``titles`` and ``playback-events``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from producers.netflix.catalogue import Catalogue
from producers.netflix.playbacks import Playback, Selection, select
from producers.netflix.reading import Export, Unreadable, read_export
from producers.netflix.traces import Step, steps
from producers.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from producers.netflix.catalogue import Place

SOURCE = "/importers/netflix"
SETTLED_AFTER_S = 9 * 86_400.0
"""After this much silence every playback has closed and every idle week has been judged."""


@dataclass(frozen=True, slots=True)
class Import:
    """An export, ready to be sent."""

    export: Export
    selection: Selection
    catalogue: Catalogue

    @property
    def unreadable(self) -> list[Unreadable]:
        """Everything that could not be read, rows and single events of traces."""
        return [*self.export.unreadable, *self.selection.unreadable]

    def titles(self) -> list[dict[str, Any]]:
        """The catalogue, one record per title."""
        return self.catalogue.records()

    def events(self) -> Iterator[Record]:
        """All events of all profiles in order of time, so that none is late for its partition."""
        timed = [
            (_time(playback, step), playback.playback_id, seq, playback, step)
            for playback in self.selection.playbacks
            for seq, step in enumerate(steps(list(playback.points), playback.next_start_ms))
        ]
        timed.sort(key=lambda entry: entry[:3])
        for when, _, seq, playback, step in timed:
            value = _event(playback, self.catalogue.place(playback), step, seq, when)
            yield Record(playback.row.profile.encode(), orjson.dumps(value), when.timestamp())

    def settled_at_s(self, last_event_s: float) -> float:
        """Epoch seconds of the closing tick: well past everything, never in the future."""
        return min(last_event_s + SETTLED_AFTER_S, datetime.now(UTC).timestamp())


def import_export(where: Path) -> Import:
    """Read an export and decide what in it is viewing.

    Raises:
        ExportError: There is no export at ``where``.
    """
    export = read_export(where)
    selection = select(export)
    return Import(export, selection, Catalogue(selection.playbacks))


def _time(playback: Playback, step: Step) -> datetime:
    return playback.row.start + timedelta(milliseconds=step.at_ms)


def _event(
    playback: Playback, place: Place, step: Step, seq: int, when: datetime
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{playback.playback_id}-{seq}",
        "source": SOURCE,
        "type": f"playback.{step.verb}",
        "subject": playback.row.profile,
        "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": _data(playback, place, step, seq),
    }


def _data(playback: Playback, place: Place, step: Step, seq: int) -> dict[str, Any]:
    data: dict[str, Any] = {
        "playback_id": playback.playback_id,
        "title_id": place.title_id,
        "position_s": step.position_ms / 1000,
        "seq": seq,
    }
    if step.rate is not None:
        data["rate"] = step.rate
    if place.season is not None:
        data |= {"season": place.season, "episode": place.episode}
    if step.from_ms is not None:
        data["from_position_s"] = step.from_ms / 1000
    if playback.row.device:
        data["device"] = playback.row.device[:256]
    if playback.row.country:
        data["country"] = playback.row.country
    if step.verb == "started" and playback.viewing is not None:
        data["autoplay"] = playback.viewing.autoplayed
    return data
