"""The load: a process of its own that sends each event at its instant, whatever comes of it.

It takes one JSON command a line on standard input and answers each with one line: ``backlog``
sends as fast as the broker takes it, ``load`` at a steady rate. It ends with its input.
"""

from __future__ import annotations

import asyncio
import sys
import time
from array import array
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaProducer

from config.kafka import aiokafka_security
from config.settings import Settings
from hookpoint.bench.crowd import Crowd, CrowdOptions, catalogue_of
from hookpoint.bench.latency_probes import begins, ends
from hookpoint.bench.quantiles import spread
from producers.send import BulkSender, Lane, partition_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from producers.records import Record

TITLES = 40
AT_ONCE = 500
"""Events made between two turns of the event loop; more would keep it from sending."""
TICK_S = 0.005
"""How long events gather before they are sent: what ``linger.ms`` is in producers of Kafka 4, as
long as nobody sets it. With less, broker and sender are busy with batches of a few records."""
PROBE_TAKES_S = 2.0
"""From a probe's start to its end, so that they are never decided together."""
START_WITHIN_S = 0.2
READY = b'{"ready":true}\n'


class Schedule:
    """What is sent when: a steady rate, every so many events of which a probe takes one.

    Args:
        rate: events per second.
        seconds: for how long.
        probes_per_s: how many probes end per second; each needs two events of the rate.
        first_probe: the number of the first.
    """

    def __init__(self, rate: float, seconds: float, probes_per_s: float, first_probe: int) -> None:
        self.rate = rate
        self.events = int(rate * seconds)
        self._every = max(2, round(rate / (2 * probes_per_s)))
        self._first = first_probe
        self._behind = max(1, round(PROBE_TAKES_S * rate / (2 * self._every)))
        """So many other probes begin before a probe ends."""

    def at_s(self, number: int) -> float:
        """Seconds from the beginning to an event."""
        return number / self.rate

    def probe(self, number: int) -> tuple[int, bool] | None:
        """Which probe an event belongs to, and whether it is its end; None for the crowd's."""
        turn, rest = divmod(number, self._every)
        if rest:
            return None
        probe, is_end = divmod(turn, 2)
        if not is_end:
            return self._first + probe, False
        return (self._first + probe - self._behind, True) if probe >= self._behind else None

    @property
    def probes(self) -> int:
        """How many are begun at most."""
        return self.events // (2 * self._every) + 1


class _Lane:
    """One partition: what waits to be sent, one batch on its way at a time."""

    def __init__(self, producer: Any, topic: str, partition: int) -> None:
        self._producer, self._topic, self._partition = producer, topic, partition
        self._task: asyncio.Task[None] | None = None
        self.waiting: list[tuple[bytes, bytes]] = []
        self.last_offset = -1

    def push(self) -> None:
        """Send what waits, unless a batch is on its way."""
        if self.waiting and (self._task is None or self._task.done()):
            if self._task is not None:
                self._task.result()
            self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        batch = self._producer.create_batch()
        taken = 0
        for key, value in self.waiting:
            if batch.append(timestamp=None, key=key, value=value) is None:
                break
            taken += 1
        del self.waiting[:taken]
        sent = await self._producer.send_batch(batch, self._topic, partition=self._partition)
        self.last_offset = (await sent).offset + taken - 1

    async def flush(self) -> None:
        """Wait until everything is confirmed."""
        while self._task is not None or self.waiting:
            self.push()
            if self._task is not None:
                await self._task
                self._task = None


