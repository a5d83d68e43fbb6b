"""Group commit: lanes that have a slice decided at the same time store it together.

Partitions that are fetched together are handed out together. A way to Redis or Kafka and back costs
about the same for one short slice as for all of them, so lanes that are ready within a few turns of
the event loop make theirs as one: one write of their viewers, one publication, one move of all
marks. Each lane still awaits all of it before its next slice, so the order within a partition, and
what may be repeated after a crash, are those of a lane alone.
"""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from streams.signals import REFUSED, reject_of
from streams.viewing.public import write_of
from streams.viewing.timers import NEVER
from streams.worker import metrics
from streams.worker.attempts import fences_counted, insist
from streams.worker.store import Move

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.signals import Out
    from streams.viewing.viewer import Viewer
    from streams.worker.cache import Entry
    from streams.worker.decoding import DeadLetter, Decoded
    from streams.worker.lane import Lane, Shell
    from streams.worker.store import Due, Mark

TOGETHER_MOST = 500
"""Records that go together. Their ways are cheap by then; with more of them, one lane's would wait
for the deciding of the others' instead of going on beside it."""
QUIET_TURNS = 3
"""Of the event loop, that bring nobody else: then nobody is on the way. From lane to lane, what a
fetch has brought takes about as many."""
DUE_AT_ONCE = 500
"""Viewers whose timers are looked at in one go, where no records are."""


class Part(NamedTuple):
    """What one lane brings: a slice, whose timers are due within it, and the mark after it."""

    lane: Lane
    decoded: Decoded
    inner: Mapping[str, int]
    """Viewers whose timers are due within the slice by the index, each with the time there (ms)."""
    after: Mark

    @property
    def viewers(self) -> list[str]:
        """Whom it is about, each once."""
        return list(dict.fromkeys([*self.decoded.viewers, *self.inner]))


class _Group:
    """Parts that go together. Whoever came first does the work; the others wait for it."""

    def __init__(self, first: Part) -> None:
        self.parts = [first]
        self.records = len(first.decoded.records)
        self._waiting: list[asyncio.Future[list[Due]]] = []

    def has_room_for(self, part: Part) -> bool:
        return self.records + len(part.decoded.records) <= TOGETHER_MOST

    def join(self, part: Part) -> asyncio.Future[list[Due]]:
        self.parts.append(part)
        self.records += len(part.decoded.records)
        waiter: asyncio.Future[list[Due]] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        return waiter

    def settle(self, found: Sequence[list[Due]]) -> None:
        for waiter, due in zip(self._waiting, found[1:], strict=True):
            if not waiter.done():
                waiter.set_result(due)

    def fail(self, error: BaseException) -> None:
        for waiter in self._waiting:
            if waiter.done():
                continue
            if isinstance(error, asyncio.CancelledError):
                waiter.cancel()
            else:
                waiter.set_exception(error)


