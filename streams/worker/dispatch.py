"""Slices to lanes: partitions work side by side, each in its own order.

While one partition waits for Redis or Kafka, another is decided. A slice is acked when its lane is
done with it; a lane that fails takes the worker down with it, and its slice stays unacked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Any

import structlog

from streams.worker import metrics
from streams.worker.lane import Lane, Shell
from streams.worker.store import Mark, Source

if TYPE_CHECKING:
    from collections.abc import Iterable

log = structlog.get_logger()
NOTHING_YET = Mark(-1, 0)
LOOK_EVERY_S = 0.5
FINISH_S = 4.0
"""How long a stop or a rebalance waits for slices that are being worked on."""


class Inbox:
    """Slices (Faust events) that wait for a lane. The transport bounds how many there are."""

    def __init__(self) -> None:
        self._events: deque[Any] = deque()
        self._news = asyncio.Event()

    def put(self, event: Any) -> None:
        """Add a slice."""
        self._events.append(event)
        self._news.set()

    async def take(self, most: int, within_s: float) -> list[Any]:
        """What waits, of at most ``most`` records (one slice in any case); empty if nothing came.

        Slices that came while the lane was busy are done as one: most of what a slice costs is its
        round trips, however short it is.
        """
        if not self._events:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), within_s)
        taken: list[Any] = []
        count = 0
        while self._events:
            count += len(self._events[0].value.records)
            if taken and count > most:
                break
            taken.append(self._events.popleft())
        return taken


class Dispatcher:
    """The lanes of the partitions that this worker has been assigned."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._inboxes: dict[Source, Inbox] = {}
        self._tasks: dict[Source, asyncio.Task[None]] = {}
        self._stopping = False
        self.lanes: dict[Source, Lane] = {}
        self.failed: asyncio.Future[None] | None = None

    async def assign(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """Start over with these partitions; whatever is in memory is read again.

        Returns:
            The marks from which to read on.
        """
        await self.stop()
        self.failed = asyncio.get_running_loop().create_future()
        wanted = list(sources)
        marks: dict[Source, Mark] = await self._shell.retry(self._shell.store.claim, wanted)
        for source in wanted:
            self._inboxes[source] = Inbox()
            lane = Lane(self._shell, source, marks.get(source, NOTHING_YET))
            self.lanes[source] = lane
            self._tasks[source] = asyncio.create_task(self._work(lane, self._inboxes[source]))
            self._tasks[source].add_done_callback(self._ended)
        metrics.PARTITIONS.set(len(wanted))
        return marks

    async def stop(self) -> None:
        """Let every lane finish its slice within a bounded time, then stop it where it is.

        What is not acked will be done again, by whoever owns the partition then.
        """
        tasks = list(self._tasks.values())
        self._stopping = True
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=FINISH_S)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        self._tasks.clear()
        self._inboxes.clear()
        self.lanes.clear()
        self._shell.cache.clear()
        self._stopping = False

    def submit(self, event: Any) -> None:
        """Hand one slice (a Faust event) to its lane.

        Raises:
            Exception: whatever made a lane fail.
        """
        inbox = self._inboxes.get((event.message.topic, event.message.partition))
        if inbox is None or self.failed is None or self._stopping:
            return  # left over from before a rebalance; it is read again by whoever owns it now
        if self.failed.done():
            self.failed.result()
        inbox.put(event)

    async def _work(self, lane: Lane, inbox: Inbox) -> None:
        ready, most = self._shell.ready, self._shell.settings.slice_max
        while not self._stopping:
            if not ready.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ready.wait(), LOOK_EVERY_S)
                continue
            events = await inbox.take(most, LOOK_EVERY_S)
            if not events:
                await lane.idle()
                continue
            parts = [event.value.records for event in events]
            await lane.handle(parts[0] if len(parts) == 1 else list(chain.from_iterable(parts)))
            for event in events:
                event.ack()

    def _ended(self, task: asyncio.Task[None]) -> None:
        # Asked of every lane: of several that fail together, asyncio would complain of the others.
        error = None if task.cancelled() else task.exception()
        if error is not None and self.failed is not None and not self.failed.done():
            log.critical("worker stops", error=f"{type(error).__name__}: {error}")
            self.failed.set_exception(error)
