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
from contextlib import contextmanager
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, NamedTuple

from streams.signals import REFUSED, reject_of
from streams.viewing.public import write_of
from streams.viewing.timers import NEVER
from streams.worker import metrics
from streams.worker.decoding import Decoded, decode_slice
from streams.worker.store import NO_TIMERS, Conflict, Fenced, Mark, Source, Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from config.settings import Settings
    from streams.signals import Out
    from streams.viewing.context import Context
    from streams.viewing.viewer import Viewer
    from streams.worker.cache import Cache, Entry
    from streams.worker.curves import Curves
    from streams.worker.publisher import Publisher
    from streams.worker.store import Due, Store

DUE_AT_ONCE = 500
"""Viewers whose timers are looked at in one go, where no records are."""
ALL = 1 << 31
DUE_WITHIN = 2000
"""Viewers whose timers are due within a slice; a slice with more of them is cut."""
WAITING = "waiting for records"
MOST_CONFLICTS = 100
"""Lost races for one slice, one after the other, before it is a bug and not a race."""


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

    def __init__(self, shell: Shell, source: Source, mark: Mark) -> None:
        self._shell = shell
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
        self._now(WAITING)

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
        due = await self._insist(self._attempt, decoded, [it.viewer for it in inner], after)
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
        self._now("reading timers from Redis")
        due: list[Due] = await self._shell.retry(self._due, until_ms, DUE_WITHIN)
        return due

    async def _due(self, until_ms: int, most: int) -> list[Due]:
        with _fences_counted():
            return await self._shell.store.due(self.source, until_ms, most)

    def _now(self, doing: str) -> None:
        """Say what comes next, for whoever wonders what this lane is waiting for."""
        self.doing, self.doing_since = doing, time.monotonic()

    async def _insist(self, attempt: Callable[..., Any], *args: Any) -> list[Due]:
        """Try until it is done: outages are waited out, lost races for a viewer run again.

        Raises:
            Fenced: the partition is not ours any more.
        """
        for _ in range(MOST_CONFLICTS):
            try:
                due: list[Due] = await self._shell.retry(attempt, *args)
            except Conflict:
                metrics.CONFLICTS.inc()
                await self._shell.retry(self._still_ours)
            else:
                return due
        raise RuntimeError(f"{self.name}: {MOST_CONFLICTS} conflicts over one slice")

    async def _still_ours(self) -> None:
        with _fences_counted():
            await self._shell.store.still_ours(self.source)

    async def _attempt(self, decoded: Decoded, inner: Sequence[str], after: Mark) -> list[Due]:
        self._now("reading titles and their curves from Redis")
        await self._shell.curves.await_titles(decoded.titles)
        await self._shell.curves.refresh(decoded.titles)
        self._now("reading viewers from Redis")
        names = list(dict.fromkeys([*decoded.viewers, *inner]))
        async with self._shell.cache.borrowed(names) as entries:
            # A record may set off more than what its own title decides: timers, counts of streaks.
            await self._shell.curves.refresh(_on_the_way(entries))
            applied, refused = self._fold(decoded, entries)
            await self._write(entries)
            due_out = self._outs(
                entries,
                # What timers say after the last record is for when the mark has moved there.
                lambda out: decoded.first <= out.offset < decoded.last + (not out.due_ms),
            )
            outs = [pair for pair in due_out if pair[1].topic != REFUSED]
            letters = [
                decoded.letter(out.offset, reject_of(out))
                for _, out in due_out
                if out.topic == REFUSED
            ]
            self._now("publishing to Kafka")
            await self._shell.publisher.publish(outs, decoded.rejects + letters)
            due = await self._move(after, entries, set(inner))
        metrics.EVENTS.inc(applied)
        metrics.TIMERS.inc(len(inner))
        metrics.REPEATED.inc(sum(map(len, decoded.viewers.values())) - applied - refused)
        return due

    def _fold(self, decoded: Decoded, entries: list[Entry]) -> tuple[int, int]:
        """Events that were applied, and events that were refused."""
        context = self._shell.context()._replace(passed=decoded.time.passed)
        source, mark = self.name, self.mark.offset
        applied = refused = 0
        for entry in entries:
            viewer = entry.viewer
            viewer.forget_sent(source, mark)
            new, wrong = viewer.absorb_all(source, decoded.viewers.get(viewer.name, ()), context)
            applied, refused = applied + new, refused + wrong
            if viewer.due_ms <= decoded.time.before_last_ms:
                viewer.after(source, viewer.marks.get(source, -1))
                viewer.fire(decoded.time.before_last_ms, context)
        return applied, refused

    async def _write(self, entries: Sequence[Entry]) -> None:
        context = self._shell.context()
        touched = [entry.viewer for entry in entries if entry.viewer.touched]
        writes = [write_of(viewer, context) for viewer in touched]
        self._now("writing viewers to Redis")
        with _fences_counted():
            await self._shell.store.write(writes, self.source)
        for viewer in touched:
            viewer.version += 1
            viewer.written()

    def _outs(
        self, entries: Sequence[Entry], wanted: Callable[[Out], bool]
    ) -> list[tuple[str, Out]]:
        return [
            (entry.viewer.name, out)
            for entry in entries
            for out in entry.viewer.outbox
            if out.source == self.name and wanted(out)
        ]

    async def _move(self, mark: Mark, entries: Sequence[Entry], looked_at: set[str]) -> list[Due]:
        """Move the mark; the index of timers is set for those looked at, else brought forward."""
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
        due = await self._move_mark(mark, Timers(lower, put, drop))
        for entry, time_ms in zip(entries, times, strict=True):
            looked = entry.viewer.name in looked_at
            known_ms = NEVER if looked else entry.indexed_ms(self.name)
            entry.indexed(self.name, min(known_ms, time_ms))
        return due

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
        self._now("moving the mark in Redis")
        with _fences_counted():
            moved = await self._shell.store.move_mark(self.source, mark, timers, DUE_AT_ONCE)
        self._next_due_ms = min([moved.next_ms, *(it.due_ms for it in moved.due[:1])])
        return moved.due

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
        self._now(WAITING)

    async def _look(self, mark: Mark) -> list[Due]:
        return await self._move_mark(mark, NO_TIMERS)

    async def _fire(self, due: list[Due]) -> None:
        while due:
            until = self.mark.clock_ms
            if len(due) == DUE_AT_ONCE:
                # Whole milliseconds only: what goes out stays in order of time, then of viewers.
                until = max(due[0].due_ms, due[-1].due_ms - 1)
                due = await self._shell.retry(self._due, until, ALL)
            due = await self._insist(self._attempt_timers, [it.viewer for it in due], until)

    async def _attempt_timers(self, names: Sequence[str], until: int) -> list[Due]:
        self._now("reading viewers whose timers are due from Redis")
        async with self._shell.cache.borrowed(names) as entries:
            await self._shell.curves.refresh(_on_the_way(entries))
            context = self._shell.context()
            for entry in entries:
                entry.viewer.after(self.name, self.mark.offset)
                entry.viewer.fire(until, context)
            await self._write(entries)
            outs = self._outs(
                entries, lambda out: 0 < out.due_ms <= until and out.offset == self.mark.offset
            )
            self._now("publishing to Kafka")
            await self._shell.publisher.publish(outs, ())
            more = await self._reindex(entries, until)
        metrics.TIMERS.inc(len(names))
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


@contextmanager
def _fences_counted() -> Iterator[None]:
    try:
        yield
    except Fenced:
        metrics.FENCED.inc()
        raise


def _on_the_way(entries: Iterable[Entry]) -> set[str]:
    """Titles of which the viewers have begun a season."""
    titles: set[str] = set()
    for entry in entries:
        titles.update(map(itemgetter(0), entry.viewer.journeys))
    return titles
