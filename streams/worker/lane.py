"""All work of one source partition, one slice at a time, in an order that survives any crash.

decide (records, and timers that they make due) -> write each viewer -> publish -> move the mark
(and timers) -> timers that the last record made due -> ack.

Every step may be repeated: after an outage the whole slice is done again from the store, where
marks show what is applied already, and outboxes hold what must be sent again.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from streams.viewing.timers import NEVER
from streams.worker import metrics
from streams.worker.attempts import fences_counted, insist
from streams.worker.decoding import Decoded, decode_slice
from streams.worker.group_commit import DUE_AT_ONCE, GroupCommit, Part, on_the_way, write
from streams.worker.store import NO_TIMERS, Mark, Source, Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from typing import Any

    from config.settings import Settings
    from streams.viewing.context import Context
    from streams.viewing.viewer import Viewer
    from streams.worker.cache import Cache, Entry
    from streams.worker.curves import Curves
    from streams.worker.publisher import Publisher
    from streams.worker.store import Due, Moved, Store

ALL = 1 << 31
DUE_WITHIN = 2000
"""Viewers whose timers are due within a slice; a slice with more of them is cut."""
WAITING = "waiting for records"


class Shell(NamedTuple):
    """What all lanes of a worker share."""

    settings: Settings
    store: Store
    cache: Cache
    publisher: Publisher
    curves: Curves
    context: Callable[[], Context]
    retry: Callable[..., Any]
    quiet_at: Callable[[Source, int], float | None]
    """When the broker last said that nothing lies beyond an offset (monotonic s), if it did."""
    ready: asyncio.Event
    """Set once the catalogue is known as far as it had been sent when the worker started."""


class Lane:
    """One source partition."""

    def __init__(
        self, shell: Shell, source: Source, mark: Mark, commit: GroupCommit | None = None
    ) -> None:
        self._shell = shell
        self._commit = commit or GroupCommit(shell)
        self.source = source
        self.name = f"{source[0]}/{source[1]}"
        self.mark = mark
        self.doing = WAITING
        self.doing_since = time.monotonic()
        self.free_at = 0.0
        self._quiet_since = time.monotonic()
        self._clock_then = mark.clock_ms
        self._next_due_ms = 0
        """No timer of this source is due before: so most slices need not ask."""
        self._unsettled = True

    # -- slices --------------------------------------------------------------------------------
    async def handle(self, records: Sequence[Any]) -> None:
        """Absorb a slice; whatever the world does meanwhile, exactly once."""
        started = time.monotonic()
        if self._unsettled:
            await self.settle()
        mark = self.mark.offset
        fresh = records
        if records[0].offset <= mark:
            fresh = [record for record in records if record.offset > mark]
        while fresh:
            fresh = await self._take(fresh)
        metrics.SLICES.inc()
        metrics.CLOCK.labels(self.name).set(self.mark.clock_ms / 1000)
        metrics.SLICE_SECONDS.observe(time.monotonic() - started)
        self.now(WAITING)

    async def _take(self, records: Sequence[Any]) -> Sequence[Any]:
        """Absorb records from the first on; returns those that are left for another time."""
        decoded = self._decode(records)
        # What they say comes before the last record.
        inner = await self._inner(decoded.time.before_last_ms)
        rest: Sequence[Any] = ()
        if len(inner) == DUE_WITHIN:
            last = decoded.time.passed(inner[-1].due_ms)
            cut = bisect_right(records, last, key=attrgetter("offset"))
            records, rest = records[:cut], records[cut:]
            decoded = self._decode(records)
            inner = [it for it in inner if it.due_ms <= decoded.time.before_last_ms]
        clock_ms = decoded.time.clock_ms
        still_live = self.mark.live and clock_ms == self.mark.clock_ms
        after = Mark(decoded.last, clock_ms, decoded.live or still_live)
        self.now("reading titles from Redis")
        # Before others join: a title that is on its way holds up nobody who does not wait for it.
        await self._shell.retry(self._shell.curves.await_titles, decoded.titles)
        part = Part(self, decoded, dict(inner), after)
        due = await self._commit.absorb(part)
        self.mark = after
        self._quiet_since, self._clock_then = time.monotonic(), clock_ms
        if due:
            await self._fire(due)
        return rest

    def _decode(self, records: Sequence[Any]) -> Decoded:
        settings = self._shell.settings
        most = settings.max_value_bytes
        return decode_slice(self.source, records, self.mark.clock_ms, settings.rules, most)

    async def _inner(self, until_ms: int) -> list[Due]:
        if until_ms < self._next_due_ms:
            return []
        self.now("reading timers from Redis")
        due: list[Due] = await self._shell.retry(self._due, until_ms, DUE_WITHIN)
        return due

    async def _due(self, until_ms: int, most: int) -> list[Due]:
        with fences_counted():
            return await self._shell.store.due(self.source, until_ms, most)

    def now(self, doing: str) -> None:
        """Say what comes next, for whoever wonders what this lane is waiting for."""
        self.doing, self.doing_since = doing, time.monotonic()

    def change(
        self, mark: Mark, entries: Sequence[Entry], looked_at: Container[str]
    ) -> tuple[Timers, list[int]]:
        """What a new mark changes of the index of timers, and when to look at each entry next.

        The index is set for those ``looked_at``, else brought forward.
        """
        lower, put, drop = {}, {}, []
        times = [self._next_look(entry.viewer, mark, 0) for entry in entries]
        for entry, time_ms in zip(entries, times, strict=True):
            if entry.viewer.name in looked_at:
                if time_ms < NEVER:
                    put[entry.viewer.name] = time_ms
                else:
                    drop.append(entry.viewer.name)
            elif time_ms < min(entry.indexed_ms(self.name), NEVER):
                lower[entry.viewer.name] = time_ms
        return Timers(lower, put, drop), times

    def changed(
        self,
        entries: Sequence[Entry],
        times: Sequence[int],
        looked_at: Container[str],
        moved: Moved,
    ) -> None:
        """The store has what ``change`` said."""
        self._learn_next(moved)
        for entry, time_ms in zip(entries, times, strict=True):
            looked = entry.viewer.name in looked_at
            known_ms = NEVER if looked else entry.indexed_ms(self.name)
            entry.indexed(self.name, min(known_ms, time_ms))

    def _next_look(self, viewer: Viewer, mark: Mark, told_ms: int) -> int:
        """When to look at a viewer again, in ms.

        That is at their next timer, or at the time of one that has said something which is not
        published yet: right after the mark, all such until ``told_ms`` is; or further on, where a
        predecessor that died had decided a longer slice. What is further on but past by the mark
        already follows a record of the viewer's own, and comes with it.
        """
        if not viewer.outbox:
            return viewer.due_ms
        waiting = [
            out.due_ms
            for out in viewer.outbox
            if out.source == self.name
            and (
                (out.offset == mark.offset and out.due_ms > told_ms)
                or (out.offset > mark.offset and out.due_ms > mark.clock_ms)
            )
        ]
        return min([viewer.due_ms, *waiting])

    async def _move_mark(self, mark: Mark, timers: Timers) -> list[Due]:
        self.now("moving the mark in Redis")
        with fences_counted():
            moved = await self._shell.store.move_mark(self.source, mark, timers, DUE_AT_ONCE)
        self._learn_next(moved)
        return moved.due

    def _learn_next(self, moved: Moved) -> None:
        self._next_due_ms = min([moved.next_ms, *(it.due_ms for it in moved.due[:1])])

    # -- timers --------------------------------------------------------------------------------
    async def settle(self) -> None:
        """Finish what a predecessor may have left undone: timers due by the mark's stream time."""
        self._unsettled = False
        await self.move_on(self.mark.clock_ms)

    async def idle(self) -> None:
        """Where a live partition has gone quiet, time goes on at the pace of the wall clock."""
        if self._unsettled:
            await self.settle()
        quiet_at = self._shell.quiet_at(self.source, self.mark.offset)
        if quiet_at is None or not self.mark.live:
            return
        # Not the time since the last record: while the broker is away there may be more of them.
        quiet_s = quiet_at - self._quiet_since
        if self.mark.clock_ms and quiet_s >= self._shell.settings.idle_after_s:
            await self.move_on(self._clock_then + int(quiet_s * 1000))

    async def leave(self) -> None:
        """Nothing is owed: whatever was said is stored."""

    async def move_on(self, clock_ms: int) -> None:
        """Move stream time to ``clock_ms`` and fire what is due by then."""
        mark = self.mark._replace(clock_ms=max(clock_ms, self.mark.clock_ms))
        due = await self._shell.retry(self._look, mark)
        self.mark = mark
        if due:
            await self._fire(due)
        self.now(WAITING)

    async def _look(self, mark: Mark) -> list[Due]:
        return await self._move_mark(mark, NO_TIMERS)

    async def _fire(self, due: list[Due]) -> None:
        while due:
            until = self.mark.clock_ms
            if len(due) == DUE_AT_ONCE:
                # Whole milliseconds only: what goes out stays in order of time, then of viewers.
                until = max(due[0].due_ms, due[-1].due_ms - 1)
                due = await self._shell.retry(self._due, until, ALL)
            shell = self._shell
            due = await insist(
                shell.retry, shell.store, [self.source], self._attempt_timers, due, until
            )

    async def _attempt_timers(self, looked_at: Sequence[Due], until: int) -> list[Due]:
        self.now("reading viewers whose timers are due from Redis")
        async with self._shell.cache.borrowed([it.viewer for it in looked_at]) as entries:
            await self._shell.curves.refresh(on_the_way(entries))
            context = self._shell.context()
            for entry, known in zip(entries, looked_at, strict=True):
                entry.viewer.after(self.name, self.mark.offset, known.due_ms)
                entry.viewer.fire(until, context)
            self.now("writing viewers to Redis")
            await write(self._shell, entries, [self])
            outs = [
                (entry.viewer.name, out)
                for entry in entries
                for out in entry.viewer.outbox
                if out.source == self.name
                and 0 < out.due_ms <= until
                and out.offset == self.mark.offset
            ]
            self.now("publishing to Kafka")
            await self._shell.publisher.publish(outs, ())
            more = await self._reindex(entries, until)
        metrics.TIMERS.inc(len(looked_at))
        return more

    async def _reindex(self, entries: Sequence[Entry], told_ms: int) -> list[Due]:
        times = [self._next_look(e.viewer, self.mark, told_ms) for e in entries]
        named = [(entry.viewer.name, at) for entry, at in zip(entries, times, strict=True)]
        put = {name: at for name, at in named if at < NEVER}
        drop = [name for name, at in named if at >= NEVER]
        due = await self._move_mark(self.mark, Timers({}, put, drop))
        for entry, at in zip(entries, times, strict=True):
            entry.indexed(self.name, at)
            entry.viewer.forget_sent(self.name, self.mark.offset, told_ms)
        return due
