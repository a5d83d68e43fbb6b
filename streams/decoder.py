"""One Kafka record in, one ``Event`` or one named reason against it out.

Pure and on the hot path: an event costs a few microseconds here, and less than one where the core
is compiled.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import msgspec

from streams.contract import FACTS, PLAYBACKS, VIEWERS, decode_carefully
from streams.events import SEEK, TYPES, Event, Tick
from streams.plain import PLAIN
from streams.viewing.knots import NO_POSITION, NO_RATE, Knot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.rules import Rules

_new = tuple.__new__
"""Makes a named tuple of a tuple without the detour over its Python-level constructor."""


def decode(
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    stamp_ms: int,
    rules: Rules,
) -> Event | Tick:
    """Read one record.

    Args:
        key: the record's key.
        value: its value.
        headers: its headers, in order.
        stamp_ms: the record's own timestamp on the broker.
        rules: how old or how far ahead an event may be.

    Raises:
        Reject: the record breaks the contract.
    """
    event = None
    if key and value and (not headers or is_structured(headers)):
        event = decode_shortly(key, value, stamp_ms, rules)
    return event or decode_carefully(key, value, headers, stamp_ms, rules)


def is_structured(headers: Sequence[tuple[str, bytes | None]]) -> bool:
    """Whether headers say nothing of the event: no ``ce_`` begins any of their names."""
    return not any(name.startswith("ce_") for name, _ in headers)


def decode_plain(key: bytes, value: bytes, stamp_ms: int, rules: Rules) -> Event | None:
    """The short way for a structured event that is surely valid; None for all others.

    What is valid and why not is for ``decode_carefully`` alone to say: a test holds the two to
    the same answers.
    """
    try:
        plain = PLAIN.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    data, moment = plain.data, plain.time
    found = TYPES.get(plain.type)
    viewer = VIEWERS.get(key)
    zone = moment.tzinfo
    if found is None or viewer != plain.subject or plain.specversion != "1.0" or zone is not UTC:
        return None
    at_ms = round(moment.timestamp() * 1000)
    if at_ms < rules.earliest_time_s * 1000 or at_ms > stamp_ms + rules.max_ahead_s * 1000:
        return None
    playback = PLAYBACKS.get((data.playback_id, data.title_id, data.season, data.episode))
    facts = FACTS.get((data.device, data.country, data.language, data.duration_s, data.autoplay, 0))
    kind, bare = found
    origin = NO_POSITION
    if kind == SEEK:
        if data.from_position_s is None:
            return None
        origin = round(data.from_position_s * 1000)
    if playback is None or facts is None:
        return None
    position = round(data.position_s * 1000)
    knot = _new(Knot, (at_ms, data.seq, kind, position, data.rate or NO_RATE, origin))
    return _new(Event, (viewer, playback, knot, bare, facts))


decode_shortly: Callable[[bytes, bytes, int, Rules], Event | None] = decode_plain
"""The shortest way that there is here."""
try:
    from streams.scanner import scan
except ImportError:
    pass  # the core is not compiled (docs/adr/0028)
else:
    decode_shortly = scan
