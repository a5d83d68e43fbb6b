"""Kafka for whoever sends records again: the rejected records themselves, and confirmed sending.

aiokafka, because it alone takes headers whose value is null; behind plain calls, because readers
are not asynchronous.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.partitioner import murmur2

from config.kafka import aiokafka_security, kafka_problem

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from types import TracebackType

    from config.settings import Settings
    from consumers.records import Reject
    from streams.headers import Headers

CONNECT_WITHIN_S = 10.0
FOUND_WITHIN_MS = 5000
STOP_FOR_S = 5.0
ROOM_BYTES = 1_048_576
"""For key, headers and what Kafka adds to a value."""


class CourierError(Exception):
    """Kafka does not do what was asked; the message is one line for a person."""


class Parts(NamedTuple):
    """What a record is made of."""

    key: bytes | None
    value: bytes | None
    headers: Headers


class Parcel(NamedTuple):
    """A record, and the partition that it goes to."""

    partition: int
    parts: Parts


class Courier:
    """Reads single records of one topic and sends others to it. A context manager.

    Raises:
        CourierError: from every method, if Kafka is away or refuses.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._runner = asyncio.Runner()
        self._partitions = 0
        self._consumer: Any = None
        self._producer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._close())
        self._runner.close()

    def partition_of(self, key: bytes | None, otherwise: int) -> int:
        """Where Kafka puts ``key``; a record without one goes to ``otherwise``, if there is it."""
        if not self._partitions:
            self._partitions = self._run(self._count())
        if key is None:
            return otherwise if 0 <= otherwise < self._partitions else 0
        return int(murmur2(key) & 0x7FFFFFFF) % self._partitions

    def original(self, reject: Reject) -> Parts | None:
        """The whole record that ``reject`` is about, or None if its topic keeps it no longer."""
        found: Parts | None = self._run(self._original(reject))
        return found

    def send(self, parcels: Sequence[Parcel]) -> list[Exception | None]:
        """Send, and wait for the broker's word on each: None where it was confirmed."""
        found: list[Exception | None] = self._run(self._send(parcels))
        return found

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self._runner.run(coroutine)
        except (KafkaError, OSError, TimeoutError) as error:
            where = self._settings.kafka_bootstrap
            what = kafka_problem(self._settings, error)
            raise CourierError(f"Kafka at {where} does not answer: {what}") from error

    async def _count(self) -> int:
        producer = await self._ready_producer()
        async with asyncio.timeout(CONNECT_WITHIN_S):
            return len(await producer.partitions_for(self._topic))

    async def _send(self, parcels: Sequence[Parcel]) -> list[Exception | None]:
        producer = await self._ready_producer()
        sending = [asyncio.ensure_future(self._send_one(producer, *parcel)) for parcel in parcels]
        done, late = await asyncio.wait(sending, timeout=self._settings.io_timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        away = TimeoutError(f"no answer within {self._settings.io_timeout_s:g} s")
        return [_problem(task) if task in done else away for task in sending]

    async def _send_one(self, producer: Any, partition: int, parts: Parts) -> None:
        key, value, headers = parts
        await producer.send_and_wait(
            self._topic, value, key, partition=partition, headers=list(headers)
        )

    async def _original(self, reject: Reject) -> Parts | None:
        consumer = await self._ready_consumer()
        at = TopicPartition(reject.topic, reject.partition)
        async with asyncio.timeout(self._settings.io_timeout_s):
            consumer.assign([at])
            if reject.offset < (await consumer.beginning_offsets([at]))[at]:
                return None
            consumer.seek(at, reject.offset)
            try:
                answer = await consumer.getmany(at, timeout_ms=FOUND_WITHIN_MS, max_records=1)
            except OffsetOutOfRangeError:
                return None
        records = answer.get(at)
        return _parts(records[0]) if records and _same(records[0], reject) else None

    async def _ready_producer(self) -> Any:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka_bootstrap.split(","),
                acks="all",
                max_request_size=self._settings.max_value_bytes + ROOM_BYTES,
                request_timeout_ms=round(self._settings.io_timeout_s * 1000),
                **aiokafka_security(self._settings),
            )
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await self._producer.start()
        return self._producer

    async def _ready_consumer(self) -> Any:
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(
                bootstrap_servers=self._settings.kafka_bootstrap.split(","),
                enable_auto_commit=False,
                auto_offset_reset="none",
                max_partition_fetch_bytes=self._settings.max_value_bytes + ROOM_BYTES,
                **aiokafka_security(self._settings),
            )
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await self._consumer.start()
        return self._consumer

    async def _close(self) -> None:
        for client in (self._consumer, self._producer):
            if client is not None:
                # With the broker gone it would wait for batches that nobody awaits any more.
                with suppress(TimeoutError, KafkaError):
                    await asyncio.wait_for(client.stop(), STOP_FOR_S)


def _problem(task: asyncio.Task[None]) -> Exception | None:
    problem = task.exception()
    if problem is not None and not isinstance(problem, Exception):
        raise problem
    return problem


def _parts(record: Any) -> Parts:
    return Parts(record.key, record.value, tuple(record.headers))


def _same(record: Any, reject: Reject) -> bool:
    """Whether a record is the one that was rejected: a topic may have been made anew since."""
    value = record.value or b""
    return (
        record.offset == reject.offset
        and len(value) == reject.size
        and value.startswith(reject.value)
        and (record.key or b"").startswith(reject.key or b"")
    )
