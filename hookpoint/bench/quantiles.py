"""Latency figures that do not flatter: what was not seen counts, and so does what was sent late.

A latency runs from the instant at which an event was to be sent, not from when it was. Whoever
waits for the last answer before sending the next (or counts from then) leaves out just the events
that would have met the longest queue; that is called coordinated omission.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MS = 1000.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of latencies in milliseconds; ``unseen`` of the ``count`` never arrived.

    What never arrived counts as infinitely late, so a quantile that falls among it is ``inf``.
    """

    count: int
    unseen: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


def quantile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0..1) of the values do not exceed.

    Raises:
        ValueError: there are no values.
    """
    if not ascending:
        raise ValueError("no values, so no quantile")
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


def spread(latencies_s: Sequence[float]) -> Spread:
    """Quantiles of latencies given in seconds; ``inf`` for what never arrived."""
    ascending = sorted(latencies_s)
    p50, p90, p99 = (quantile(ascending, share) * MS for share in (0.5, 0.9, 0.99))
    unseen = sum(math.isinf(it) for it in ascending)
    return Spread(len(ascending), unseen, p50, p90, p99, ascending[-1] * MS)


def latencies(scheduled: Mapping[int, float], seen: Mapping[int, float]) -> list[float]:
    """Seconds from when each event was to be sent to when it was seen; ``inf`` if it never was.

    Args:
        scheduled: by event, the instant at which it was to be sent; these are all counted.
        seen: by event, the instant at which what follows from it was first seen.
    """
    return [seen.get(event, math.inf) - at_s for event, at_s in scheduled.items()]
