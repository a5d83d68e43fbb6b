"""What players report, as the rest of the core sees it; docs/events.md is the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from streams.viewing.knots import Kind, Knot

if TYPE_CHECKING:
    from streams.viewing.playback import PlaybackKey

TYPES: dict[str, tuple[int, bool]] = {
    "playback.started": (int(Kind.START), False),
    "playback.resumed": (int(Kind.RESUME), False),
    "playback.paused": (int(Kind.PAUSE), False),
    "playback.heartbeat": (int(Kind.HEARTBEAT), False),
    "playback.seeked": (int(Kind.SEEK), False),
    "playback.rate_changed": (int(Kind.RATE), False),
    "playback.buffering": (int(Kind.BUFFERING), False),
    "playback.buffered": (int(Kind.BUFFERED), False),
    "playback.completed": (int(Kind.COMPLETE), False),
    "playback.stopped": (int(Kind.STOP), False),
    "play": (int(Kind.RESUME), True),
    "pause": (int(Kind.PAUSE), True),
}
"""Event type -> (kind of knot, whether it is a bare word)."""
TICK = "stream.tick"
SEEK = int(Kind.SEEK)
MAX_ID = 256
AGE_BANDS = ("13-17", "18-24", "25-34", "35-44", "45-54", "55-64", "65+")
"""Closed, so that no age can be told any finer; who is younger than 13 has none at all."""
MAX_POSITION_S = 864_000
MAX_RATE = 16
MAX_ORDINAL = 1_000_000


class Reject(Exception):
    """Why a record cannot be taken: a reason from docs/events.md, the field, and a sentence."""

    def __init__(self, reason: str, field: str, detail: str) -> None:
        super().__init__(f"{reason}: {field}: {detail}")
        self.reason = reason
        self.field = field
        self.detail = detail


class Event(NamedTuple):
    """One valid event. ``knot`` says what the player reported, in milliseconds.

    ``facts`` holds what it said besides (device, country, language, duration in ms, autoplay,
    offset of its local time in minutes), present fields only.
    """

    viewer: str
    playback: PlaybackKey
    knot: Knot
    bare: bool
    facts: tuple[tuple[str, Any], ...]


Work = tuple[int, int, Event]
"""An offset, the stream time before it in ms, and what the record says."""


class Tick(NamedTuple):
    """Time moved on to ``at_ms`` without a viewer."""

    at_ms: int
