"""Workers, a store and a broker in memory, any of whose calls may fail, hang or be the last.

Only the outside is a stand-in: lanes, cache, publisher, decoder and fold are the worker's own.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any

from aiokafka.errors import RequestTimedOutError
from output_topics import SETTINGS, Sent, Topics
from strategies import RULES, context

from streams.worker.cache import Cache
from streams.worker.group_commit import GroupCommit
from streams.worker.lane import Lane, Shell
from streams.worker.publisher import BrokerAway, Publisher
from streams.worker.store import Kept, Mark, MemoryStore, Move, Moved, Source, StoreAway, Timers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from streams.viewing.public import Write
    from streams.viewing.wire import Stored
    from streams.worker.store import Due

WORLD = context()
OUT_PARTITIONS = 2
BATCH_RECORDS = 2
CACHED_VIEWERS = 2
STILL_AFTER = 12
"""Rounds of the event loop without a call, after which every task waits for something."""
NOTHING_YET = Mark(-1, 0)


class Fault(Enum):
    """What becomes of one call to the store or the broker."""

    AWAY_BEFORE = "refused, nothing is done"
    AWAY_AFTER = "done, but the answer is lost"
    HALF = "done in part (a write), or done much later (a batch), and the answer is lost"
    DEATH_BEFORE = "the worker dies before it"
    DEATH_AFTER = "the worker dies after it"
    PAUSE_BEFORE = "the worker hangs before it"
    PAUSE_AFTER = "the worker hangs after it"


class Killed(BaseException):
    """The process is no more; nothing may catch this and go on."""


class Wire:
    """All calls of one worker pass here, one after the other, and meet what is planned for them."""

    def __init__(self) -> None:
        self.calls = 0
        self.plan: dict[int, Fault] = {}
        self.dead = False
        self._gates: list[asyncio.Future[None]] = []

    def expect(self, faults: dict[int, Fault]) -> None:
        """Plan faults for coming calls, counted from the next one (0)."""
        self.plan = {self.calls + number: fault for number, fault in faults.items()}

    def go_on(self) -> None:
        """Let every call go on that hangs."""
        gates, self._gates = self._gates, []
        for gate in gates:
            if not gate.done():
                gate.set_result(None)

    async def call(
        self,
        done: Callable[[], Awaitable[Any]],
        away: Exception,
        half: Callable[[], Awaitable[Any]] | None = None,
    ) -> Any:
        """Do what is asked for, as far as the plan lets it happen."""
        fault = self.plan.pop(self.calls, None)
        self.calls += 1
        await asyncio.sleep(0)  # as on a network, others go on meanwhile
        if fault is Fault.PAUSE_BEFORE:
            await self._hang()
        self._live(dies=fault is Fault.DEATH_BEFORE)
        if fault is Fault.AWAY_BEFORE or (fault is Fault.HALF and half is None):
            raise away
        if fault is Fault.HALF and half is not None:
            await half()
            raise away
        answer = await done()
        if fault is Fault.PAUSE_AFTER:
            await self._hang()
        self._live(dies=fault is Fault.DEATH_AFTER)
        if fault is Fault.AWAY_AFTER:
            raise away
        return answer

    def _live(self, *, dies: bool) -> None:
        self.dead = self.dead or dies
        if self.dead:
            raise Killed

    async def _hang(self) -> None:
        gate = asyncio.get_running_loop().create_future()
        self._gates.append(gate)
        await gate


class WiredStore:
    """One worker's way to the store that all share."""

    def __init__(self, kept: Kept, wire: Wire, moved: Callable[[Source, Mark, Mark], None]) -> None:
        self.memory = MemoryStore(kept)
        self._wire = wire
        self._moved = moved

    async def load(self, viewers: Sequence[str]) -> list[Stored]:
        found: list[Stored] = await self._wire.call(
            lambda: self.memory.load(viewers), StoreAway("load")
        )
        return found

    async def write(self, writes: Sequence[Write], sources: Sequence[Source] = ()) -> None:
        async def half() -> None:
            for write in writes[: len(writes) // 2]:
                self.memory._apply(write)

        await self._wire.call(lambda: self.memory.write(writes, sources), StoreAway("write"), half)

    async def claim(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        return await self.memory.claim(sources)

    async def still_ours(self, source: Source) -> None:
        await self._wire.call(lambda: self.memory.still_ours(source), StoreAway("still ours"))

    async def marks(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        return await self.memory.marks(sources)

    async def move_mark(self, source: Source, mark: Mark, timers: Timers, most: int) -> Moved:
        return (await self.move_marks([Move(source, mark, timers)], most))[0]

    async def move_marks(self, moves: Sequence[Move], most: int) -> list[Moved]:
        async def move(some: Sequence[Move]) -> list[Moved]:
            return [await self._move(it, most) for it in some]

        async def half() -> None:
            await move(moves[: len(moves) // 2])

        found: list[Moved] = await self._wire.call(
            lambda: move(moves), StoreAway("move marks"), half
        )
        return found

    async def _move(self, move: Move, most: int) -> Moved:
        before = self.memory.kept.marks.get(move.source, NOTHING_YET)
        moved = await self.memory.move_mark(*move, most)
        self._moved(move.source, before, self.memory.kept.marks[move.source])
        return moved

    async def due(self, source: Source, until_ms: int, most: int) -> list[Due]:
        found: list[Due] = await self._wire.call(
            lambda: self.memory.due(source, until_ms, most), StoreAway("due")
        )
        return found

    async def close(self) -> None:
        """Nothing to let go of."""


class Batch:
    """A batch with room for few records, so that a slice makes several."""

    def __init__(self) -> None:
        self.records: list[Sent] = []

    def append(self, *, timestamp: None, key: bytes, value: bytes | None, headers: Any) -> Any:
        assert timestamp is None
        if len(self.records) >= BATCH_RECORDS:
            return None
        self.records.append(Sent(key, value, dict(headers)))
        return self


class MemoryProducer:
    """What the publisher needs of aiokafka's producer."""

    def __init__(self, wire: Wire, topics: Topics) -> None:
        self._wire = wire
        self._topics = topics
        self.late: list[tuple[str, int, list[Sent]]] = []

    async def partitions_for(self, _topic: str) -> set[int]:
        return set(range(OUT_PARTITIONS))

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Awaitable[None]:
        async def done() -> None:
            self.deliver_late()  # a producer's batches arrive in the order in which it sent them
            self._topics.append(topic, partition, batch.records)

        async def half() -> None:
            self.late.append((topic, partition, batch.records))

        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._wire.call(done, RequestTimedOutError(), half)
        confirmed.set_result(None)
        return confirmed

    def deliver_late(self) -> None:
        """Batches that were given up arrive all the same."""
        late, self.late = self.late, []
        for item in late:
            self._topics.append(*item)


async def at_once(call: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """Patience without the pauses: planned faults are few, so this ends."""
    while True:
        try:
            return await call(*args)
        except (StoreAway, BrokerAway):
            await asyncio.sleep(0)


class NoCurves:
    """The catalogue of these tests is known from the start and does not change."""

    async def await_titles(self, titles: Iterable[str]) -> None:
        """All are there."""

    async def refresh(self, titles: Iterable[str]) -> None:
        """All are fresh."""


class Worker:
    """One worker process: lanes over a cache, a store and a publisher of its own."""

    def __init__(
        self, kept: Kept, topics: Topics, moved: Callable[[Source, Mark, Mark], None]
    ) -> None:
        self.wire = Wire()
        self.store = WiredStore(kept, self.wire, self._moved)
        self._tell = moved
        self.producer = MemoryProducer(self.wire, topics)
        self.cache = Cache(self.store, RULES, CACHED_VIEWERS, most_whole=1)
        self.quiet: dict[Source, float] = {}
        self.lanes: dict[Source, Lane] = {}
        self.tasks: dict[Source, asyncio.Task[None]] = {}
        self.claims: dict[Source, int] = {}
        publisher = Publisher(SETTINGS)
        publisher._producers = [self.producer]
        self.shell = Shell(
            SETTINGS,
            self.store,
            self.cache,
            publisher,
            NoCurves(),  # type: ignore[arg-type]
            lambda: WORLD,
            at_once,
            lambda source, _offset: self.quiet.get(source),
            asyncio.Event(),
        )

    async def assign(self, sources: list[Source]) -> None:
        """As the dispatcher does it: stop where we are, forget everyone, claim, begin at marks."""
        await self.cut_short()
        self.cache.clear()
        marks = await self.store.claim(sources)
        self.claims = {source: self.store.memory.kept.claims[source] for source in sources}
        commit = GroupCommit(self.shell)
        self.lanes = {s: Lane(self.shell, s, marks.get(s, NOTHING_YET), commit) for s in sources}

    async def cut_short(self) -> None:
        """Cancel whatever is under way, wherever it is."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        self.tasks.clear()

    def _moved(self, source: Source, before: Mark, after: Mark) -> None:
        assert not self.overtaken(source), "a worker moved the mark of a partition it had lost"
        self._tell(source, before, after)

    def overtaken(self, source: Source) -> bool:
        """Whether somebody has claimed the source since this worker did."""
        return self.store.memory.kept.claims.get(source) != self.claims.get(source)


async def until_still(workers: Sequence[Worker]) -> None:
    """Let tasks run until each has ended or waits for something that does not come by itself."""
    rounds, calls = 0, -1
    while rounds < STILL_AFTER:
        await asyncio.sleep(0)
        now = sum(worker.wire.calls for worker in workers)
        rounds = rounds + 1 if now == calls else 0
        calls = now
