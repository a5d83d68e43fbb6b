"""Sending at the speed at which things happened, or a multiple of it."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from producers.records import Record
    from producers.send import BulkSender

GROUP = 2000
WORTH_WAITING_S = 0.02


class Pace:
    """Maps recorded time onto the wall clock, ``speed`` times as fast.

    Args:
        speed: > 0; 1 is as recorded, 60 puts an hour into a minute.
        begins_s: recorded time (epoch seconds) that is now; the first time asked about if None.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        speed: float,
        begins_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._speed = speed
        self._begins_s = begins_s
        self._clock = clock
        self._begun = clock()

    def wait_s(self, time_s: float) -> float:
        """Seconds of wall clock until ``time_s`` is due; 0 if it is due already."""
        if self._begins_s is None:
            self._begins_s = time_s
            self._begun = self._clock()
        due = self._begun + (time_s - self._begins_s) / self._speed
        return max(0.0, due - self._clock())


async def send_paced(
    sender: BulkSender,
    topic: str,
    records: Iterable[Record],
    pace: Pace | None,
    progress: Callable[[int, float], None] = lambda _count, _time_s: None,
) -> None:
    """Send ``records``, each when it is due; without a pace as fast as the broker takes them.

    ``progress`` is told how many records have just been handed over, and the time of the last.
    """
    stream = iter(records)
    if pace is None:
        while group := list(islice(stream, GROUP)):
            await sender.send(topic, group)
            progress(len(group), group[-1].time_s)
        return
    group = []
    for record in stream:
        wait_s = pace.wait_s(record.time_s)
        if group and (wait_s > WORTH_WAITING_S or len(group) >= GROUP):
            await sender.send(topic, group)
            await sender.push()
            progress(len(group), group[-1].time_s)
            group = []
        if wait_s > WORTH_WAITING_S:
            await asyncio.sleep(wait_s)
        group.append(record)
    await sender.send(topic, group)
    if group:
        progress(len(group), group[-1].time_s)
