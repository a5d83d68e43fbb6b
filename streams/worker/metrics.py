"""Every metric of the worker, in one list; ``/metrics`` serves them (streams/worker/web.py)."""

from __future__ import annotations

from collections import Counter as Count
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from streams.worker.decoding import DeadLetter

log = structlog.get_logger()

EVENTS = Counter("hookpoint_events_total", "Valid events applied")
REPEATED = Counter("hookpoint_events_repeated_total", "Events that a mark showed as applied before")
PROGRESS = Counter("hookpoint_progress_total", "Records of title-progress taken in")
REJECTS = Counter("hookpoint_rejects_total", "Records sent to the dead letters", ["reason"])
RECORDS_OUT = Counter("hookpoint_records_out_total", "Records published", ["topic"])
SLICES = Counter("hookpoint_slices_total", "Slices of a partition processed")
TIMERS = Counter("hookpoint_timers_total", "Viewers whose timers fired")
OUTAGES = Counter(
    "hookpoint_outages_total", "Times that Redis or Kafka had to be waited for", ["server"]
)
FENCED = Counter("hookpoint_fenced_total", "Times that another worker had overtaken this one")
CONFLICTS = Counter(
    "hookpoint_conflicts_total", "Slices decided again because somebody else had written a viewer"
)
LOADS = Counter("hookpoint_viewers_loaded_total", "Viewers read from the store")
CACHED = Gauge("hookpoint_viewers_cached", "Viewers in memory")
WHOLE = Gauge("hookpoint_viewers_whole", "Of them, those whose settled parts are at hand")
PARTITIONS = Gauge("hookpoint_partitions", "Partitions that this worker works on")
TITLES = Gauge("hookpoint_titles", "Titles in the catalogue snapshot")
CLOCK = Gauge("hookpoint_stream_time_seconds", "Stream time", ["partition"])
SLICE_SECONDS = Histogram("hookpoint_slice_seconds", "Time from taking a slice to its ack")
READY = Gauge("hookpoint_ready", "1 if the worker is ready, 0 if not")
AWAY = Gauge("hookpoint_away_seconds", "For how long a server has been away; 0 if not", ["server"])
LAG = Gauge("hookpoint_lag_records", "Offsets beyond the mark", ["partition"])
LOST = Counter(
    "hookpoint_lost_records_total", "Offsets that were deleted before they were read", ["partition"]
)
REJECTED_SHARE = Gauge("hookpoint_rejected_share", "Share of records rejected, within the window")


class RejectLog:
    """Dead letters in the log: one line a second with counts and an example, not one per record."""

    def __init__(self) -> None:
        self._counts: Count[str] = Count()
        self._example: DeadLetter | None = None

    def count(self, letter: DeadLetter) -> None:
        """Remember one dead letter for the next line."""
        self._counts[f"{letter.reason}:{letter.field}"] += 1
        self._example = letter

    def flush(self) -> None:
        """Say what was rejected since the last time, if anything was."""
        if self._example is None:
            return
        one, counts = self._example, dict(self._counts.most_common(5))
        log.warning(
            "records rejected",
            records=self._counts.total(),
            reasons=counts,
            example=f"{one.topic}/{one.partition}/{one.offset}",
            detail=one.detail,
        )
        self._counts.clear()
        self._example = None


REJECT_LOG = RejectLog()
