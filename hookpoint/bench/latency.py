"""``hookpoint bench latency`` from start to end: a capacity, then steady loads below it."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from config.settings import Settings
from consumers.connection import connect
from hookpoint.bench.bars import progress
from hookpoint.bench.catalogue import know_titles
from hookpoint.bench.crowd import CrowdOptions, catalogue_of, viewer_name
from hookpoint.bench.facts import facts
from hookpoint.bench.latency_capacity import PROBES_PER_S, STEPS, TRY_S, attempt, sustained
from hookpoint.bench.latency_load import TITLES
from hookpoint.bench.latency_probes import FACTS, TITLE, probe_name
from hookpoint.bench.latency_sender import running_sender
from hookpoint.bench.latency_watch import KafkaWatch, RedisWatch
from hookpoint.bench.leftovers import remove_topics
from hookpoint.bench.marks import Marks
from hookpoint.bench.quantiles import Spread, latencies, spread
from hookpoint.bench.scale_work import Watch
from hookpoint.bench.tidy import remove_keys
from hookpoint.demo.worker import own_names, running_worker
from hookpoint.processes import StackError
from hookpoint.stack import running_stack
from hookpoint.topics import ensure_topics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from hookpoint.bench.latency_sender import Sender
    from hookpoint.bench.scale_work import Work
    from hookpoint.demo.worker import RunningWorker

HEARTBEAT_S = 45.0
DRAIN_WITHIN_S = 120.0
SEEN_WITHIN_S = 10.0
LOOK_EVERY_S = 0.05
MOST_PROBES = 1 / 50
"""Of the events. Each begins with a viewer who is not in the worker's memory; so does one in about
50 events of a service: the start of a playback."""
MOST_LATE_MS = 10.0
"""A sender whose own punctuality is worse at the 99th percentile has not made the load it says."""
PROBES_MARGIN = 1.2
"""Their rate is rounded to a whole number of events."""


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """What one run measures."""

    shares: tuple[float, ...] = (0.2, 0.5, 0.9)
    """Of the capacity, ascending."""
    capacity: float | None = None
    """Events per second; None measures it first."""
    seconds: float = 30.0
    warm_s: float = 5.0
    probes_per_s: float = 50.0
    viewers: int = 20_000
    """All of them watch, so each sends an event every ``viewers / rate`` seconds."""
    backlog: int = 200_000
    """Events that are worked off first: no live stream is faster."""
    seed: int = 7


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One steady load. ``redis``, ``session`` and ``signal`` run from the scheduled instant."""

    share: float
    rate: float
    redis: Spread
    session: Spread
    signal: Spread
    punctuality: Spread
    """From an event's instant to when the sender handed it over."""
    worker_cores: float
    """Processor time of the worker per second."""
    busy: float
    """Share of all cores in use by anything, 0..1."""

    @property
    def valid(self) -> bool:
        """Whether the sender kept its own schedule."""
        return self.punctuality.p99_ms <= MOST_LATE_MS


@dataclass(frozen=True, slots=True)
class LatencyResult:
    """One whole run."""

    options: LatencyOptions
    facts: dict[str, Any]
    capacity: float
    """Events per second of a live stream that the worker keeps up with."""
    backlog: Work | None
    """A backlog of the same viewers, worked off; None if the capacity was given."""
    points: Sequence[LoadPoint]


def run_latency(options: LatencyOptions, console: Console) -> LatencyResult:
    """Measure the capacity unless it is given, then the latency at each share of it.

    Raises:
        StackError: a server, the worker or the sender did not start, ended or came to a halt.
        BrokerError: the topics could not be made.
    """
    with running_stack(own_names(Settings(), "bench")) as settings:
        if settings.redis_cluster:
            raise StackError("a Redis Cluster has no one place that tells of changed keys")
        titles = [it.facts() for it in catalogue_of(TITLES, options.seed)]
        try:
            ensure_topics(settings)
            know_titles(settings, [*titles, FACTS])
            crowd = CrowdOptions(options.viewers, options.viewers, options.seed)
            with closing(connect(settings)) as client, running_sender(settings, crowd) as load:
                return _Bench(settings, options, console, client, load).run()
        finally:
            if "kafka_bootstrap" in Settings().model_fields_set:
                remove_topics(settings, settings.group)
            if "redis_url" in Settings().model_fields_set:
                remove_keys(
                    settings, _viewers(options), [TITLE, *(it["title_id"] for it in titles)]
                )


def _viewers(options: LatencyOptions) -> Iterator[str]:
    """All that may have keys. Each load begins a probe more than it has time for."""
    yield from map(viewer_name, range(options.viewers))
    each = options.probes_per_s * (options.warm_s + options.seconds) * PROBES_MARGIN
    tried = 0 if options.capacity else STEPS * int(PROBES_PER_S * TRY_S * PROBES_MARGIN + 2)
    yield from map(probe_name, range(tried + int(each + 2) * len(options.shares)))


