"""The titles agent: partitions of ``title-progress`` side by side, each in its own order.

For each batch: fold (pure) -> write every title's counts, report and outbox -> publish signals ->
move the mark (and the hours to look at) -> ack. Every step may be repeated: marks in each title
show what is applied already, and outboxes hold what must be sent again.

Records gather for a second, so that a title that draws much of all viewing is written once for many
of them, with its report.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.audience.records import read, read_lineage
from streams.audience.report import Report, report_of
from streams.audience.title import NEVER, TitleAudience, day_of
from streams.audience.wire import dump_out, dump_parts, load
from streams.events import Reject
from streams.worker import metrics
from streams.worker.attempts import insist
from streams.worker.audience_store import Rank, TitleWrite
from streams.worker.decoding import dead_letter
from streams.worker.lane import WAITING
from streams.worker.store import Mark, Source, Timers
from streams.worker.transport import SLICES_AHEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from config.settings import Settings
    from streams.audience.records import Lineage, Record
    from streams.audience.title import Surroundings
    from streams.signals import Out
    from streams.worker.audience_store import AudienceStore
    from streams.worker.decoding import DeadLetter
    from streams.worker.publisher import Publisher
    from streams.worker.store import Due, Store

REPORT_EVERY_S = 1.0
"""A title's report is made anew at most this often, and batches of one partition begin at least
this far apart, unless many records wait: each title is then written once, with its report."""
BEHIND_EVERY_S = 5.0
"""The same while records are worked off that are older than this by Kafka's clock: what reports
would show is old by more than that, and the sooner it is over the better."""
ANEW_EVERY_S = 20.0
"""Curves of single countries are made anew this often, those of everyone with every report."""
DUE_AT_ONCE = 200
"""Titles whose hours are looked at in one go."""


class Audiences(NamedTuple):
    """What all lanes of the titles agent share."""

    settings: Settings
    store: Store
    titles: AudienceStore
    publisher: Publisher
    around: Callable[[], Surroundings]
    retry: Callable[..., Any]


class AudienceLanes:
    """The lanes of the titles agent, for the dispatcher."""

    def __init__(self, shared: Audiences, ready: asyncio.Event) -> None:
        self._shared = shared
        self.ready, self.most = ready, SLICES_AHEAD * shared.settings.slice_max

    async def claim(self, sources: Sequence[Source]) -> dict[Source, Mark]:
        """See ``Lanes.claim``."""
        marks: dict[Source, Mark] = await self._shared.retry(self._shared.store.claim, sources)
        return marks

    def lane(self, source: Source, mark: Mark) -> AudienceLane:
        """See ``Lanes.lane``."""
        return AudienceLane(self._shared, source, mark)

    def clear(self) -> None:
        """See ``Lanes.clear``; each lane keeps its own titles, and goes with them."""


class Told(NamedTuple):
    """One readable record: where it stems from, what it says, and stream time before it."""

    source: str
    lineage: Lineage
    record: Record
    clock_ms: int


class Batch(NamedTuple):
    """Records of one partition by title, the mark after them, and those that cannot be read."""

    titles: dict[str, list[Told]]
    mark: Mark
    letters: Sequence[DeadLetter]


class AudienceLane:
    """One partition of ``title-progress``."""

    def __init__(self, shared: Audiences, source: Source, mark: Mark) -> None:
        self._shared = shared
        self.source = source
        self.name = f"{source[0]}/{source[1]}"
        self.mark = mark
        self.free_at = 0.0
        self._began = 0.0
        """When the batch at hand was begun (monotonic s),"""
        self._every_s = REPORT_EVERY_S
        """and how often reports are made meanwhile."""
        self._cache: dict[str, TitleAudience] = {}
        self._reported: dict[str, float] = {}
        """When the batch began that made each title's last report (monotonic s)."""
        self._owed: set[str] = set()
        """Titles that have changed since. In the index of hours they are due at once, so that
        whoever takes over from a lane that died reports them."""
        self._unsettled = True
        self._last: dict[str, tuple[float, Report]] = {}
        """Each title's last report, and when it was last made all anew (monotonic s)."""
        self._partly: set[str] = set()
        """Titles whose last report was not."""
        self._now(WAITING)

    def _now(self, doing: str) -> None:
        """Say what comes next, for whoever wonders what this lane is waiting for."""
        self.doing, self.doing_since = doing, time.monotonic()

    # -- batches -----------------------------------------------------------------------------------
    async def handle(self, records: Sequence[Any]) -> None:
        """Absorb records; whatever the world does meanwhile, exactly once."""
        fresh = [record for record in records if record.offset > self.mark.offset]
        if fresh:
            age_s = time.time() - fresh[-1].timestamp / 1000
            self._begin(behind=age_s > BEHIND_EVERY_S)
            self.free_at = self._began + REPORT_EVERY_S
            batch = self._read(fresh)
            await self._insist(list(batch.titles.keys() | self._overdue()), batch)
            metrics.PROGRESS.inc(len(fresh))
        self._now(WAITING)

    def _begin(self, *, behind: bool = False) -> None:
        self._began = time.monotonic()
        self._every_s = BEHIND_EVERY_S if behind else REPORT_EVERY_S

    async def idle(self) -> None:
        """Make the reports that are still owed, at first those of a predecessor that died."""
        self._begin()
        overdue = self._overdue()
        if self._unsettled:
            due = await self._shared.retry(self._due, self.mark.clock_ms, DUE_AT_ONCE)
            overdue |= {it.viewer for it in due}
            self._unsettled = False
        if overdue:
            await self._insist(list(overdue), Batch({}, self.mark, ()))
            self._now(WAITING)

    async def leave(self) -> None:
        """Make all reports that are still owed."""
        self._reported.clear()
        self._unsettled = False
        await self.idle()

    def _overdue(self) -> set[str]:
        aged = time.monotonic() - ANEW_EVERY_S
        return {title for title in self._owed if self._may_report(title)} | {
            title for title in self._partly if self._last[title][0] <= aged
        }

    def _may_report(self, title: str) -> bool:
        return self._began - self._reported.get(title, -BEHIND_EVERY_S) >= self._every_s

    def _read(self, records: Sequence[Any]) -> Batch:
        titles: dict[str, list[Told]] = {}
        letters: list[DeadLetter] = []
        clock_ms = self.mark.clock_ms
        for record in records:
            try:
                heard = read(record.value or b"")
                source, lineage = read_lineage(dict(record.headers).get("lineage") or b"")
            except ValueError as error:  # it is of another release, or someone else's
                reject = Reject("field", "value", str(error))
                letters.append(dead_letter(self.source, record, reject))
                continue
            titles.setdefault(heard.title_id, []).append(Told(source, lineage, heard, clock_ms))
            clock_ms = max(clock_ms, heard.at_ms)
        return Batch(titles, Mark(records[-1].offset, clock_ms), letters)

    async def _insist(self, names: Sequence[str], batch: Batch) -> None:
        """Try until it is done.

        Raises:
            Fenced: the partition is not ours any more.
        """
        shared = self._shared
        await insist(shared.retry, shared.store, [self.source], self._attempt, names, batch)
        self.mark = batch.mark

    async def _attempt(self, names: Sequence[str], batch: Batch) -> None:
        timers: dict[str, int] = {}
        wanted = list(names)
        clock_ms = batch.mark.clock_ms
        try:
            while wanted:
                for title in await self._take_on(wanted, batch):
                    timers[title.title_id] = title.due_ms
                self._now("reading which titles are due from Redis")
                most = DUE_AT_ONCE + len(timers) + len(self._owed)
                due = [it.viewer for it in await self._due(clock_ms, most)]
                wanted = [it for it in due if it not in timers and not self._waits(it, clock_ms)]
                wanted = wanted[:DUE_AT_ONCE]
            await self._shared.publisher.publish((), batch.letters)
            self._now("moving the mark in Redis")
            await self._move(batch.mark, timers)
        except BaseException:
            self._forget(timers.keys() | set(wanted))
            raise
        self._trim()

    def _waits(self, name: str, clock_ms: int) -> bool:
        """Whether a title is due for nothing but its report, which this lane knows of."""
        title = self._cache.get(name)
        return title is not None and name in self._owed and title.due_ms > clock_ms

    async def _due(self, clock_ms: int, most: int) -> list[Due]:
        return await self._shared.store.due(self.source, clock_ms, most)

    async def _take_on(self, names: Sequence[str], batch: Batch) -> list[TitleAudience]:
        """Fold what some titles have heard, write them, and publish what they decided."""
        self._now("reading titles from Redis")
        titles = await self._get(names)
        around = self._shared.around()
        for title in titles:
            title.forget_sent(self.name, self.mark.offset)
            title.place = (self.name, batch.mark.offset)
            for told in batch.titles.get(title.title_id, ()):
                title.absorb(*told, around)
            title.pass_time(batch.mark.clock_ms, around)
            await _let_others_work()
        await self._write(titles, around)
        self._now("publishing to Kafka")
        outs: list[tuple[str, Out]] = [
            (title.title_id, out)
            for title in titles
            for out in title.outbox
            if out.source == self.name
        ]
        await self._shared.publisher.publish(outs, ())
        return titles

    async def _write(self, titles: Sequence[TitleAudience], around: Surroundings) -> None:
        writes: list[TitleWrite] = []
        ranks: list[Rank] = []
        lines: dict[str, bytes] = {}
        overdue = self._overdue()
        for title in titles:
            if not title.touched and title.title_id not in overdue:
                continue
            report = None
            if self._may_report(title.title_id):
                await _let_others_work()
                told = self._last.get(title.title_id)
                report = self._report(title, around)
                ranks += _changed_ranks(title.title_id, report, told[1] if told else None)
                lines |= _changed_lines(report, told[1] if told else None)
            writes.append(
                TitleWrite(
                    title.title_id,
                    title.version,
                    dump_parts(title),
                    dump_out(title),
                    None if report is None else report.fields,
                    day_of(title.clock_ms),
                    {day: sorted(ids) for day, ids in title.seen.items()},
                )
            )
        self._now("writing titles to Redis")
        await self._shared.titles.write(writes)
        reported = {write.title_id: write.report is not None for write in writes}
        for title in titles:
            if title.title_id in reported:
                title.version += 1
                title.written()
                self._note(title.title_id, reported=reported[title.title_id])
        await self._shared.titles.rank(ranks)
        await self._shared.titles.tell_peers(lines)

    def _report(self, title: TitleAudience, around: Surroundings) -> Report:
        now = time.monotonic()
        made_at, last = self._last.get(title.title_id, (now - ANEW_EVERY_S, None))
        if now - made_at >= ANEW_EVERY_S:
            made_at, last = now, None
        report = report_of(title, around, last)
        self._last[title.title_id] = (made_at, report._replace(fields={}))
        (self._partly.discard if last is None else self._partly.add)(title.title_id)
        return report

    def _note(self, title: str, *, reported: bool) -> None:
        if reported:
            self._reported[title] = self._began
            self._owed.discard(title)
        else:
            self._owed.add(title)

    async def _move(self, mark: Mark, timers: dict[str, int]) -> None:
        times = {it: mark.clock_ms if it in self._owed else at for it, at in timers.items()}
        put = {name: at for name, at in times.items() if at < NEVER}
        drop = [name for name, at in times.items() if at >= NEVER]
        await self._shared.store.move_mark(self.source, mark, Timers({}, put, drop), 0)

    # -- titles in memory --------------------------------------------------------------------------
    async def _get(self, names: Sequence[str]) -> list[TitleAudience]:
        missing = [name for name in names if name not in self._cache]
        if missing:
            rules = self._shared.settings.rules
            for name, stored in zip(missing, await self._shared.titles.load(missing), strict=True):
                self._cache[name] = load(name, stored.version, stored.parts, stored.out, rules)
                if stored.version:
                    # Whoever wrote it, this lane before an outage or another that died, may not
                    # have come to report it.
                    self._owed.add(name)
        found = []
        for name in names:
            title = self._cache[name] = self._cache.pop(name)  # now the latest used
            found.append(title)
        return found

    def _forget(self, names: Iterable[str]) -> None:
        """Drop titles that may differ from the store."""
        for name in names:
            for kept in (self._cache, self._last, self._reported):
                kept.pop(name, None)
            self._partly.discard(name)

    def _trim(self) -> None:
        """Let the least recently used go, up to the number that a worker keeps."""
        while len(self._cache) > self._shared.settings.cache_titles:
            name = next(iter(self._cache))
            del self._cache[name]
            for kept in (self._reported, self._last):
                kept.pop(name, None)
            self._partly.discard(name)


async def _let_others_work() -> None:
    """A title takes some milliseconds, and viewers are not to wait for all of a batch."""
    await asyncio.sleep(0)


def _changed_ranks(title_id: str, report: Report, last: Report | None) -> list[Rank]:
    before = last.ranks if last else {}
    now = {**dict.fromkeys(before), **report.ranks}
    changed = [key for key in now if last is None or now[key] != before.get(key)]
    return [Rank(key, title_id, now[key]) for key in changed]


def _changed_lines(report: Report, last: Report | None) -> dict[str, bytes]:
    before = last.lines if last else {}
    return {name: line for name, line in report.lines.items() if before.get(name) != line}