class GroupCommit:
    """Takes what lanes have decoded, and answers each once all of its group is stored."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._open: _Group | None = None

    async def absorb(self, part: Part) -> list[Due]:
        """Decide, write, publish and move the mark, exactly once whatever the world does.

        Returns:
            Timers that the last record has made due.

        Raises:
            Fenced: a partition of the group is not ours any more.
        """
        if self._open is not None and self._open.has_room_for(part):
            return await self._open.join(part)
        group = _Group(part)
        try:
            await self._gather(group)
            shell = self._shell
            sources = [it.lane.source for it in group.parts]
            found = await insist(shell.retry, shell.store, sources, self._attempt, group.parts)
        except BaseException as error:
            group.fail(error)
            raise
        group.settle(found)
        return found[0]

    async def _gather(self, group: _Group) -> None:
        """Let others join, for as long as some are on their way."""
        if group.records > TOGETHER_MOST:
            return
        self._open, count, quiet = group, 1, 0
        try:
            while self._open is group and quiet < QUIET_TURNS:
                await asyncio.sleep(0)
                quiet = 0 if len(group.parts) > count else quiet + 1
                count = len(group.parts)
        finally:
            if self._open is group:
                self._open = None

    async def _attempt(self, parts: Sequence[Part]) -> list[list[Due]]:
        shell = self._shell
        _say(parts, "reading curves from Redis")
        await shell.curves.refresh(set().union(*(part.decoded.titles for part in parts)))
        _say(parts, "reading viewers from Redis")
        wanted = [part.viewers for part in parts]
        names = wanted[0] if len(parts) == 1 else list(dict.fromkeys(chain(*wanted)))
        async with shell.cache.borrowed(names) as borrowed:
            # A record may set off more than what its own title decides: timers, counts of streaks.
            await shell.curves.refresh(on_the_way(borrowed))
            by_name = dict(zip(names, borrowed, strict=True))
            entries = [[by_name[name] for name in mine] for mine in wanted]
            counts = [self._fold(*it) for it in zip(parts, entries, strict=True)]
            _say(parts, "writing viewers to Redis")
            await write(shell, borrowed, [part.lane for part in parts])
            _say(parts, "publishing to Kafka")
            said = [_said(*it) for it in zip(parts, entries, strict=True)]
            outs, letters = (list(chain(*it)) for it in zip(*said, strict=True))
            await shell.publisher.publish(outs, letters)
            due = await self._move(parts, entries)
        for part, (applied, refused) in zip(parts, counts, strict=True):
            metrics.EVENTS.inc(applied)
            metrics.TIMERS.inc(len(part.inner))
            repeated = sum(map(len, part.decoded.viewers.values())) - applied - refused
            metrics.REPEATED.inc(repeated)
        return due

    def _fold(self, part: Part, entries: Sequence[Entry]) -> tuple[int, int]:
        """Events that were applied, and events that were refused."""
        lane, decoded = part.lane, part.decoded
        context = self._shell.context()._replace(passed=decoded.time.passed)
        source, mark = lane.name, lane.mark.offset
        applied = refused = 0
        for entry in entries:
            viewer = entry.viewer
            viewer.forget_sent(source, mark)
            works = decoded.viewers.get(viewer.name, ())
            viewer.known_ms = part.inner.get(viewer.name, NEVER)
            new, wrong = viewer.absorb_all(source, works, context)
            applied, refused = applied + new, refused + wrong
            if viewer.due_ms <= decoded.time.before_last_ms:
                viewer.after(source, viewer.marks.get(source, -1), viewer.known_ms)
                viewer.fire(decoded.time.before_last_ms, context)
        return applied, refused

    async def _move(
        self, parts: Sequence[Part], entries: Sequence[Sequence[Entry]]
    ) -> list[list[Due]]:
        """Move the marks, and the indexes of timers with them."""
        _say(parts, "moving the mark in Redis")
        changes = [
            part.lane.change(part.after, mine, part.inner)
            for part, mine in zip(parts, entries, strict=True)
        ]
        moves = [
            Move(part.lane.source, part.after, timers)
            for part, (timers, _) in zip(parts, changes, strict=True)
        ]
        with fences_counted():
            moved = await self._shell.store.move_marks(moves, DUE_AT_ONCE)
        for part, mine, (_, times), found in zip(parts, entries, changes, moved, strict=True):
            part.lane.changed(mine, times, part.inner, found)
        return [found.due for found in moved]


async def write(shell: Shell, entries: Iterable[Entry], lanes: Iterable[Lane]) -> None:
    """Store every viewer that was touched, unless a partition of the lanes is not ours any more."""
    context = shell.context()
    touched: list[Viewer] = [entry.viewer for entry in entries if entry.viewer.touched]
    writes = [write_of(viewer, context) for viewer in touched]
    with fences_counted():
        await shell.store.write(writes, [lane.source for lane in lanes])
    for viewer in touched:
        viewer.version += 1
        viewer.written()


def _say(parts: Iterable[Part], doing: str) -> None:
    for part in parts:
        part.lane.now(doing)


def _said(part: Part, entries: Iterable[Entry]) -> tuple[list[tuple[str, Out]], list[DeadLetter]]:
    """What the slice has viewers say, and what becomes of records that are not taken."""
    source, decoded = part.lane.name, part.decoded
    outs: list[tuple[str, Out]] = []
    letters: list[DeadLetter] = list(decoded.rejects)
    for entry in entries:
        for out in entry.viewer.outbox:
            # What timers say after the last record is for when the mark has moved there.
            if out.source != source or not (
                decoded.first <= out.offset < decoded.last + (not out.due_ms)
            ):
                continue
            if out.topic == REFUSED:
                letters.append(decoded.letter(out.offset, reject_of(out)))
            else:
                outs.append((entry.viewer.name, out))
    return outs, letters


def on_the_way(entries: Iterable[Entry]) -> set[str]:
    """Titles of which the viewers have begun a season."""
    titles: set[str] = set()
    for entry in entries:
        titles.update(entry.viewer.titles_begun())
    return titles