class _Bench:
    def __init__(
        self,
        settings: Settings,
        options: LatencyOptions,
        console: Console,
        client: Any,
        load: Sender,
    ) -> None:
        self._settings = settings
        self._options = options
        self._console = console
        self._load = load
        self._client = client
        self._marks = Marks(settings, client, {})

    def run(self) -> LatencyResult:
        found = facts(self._settings)
        options = self._options
        # Even with a given capacity the whole crowd is known before anything is timed.
        events = options.viewers if options.capacity else max(options.backlog, options.viewers)
        self._send_backlog(events)
        with running_worker(self._settings) as worker:
            backlog = None
            if options.capacity is None:
                backlog = self._work_off(worker)
                capacity = self._sustained(worker, backlog.per_second)
            else:
                capacity = options.capacity
                self._marks.wait(worker.check, DRAIN_WITHIN_S)
            points = [self._point(worker, share, share * capacity) for share in options.shares]
        return LatencyResult(options, found, capacity, backlog, points)

    def _send_backlog(self, events: int) -> None:
        spread_s = HEARTBEAT_S * events / self._options.viewers
        with progress(self._console, "sending the backlog", 1):
            self._load.begin(do="backlog", events=events, spread_s=spread_s)
            self._sent(self._load.answer()["last_offsets"])

    def _sent(self, last_offsets: Mapping[str, int]) -> None:
        self._marks.last_offsets |= {
            int(partition): offset for partition, offset in last_offsets.items() if offset >= 0
        }

    def _work_off(self, worker: RunningWorker) -> Work:
        with progress(self._console, "working off a backlog", self._marks.goal) as told:
            work = Watch(self._marks, self._client, [worker], told).run()
        self._console.print(f"Backlog: {work.per_second:,.0f} events/s", highlight=False)
        return work

    def _sustained(self, worker: RunningWorker, upper: float) -> float:
        with progress(self._console, "measuring the capacity", STEPS) as told:
            tries: list[float] = []

            def behind(rate: float) -> float:
                self._load.begin(**attempt(rate))
                self._sent(self._load.answer()["last_offsets"])
                left = self._marks.goal - self._marks.absorbed()
                self._marks.wait(worker.check, DRAIN_WITHIN_S)
                tries.append(rate)
                told(len(tries))
                return left

            capacity = sustained(upper, behind)
        if not capacity:
            raise StackError(f"the worker keeps up with none of {sorted(tries)} events/s")
        self._console.print(f"Capacity: {capacity:,.0f} events/s", highlight=False)
        return capacity

    def _point(self, worker: RunningWorker, share: float, rate: float) -> LoadPoint:
        options, process = self._options, psutil.Process(worker.process.pid)
        redis, kafka = RedisWatch(self._settings), KafkaWatch(self._settings)
        redis.start()
        kafka.start()
        try:
            cpu_then, then = _cpu_s(process), time.monotonic()
            psutil.cpu_percent()
            self._load.begin(
                do="load",
                rate=rate,
                warm_s=options.warm_s,
                measure_s=options.seconds,
                probes_per_s=min(options.probes_per_s, rate * MOST_PROBES),
            )
            with progress(self._console, f"{share:.0%} of the capacity", 1):
                said = self._load.answer()
            cores = (_cpu_s(process) - cpu_then) / (time.monotonic() - then)
            busy = psutil.cpu_percent() / 100
            self._sent(said["last_offsets"])
            self._marks.wait(worker.check, DRAIN_WITHIN_S)
            scheduled = {int(probe): at for probe, at in said["probes"].items()}
            if not scheduled:
                raise StackError(f"no probe ended at {rate:,.0f} events/s: measure for longer")
            _await_last(scheduled, redis, kafka)
        finally:
            redis.stop()
            kafka.stop()
        point = LoadPoint(
            share,
            rate,
            spread(latencies(scheduled, redis.seen)),
            spread(latencies(scheduled, kafka.sessions)),
            spread(latencies(scheduled, kafka.seen)),
            Spread(**said["punctuality"]),
            cores,
            busy,
        )
        self._console.print(
            f"{share:.0%}, {rate:,.0f} events/s: Redis p99 {point.redis.p99_ms:,.0f} ms, "
            f"signal p99 {point.signal.p99_ms:,.0f} ms",
            highlight=False,
        )
        return point


def _await_last(scheduled: Mapping[int, float], redis: RedisWatch, kafka: KafkaWatch) -> None:
    """Give the last probes the time to arrive; those that do not are counted as lost."""
    patience = time.monotonic() + SEEN_WITHIN_S
    while time.monotonic() < patience:
        redis.check()
        kafka.check()
        if all(scheduled.keys() <= it.keys() for it in (redis.seen, kafka.seen, kafka.sessions)):
            return
        time.sleep(LOOK_EVERY_S)


def _cpu_s(process: Any) -> float:
    cpu = process.cpu_times()
    return float(cpu.user + cpu.system)