class Load:
    """The crowd, the probes and the producer."""

    def __init__(self, settings: Settings, crowd: CrowdOptions) -> None:
        self._settings = settings
        self._crowd = Crowd(crowd, catalogue_of(TITLES, crowd.seed))
        self._next_probe = 0

    async def backlog(self, events: int, spread_s: float) -> dict[str, Any]:
        """Send events of the last ``spread_s`` seconds as fast as the broker takes them."""
        topic, begins_s = self._settings.topics.events, time.time() - spread_s
        async with BulkSender(self._settings) as sender:
            records = self._crowd.records(begins_s, spread_s / events, events)
            chunk: list[Record] = []
            for record in records:
                chunk.append(record)
                if len(chunk) == AT_ONCE:
                    await sender.send(topic, chunk)
                    chunk = []
            await sender.send(topic, chunk)
        offsets = {
            lane.partition: offset
            for lane, offset in sender.sent.last_offsets.items()
            if isinstance(lane, Lane)
        }
        return {"events": sender.sent.records, "last_offsets": offsets}

    async def steady(
        self, rate: float, warm_s: float, measure_s: float, probes_per_s: float
    ) -> dict[str, Any]:
        """Send at ``rate``, and say when each probe was to end and how punctual all of it was."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka_bootstrap.split(","),
            acks="all",
            **aiokafka_security(self._settings),
        )
        await producer.start()
        try:
            return await self._steady(producer, rate, warm_s, measure_s, probes_per_s)
        finally:
            await producer.stop()

    async def _steady(
        self, producer: Any, rate: float, warm_s: float, measure_s: float, probes_per_s: float
    ) -> dict[str, Any]:
        topic = self._settings.topics.events
        count = len(await producer.partitions_for(topic))
        lanes = [_Lane(producer, topic, partition) for partition in range(count)]
        schedule = Schedule(rate, warm_s + measure_s, probes_per_s, self._next_probe)
        self._next_probe += schedule.probes
        run = _Run(schedule, self._crowd, lanes)
        begun = await run.send()
        for lane in lanes:
            await lane.flush()
        flushed_s = time.monotonic() - begun
        measured = int(rate * warm_s)
        late = run.late_s[measured:]
        return {
            "events": schedule.events,
            "begun": begun,
            "seconds": flushed_s,
            "punctuality": asdict(spread(late)),
            "probes": {str(probe): at for probe, at in run.probes.items() if at >= begun + warm_s},
            "last_offsets": {p: lane.last_offset for p, lane in enumerate(lanes)},
        }


class _Run:
    """One run of a schedule."""

    def __init__(self, schedule: Schedule, crowd: Crowd, lanes: list[_Lane]) -> None:
        self._schedule, self._crowd, self._lanes = schedule, crowd, lanes
        self.late_s = array("d")
        """By event: from its instant to when it was handed over."""
        self.probes: dict[int, float] = {}
        """By probe: the instant (monotonic seconds) at which its end was to be sent."""

    async def send(self) -> float:
        """Hand everything over, each event at its instant; returns when that began."""
        schedule = self._schedule
        begun = time.monotonic() + START_WITHIN_S
        epoch = time.time() - time.monotonic()
        number = 0
        while number < schedule.events:
            now = time.monotonic()
            most = min(schedule.events, number + AT_ONCE)
            while number < most and begun + schedule.at_s(number) <= now:
                self._make(number, begun + schedule.at_s(number), epoch)
                number += 1
            for lane in self._lanes:
                lane.push()
            handed_over = time.monotonic()
            self.late_s.extend(
                handed_over - begun - schedule.at_s(it) for it in range(len(self.late_s), number)
            )
            is_behind = number == most
            await asyncio.sleep(0 if is_behind else TICK_S)
        return begun

    def _make(self, number: int, at_s: float, epoch: float) -> None:
        probe = self._schedule.probe(number)
        if probe is None:
            key, value, _ = self._crowd.next(at_s + epoch)
        else:
            key, value, _ = (ends if probe[1] else begins)(probe[0], at_s + epoch)
            if probe[1]:
                self.probes[probe[0]] = at_s
        self._lanes[partition_of(key, len(self._lanes))].waiting.append((key, value))


async def _serve(load: Load) -> None:
    kinds: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
        "backlog": load.backlog,
        "load": load.steady,
    }
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        command = orjson.loads(line)
        answer = await kinds[command.pop("do")](**command)
        sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS) + b"\n")
        sys.stdout.buffer.flush()


def main() -> None:
    """Serve until the input ends. The one argument is the crowd's options as JSON."""
    crowd = CrowdOptions(**orjson.loads(sys.argv[1]))
    load = Load(Settings(), crowd)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    asyncio.run(_serve(load))


if __name__ == "__main__":
    main()
