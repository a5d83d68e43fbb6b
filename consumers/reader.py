"""Reading a topic record by record: typed, without repeats, going on where it stopped.

Two ways to use it. With a *group*, offsets are committed and taken ids are kept in Redis, so a
service that restarts goes on where it was. Without one, each reader sees the whole topic by itself
and leaves no trace.

A record counts as *taken* when its caller comes back for the next one, or closes the reader
without an exception. A caller that dies before gets that record again, and only that one.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from redis.exceptions import RedisError

from consumers.connection import connect
from consumers.feed import Feed, ReaderError
from consumers.records import BadRecordError, RawRecord
from consumers.seen import GroupIds, Memory, RecentIds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from config.settings import Settings

T = TypeVar("T")

LOG_EVERY_S = 1.0
WAIT_S = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Contents(Generic[T]):
    """What a topic holds.

    ``parse`` reads one raw record, raising ``BadRecordError`` if it breaks the contract;
    ``identity`` is what two records have in common when one repeats the other.
    """

    topic: str
    parse: Callable[[RawRecord], T]
    identity: Callable[[T], str]


class Reader(Generic[T]):
    """Values of one topic. Not thread-safe; a context manager and an endless iterator.

    Args:
        settings: where Kafka is and, with a group, Redis.
        contents: the topic, and how to read it.
        group: consumer group to go on with, from the oldest record at first; None for a reader by
            itself.
        memory: what remembers identities instead of Redis or this process.

    Attributes:
        feed: the raw records, for finite reads.
        bad: how many records broke the contract, by reason.
        repeats: how many records were dropped as repeats.

    Raises:
        ReaderError: Kafka or Redis does not answer, or there is no such topic.
    """

    def __init__(
        self,
        settings: Settings,
        contents: Contents[T],
        *,
        group: str | None = None,
        memory: Memory | None = None,
    ) -> None:
        self._contents = contents
        self._client = None
        if memory is None and group is not None:
            self._client = connect(settings)
            memory = GroupIds(self._client, settings, group, contents.topic)
        self._memory = memory or RecentIds()
        self._waiting: deque[tuple[RawRecord, T, str]] = deque()
        self._handed: tuple[RawRecord, str] | None = None
        self._bad_logged_at = float("-inf")
        self.bad: Counter[str] = Counter()
        self.repeats = 0
        self.feed = Feed(settings, contents.topic, group)

    def poll(self, timeout_s: float) -> T | None:
        """The next value, or None if none came within ``timeout_s``; takes the one before.

        Raises:
            ReaderError: Kafka or Redis refuses or is away.
        """
        self._take_handed()
        deadline = time.monotonic() + timeout_s
        while not self._waiting:
            self.feed.commit()
            left = deadline - time.monotonic()
            self._sort(self.feed.fetch(max(0.0, min(WAIT_S, left))))
            if left <= 0 and not self._waiting:
                return None
        raw, value, known_by = self._waiting.popleft()
        self._handed = (raw, known_by)
        return value

    def __iter__(self) -> Iterator[T]:
        """Every value from here on, waiting for more for ever."""
        while True:
            value = self.poll(WAIT_S)
            if value is not None:
                yield value

    def whats_there(self, *, last_per_partition: int | None = None) -> Iterator[T]:
        """What the topic holds now, then ends; for a reader without a group.

        Args:
            last_per_partition: leave out all but this many last records of each partition.

        Raises:
            ReaderError: Kafka is away, or stopped answering halfway.
        """
        if last_per_partition is not None:
            self.feed.start_before_end(last_per_partition)
        for raw in self.feed.whats_there():
            self._sort([raw])
            while self._waiting:
                done, value, known_by = self._waiting.popleft()
                self._handed = (done, known_by)
                self._take_handed()
                yield value

    def close(self, *, taken: bool = True) -> None:
        """Commit what was taken and leave.

        Args:
            taken: the last value handed out was dealt with; otherwise it comes again.
        """
        try:
            if taken:
                self._take_handed()
            self.feed.commit()
        finally:
            self.feed.close()
            if self._client is not None:
                self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close(taken=kind is None)
        except ReaderError:
            # What went wrong first is what matters.
            if kind is None:
                raise

    def _take_handed(self) -> None:
        if self._handed is None:
            return
        raw, known_by = self._handed
        try:
            self._memory.add(known_by)
        except RedisError as error:
            raise ReaderError(f"Redis does not take what was read: {error}") from error
        self.feed.take(raw)
        self._handed = None

    def _sort(self, records: list[RawRecord]) -> None:
        """Put new and sound records in the queue; what is skipped counts as taken."""
        sound = [(raw, value) for raw in records if (value := self._read(raw)) is not None]
        names = [self._contents.identity(value) for _, value in sound]
        try:
            known = self._memory.known(names)
        except RedisError as error:
            raise ReaderError(f"Redis does not say what was read: {error}") from error
        for (raw, value), name in zip(sound, names, strict=True):
            if name in known:
                self.repeats += 1
            else:
                known.add(name)
                self._waiting.append((raw, value, name))
        self._skip_to_first_waiting(records)

    def _skip_to_first_waiting(self, records: list[RawRecord]) -> None:
        """Take skipped records, but none that has an untaken one before it in its partition."""
        held = {raw.partition for raw, _, _ in self._waiting}
        for raw in records:
            if raw.partition not in held:
                self.feed.take(raw)

    def _read(self, raw: RawRecord) -> T | None:
        try:
            return self._contents.parse(raw)
        except BadRecordError as error:
            self.bad[error.reason] += 1
            now = time.monotonic()
            if now - self._bad_logged_at >= LOG_EVERY_S:
                self._bad_logged_at = now
                where = f"{raw.topic}/{raw.partition}/{raw.offset}"
                log.warning("skipped %s: %r (%d so far)", where, error, self.bad.total())
            return None
