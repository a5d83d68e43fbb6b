"""The stream that the contenders work off: made by seed, and on the broker before any timing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from producers.pacing import send_paced
from producers.replay import TICK_AFTER_S
from producers.send import BulkSender, Lane, SendError
from producers.simulator import Audience, AudienceOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from config.settings import Settings
    from hookpoint.bench.reference import Reference

TITLES = 40
SAMPLE_EVENTS = 60_000
"""About how many events of a smaller audience the length is tried on."""
HALVINGS = 8
"""Each halves the doubt about how many weeks the events take."""
FIRST_WEEKS = 0.05


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What one run measures."""

    events: int = 1_000_000
    """About how many events the stream has."""
    viewers: int = 4_000
    seed: int = 7
    rounds: int = 3
    """Rounds of each contender."""
    checked: int = 1_000
    """Viewers whose profiles are compared with the truth."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is on the broker. ``last_offsets`` per partition of the events topic.

    ``events`` leaves out the ``ticks``: one record per partition that ends the stream.
    """

    events: int
    ticks: int
    bytes: int
    last_offsets: Mapping[int, int]


def audience_of(options: BenchOptions) -> Audience:
    """An audience that lives for as long as ``options.events`` events take."""
    wanted = AudienceOptions(viewers=options.viewers, titles=TITLES, seed=options.seed)
    share = min(1.0, SAMPLE_EVENTS / options.events)
    sample = replace(wanted, viewers=max(1, round(options.viewers * share)), keep_truth=False)
    of_sample = options.events * sample.viewers / options.viewers

    def enough(weeks: float) -> bool:
        records = Audience(replace(sample, weeks=weeks)).records()
        return any(number >= of_sample for number, _ in enumerate(records, 1))

    too_short, long_enough = 0.0, FIRST_WEEKS
    while not enough(long_enough):
        too_short, long_enough = long_enough, 2 * long_enough
    for _ in range(HALVINGS):
        middle = (too_short + long_enough) / 2
        if enough(middle):
            long_enough = middle
        else:
            too_short = middle
    return Audience(replace(wanted, weeks=long_enough))


def send_backlog(
    settings: Settings, audience: Audience, reference: Reference, told: Callable[[int], None]
) -> Backlog:
    """Send catalogue, events and ticks, and wait until the broker has confirmed them all.

    Args:
        settings: names of the topics, which must exist.
        audience: whose events; its truth is known afterwards without another run.
        reference: notes what its sample of viewers reports.
        told: is told every now and then how many events have been handed over.

    Raises:
        SendError: the broker refused or was away for too long.
    """
    return asyncio.run(_send(settings, audience, reference, told))


async def _send(
    settings: Settings, audience: Audience, reference: Reference, told: Callable[[int], None]
) -> Backlog:
    events, reached_s = 0, audience.options.start_s

    def count(more: int, time_s: float) -> None:
        nonlocal events, reached_s
        events, reached_s = events + more, time_s
        told(events)

    topic = settings.topics.events
    async with BulkSender(settings) as sender:
        await sender.send_titles(audience.catalogue())
        await sender.flush()
        catalogue_bytes = sender.sent.bytes
        await send_paced(sender, topic, reference.noting(audience.records()), None, count)
        await sender.send_tick(reached_s + TICK_AFTER_S)
    last_offsets = {
        lane.partition: offset
        for lane, offset in sender.sent.last_offsets.items()
        if isinstance(lane, Lane) and lane.topic == topic
    }
    for partition, last in last_offsets.items():  # the last one is the tick
        if last != reference.counts[partition]:
            raise SendError(
                f"{topic}/{partition} ends at {last}, not at {reference.counts[partition]}"
            )
    return Backlog(events, len(last_offsets), sender.sent.bytes - catalogue_bytes, last_offsets)
