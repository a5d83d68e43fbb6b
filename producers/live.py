"""The simulated audience as a stream: to a file, or to Kafka now."""

from __future__ import annotations

import gzip
import time
from contextlib import ExitStack
from dataclasses import replace
from itertools import dropwhile
from typing import TYPE_CHECKING, Any

import orjson

from producers.pacing import Pace, send_paced
from producers.replay import TICK_AFTER_S
from producers.send import BulkSender
from producers.simulator import Audience, AudienceOptions, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from config.settings import Settings
    from producers.lanes import Tell

WARM_UP_S = 4 * 86400.0
"""A live audience has been watching for this long when it is switched on: all have turned up."""


def live_audience(options: AudienceOptions, now_s: float | None = None) -> tuple[Audience, Pace]:
    """An audience without end whose event time is the wall clock, and the pace to send it at."""
    begins_s = time.time() if now_s is None else now_s
    endless = replace(options, start_s=begins_s - WARM_UP_S, weeks=float("inf"), keep_truth=False)
    return Audience(endless), Pace(1.0, begins_s)


def from_now_on(audience: Audience) -> Iterator[Record]:
    """The records of a live audience without its warm-up."""
    begins_s = audience.options.start_s + WARM_UP_S
    return dropwhile(lambda record: record.time_s < begins_s, audience.records())


def write_records(
    records: Iterable[Record], target: Any, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Write one event a line to a binary file. Returns how many."""
    count = 0
    for record in records:
        target.write(record.value + b"\n")
        count += 1
        if count % 5000 == 0:
            progress(count)
    progress(count)
    return count


def open_for_writing(path: Path, files: ExitStack) -> Any:
    """A binary file, gzipped if its name ends in ``.gz``, closed with ``files``."""
    if path.suffix == ".gz":
        return files.enter_context(gzip.open(path, "wb", compresslevel=3))
    return files.enter_context(path.open("wb"))


def write_titles(titles: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write one title a line."""
    with ExitStack() as files:
        target = open_for_writing(path, files)
        for title in titles:
            target.write(orjson.dumps(title) + b"\n")


async def send_audience(  # noqa: PLR0913 - one call, from `simulate`
    settings: Settings,
    options: AudienceOptions,
    speed: float | None = None,
    *,
    live: bool = False,
    progress: Callable[[int, float], None] = lambda _count, _time_s: None,
    tell: Tell | None = None,
) -> int:
    """Send an audience to Kafka: catalogue, what viewers declare, events, and a tick at the end.

    Args:
        settings: where to.
        options: who; ``start_s`` and ``weeks`` do not matter if ``live``.
        speed: so many times as fast as they live; None for as fast as the broker takes it.
        live: event time is the wall clock, and there is no end.
        progress: see ``send_paced``.
        tell: see ``BulkSender``.

    Returns:
        How many events.

    Raises:
        SendError: the broker refused or was away for too long.
    """
    if live:
        pace: Pace | None
        audience, pace = live_audience(options)
        records = from_now_on(audience)
    else:
        audience = Audience(options)
        pace = Pace(speed) if speed else None
        records = audience.records()
    count, latest_s = 0, options.start_s

    def counted(handed_over: int, time_s: float) -> None:
        nonlocal count, latest_s
        count += handed_over
        latest_s = time_s
        progress(handed_over, time_s)

    async with BulkSender(settings, tell=tell) as sender:
        await sender.send_titles(audience.catalogue())
        if options.declared_share:
            await sender.send_declared(audience.declared())
        await sender.flush()
        await send_paced(sender, settings.topics.events, records, pace, counted)
        await sender.send_tick(latest_s + TICK_AFTER_S)
    return count
