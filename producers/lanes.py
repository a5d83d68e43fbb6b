"""One partition at a time: batches in order, each sent until the broker confirms it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_delay,
    wait_exponential,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from config.settings import Settings

CHUNKS_WAITING = 2

log = structlog.get_logger(__name__)


class SendError(RuntimeError):
    """Records could not be sent; the message says which and why."""


class Lane(NamedTuple):
    """A topic and a partition."""

    topic: str
    partition: int


@dataclass(slots=True)
class Sent:
    """What the broker has confirmed. ``last_offsets`` has the highest offset per partition."""

    records: int = 0
    bytes: int = 0
    last_offsets: dict[Lane, int] = field(default_factory=dict)


Raw = tuple[bytes | None, bytes]
"""Key and value of a record."""


Tell = Callable[[str], None]
"""Takes one line for whoever watches."""


class Outages:
    """Says that Kafka is away and that it is back: once each, however many wait and retry.

    Args:
        place: the addresses, as configured.
        tell: where it is said; a warning in the log by default.
    """

    def __init__(self, place: str, tell: Tell | None = None) -> None:
        self._place = place
        self._tell = tell or log.warning
        self._waiting: set[object] = set()

    def waits(self, who: object) -> None:
        """An attempt of ``who`` has failed, and there will be another."""
        if not self._waiting:
            self._tell(f"waiting for Kafka at {self._place}")
        self._waiting.add(who)

    def succeeds(self, who: object) -> None:
        """An attempt of ``who`` went well."""
        if who in self._waiting:
            self._waiting.remove(who)
            if not self._waiting:
                self._tell(f"Kafka at {self._place} is back")


class LaneSender:
    """One partition: what is gathered, what waits, and the task that sends it in order."""

    def __init__(
        self, lane: Lane, producer: Any, sent: Sent, settings: Settings, outages: Outages
    ) -> None:
        self.gathered: list[Raw] = []
        self.size = 0
        self.chunks: asyncio.Queue[list[Raw]] = asyncio.Queue(CHUNKS_WAITING)
        self._lane = lane
        self._producer = producer
        self._sent = sent
        self._outages = outages
        self._outage_max_s = settings.outage_max_s
        self._failure: Exception | None = None
        self.task = asyncio.create_task(self._run(), name=f"send {lane.topic}/{lane.partition}")

    async def hand_over(self) -> None:
        """Queue what is gathered; waits while two chunks wait already."""
        self.check()
        if self.gathered:
            chunk, self.gathered, self.size = self.gathered, [], 0
            await self.chunks.put(chunk)

    def check(self) -> None:
        """Raise what has stopped this lane, if anything has."""
        if self._failure is not None:
            where = f"{self._lane.topic}/{self._lane.partition}"
            what = str(self._failure) or type(self._failure).__name__
            raise SendError(f"sending to {where} failed: {what}") from self._failure

    async def _run(self) -> None:
        while True:
            chunk = await self.chunks.get()
            try:
                # After a failure the rest is dropped, so that nobody waits for ever to be told.
                if self._failure is None:
                    await self._send(chunk)
            except Exception as problem:  # noqa: BLE001 - handed to whoever sends or flushes next
                self._failure = problem
            finally:
                self.chunks.task_done()

    async def _send(self, chunk: list[Raw]) -> None:
        position = 0
        while position < len(chunk):
            count = 0
            async for attempt in persistently(self._outage_max_s, self._outages, self._lane):
                with attempt:
                    batch, count = self._batch(chunk, position)
                    answer = await self._producer.send_batch(
                        batch, self._lane.topic, partition=self._lane.partition
                    )
                    confirmed = await answer
                    self._sent.last_offsets[self._lane] = confirmed.offset + count - 1
            self._outages.succeeds(self._lane)
            self._sent.records += count
            self._sent.bytes += sum(len(it[1]) for it in chunk[position : position + count])
            position += count

    def _batch(self, chunk: list[Raw], position: int) -> tuple[Any, int]:
        """As much of the chunk from ``position`` on as one batch holds, and how many that is."""
        batch = self._producer.create_batch()
        now_ms = round(time.time() * 1000)
        append = batch.append
        count = 0
        for key, value in chunk[position:]:
            if append(timestamp=now_ms, key=key, value=value) is None:
                break
            count += 1
        batch.close()
        return batch, count


def persistently(for_s: float, outages: Outages, who: object) -> AsyncIterator[Any]:
    """Attempts of ``who`` with growing pauses, for as long as the fault is one that passes."""

    def say_so(state: RetryCallState) -> None:
        problem = state.outcome.exception() if state.outcome else None
        log.debug("sending_failed", problem=repr(problem), attempt=state.attempt_number)
        outages.waits(who)

    return AsyncRetrying(
        retry=retry_if_exception(_passes),
        stop=stop_after_delay(for_s),
        wait=wait_exponential(0.1, max=5.0),
        before_sleep=say_so,
        reraise=True,
    ).__aiter__()


def _passes(problem: BaseException) -> bool:
    if isinstance(problem, KafkaConnectionError | KafkaTimeoutError | OSError):
        return True
    return isinstance(problem, KafkaError) and bool(problem.retriable)
