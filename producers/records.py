"""What goes to Kafka, before it is sent."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    """One encoded event.

    ``time_s`` (epoch seconds) is when the record reaches Kafka, which is the event's own time or
    later. The event's time itself is inside ``value``.
    """

    key: bytes
    value: bytes
    time_s: float
