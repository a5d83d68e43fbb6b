"""Faust's Kafka transport, handing an agent slices of a partition instead of single records.

Faust makes several futures per record, which bounds an agent to about ten thousand records a
second. Here the records fetched for a partition become one message whose value is their list;
everything else (groups, rebalances, back-pressure, acks, commits) stays Faust's. What this leans on
in Faust is pinned by tests/unit/test_transport.py.

On assignment the read position comes from the marks in the store: Kafka's committed offset is only
a hint, and never trusted to be right.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.worker.fetching import Room, fetch_promptly
from streams.worker.lag import Position
from streams.worker.slices import Slice, slices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from streams.worker.store import Source


log = structlog.get_logger()
FETCH_WAIT_MS = 250
"""How long a broker may hold an empty fetch. Kafka answers at once when there is news; a broker
that does not is asked again after this."""
SLICES_AHEAD = 2
"""Longest slices of a partition that are taken and not done; then it is not read for the while."""
ROOM_WITHIN_S = 0.02
"""How often it is looked whether a partition that was not read has room again."""
COMMIT_WITHIN_S = 3.0
SEEK_SHARE = 0.8
"""Of the time that Faust gives a seek."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, reading committed records only.

    A fetch may begin before a rebalance and end after the seek that it brings. So it is known which
    seeks each fetch has seen.
    """

    _committing: asyncio.Future[bool] | None = None
    _seeks = 0
    _seeks_at_fetch = 0
    """How many there had been when the last fetch took what it brings."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust hard-codes both, the other way.
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        fetch_promptly()
        return consumer

    async def _commit(self, offsets: Any) -> bool:
        """Commit, or leave it: offsets are hints, and a stop would wait for Kafka to come back.

        A commit that takes longer goes on by itself, and the next ones wait for another time: one
        that is cancelled half-way leaves a task of aiokafka behind that nobody listens to.
        """
        if self._committing is not None and not self._committing.done():
            return False
        self._committing = asyncio.ensure_future(super()._commit(offsets))
        done, _ = await asyncio.wait({self._committing}, timeout=COMMIT_WITHIN_S)
        return bool(done and self._committing.result())

    async def on_thread_stop(self) -> None:
        """Let the consumer go, also while brokers refuse connections."""
        if self._committing is not None:
            self._committing.cancel()
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled us: aiokafka's fetcher awaits the fetches that it has cancelled, and
            # one that was about to try again lets that through. The group is left by then.
            await self._ensure_consumer()._client.close()  # noqa: SLF001

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        self._seeks += 1
        await super()._seek_wait(consumer, partitions)

    async def _fetch_records(self, *args: Any, **options: Any) -> Any:
        try:
            return await super()._fetch_records(*args, **options)
        finally:
            self._seeks_at_fetch = self._seeks

    def is_overtaken(self) -> bool:
        """Whether there has been a seek since the last fetch: what it brought is read again."""
        return self._seeks != self._seeks_at_fetch

    async def put_back(self, records: Mapping[TP, list[Any]]) -> None:
        """Read again what the last fetch has brought, unless a seek has seen to that."""
        await self.call_thread(self._rewind, {tp: it[0].offset for tp, it in records.items() if it})

    async def _rewind(self, offsets: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        for tp in consumer.assignment() & offsets.keys():
            if not self.is_overtaken():
                consumer.seek(tp, offsets[tp])

    async def read_on(self, offsets: Mapping[TP, int]) -> None:
        """Seek to what the last fetch could not say, unless a seek has overtaken it."""
        await self.call_thread(self._read_on, offsets)

    async def _read_on(self, offsets: Mapping[TP, int]) -> None:
        if not self.is_overtaken():
            await self._seek_wait(self._ensure_consumer(), offsets)

    async def positions(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """The offset that is read next, per partition."""
        found: dict[TP, int] = await self.call_thread(self._read_positions, list(partitions))
        return found

    async def _read_positions(self, partitions: list[TP]) -> dict[TP, int]:
        consumer = self._ensure_consumer()
        return {tp: await consumer.position(tp) for tp in partitions}


class Consumer(driver.Consumer):
    """Faust's consumer with a slice for a message.

    Records flow only from a seek to the marks until the next change of the assignment. Faust alone
    does not see to that: it stops the flow where partitions are revoked, but not where there were
    none; and a rebalance that comes while the last one still seeks does not keep that one from
    starting the flow. What is read then begins where Kafka's committed offset says, and is let go
    until lanes are there, which would take the rest.
    """

    _turn = 0
    """Counts changes of the assignment, and looks for the marks."""
    _sought_in: int | None = None
    """The turn in which all partitions were sought."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handed: dict[TP, int] = {}
        self._behind: dict[TP, int] = {}
        self._room = Room()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """As Faust does, with the flow stopped also where nothing was assigned."""
        self._turn += 1
        self.stop_flow()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """As Faust does; nothing flows before the seek."""
        self._turn += 1
        self.stop_flow()
        await super().on_partitions_assigned(assigned, generation_id)

    def resume_flow(self) -> None:
        """As Faust does, unless partitions have come or gone since the last seek."""
        if self._sought_in == self._turn:
            super().resume_flow()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Fetch, and hand out one message per slice."""
        try:
            records, active = await self._wait_next_records(timeout)
        except NoOffsetForPartitionError:
            return  # newly assigned, and not yet sought
        except OffsetOutOfRangeError as error:
            if self.flow_active:
                await self._find_way_on(error.args[0])
            return
        generation = self.app.consumer_generation_id
        if not records or self.should_stop or self._thread.is_overtaken():
            return
        if not self.flow_active:
            # A rebalance ends with a seek. But where this fetch has outlasted it, what it brought
            # lies behind that seek. Seeking to the marks here as well would start lanes for
            # partitions that may be being taken away.
            await self._thread.put_back(records)
            return
        self._handed |= {tp: part[-1].offset for tp, part in records.items() if part}
        most = self.app.slice_max
        for tp, part in slices(records, self._position_of, most):
            if not self.flow_active or self.app.consumer_generation_id != generation:
                self._let_go(records)
                return
            if active is None or tp in active or tp in self._buffered_partitions:
                self._room.take(tp, len(part))
                message = self._to_slice(tp, part)
                if self.app.flow_control.is_active():
                    # What Faust does with what is yielded, without four tasks for each: nothing
                    # makes this wait, since no buffer fills up before the room for records does.
                    await self.callback(message)
                    self._read_offset[tp] = message.offset
                else:
                    yield tp, message

    def _let_go(self, records: Mapping[TP, list[Any]]) -> None:
        """Note that some will not be handed out: a seek follows, or lanes will tell of a gap."""
        if not self._thread.is_overtaken():
            self._behind |= {tp: int(part[-1].offset) for tp, part in records.items() if part}

    async def _getmany(self, active_partitions: set[TP], timeout: float) -> Any:
        """Fetch from the partitions that have room: one that is slow holds up nobody else."""
        with_room = self._room.of(active_partitions, SLICES_AHEAD * self.app.slice_max)
        if not with_room:
            await self._room.wait(timeout)
            return {}
        wait_s = timeout if len(with_room) == len(active_partitions) else ROOM_WITHIN_S
        return await super()._getmany(with_room, min(timeout, wait_s))

    def ack(self, message: Any) -> bool:
        """As Faust does, and make room."""
        is_first = not message.acked
        taken = bool(super().ack(message))
        if is_first and message.generation_id == self.app.consumer_generation_id:
            self._room.give_back(message.tp, len(message.value.records))
        return taken

    async def positions(self) -> dict[Source, Position]:
        """How far this worker is in each of its partitions; empty during a rebalance."""
        if not self.flow_active:
            return {}
        try:
            found = await self._thread.positions(self.assignment())
        except IllegalStateError:
            return {}  # they are being taken away
        return {(tp[0], tp[1]): Position(at, self._handed.get(tp, -1)) for tp, at in found.items()}

    async def _find_way_on(self, wanted: Mapping[TP, int]) -> None:
        """Marks ask for offsets that logs do not hold: seek to where to go on, if that may be."""
        tps = [TP(tp.topic, tp.partition) for tp in wanted]
        try:
            first = await self._thread.earliest_offsets(*tps)
            ends = await self._thread.highwaters(*tps)
            way_on = {
                TP(tp.topic, tp.partition): self.app.read_on(
                    (tp.topic, tp.partition), offset, first[tp], ends[tp]
                )
                for tp, offset in wanted.items()
            }
            await self._thread.read_on(way_on)
        except (KafkaError, IllegalStateError) as problem:
            log.info("logs were not looked at, trying again", error=str(problem))

    def _position_of(self, tp: TP) -> int | None:
        position = self._read_offset[tp]
        return None if position is None else int(position)

    def _to_slice(self, tp: TP, part: list[Any]) -> Any:
        last, behind = part[-1], self._behind.get(tp, -1)
        self._behind[tp] = int(last.offset)
        return ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000, last.timestamp_type, [],
            None, Slice(tp, part, behind), None, None, None, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """No gaps: acks come in order, and each stands for all records of its slice."""

    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit: one after the last ack, for acks of a partition come in order."""
        acked = self._acked[tp]
        if not acked:
            return None
        last = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return last + 1

    async def perform_seek(self) -> None:
        """As Faust does, and again for as long as Redis or Kafka is away.

        Raises:
            IllegalStateError: not yet. Faust then waits for the next signal to start, which is
                given here; if it were left to run out of time, it would never start again.
        """
        seeking = asyncio.ensure_future(super().perform_seek())
        try:
            await asyncio.wait({seeking}, timeout=SEEK_SHARE * self.app.conf.broker_request_timeout)
            if not seeking.done():
                log.warning("positions are not known yet, looking them up again")
                self.app.tables.recovery.signal_recovery_start.set()
                raise IllegalStateError("positions are not known yet")
            seeking.result()
        finally:
            seeking.cancel()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every partition to just behind its mark; without one, to the beginning.

        Raises:
            IllegalStateError: partitions came or went meanwhile; the next assignment seeks again.
        """
        self._turn += 1
        turn = self._turn
        assigned = self.assignment()
        self._handed.clear()
        self._room.clear()
        wanted: dict[TP, int] = await self.app.find_positions(assigned)
        behind = {tp: offset - 1 for tp, offset in wanted.items()}
        without = [tp for tp in assigned if tp not in wanted]
        if without:
            earliest = await self._thread.earliest_offsets(*without)
            wanted |= {TP(tp.topic, tp.partition): offset for tp, offset in earliest.items()}
        if turn == self._turn:
            await self._thread.seek_wait(wanted)
        if turn != self._turn:
            raise IllegalStateError("partitions came or went while their positions were looked up")
        self._behind, self._sought_in = behind, turn
        return wanted


class Transport(driver.Transport):
    """Registered as ``slices`` under Faust's entry points, and set on the app directly."""

    Consumer = Consumer
