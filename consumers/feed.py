"""One topic as a feed of raw records: with a consumer group, or alone from where you like.

How far a finite read goes: the target of each partition is the end that its first *fetch* answer
names, never the broker's list-offsets answer, which some brokers (the embedded one) give too low.
On top of that the topic must have been quiet for a moment, or that moment be long over.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError
from kafka.structs import OffsetAndMetadata, TopicPartition

from config.kafka import kafka_hint, kafka_python_security
from consumers.records import RawRecord, header_map

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Settings

CONNECT_WITHIN_S = 10.0
POLL_S = 0.2
BATCH = 200
"""Records handed over per poll: few enough for the group's five minutes between polls."""

log = logging.getLogger(__name__)


class ReaderError(Exception):
    """Reading cannot go on; the message is one line for a person, naming what to check."""


class Feed:
    """Raw records of one topic. Not thread-safe; close it, or use it as a context manager.

    Args:
        settings: where Kafka is.
        topic: its name on this broker.
        group: consumer group that remembers where it stopped, starting at the oldest record; None
            reads every partition from the oldest record and remembers nothing.

    Raises:
        ReaderError: Kafka does not answer within 10 seconds, or has no such topic.
    """

    def __init__(self, settings: Settings, topic: str, group: str | None = None) -> None:
        self.topic = topic
        self.group = group
        self._where = settings.kafka_bootstrap
        self._taken: dict[TopicPartition, int] = {}
        self._consumer = self._connect(settings)
        try:
            self._partitions = self._find_partitions()
            if group is None:
                self._consumer.assign(self._partitions)
                self._consumer.seek_to_beginning()
            else:
                self._consumer.subscribe([topic])
        except BaseException:
            self._consumer.close(autocommit=False)
            raise

    def fetch(self, timeout_s: float) -> list[RawRecord]:
        """The next records, oldest first within a partition; empty if none came in time.

        Raises:
            ReaderError: Kafka refused.
        """
        try:
            answer = self._consumer.poll(timeout_ms=max(0, int(timeout_s * 1000)))
        except KafkaError as error:
            raise ReaderError(f"Kafka at {self._where} refused to read: {error}") from error
        return [_raw(record) for records in answer.values() for record in records]

    def start_before_end(self, count: int) -> None:
        """Go on at most ``count`` records before the end of each partition; without a group."""
        try:
            first = self._consumer.beginning_offsets(self._partitions)
            # Too low an answer only means that more is read.
            end = self._consumer.end_offsets(self._partitions)
            for partition in self._partitions:
                self._consumer.seek(partition, max(first[partition], end[partition] - count))
        except KafkaError as error:
            raise ReaderError(f"Kafka at {self._where} does not answer: {error}") from error

    def ends(self, *, patience_s: float = 15.0) -> dict[int, int]:
        """One beyond the last offset of each partition, as of now; for a feed without a group.

        Args:
            patience_s: the longest wait for an answer.

        Raises:
            ReaderError: Kafka stopped answering.
        """
        self.start_before_end(0)
        deadline = time.monotonic() + patience_s
        while True:
            self.fetch(POLL_S)
            ends = {at.partition: self._consumer.highwater(at) for at in self._partitions}
            if None not in ends.values():
                return ends
            if time.monotonic() > deadline:
                raise ReaderError(f"Kafka at {self._where} does not say where {self.topic} ends")

    def whats_there(self, *, quiet_s: float = 0.3, patience_s: float = 15.0) -> Iterator[RawRecord]:
        """What the topic holds now, then ends; more that arrives meanwhile may come along.

        Args:
            quiet_s: how long nothing more must have come once the end seen at first is reached; on
                a topic that never rests it ends four times this later.
            patience_s: the longest wait for an answer.

        Raises:
            ReaderError: Kafka stopped answering before the end was reached.
        """
        targets: dict[TopicPartition, int] = {}
        last_record = last_progress = time.monotonic()
        reached: float | None = None
        while True:
            records = self.fetch(min(POLL_S, quiet_s))
            now = time.monotonic()
            if records:
                last_record = last_progress = now
            yield from records
            if reached is None and self._reached(targets):
                reached = now
            if reached is not None:
                if now - last_record >= quiet_s or now - reached >= 4 * quiet_s:
                    return
            elif now - last_progress > patience_s:
                raise ReaderError(
                    f"Kafka at {self._where} stopped answering before the end of {self.topic}"
                )

    def answers(self) -> bool:
        """Whether Kafka answers within 3 seconds."""
        try:
            self._consumer.beginning_offsets(self._partitions, timeout_ms=3000)
        except KafkaError:
            return False
        return True

    def take(self, record: RawRecord) -> None:
        """Note that everything up to ``record`` of its partition is done with."""
        self._taken[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def commit(self) -> None:
        """Tell the group how far records were taken. Without a group nothing is told.

        A group that is just being shared out anew refuses; the records then come again, to
        whoever reads their partition next, and are recognised there.
        """
        if self.group is None or not self._taken:
            return
        offsets = {at: OffsetAndMetadata(offset, "", -1) for at, offset in self._taken.items()}
        try:
            self._consumer.commit(offsets, timeout_ms=10_000)
        except (CommitFailedError, RebalanceInProgressError) as error:
            log.warning("group %s was told to commit %s again: %r", self.group, self.topic, error)
        except KafkaError as error:
            raise ReaderError(f"Kafka at {self._where} did not take a commit: {error}") from error
        self._taken.clear()

    def close(self) -> None:
        """Leave the group and close the connection; nothing is committed."""
        self._consumer.close(autocommit=False)

    def _connect(self, settings: Settings) -> Any:
        grouped = {
            "session_timeout_ms": int(settings.session_timeout_s * 1000),
            "heartbeat_interval_ms": int(settings.session_timeout_s * 1000 / 4),
        }
        try:
            return KafkaConsumer(
                bootstrap_servers=settings.kafka_bootstrap.split(","),
                bootstrap_timeout_ms=int(CONNECT_WITHIN_S * 1000),
                group_id=self.group,
                client_id="hookpoint-reader",
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                max_poll_records=BATCH,
                fetch_max_wait_ms=int(POLL_S * 1000),
                **(grouped if self.group else {}),
                **kafka_python_security(settings),
            )
        except (ValueError, OSError) as error:
            raise ReaderError(f"the settings for Kafka do not work: {error}") from error
        except KafkaError as error:
            hint = kafka_hint(settings)
            raise ReaderError(f"Kafka does not answer at {self._where}: {hint}") from error

    def _find_partitions(self) -> list[TopicPartition]:
        try:
            numbers = self._consumer.partitions_for_topic(self.topic)
        except KafkaError as error:
            raise ReaderError(f"Kafka at {self._where} does not answer: {error}") from error
        if not numbers:
            raise ReaderError(
                f"there is no topic {self.topic} on {self._where}; `hookpoint topics` creates it"
            )
        return [TopicPartition(self.topic, number) for number in sorted(numbers)]

    def _reached(self, targets: dict[TopicPartition, int]) -> bool:
        """Whether each assigned partition was read to the end that it first named."""
        assigned = self._consumer.assignment()
        for partition in assigned:
            if partition not in targets:
                end = self._consumer.highwater(partition)
                if end is None:
                    return False
                targets[partition] = end
        return bool(assigned) and all(
            (self._consumer.position(at, timeout_ms=1000) or 0) >= targets[at] for at in assigned
        )


def _raw(record: Any) -> RawRecord:
    return RawRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=header_map(record.headers),
        timestamp_ms=record.timestamp,
    )
