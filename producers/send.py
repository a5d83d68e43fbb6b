"""Sending many records fast: partitioned here, in batches, in order, through outages.

kafka-python's producer and aiokafka's ``send`` handle one record at a time; ``send_batch`` takes
thousands (docs/adr/0005 has the measurements). So records are gathered per partition and each
partition has a lane of its own, which sends one batch after the other: a retry never overtakes.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from config.kafka import aiokafka_security, kafka_problem
from producers.lanes import Lane, LaneSender, Outages, SendError, Sent, Tell, persistently
from producers.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from config.settings import Settings

__all__ = [
    "BulkSender",
    "Lane",
    "SendError",
    "Sent",
    "partition_of",
    "send_catalogue",
    "send_declared",
    "send_records",
    "send_ticks",
    "tick",
]

CHUNK_BYTES = 512 * 1024
BATCH_BYTES = 1_000_000  # what brokers take by default, less a little
RECORD_OVERHEAD_BYTES = 24
CONNECT_FOR_S = 15.0
STOP_FOR_S = 5.0


class BulkSender:
    """Sends records to any topic; an async context manager that flushes at its end.

    ``sent`` counts what the broker has confirmed. Delivery is at least once: a batch whose answer
    was lost is sent again. Records bear the time of sending as their Kafka timestamp, not the time
    of the event: a broker would drop old events at once by the topic's retention.

    Args:
        settings: where to.
        compression: aiokafka's name of it; None for none.
        tell: is told in one line that the broker is away, and that it is back; a warning in the
            log by default.

    Raises:
        SendError: from any method, if the broker refused records or was away for longer than
            ``settings.outage_max_s``.
    """

    def __init__(
        self, settings: Settings, *, compression: str | None = None, tell: Tell | None = None
    ) -> None:
        self.sent = Sent()
        self._outages = Outages(settings.kafka_bootstrap, tell)
        self._settings = settings
        self._compression = compression
        self._producer: Any = None
        self._lanes: dict[Lane, LaneSender] = {}
        self._partitions: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        settings = self._settings
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap.split(","),
            acks="all",
            max_batch_size=BATCH_BYTES,
            max_request_size=BATCH_BYTES,
            request_timeout_ms=round(settings.io_timeout_s * 1000),
            compression_type=self._compression,
            **aiokafka_security(settings),
        )
        try:
            patience_s = min(CONNECT_FOR_S, settings.outage_max_s)
            async for attempt in persistently(patience_s, self._outages, self):
                with attempt:
                    await self._producer.start()
            self._outages.succeeds(self)
        except BaseException as problem:
            await self._producer.stop()
            if isinstance(problem, KafkaError | OSError):
                what = kafka_problem(settings, problem)
                raise SendError(f"no broker at {settings.kafka_bootstrap}: {what}") from problem
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if problem is None:
                await self.flush()
        finally:
            for lane in self._lanes.values():
                lane.task.cancel()
            await asyncio.gather(*(it.task for it in self._lanes.values()), return_exceptions=True)
            # With the broker gone it would wait for batches that nobody awaits any more.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._producer.stop(), STOP_FOR_S)

    async def send(self, topic: str, records: Iterable[Record]) -> None:
        """Take records for ``topic``; waits only where the broker is slower than they come."""
        lanes = await self._lanes_of(topic)
        count = len(lanes)
        for record in records:
            lane = lanes[partition_of(record[0], count)]
            lane.gathered.append(record[:2])
            lane.size += len(record[0]) + len(record[1]) + RECORD_OVERHEAD_BYTES
            if lane.size >= CHUNK_BYTES:
                await lane.hand_over()
                # The loop must turn, or nothing leaves while records keep coming.
                await asyncio.sleep(0)

    async def send_to_every_partition(self, topic: str, value: bytes) -> None:
        """One record without a key per partition of ``topic``, behind all that was sent before."""
        for lane in await self._lanes_of(topic):
            lane.gathered.append((None, value))
            lane.size += len(value) + RECORD_OVERHEAD_BYTES

    async def send_titles(self, titles: Sequence[Mapping[str, Any]]) -> None:
        """The catalogue, one record per title."""
        await self.send(self._settings.topics.titles, [_title_record(title) for title in titles])

    async def send_declared(self, declared: Mapping[str, Mapping[str, Any]]) -> None:
        """What viewers have declared, one record each."""
        records = (_declared_record(viewer, said) for viewer, said in declared.items())
        await self.send(self._settings.topics.viewers, records)

    async def send_tick(self, time_s: float) -> None:
        """Move the time of every partition of the events on to ``time_s`` (epoch seconds)."""
        await self.send_to_every_partition(self._settings.topics.events, tick(time_s))

    async def push(self) -> None:
        """Let go what is gathered, without waiting for the broker's word."""
        for lane in self._lanes.values():
            await lane.hand_over()
        await asyncio.sleep(0)

    async def flush(self) -> None:
        """Send everything and wait until the broker has confirmed it."""
        await self.push()
        for lane in self._lanes.values():
            await lane.chunks.join()
            lane.check()

    async def _lanes_of(self, topic: str) -> list[LaneSender]:
        if topic not in self._partitions:
            self._partitions[topic] = await self._partition_count(topic)
            for partition in range(self._partitions[topic]):
                lane = Lane(topic, partition)
                self._lanes[lane] = LaneSender(
                    lane, self._producer, self.sent, self._settings, self._outages
                )
        return [self._lanes[Lane(topic, number)] for number in range(self._partitions[topic])]

    async def _partition_count(self, topic: str) -> int:
        try:
            partitions = await self._producer.partitions_for(topic)
        except KafkaError as problem:
            raise SendError(f"topic {topic}: {problem} (`hookpoint topics` makes it)") from problem
        return len(partitions)


