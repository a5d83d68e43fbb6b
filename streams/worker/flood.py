"""A flood of rejects: a whole topic of records that cannot be taken, say after a bad deploy."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.worker import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings

TOP = 3
"""Reasons that are named."""


class RejectFlood(Exception):
    """Most of what comes in is rejected, and ``reject_flood_stops`` is set."""


class Totals(NamedTuple):
    """What the worker has done since it started."""

    taken: float
    rejected: Counter[str]
    """By reason."""


def totals() -> Totals:
    """As the metrics have them."""
    rejected: Counter[str] = Counter()
    for sample in _samples(metrics.REJECTS):
        rejected[sample.labels["reason"]] += int(sample.value)
    taken = sum(
        sample.value for it in (metrics.EVENTS, metrics.REPEATED) for sample in _samples(it)
    )
    return Totals(taken, rejected)


def _samples(counter: Any) -> list[Any]:
    return [
        sample
        for family in counter.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    ]


class Rejects:
    """The share of records rejected over a sliding window."""

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Totals] = totals,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._read = read
        self._clock = clock
        self._samples: deque[tuple[float, Totals]] = deque([(clock(), read())])
        self.share = 0.0
        self.rejected: Counter[str] = Counter()
        """Within the window, by reason."""

    def sample(self) -> None:
        """Take note of where the totals are; to be called about once a second."""
        now, latest = self._clock(), self._read()
        self._samples.append((now, latest))
        begins = now - self._settings.reject_flood_window_s
        while len(self._samples) > 1 and self._samples[1][0] <= begins:
            self._samples.popleft()
        before = self._samples[0][1]
        rejected = latest.rejected - before.rejected
        records = rejected.total() + latest.taken - before.taken
        self.rejected, self.share = rejected, rejected.total() / records if records else 0.0
        metrics.REJECTED_SHARE.set(self.share)

    def flood(self) -> str | None:
        """A sentence about the flood; None if there is none."""
        number, settings = self.rejected.total(), self._settings
        if number < settings.reject_flood_least or self.share <= settings.reject_flood_share:
            return None
        top = ", ".join(f"{reason} {count:,}" for reason, count in self.rejected.most_common(TOP))
        return (
            f"{self.share:.0%} of the records of the last {settings.reject_flood_window_s:.0f} s "
            f"were rejected, {number:,} in all: {top}"
        )
