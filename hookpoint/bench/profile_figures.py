"""Samples and processor time as what each stage costs. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from hookpoint.bench.profile_spy import PER_S
from hookpoint.bench.profile_stages import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hookpoint.bench.profile_span import Span
    from hookpoint.bench.profile_stages import Samples

Z = 1.96
"""Of a standard error: 95 of 100 such intervals hold what more samples would come to."""


class Cost(NamedTuple):
    """What a stage takes of a worker's processor time."""

    stage: Stage
    samples: int
    share: float
    """Of all samples, 0..1."""
    share_error: float
    """Half the width of its 95 % interval, by the number of samples alone."""
    us_per_event: float
    us_per_event_error: float


@dataclass(frozen=True, slots=True)
class Profile:
    """One worker, looked into for a while."""

    part: str
    span: Span
    samples: Samples
    unreadable: int
    """Stacks that changed while they were read, and are not among the samples."""
    steady: bool = True
    """Whether enough of the backlog lay between the two readings."""
    late_ms: float | None = None
    """Of a live stream: how late the sender was at the 99th percentile."""
    kept_up: bool = True
    """Whether the worker kept up with the live stream: else this is how it works off a backlog."""

    def of_live_stream(self, late_ms: float, *, kept_up: bool) -> Profile:
        """The same, with how the stream went."""
        return replace(self, late_ms=late_ms, kept_up=kept_up)

    @property
    def us_per_event(self) -> float:
        """Processor time of the worker per event, in microseconds."""
        return self.span.per_event_us(self.span.cpu_s)

    @property
    def busy_threads(self) -> float:
        """How many threads were found at work at a time: on a core, or ready and without one."""
        return (self.samples.total + self.unreadable) / (PER_S * self.span.wall_s)

    def costs(self) -> Iterator[Cost]:
        """All stages, in the order in which an event meets them; they add up to the whole."""
        total = self.samples.total
        for stage in Stage:
            samples = self.samples.by_stage[stage]
            share = samples / total
            error = share_error(samples, total)
            us = self.us_per_event
            yield Cost(stage, samples, share, error, share * us, error * us)


def share_error(samples: int, total: int) -> float:
    """Half the width of the 95 % interval of a share, by Wilson: never 0, however few there are.

    Raises:
        ValueError: there are no samples at all.
    """
    if total <= 0:
        raise ValueError("no samples, so no share")
    share, z2 = samples / total, Z * Z
    within = share * (1 - share) / total + z2 / (4 * total * total)
    return Z * math.sqrt(within) / (1 + z2 / total)
