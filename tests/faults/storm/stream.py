"""The events of a storm: an invented audience, sent through whatever happens to the broker.

Two senders share the records, each with retries of its own, so that records arrive twice and
overtake each other wherever the broker was in trouble; a share is sent again on purpose.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import TYPE_CHECKING

from workers import Ends

from producers.send import BulkSender
from producers.simulator import Audience, AudienceOptions, Record

if TYPE_CHECKING:
    from config.settings import Settings

DAY_S = 86_400.0
SENDERS = 2
SENT_AGAIN = 0.03
EVERY_S = 0.1
HELD_BACK = 0.03
"""This share is not sent before ``finish``, so that no fault comes when all is over."""
AGAIN_AFTER_S = 8.0


def audience(viewers: int, seed: int) -> Audience:
    """A week of messy, late and repeated events; about 420 per viewer."""
    options = AudienceOptions(
        viewers=viewers, titles=30, weeks=1, seed=seed,
        messy_share=0.4, late_share=0.1, keep_truth=False,
    )  # fmt: skip
    return Audience(options)


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
        for record in audience.records():
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
