"""A slice of raw records as the work it makes: events per viewer, dead letters, stream time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from streams.decoder import decode
from streams.events import Reject, Tick, Work
from streams.headers import as_json
from streams.viewing.stream_time import StreamTime

if TYPE_CHECKING:
    from streams.rules import Rules
    from streams.worker.store import Source

KEPT_BYTES = 65_536
"""How much of an offending key, value and headers the dead letters keep: all must fit one record.
"""
NOT_KEPT = b"null"


class DeadLetter(NamedTuple):
    """A record that cannot be taken, and why."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    size: int
    reason: str
    field: str
    detail: str
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(slots=True)
class Decoded:
    """What a slice holds."""

    first: int
    last: int
    time: StreamTime
    live: bool = False
    viewers: dict[str, list[Work]] = field(default_factory=dict)
    rejects: list[DeadLetter] = field(default_factory=list)
    titles: set[str] = field(default_factory=set)
    source: Source = ("", 0)
    records: Sequence[Any] = ()
    """What it was decoded from, by offset."""

    def letter(self, offset: int, reject: Reject) -> DeadLetter:
        """What becomes of a record that only its viewer's state refused."""
        place = bisect_left(self.records, offset, key=attrgetter("offset"))
        return dead_letter(self.source, self.records[place], reject)


LIVE_MS = 600_000
"""A stream is live if its events are at most this much older than their records."""


def decode_slice(
    source: Source, records: Sequence[Any], clock_ms: int, rules: Rules, max_value_bytes: int
) -> Decoded:
    """Decode records of one partition in order.

    Args:
        source: topic and partition that they are from.
        records: each with key, value, headers, timestamp in ms, and offset.
        clock_ms: stream time before the first.
        rules: thresholds.
        max_value_bytes: larger values are rejected unread.
    """
    time = StreamTime(clock_ms, records[0].offset)
    decoded = Decoded(records[0].offset, records[-1].offset, time, source=source, records=records)
    viewers, lateness_ms = decoded.viewers, int(rules.lateness_s * 1000)
    clock, playback, behind_ms = clock_ms, None, LIVE_MS
    moments: list[int] = []
    offsets: list[int] = []
    for record in records:
        value, stamp_ms, offset = record.value, record.timestamp, record.offset
        try:
            if value is not None and len(value) > max_value_bytes:
                raise Reject("too_large", "value", f"{len(value)} bytes")
            event = decode(record.key, value, record.headers, stamp_ms, rules)
            if isinstance(event, Tick):
                at_ms = event.at_ms
            else:
                viewer, of, knot, _, _ = event
                at_ms = knot[0]
                if at_ms < clock - lateness_ms:
                    late_s = (clock - at_ms) // 1000
                    raise Reject("too_late", "time", f"{late_s} s behind the stream")
                if of is not playback:  # decoding gives equal ones one identity
                    playback = of
                    decoded.titles.add(of[1])
                work = viewers.get(viewer)
                if work is None:
                    viewers[viewer] = [(offset, clock, event)]
                else:
                    work.append((offset, clock, event))
        except Reject as reject:
            decoded.rejects.append(dead_letter(source, record, reject))
            continue
        if at_ms > clock:
            clock = at_ms
            moments.append(at_ms)
            offsets.append(offset)
            behind_ms = stamp_ms - at_ms
    decoded.live = behind_ms < LIVE_MS
    time.end(moments, offsets, decoded.last)
    return decoded


def dead_letter(source: Source, record: Any, reject: Reject) -> DeadLetter:
    """What becomes of ``record``."""
    value = record.value
    return DeadLetter(
        *source,
        record.offset,
        record.key[:KEPT_BYTES] if record.key is not None else None,
        value[:KEPT_BYTES] if value is not None else None,
        len(value) if value is not None else 0,
        reject.reason,
        reject.field,
        reject.detail,
        record.headers,
    )


def packed_headers(headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    """Headers as one (docs/events.md).

    Half of them would make another record, so where they are too many none are kept: ``null``.
    """
    packed = orjson.dumps(as_json(headers))
    return packed if len(packed) <= KEPT_BYTES else NOT_KEPT
