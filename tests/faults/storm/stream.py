"""The events of a storm: an invented audience, sent through whatever happens to the broker.

Two senders share the records, each with retries of its own, so that records arrive twice and
overtake each other wherever the broker was in trouble; a share is sent again on purpose.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import threading
import time
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING

import orjson
from players import a_crowd
from workers import Ends

from producers.send import BulkSender
from producers.simulator import Audience, AudienceOptions, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Settings

DAY_S = 86_400.0
SENDERS = 2
SENT_AGAIN = 0.03
EVERY_S = 0.1
HELD_BACK = 0.03
"""This share is not sent before ``finish``, so that no fault comes when all is over."""
AGAIN_AFTER_S = 8.0
CROWD, CROWDS = 60, 12
CROWDS_FROM_S, CROWDS_EVERY_S, BEGIN_EVERY_S = 48 * 3600.0, 4 * 3600.0, 50.0
"""From two days before the end on, now this series and now that one draws a crowd: without a burst
nothing would be decided about a title within a week."""


def audience(viewers: int, seed: int) -> Audience:
    """A week of messy, late and repeated events; about 420 per viewer."""
    options = AudienceOptions(
        viewers=viewers, titles=30, weeks=1, seed=seed,
        messy_share=0.4, late_share=0.1, keep_truth=False,
    )  # fmt: skip
    return Audience(options)


def records(audience: Audience) -> Iterator[Record]:
    """All that the audience and the crowds send, in order of time."""
    series = [it["title_id"] for it in audience.catalogue() if it["kind"] == "series"]
    begin_s = audience.options.end_s - CROWDS_FROM_S
    crowds = [
        _record(event)
        for number in range(CROWDS)
        for event in a_crowd(
            series[-1 - number % len(series)],
            CROWD,
            begin_s + number * CROWDS_EVERY_S,
            BEGIN_EVERY_S,
        )
    ]
    by_time = attrgetter("time_s")
    return heapq.merge(audience.records(), sorted(crowds, key=by_time), key=by_time)


def _record(event: dict[str, str]) -> Record:
    time_s = datetime.fromisoformat(event["time"]).timestamp()
    return Record(event["subject"].encode(), orjson.dumps(event), time_s)


class Stream:
    """Sends from a thread; a context manager that ends it.

    Args:
        settings: where to.
        audience: who.
        lasts_s: how long the sending takes.
        rng: decides which sender a record takes and which are sent again.
    """

    def __init__(
        self, settings: Settings, audience: Audience, lasts_s: float, rng: random.Random
    ) -> None:
        self.sent = 0
        self.again = 0
        self.ends: Ends = {}
        self.problem: Exception | None = None
        self._settings = settings
        self._tick_s = audience.options.end_s + 40 * DAY_S
        self._lasts_s = lasts_s
        self._rng = rng
        self._shares: list[list[Record]] = [[] for _ in range(SENDERS)]
        for record in records(audience):
            self._shares[rng.randrange(SENDERS)].append(record)
        self._go_on = threading.Event()
        self._dropped = False
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)

    @property
    def records(self) -> int:
        """How many there are, repetitions on purpose not counted."""
        return sum(map(len, self._shares))

    def start(self) -> None:
        """Begin."""
        self._begun = time.monotonic()
        self._thread.start()

    @property
    def flows(self) -> bool:
        """Whether there is more to come."""
        return self._thread.is_alive()

    def finish(self, within_s: float) -> None:
        """Let the rest go, and wait until the broker has confirmed everything.

        Raises:
            AssertionError: it has not.
        """
        self._go_on.set()
        self._thread.join(within_s)
        if self.problem or self._thread.is_alive():
            raise AssertionError(f"the events were not sent to their end: {self.problem!r}")

    def drop(self) -> None:
        """Stop sending where it is."""
        self._dropped = True
        self._go_on.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._send_all())
        except Exception as problem:  # noqa: BLE001 - told by ``finish``, in another thread
            self.problem = problem

    async def _send_all(self) -> None:
        senders = [BulkSender(self._settings, tell=lambda _: None) for _ in range(SENDERS)]
        work = [self._send(*it) for it in zip(senders, self._shares, strict=True)]
        await asyncio.gather(*work)
        async with BulkSender(self._settings) as last:
            await last.send_tick(self._tick_s)
        self._note(last)

    async def _send(self, sender: BulkSender, records: list[Record]) -> None:
        topic, position = self._settings.topics.events, 0
        again: list[tuple[float, list[Record]]] = []
        async with sender:
            while position < len(records) and not self._dropped:
                now = time.monotonic()
                upto = max(position, round(len(records) * self._due_share(now)))
                part, position = records[position:upto], upto
                chosen = [record for record in part if self._rng.random() < SENT_AGAIN]
                again.append((now + self._rng.uniform(0, AGAIN_AFTER_S), chosen))
                repeated = [record for at, old in again if at <= now for record in old]
                again = [item for item in again if item[0] > now]
                await sender.send(topic, part + repeated)
                await sender.push()
                self.sent += len(part)
                self.again += len(repeated)
                await asyncio.sleep(EVERY_S)
        self._note(sender)

    def _due_share(self, now: float) -> float:
        share = (now - self._begun) / self._lasts_s
        return min(1.0, share) if self._go_on.is_set() else min(1 - HELD_BACK, share)

    def _note(self, sender: BulkSender) -> None:
        for lane, offset in sender.sent.last_offsets.items():
            self.ends[lane.partition] = max(offset, self.ends.get(lane.partition, -1))
