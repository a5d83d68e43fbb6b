"""What goes out to Kafka: whole batches per partition, in the order of their lineage.

A batch is appended to a partition whole or not at all, so a failure cannot leave a hole in the
middle of what a slice says.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from config.kafka import aiokafka_security
from streams.signals import PROGRESS, SESSIONS, SIGNALS, Out, lineage_header, lineage_order
from streams.worker.decoding import packed_headers
from streams.worker.metrics import RECORDS_OUT, REJECT_LOG, REJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from config.settings import Settings
    from streams.worker.decoding import DeadLetter

BATCH_BYTES = 900_000
"""Below Kafka's default limit of 1 MB for a batch."""
PRODUCERS = 4
"""A producer of aiokafka has one request on its way to each broker, and what comes meanwhile waits
for its answer: with one producer, a lane waited for the broker's word on what others sent."""


class BrokerAway(Exception):
    """The broker did not confirm; what was sent may or may not be there."""


class TopicsMissing(BrokerAway):
    """The broker answers, and has not the topics that are needed: someone must make them."""


class Record(NamedTuple):
    """One record to send."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@lru_cache(maxsize=200_000)
def murmur(key: bytes) -> int:
    """Kafka's own hash of a key, as the Java client has it."""
    return int(murmur2(key)) & 0x7FFFFFFF


class Publisher:
    """A producer that sends one slice's records and waits for the broker's word."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producers: list[Any] = []
        self._sending: Counter[int] = Counter()
        """By producer: calls that wait for it."""
        self._partitions: dict[str, int] = {}
        names = settings.topics
        self._topics = {
            SESSIONS: names.sessions,
            SIGNALS: names.signals,
            PROGRESS: names.progress,
        }

    async def start(self) -> None:
        """Connect."""
        for _ in range(PRODUCERS):
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka_bootstrap.split(","),
                client_id=f"{self._settings.group}-publisher",
                acks="all",
                max_batch_size=BATCH_BYTES,
                max_request_size=4 * BATCH_BYTES,
                request_timeout_ms=int(self._settings.io_timeout_s * 1000),
                **aiokafka_security(self._settings),
            )
            self._producers.append(producer)
            await producer.start()

    async def stop(self) -> None:
        """Disconnect."""
        for producer in self._producers:
            await producer.stop()
        self._producers.clear()

    def record(self, viewer: str, out: Out) -> Record:
        """An outbox entry as a record."""
        headers = [("lineage", lineage_header(viewer, out))]
        if out.topic == SIGNALS:
            headers.append(("content-type", b"application/cloudevents+json"))
        return Record(self._topics[out.topic], out.key.encode(), out.body.encode(), headers)

    def letter(self, letter: DeadLetter) -> Record:
        """A dead letter as a record."""
        where = f"{letter.topic}/{letter.partition}/{letter.offset}".encode()
        headers = [
            ("topic", letter.topic.encode()),
            ("partition", str(letter.partition).encode()),
            ("offset", str(letter.offset).encode()),
            ("reason", letter.reason.encode()),
            ("field", letter.field.encode()),
            ("detail", letter.detail.encode(errors="replace")),
            ("size", str(letter.size).encode()),
        ]
        if letter.key is not None:
            headers.append(("key", letter.key))
        if letter.headers:
            headers.append(("headers", packed_headers(letter.headers)))
        return Record(self._settings.topics.rejects, where, letter.value, headers)

    async def publish(self, outs: Iterable[tuple[str, Out]], letters: Sequence[DeadLetter]) -> None:
        """Send everything and wait until the broker has it.

        Raises:
            BrokerAway: it is not known whether the broker has it all.
        """
        ordered = sorted(outs, key=lambda pair: lineage_order(*pair))
        records = [self.record(viewer, out) for viewer, out in ordered]
        records += map(self.letter, letters)
        if not records:
            return
        try:
            async with asyncio.timeout(self._settings.io_timeout_s):
                await self._send(records)
        except (KafkaError, OSError, TimeoutError) as error:
            raise BrokerAway(f"{type(error).__name__}: {error}") from error
        for letter in letters:
            REJECTS.labels(letter.reason).inc()
            REJECT_LOG.count(letter)

    async def _send(self, records: list[Record]) -> None:
        lanes: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            count = self._partitions.get(record.topic) or await self.count(record.topic)
            lanes.setdefault((record.topic, murmur(record.key) % count), []).append(record)
        number = min(range(len(self._producers)), key=self._sending.__getitem__)
        producer = self._producers[number]
        self._sending[number] += 1
        try:
            await asyncio.gather(*(_send_lane(producer, *to, lane) for to, lane in lanes.items()))
        finally:
            self._sending[number] -= 1
        for (topic, _), lane in lanes.items():
            RECORDS_OUT.labels(topic).inc(len(lane))

    async def count(self, topic: str) -> int:
        """How many partitions a topic has."""
        partitions = await self._producers[0].partitions_for(topic)
        self._partitions[topic] = len(partitions)
        return len(partitions)


async def _send_lane(producer: Any, topic: str, partition: int, records: list[Record]) -> None:
    # One after the other: a batch that is lost must not be overtaken by the next, or a consumer's
    # mark would pass what is sent again.
    for batch in batches_of(producer, records):
        await (await producer.send_batch(batch, topic, partition=partition))


def batches_of(producer: Any, records: Iterable[Record]) -> list[Any]:
    """Records of one partition as the batches of a producer, in order."""
    batches = [producer.create_batch()]
    for _, key, value, headers in records:
        stamp = {"timestamp": None, "key": key, "value": value, "headers": headers}
        if batches[-1].append(**stamp) is None:
            batches.append(producer.create_batch())
            batches[-1].append(**stamp)
    return batches