def send_records(settings: Settings, records: Iterable[Record]) -> Sent:
    """Send events and wait for the broker's word.

    Raises:
        SendError: the broker refused or was away for too long.
    """

    async def run() -> Sent:
        async with BulkSender(settings) as sender:
            await sender.send(settings.topics.events, records)
        return sender.sent

    return asyncio.run(run())


def send_catalogue(settings: Settings, titles: Sequence[Mapping[str, Any]]) -> Sent:
    """Send the catalogue (docs/events.md, ``titles``) and wait for the broker's word.

    Raises:
        SendError: the broker refused or was away for too long.
    """

    async def run() -> Sent:
        async with BulkSender(settings) as sender:
            await sender.send_titles(titles)
        return sender.sent

    return asyncio.run(run())


def send_declared(settings: Settings, declared: Mapping[str, Mapping[str, Any]]) -> Sent:
    """Send what viewers have declared (docs/events.md, ``viewers``); wait for the broker's word.

    Raises:
        SendError: the broker refused or was away for too long.
    """

    async def run() -> Sent:
        async with BulkSender(settings) as sender:
            await sender.send_declared(declared)
        return sender.sent

    return asyncio.run(run())


def send_ticks(settings: Settings, time_s: float) -> Sent:
    """Move the time of every partition of the events on to ``time_s`` (epoch seconds).

    Raises:
        SendError: the broker refused or was away for too long.
    """

    async def run() -> Sent:
        async with BulkSender(settings) as sender:
            await sender.send_tick(time_s)
        return sender.sent

    return asyncio.run(run())


def tick(time_s: float) -> bytes:
    """The record that moves time on to ``time_s`` (epoch seconds) without a viewer."""
    moment = datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")
    stamp = moment.replace("+00:00", "Z")
    envelope = {
        "specversion": "1.0",
        "id": f"tick-{stamp}",
        "source": "/producers/tick",
        "type": "stream.tick",
        "time": stamp,
    }
    return orjson.dumps(envelope)


@lru_cache(maxsize=1 << 18)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner (murmur2) gives to ``key``."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def _declared_record(viewer: str, declared: Mapping[str, Any]) -> Record:
    return Record(viewer.encode(), orjson.dumps(declared), time.time())


def _title_record(title: Mapping[str, Any]) -> Record:
    return Record(str(title["title_id"]).encode(), orjson.dumps(title), time.time())
