"""Slices to lanes: partitions work side by side, each in its own order.

While one partition waits for Redis or Kafka, another is decided. A slice is acked when its lane is
done with it; a lane that fails takes the worker down with it, and its slice stays unacked.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from streams.worker import metrics
from streams.worker.group_commit import GroupCommit
from streams.worker.lane import Lane, Shell
from streams.worker.slices import Gap
from streams.worker.store import Mark, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

log = structlog.get_logger()
NOTHING_YET = Mark(-1, 0)
LOOK_EVERY_S = 0.5
MERGED_MOST = 500
"""Records of slices that are done as one. Their round trips are cheap by then, and the other lanes
wait while a lane decides: longer slices are those that were fetched so, from a backlog."""
FINISH_S = 4.0
"""How long a stop or a rebalance waits for slices that are being worked on."""


class Inbox:
    """Slices (Faust events) that wait for a lane. The transport bounds how many there are."""

    def __init__(self) -> None:
        self._events: deque[Any] = deque()
        self._records = 0
        self._news = asyncio.Event()

    def put(self, event: Any) -> None:
        """Add a slice."""
        self._events.append(event)
        self._records += len(event.value.records)
        self._news.set()

    async def take(self, most: int, within_s: float, not_before: float = 0.0) -> list[Any]:
        """What waits, of at most ``most`` records (one slice in any case); empty if nothing came.

        Slices that came while the lane was busy are done as one: most of what a slice costs is its
        round trips, however short it is.

        Args:
            most: records to take.
            within_s: how long to wait for any.
            not_before: monotonic time until which they may gather, if fewer than half of that wait.
        """
        if not self._events:
            await self._await_news(within_s)
        while self._events and self._records < most // 2:
            wait_s = not_before - time.monotonic()
            if wait_s <= 0:
                break
            await self._await_news(wait_s)
        taken: list[Any] = []
        count = 0
        while self._events:
            count += len(self._events[0].value.records)
            if taken and count > most:
                break
            taken.append(self._events.popleft())
        self._records -= sum(len(event.value.records) for event in taken)
        return taken

    async def _await_news(self, within_s: float) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), within_s)


class WorkingLane(Protocol):
    """What does the work of one partition."""

    mark: Mark
    doing: str
    doing_since: float
    free_at: float
    """Monotonic time until which records may gather before they are handled."""

    async def handle(self, records: Sequence[Any]) -> None:
        """Absorb records, in order."""
        ...

    async def idle(self) -> None:
        """Do what comes up while nothing arrives."""
        ...

    async def leave(self) -> None:
        """Finish what is still owed; the partition goes to another."""
        ...


class Lanes(Protocol):
    """One kind of lanes: how they are made, and what they share."""

    ready: asyncio.Event
    """Set once they may begin."""
    most: int
    """The most records that are handled together, unless one slice has more."""

    async def claim(self, sources: Sequence[Source]) -> dict[Source, Mark]:
        """Take partitions over; the marks of those that have one."""
        ...

    def lane(self, source: Source, mark: Mark) -> WorkingLane:
        """A lane that goes on behind ``mark``."""
        ...

    def clear(self) -> None:
        """Forget what is in memory: partitions change hands."""
        ...


class ViewerLanes:
    """The lanes of the viewers agent."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._commit = GroupCommit(shell)
        self.ready, self.most = shell.ready, min(shell.settings.slice_max, MERGED_MOST)

    async def claim(self, sources: Sequence[Source]) -> dict[Source, Mark]:
        """See ``Lanes.claim``."""
        marks: dict[Source, Mark] = await self._shell.retry(self._shell.store.claim, sources)
        metrics.PARTITIONS.set(len(sources))
        return marks

    def lane(self, source: Source, mark: Mark) -> Lane:
        """See ``Lanes.lane``."""
        return Lane(self._shell, source, mark, self._commit)

    def clear(self) -> None:
        """See ``Lanes.clear``."""
        self._shell.cache.clear()


class Dispatcher:
    """The lanes of the partitions that this worker has been assigned."""

    def __init__(self, kind: Lanes) -> None:
        self._kind = kind
        self._inboxes: dict[Source, Inbox] = {}
        self._taken: dict[Source, int] = {}
        """Offset of the last record that a lane was given, at first of its mark."""
        self._tasks: dict[Source, asyncio.Task[None]] = {}
        self._stopping = False
        self.lanes: dict[Source, WorkingLane] = {}
        self.failed: asyncio.Future[None] | None = None

    async def assign(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """Start over with these partitions; whatever is in memory is read again.

        Returns:
            The marks from which to read on.
        """
        await self.stop()
        self.failed = asyncio.get_running_loop().create_future()
        wanted = list(sources)
        marks = await self._kind.claim(wanted)
        for source in wanted:
            self._inboxes[source] = Inbox()
            mark = marks.get(source, NOTHING_YET)
            self._taken[source] = mark.offset
            lane = self._kind.lane(source, mark)
            self.lanes[source] = lane
            self._tasks[source] = asyncio.create_task(self._work(lane, self._inboxes[source]))
            self._tasks[source].add_done_callback(self._ended)
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
        self._kind.clear()
        self._stopping = False

    def submit(self, event: Any) -> None:
        """Hand one slice (a Faust event) to its lane.

        Raises:
            Gap: records before it came to nobody.
            Exception: whatever made a lane fail.
        """
        source = event.message.topic, event.message.partition
        inbox = self._inboxes.get(source)
        if inbox is None or self.failed is None or self._stopping:
            return  # left over from before a rebalance; it is read again by whoever owns it now
        if self.failed.done():
            self.failed.result()
        if event.value.behind > self._taken[source]:
            raise Gap.of(event.value, self._taken[source])
        self._taken[source] = max(event.value.last, self._taken[source])
        inbox.put(event)

    async def _work(self, lane: WorkingLane, inbox: Inbox) -> None:
        ready, most = self._kind.ready, self._kind.most
        while not self._stopping:
            if not ready.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ready.wait(), LOOK_EVERY_S)
                continue
            events = await inbox.take(most, LOOK_EVERY_S, lane.free_at)
            if not events:
                await lane.idle()
                continue
            parts = [event.value.records for event in events]
            await lane.handle(parts[0] if len(parts) == 1 else list(chain.from_iterable(parts)))
            for event in events:
                event.ack()
        await lane.leave()

    def _ended(self, task: asyncio.Task[None]) -> None:
        # Asked of every lane: of several that fail together, asyncio would complain of the others.
        error = None if task.cancelled() else task.exception()
        if error is not None and self.failed is not None and not self.failed.done():
            log.critical("worker stops", error=f"{type(error).__name__}: {error}")
            self.failed.set_exception(error)
