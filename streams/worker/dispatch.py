"""Slices to lanes: partitions work side by side, each in its own order.

While one partition waits for Redis or Kafka, another is decided. A slice is acked when its lane is
done with it; a lane that fails takes the worker down with it, and its slice stays unacked.
"""

from __future__ import annotations

import asyncio
import contextlib
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


class Dispatcher:
    """The lanes of the partitions that this worker has been assigned."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._queues: dict[Source, asyncio.Queue[Any]] = {}
        self._tasks: dict[Source, asyncio.Task[None]] = {}
        self._stopping = False
        self.lanes: dict[Source, Lane] = {}
        self.failed: asyncio.Future[None] | None = None
        self._released: asyncio.Future[None] | None = None
        """Set when the lanes of this assignment take no more slices."""

    async def assign(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """Start over with these partitions; whatever is in memory is read again.

        Returns:
            The marks from which to read on.
        """
        await self.stop()
        loop = asyncio.get_running_loop()
        self.failed, self._released = loop.create_future(), loop.create_future()
        wanted = list(sources)
        marks: dict[Source, Mark] = await self._shell.retry(self._shell.store.claim, wanted)
        for source in wanted:
            self._queues[source] = asyncio.Queue(maxsize=2)
            lane = Lane(self._shell, source, marks.get(source, NOTHING_YET))
            self.lanes[source] = lane
            self._tasks[source] = asyncio.create_task(self._work(lane, self._queues[source]))
            self._tasks[source].add_done_callback(self._ended)
        metrics.PARTITIONS.set(len(wanted))
        return marks

    async def stop(self) -> None:
        """Let every lane finish its slice within a bounded time, then stop it where it is.

        What is not acked will be done again, by whoever owns the partition then.
        """
        tasks = list(self._tasks.values())
        self._stopping = True
        if self._released is not None and not self._released.done():
            self._released.set_result(None)
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=FINISH_S)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        self._tasks.clear()
        self._queues.clear()
        self.lanes.clear()
        self._shell.cache.clear()
        self._stopping = False

    async def submit(self, event: Any) -> None:
        """Hand one slice (a Faust event) to its lane; waits while the lane has enough to do.

        Raises:
            Exception: whatever made a lane fail.
        """
        source = (event.message.topic, event.message.partition)
        queue = self._queues.get(source)
        failed, released = self.failed, self._released
        if queue is None or failed is None or released is None or self._stopping:
            return  # left over from before a rebalance; it is read again by whoever owns it now
        if failed.done():
            failed.result()
        putting = asyncio.ensure_future(queue.put(event))
        await asyncio.wait({putting, failed, released}, return_when=asyncio.FIRST_COMPLETED)
        putting.cancel()  # nobody takes anything out of it any more, unless it is in already
        if failed.done():
            failed.result()

    async def _work(self, lane: Lane, queue: asyncio.Queue[Any]) -> None:
        ready = self._shell.ready
        while not self._stopping:
            if not ready.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ready.wait(), LOOK_EVERY_S)
                continue
            try:
                event = await asyncio.wait_for(queue.get(), LOOK_EVERY_S)
            except TimeoutError:
                await lane.idle()
                continue
            await lane.handle(event.value.records)
            event.ack()

    def _ended(self, task: asyncio.Task[None]) -> None:
        # Asked of every lane: of several that fail together, asyncio would complain of the others.
        error = None if task.cancelled() else task.exception()
        if error is not None and self.failed is not None and not self.failed.done():
            log.critical("worker stops", error=f"{type(error).__name__}: {error}")
            self.failed.set_exception(error)
