"""Two workers, two partitions, and everything that can go wrong: the rules that machines share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from faulty_world import Fault, Killed, Worker, until_still
from hypothesis import currently_in_test_context
from hypothesis import event as note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from output_topics import Topics
from raw_records import GAPS, NO_HEADERS, Raw, tick_at
from strategies import RULES, T0

from streams.signals import REFUSED
from streams.viewing.wire import load
from streams.worker.store import Fenced, Kept, Mark, Source

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from streams.worker.lane import Lane

SOURCES: list[Source] = [("events", 0), ("events", 1)]
NO_FAULTS: dict[int, Fault] = {}
FAULTS = st.dictionaries(st.integers(0, 12), st.sampled_from(Fault), max_size=3)
HOW_MANY = st.sampled_from([1, 2, 3, 5, 8, 13, 21, 1000])
BACK = st.sampled_from([0, 0, 1, 5, 1000])
WHO = st.integers(0, 1)
CALLS = st.one_of(st.integers(2, 5), st.integers(0, 16))
PARTS = st.lists(st.integers(1, 5), min_size=1, max_size=4)
MOSTLY_DEATHS = st.sampled_from([*[Fault.DEATH_BEFORE, Fault.DEATH_AFTER] * 3, *Fault])
PAUSES = st.sampled_from([Fault.PAUSE_BEFORE, Fault.PAUSE_AFTER])
FEW_TIMERS = {"streams.worker.lane.DUE_AT_ONCE": 2, "streams.worker.lane.DUE_WITHIN": 2}


class CrashMachine(RuleBasedStateMachine):
    """What happens to workers, whatever the records are."""

    small = FEW_TIMERS
    """Limits that a few viewers are to reach."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        for name, most in self.small.items():
            self.patch.setattr(name, most)
        self.loop = asyncio.new_event_loop()
        self.kept = Kept()
        self.topics = Topics()
        self.records: dict[Source, list[Raw]] = {source: [] for source in SOURCES}
        self.moves: list[tuple[Source, int, int]] = []
        self.snapshot: Kept | None = None
        self.now_ms = T0
        self.last_gap = 0
        """How far time goes on after all, in ms."""
        self.workers = [self.new_worker(), self.new_worker()]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def new_worker(self) -> Worker:
        return Worker(self.kept, self.topics, self.moved)

    def append(self, partition: int, key: bytes | None, value: bytes | None) -> None:
        lies = self.records[SOURCES[partition]]
        lies.append(Raw("events", partition, len(lies), key, value, NO_HEADERS, self.now_ms))

    def tick_everywhere(self, now_ms: int) -> None:
        self.now_ms = now_ms
        for partition in (0, 1):
            self.append(partition, None, tick_at(now_ms))

    def compare(self) -> None:
        """Compare all that came of it with what should have."""
        raise NotImplementedError

    def teardown(self) -> None:
        try:
            for number in (0, 1):
                self.dies(number)
            self.compare()
        finally:
            self.loop.close()
            self.patch.undo()

    def catch_up(self) -> None:
        """Let a worker that nothing happens to work off all that is there."""
        worker = self.workers[0]
        self.run(worker.assign(SOURCES))
        for source, lane in worker.lanes.items():
            rest = self.records[source][lane.mark.offset + 1 :]
            self.run(lane.handle(rest) if rest else lane.settle())

    # -- slices --------------------------------------------------------------------------------
    @initialize(together=st.booleans(), last_gap=GAPS)
    def workers_start(self, *, together: bool, last_gap: int) -> None:
        self.last_gap = last_gap
        self.run(self.workers[0].assign(SOURCES if together else SOURCES[:1]))
        self.run(self.workers[1].assign([] if together else SOURCES[1:]))

    @rule(partition=WHO, most=HOW_MANY)
    def a_slice_is_taken(self, partition: int, most: int) -> None:
        self.take(self.owner(SOURCES[partition]), SOURCES[partition], most)

    @rule(partition=WHO, most=HOW_MANY, back=BACK, faults=FAULTS)
    def a_slice_is_taken_and_something_fails(
        self, partition: int, most: int, back: int, faults: dict[int, Fault]
    ) -> None:
        self.take(self.owner(SOURCES[partition]), SOURCES[partition], most, back, faults)

    @rule(partition=WHO, call=CALLS, fault=MOSTLY_DEATHS, parts=PARTS)
    def a_long_slice_breaks_off_and_is_done_in_parts(
        self, partition: int, call: int, fault: Fault, parts: list[int]
    ) -> None:
        source = SOURCES[partition]
        self.take(self.owner(source), source, 1000, 0, {call: fault})
        for most in parts:
            self.take(self.owner(source), source, most)

    @rule(partition=WHO, most=HOW_MANY, call=CALLS, pause=PAUSES, parts=PARTS)
    def a_worker_hangs_and_is_overtaken(
        self, partition: int, most: int, call: int, pause: Fault, parts: list[int]
    ) -> None:
        source = SOURCES[partition]
        zombie = self.owner(source)
        self.take(zombie, source, most, 0, {call: pause})
        other = next(worker for worker in self.workers if worker is not zombie)
        self.run(other.assign(sorted({*other.lanes, source})))
        for part in parts:
            self.take(other, source, part)
        zombie.wire.go_on()
        self.let_run()

    @rule(who=WHO, partition=WHO, most=HOW_MANY)
    def a_worker_takes_a_slice_whoever_owns_it(self, who: int, partition: int, most: int) -> None:
        worker, source = self.workers[who], SOURCES[partition]
        lane = self.free_lane(worker, source)
        lost, before = worker.overtaken(source), self.topics.count()
        if lane is not None:
            self.take(worker, source, most)
            assert not lost or self.topics.count() == before, "sent from a lost partition"

    @rule(who=WHO, most=HOW_MANY, call=CALLS, fault=st.sampled_from(Fault))
    def both_partitions_are_worked_on_at_once(
        self, who: int, most: int, call: int, fault: Fault
    ) -> None:
        worker = self.workers[who]
        self.run(worker.assign(SOURCES))
        worker.wire.expect({call: fault})
        for source, lane in worker.lanes.items():
            first = lane.mark.offset + 1
            part = self.records[source][first : first + most]
            if part:
                worker.tasks[source] = self.loop.create_task(lane.handle(part))
        self.let_run()

    def owner(self, source: Source) -> Worker:
        """Who has claimed the source last; if that one is no more, who is told to now."""
        for worker in self.workers:
            if source in worker.lanes and not worker.overtaken(source):
                return worker
        worker = self.workers[source[1]]
        self.run(worker.assign(sorted({*worker.lanes, source})))
        return worker

    def take(
        self,
        worker: Worker,
        source: Source,
        most: int,
        back: int = 0,
        faults: dict[int, Fault] = NO_FAULTS,
    ) -> None:
        lane = self.free_lane(worker, source)
        if lane is not None:
            first = max(0, lane.mark.offset + 1 - back)
            part = self.records[source][first : first + back + most]
            if part:
                self.start(worker, source, lane.handle(part), faults)

    def free_lane(self, worker: Worker, source: Source) -> Lane | None:
        """The worker's lane if it waits for work; what hangs goes on first."""
        if source in worker.tasks:
            worker.wire.go_on()
            self.let_run()
        busy = worker.wire.dead or source in worker.tasks
        return None if busy else worker.lanes.get(source)

    def start(
        self,
        worker: Worker,
        source: Source,
        work: Coroutine[Any, Any, None],
        faults: dict[int, Fault],
    ) -> None:
        worker.wire.expect(faults)
        worker.tasks[source] = self.loop.create_task(work)
        self.let_run()

    def let_run(self) -> None:
        self.run(until_still(self.workers))
        for number, worker in enumerate(list(self.workers)):
            ended = {source: task for source, task in worker.tasks.items() if task.done()}
            for source in ended:
                del worker.tasks[source]
            errors = [self.how_it_ended(worker, task) for task in ended.values()]
            if any(errors):
                self.dies(number)

    def how_it_ended(self, worker: Worker, task: asyncio.Task[None]) -> BaseException | None:
        error = task.exception()
        if isinstance(error, Fenced):
            # Lanes that store together share what comes of it.
            lost = any(worker.overtaken(held) for held in worker.lanes)
            assert lost, "fenced, though nobody had taken a partition over"
        elif error is not None and not isinstance(error, Killed):
            raise error
        if currently_in_test_context():
            note(f"a step ended with {type(error).__name__}")
        return error

    # -- workers -------------------------------------------------------------------------------
    def dies(self, number: int) -> None:
        worker = self.workers[number]
        worker.wire.dead = True
        self.run(worker.cut_short())
        self.workers[number] = self.new_worker()

    @rule(who=WHO)
    def a_worker_is_killed(self, who: int) -> None:
        self.dies(who)

    @precondition(lambda self: any(worker.tasks for worker in self.workers))
    @rule(who=WHO)
    def a_worker_that_hangs_goes_on(self, who: int) -> None:
        self.workers[who].wire.go_on()
        self.let_run()

    @rule(who=WHO, sources=st.sets(st.sampled_from(SOURCES)))
    def partitions_are_assigned(self, who: int, sources: set[Source]) -> None:
        self.run(self.workers[who].assign(sorted(sources)))

    @rule(who=WHO)
    def viewers_are_evicted(self, who: int) -> None:
        worker = self.workers[who]
        if not worker.tasks:
            worker.cache.clear()

    @precondition(lambda self: any(worker.producer.late for worker in self.workers))
    @rule(who=WHO)
    def batches_that_were_given_up_arrive(self, who: int) -> None:
        self.workers[who].producer.deliver_late()

    def moved(self, source: Source, before: Mark, after: Mark) -> None:
        """A mark has moved: everything before it must be published."""
        assert after[:2] >= before[:2], "a mark moved back"
        if after.offset == before.offset and after.clock_ms > before.clock_ms:
            self.moves.append((source, after.offset, after.clock_ms))
            self.snapshot = None  # the wall clock's moves are in no topic: they would be lost
        name = f"{source[0]}/{source[1]}"
        for viewer, stored in self.kept.states.items():
            for out in load(viewer, stored, RULES).outbox if stored.out else ():
                # What timers say after the last record goes out once the mark has moved there.
                passed = out.source == name and out.offset < after.offset + (not out.due_ms)
                if passed and out.topic != REFUSED:
                    assert out.body.encode() in self.topics.bodies, "the mark ran ahead"
