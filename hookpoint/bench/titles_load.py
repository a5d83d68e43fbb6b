"""Records of ``title-progress``, sent as the viewers agent sends them: in bulk, or steadily.

In a steady load each record bears the instant at which it was to be sent as its event time, so a
report tells by its ``updated_at`` which records it contains. Redis tells by itself when a report
has changed (``CLIENT TRACKING``). A record's age runs from its instant until a report was there
that contains it, whether or not the sender was late; what no report contains counts as never.
"""

from __future__ import annotations

import asyncio
import math
import time
from bisect import bisect_left
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from hookpoint.bench.latency_watch import RedisWatch
from hookpoint.bench.quantiles import Spread, spread
from hookpoint.bench.tidy import chunks
from hookpoint.bench.titles_journeys import body
from producers.send import partition_of
from streams.keys import Keys
from streams.signals import PROGRESS, Out
from streams.worker.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from config.settings import Settings
    from hookpoint.bench.titles_journeys import Told
    from streams.audience.records import Record

AT_ONCE = 5_000
TICK_S = 0.02
LEAD_S = 0.5
SEEN_WITHIN_S = 10.0
LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Ages:
    """How old records were when a report first contained them.

    ``hit`` are the records of the title that draws the most, ``others`` all else; ``lateness`` is
    the sender's own, from a record's instant until it was handed over.
    """

    hit: Spread
    others: Spread
    lateness: Spread


class Sender:
    """Sends records with ascending lineage, and counts what lies in each partition."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._numbers = count()
        self._sent: Counter[int] = Counter()

    @property
    def last_offsets(self) -> dict[int, int]:
        """By partition of ``title-progress``, of what was sent so far."""
        return {partition: sent - 1 for partition, sent in self._sent.items()}

    def send(self, told: Sequence[Told], done: Callable[[int], None]) -> None:
        """Send everything as fast as the broker takes it.

        Raises:
            BrokerAway: it refused, or was away.
        """

        async def run() -> None:
            async with self._publisher() as publisher:
                for number, some in enumerate(chunks(told, AT_ONCE)):
                    await self._publish(publisher, [it.record for it in some])
                    done(number * AT_ONCE + len(some))

        asyncio.run(run())

    def send_steadily(self, told: Sequence[Told], rate: float) -> tuple[list[float], list[float]]:
        """Send ``rate`` records a second, each with its instant as its event time.

        Returns:
            The instants (epoch seconds), and by how many seconds each record was sent late.
        """
        return asyncio.run(self._steadily(told, rate))

    async def _steadily(self, told: Sequence[Told], rate: float) -> tuple[list[float], list[float]]:
        begin_s = time.time() + LEAD_S
        instants = [begin_s + number / rate for number in range(len(told))]
        late: list[float] = []
        async with self._publisher() as publisher:
            while len(late) < len(told):
                await asyncio.sleep(TICK_S)
                now, sent = time.time(), len(late)
                due = bisect_left(instants, now, sent)
                await self._publish(
                    publisher,
                    [
                        msgspec.structs.replace(told[it].record, at_ms=int(instants[it] * 1000))
                        for it in range(sent, due)
                    ],
                )
                late += [now - instants[it] for it in range(sent, due)]
        return instants, late

    @asynccontextmanager
    async def _publisher(self) -> AsyncIterator[Publisher]:
        publisher = Publisher(self._settings)
        try:
            await publisher.start()
            yield publisher
        finally:
            await publisher.stop()

    async def _publish(self, publisher: Publisher, records: Iterable[Record]) -> None:
        events, partitions = self._settings.topics.events, self._settings.partitions
        outs: list[tuple[str, Out]] = []
        for record in records:
            source = f"{events}/{partition_of(record.viewer.encode(), partitions)}"
            key = record.title_id
            number = next(self._numbers)
            outs.append((record.viewer, Out(source, number, 0, 0, PROGRESS, key, body(record))))
            self._sent[partition_of(key.encode(), partitions)] += 1
        await publisher.publish(outs, ())


class ReportWatch(RedisWatch):
    """Notes when each title's report was there, and up to which event time it goes."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._prefix = Keys(settings.key_prefix).engagement("").removesuffix("}")
        self._ahead_s = time.time() - time.monotonic()
        self.reports: dict[str, tuple[list[int], list[float]]] = {}
        """By title: ``updated_at`` (ms) of its reports, and when each was seen (epoch seconds)."""

    def _note(self, client: Any, message: Any, now: float) -> None:
        keys = message[2] or () if message[0] == b"message" else ()
        with client.pipeline(transaction=False) as batch:
            for key in keys:
                batch.hget(key, "updated_at")
            values = batch.execute() if keys else []
        for key, value in zip(keys, values, strict=True):
            if value is not None:
                title = key.decode().removeprefix(self._prefix).removesuffix("}")
                upto, seen = self.reports.setdefault(title, ([], []))
                upto.append(round(datetime.fromisoformat(value.decode()).timestamp() * 1000))
                seen.append(now + self._ahead_s)

    def seen_at(self, title: str, at_s: float) -> float:
        """When a report was there that contains what came about then; ``inf`` if none was."""
        upto, seen = self.reports.get(title, ([], []))
        place = bisect_left(upto, int(at_s * 1000))
        return seen[place] if place < len(seen) else math.inf

    def wait_for(self, last: Mapping[str, float]) -> None:
        """Give the last reports of each title the time to arrive."""
        patience = time.monotonic() + SEEN_WITHIN_S
        while time.monotonic() < patience:
            self.check()
            if all(math.isfinite(self.seen_at(title, at_s)) for title, at_s in last.items()):
                return
            time.sleep(LOOK_EVERY_S)


def steady_load(
    settings: Settings, sender: Sender, told: Sequence[Told], rate: float, hit: str
) -> Ages:
    """Send records at a steady rate, and tell how old they became before a report had them.

    Args:
        settings: names and servers of a worker that is running.
        sender: that has sent all that came before.
        told: at least one record, and one of ``hit``.
        rate: records per second.
        hit: the title that is told of apart.

    Raises:
        StackError: Redis did not tell of changes.
        BrokerAway: the broker refused, or was away.
    """
    watch = ReportWatch(settings)
    watch.start()
    try:
        instants, late = sender.send_steadily(told, rate)
        titles = [it.record.title_id for it in told]
        watch.wait_for(dict(zip(titles, instants, strict=True)))
    finally:
        watch.stop()
    ages: dict[bool, list[float]] = {True: [], False: []}
    for title, at_s in zip(titles, instants, strict=True):
        ages[title == hit].append(watch.seen_at(title, at_s) - at_s)
    return Ages(spread(ages[True]), spread(ages[False]), spread(late))
