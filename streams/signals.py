"""The records that go out: their bodies, byte for byte, and the lineage that orders them.

A body is made once, when it is decided, and kept in the viewer's outbox until it has surely been
published; whoever sends it again sends the same bytes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import orjson

from streams.audience.records import Figures, Progress, Session
from streams.events import Reject

if TYPE_CHECKING:
    from streams.viewing.journey import Signal
    from streams.viewing.playback import Playback

SESSIONS, SIGNALS, PROGRESS = "s", "g", "p"
"""Which topic an outbox entry is for."""
REFUSED = "r"
"""A record that was refused for what its viewer is; its bytes are in the record itself."""


EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive, so that isoformat adds no offset of its own


class Out(NamedTuple):
    """One record in the outbox.

    ``(offset, due_ms, rank)`` with the source partition is its lineage: the record that made it,
    or the timer that did (``due_ms`` > 0) after that offset.
    """

    source: str
    offset: int
    due_ms: int
    rank: int
    topic: str
    key: str
    body: str


def lineage_order(viewer: str, out: Out) -> tuple[int, int, int, int]:
    """Sort key under which everything of one source partition is published."""
    return out.offset, out.due_ms, viewer_hash(viewer) if out.due_ms else 0, out.rank


def lineage_header(viewer: str, out: Out) -> bytes:
    """``topic/partition/offset/due_ms/viewer_hash/rank``."""
    rank = viewer_hash(viewer) if out.due_ms else 0
    return f"{out.source}/{out.offset}/{out.due_ms}/{rank}/{out.rank}".encode()


def viewer_hash(viewer: str) -> int:
    """A number that orders viewers whose timers fall on the same millisecond."""
    return int.from_bytes(blake2b(viewer.encode(), digest_size=6).digest())


def stamp(at_ms: int) -> str:
    """RFC 3339 with milliseconds, UTC."""
    return (EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds") + "Z"


def seconds(ms: int) -> float:
    """Milliseconds as seconds."""
    return ms / 1000


def refusal(source: str, offset: int, reject: Reject) -> Out:
    """What is kept of a refused record until its dead letter is surely published."""
    body = orjson.dumps([reject.reason, reject.field, reject.detail]).decode()
    return Out(source, offset, 0, 0, REFUSED, "", body)


def reject_of(out: Out) -> Reject:
    """The verdict that ``refusal`` kept."""
    return Reject(*orjson.loads(out.body))


def _text(body: dict[str, Any]) -> str:
    return orjson.dumps(body).decode()


def session_body(viewer: str, playback: Playback, figures: list[Any]) -> str:
    """A record of ``viewing-sessions``; ``figures`` as ``playback.figures`` makes them."""
    playback_id, title_id, season, episode = playback.key
    first, end, wall, advanced, covered, position, imputed = figures
    return _text(
        {
            "id": playback.session_id,
            "viewer": viewer,
            "playback_id": playback_id,
            "title_id": title_id,
            "season": season or None,
            "episode": episode or None,
            "device": playback.fact("device"),
            "country": playback.fact("country"),
            "language": playback.fact("language"),
            "started_at": stamp(first),
            "ended_at": stamp(end),
            "wall_s": seconds(wall),
            "advanced_s": seconds(advanced),
            "coverage_s": seconds(covered),
            "rewatched_s": seconds(advanced - covered),
            "from_position_s": seconds(playback.from_ms),
            "position_s": seconds(position),
            "imputed": imputed,
            "revision": playback.revision,
        }
    )


def told_session(viewer: str, playback: Playback, figures: list[Any], said: list[Any]) -> str:
    """A ``session`` record of ``title-progress``.

    Args:
        viewer: whose.
        playback: the one that closed or was mended; ``sent`` is still what was said before.
        figures: as ``playback.figures`` makes them.
        said: ``figures`` and the facts that go with them, as ``sent`` will keep them.
    """
    _, title_id, season, episode = playback.key
    record = Session(
        viewer,
        title_id,
        season,
        episode,
        figures[1],
        playback.session_id,
        playback.revision,
        figures[0],
        _figures(said),
        _figures(playback.sent) if playback.sent else None,
        seconds(playback.limit_ms),
        playback.automatic,
        playback.sent[-1] if playback.sent else None,
    )
    return msgspec.json.encode(record).decode()


def _figures(said: list[Any]) -> Figures:
    _, _, wall, advanced, covered, position, _, device, country, language, began, _ = said
    return Figures(
        seconds(wall), seconds(advanced), seconds(covered), seconds(began), seconds(position),
        country or "", language or "", device or "",
    )  # fmt: skip


def told_progress(progress: Progress) -> str:
    """A ``progress`` record of ``title-progress``."""
    return msgspec.json.encode(progress).decode()


def signal_body(viewer: str, signal: Signal, catalogue_version: int) -> str:
    """A CloudEvent of ``engagement-signals``."""
    data: dict[str, Any] = {
        "viewer": viewer,
        "title_id": signal.title_id,
        "season": signal.season,
        "state": signal.word,
        "basis": signal.basis,
        "p": signal.p,
        "interval": signal.interval,
        "k": signal.k,
        "of": signal.of or None,
        "because": signal.because,
        "catalogue_version": catalogue_version,
        "curve_version": signal.curve_version,
    }
    if signal.retracts:
        data["retracts"] = signal.retracts
    return _text(
        {
            "specversion": "1.0",
            "id": signal.signal_id,
            "source": "hookpoint",
            "type": f"viewer.{signal.word}",
            "subject": viewer,
            "time": stamp(signal.at_ms),
            "datacontenttype": "application/json",
            "data": data,
        }
    )
