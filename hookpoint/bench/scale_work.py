"""One or several workers that work off a stream, and what that costs whom."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from consumers.connection import connect
from consumers.feed import Feed
from hookpoint.bench.marks import LOOK_EVERY_S, Marks
from hookpoint.demo.worker import running_worker
from hookpoint.processes import StackError
from producers.send import BulkSender, Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from config.settings import Settings
    from hookpoint.demo.worker import RunningWorker
    from producers.records import Record

READY_WITHIN_S = 90.0
STALLED_AFTER_S = 60.0
CHUNK = 2000
CLAIM_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Stream:
    """What was sent. ``bytes`` are those of the values."""

    records: int
    bytes: int
    last_offsets: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Work:
    """From when workers had taken all partitions, and read nothing yet, until all was absorbed."""

    workers: int
    events: int
    wall_s: float
    cpu_s: float
    """User and system time of all workers."""
    peak_rss_bytes: int
    """Largest resident memory of any one worker at any look."""
    redis_cpu_s: float
    redis_bytes_in: int
    """What all clients sent to Redis."""
    redis_bytes_out: int

    @property
    def per_second(self) -> float:
        """Events per second of wall clock."""
        return self.events / self.wall_s

    @property
    def per_cpu_second(self) -> float:
        """Events per second of processor time of the workers."""
        return self.events / self.cpu_s

    @property
    def cpu_s_per_million(self) -> float:
        """Processor seconds of the workers for a million events."""
        return 1e6 * self.cpu_s / self.events


def send(settings: Settings, records: Iterable[Record], told: Callable[[int], None]) -> Stream:
    """Send ``records`` as fast as the broker takes them, and wait for its word.

    Raises:
        SendError: the broker refused or was away for too long.
    """

    async def run() -> Stream:
        count = 0
        async with BulkSender(settings) as sender:
            chunk: list[Record] = []
            for record in records:
                chunk.append(record)
                if len(chunk) == CHUNK:
                    await sender.send(settings.topics.events, chunk)
                    count += len(chunk)
                    told(count)
                    chunk = []
            await sender.send(settings.topics.events, chunk)
        offsets = {
            lane.partition: offset
            for lane, offset in sender.sent.last_offsets.items()
            if isinstance(lane, Lane)
        }
        return Stream(sender.sent.records, sender.sent.bytes, offsets)

    return asyncio.run(run())


def work_off(settings: Settings, stream: Stream, workers: int, told: Callable[[int], None]) -> Work:
    """Let ``workers`` work off the whole stream.

    Raises:
        StackError: one of them ended, never began or came to a halt.
    """
    with ExitStack() as running, closing(connect(settings)) as client:
        marks = Marks(settings, client, stream.last_offsets)
        started = [running.enter_context(running_worker(settings)) for _ in range(workers)]
        return Watch(marks, client, started, told).run()


def records_out(settings: Settings) -> dict[str, dict[str, int]]:
    """Records and bytes of their values that lie in each topic that workers write to."""
    names = settings.topics
    topics = {"sessions": names.sessions, "progress": names.progress, "signals": names.signals}
    found = {}
    for role, topic in topics.items():
        with closing(Feed(settings, topic)) as feed:
            sizes = [len(record.value or b"") for record in feed.whats_there()]
        found[role] = {"records": len(sizes), "bytes": sum(sizes)}
    return found


def renamed(settings: Settings, number: int) -> Settings:
    """Topics, group and keys of one round of several."""
    own = f"{settings.group}-{number}"
    topics = {role: f"{own}-{role}" for role, _ in settings.topics}
    return settings.model_copy(
        update={
            "topics": settings.topics.model_copy(update=topics),
            "group": own,
            "key_prefix": f"{own}:",
        }
    )


def cpu_s(worker: RunningWorker) -> float:
    """User and system time of a worker so far."""
    times = psutil.Process(worker.process.pid).cpu_times()
    return float(times.user + times.system)


class Watch:
    """Looks at workers, that have just been started on a stream that is there already."""

    def __init__(
        self,
        marks: Marks,
        client: Any,
        workers: Sequence[RunningWorker],
        told: Callable[[int], None],
    ) -> None:
        self._marks = marks
        self._client = client
        self._workers = workers
        self._told = told
        self._processes = [psutil.Process(worker.process.pid) for worker in workers]
        self._peak = 0

    def run(self) -> Work:
        """Watch until everything is absorbed.

        Raises:
            StackError: a worker ended, never began or came to a halt.
        """
        self._await_claims()
        then, cpu_then, redis_then = time.monotonic(), self._cpu_s(), self._redis()
        last, moved = 0, then
        while last < self._marks.goal:
            absorbed, now = self._absorbed(), time.monotonic()
            if absorbed > last:
                last, moved = absorbed, now
            elif now - moved > STALLED_AFTER_S:
                raise StackError(f"the workers halted at {last:,} records")
        redis = [now - before for now, before in zip(self._redis(), redis_then, strict=True)]
        return Work(
            workers=len(self._workers),
            events=last,
            wall_s=moved - then,
            cpu_s=self._cpu_s() - cpu_then,
            peak_rss_bytes=self._peak,
            redis_cpu_s=redis[0],
            redis_bytes_in=int(redis[1]),
            redis_bytes_out=int(redis[2]),
        )

    def _await_claims(self) -> None:
        """Wait for the moment before the first record is read: no work is left out of the figures.

        All workers of a group's first generation have started by then.
        """
        begun = time.monotonic()
        while not self._marks.claimed():
            if time.monotonic() - begun > READY_WITHIN_S:
                raise StackError(f"the workers took no partitions in {READY_WITHIN_S:.0f} s")
            for worker in self._workers:
                worker.check()
            time.sleep(CLAIM_LOOK_S)

    def _absorbed(self) -> int:
        time.sleep(LOOK_EVERY_S)
        for worker in self._workers:
            worker.check()
        self._peak = max(self._peak, *(it.memory_info().rss for it in self._processes))
        absorbed = self._marks.absorbed()
        self._told(absorbed)
        return absorbed

    def _cpu_s(self) -> float:
        times = [it.cpu_times() for it in self._processes]
        return float(sum(it.user + it.system for it in times))

    def _redis(self) -> tuple[float, int, int]:
        cpu, stats = self._client.info("cpu"), self._client.info("stats")
        seconds = float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])
        return seconds, stats["total_net_input_bytes"], stats["total_net_output_bytes"]
