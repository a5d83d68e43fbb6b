"""What a service of any size needs, from what was measured and what is assumed.

Pure arithmetic: ``docs/capacity.md`` writes it out, ``hookpoint capacity`` fills it in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR_S, DAY_S = 3600.0, 86400.0
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 300_000_000)
FORMAT = 1
LEAST_PARTITIONS = 8


class NotMeasured(ValueError):
    """The file lacks a figure that the model counts with."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not measured but chosen. Change them to your own."""

    watching_share: float = 0.10
    """Of all viewers, at the peak of the evening."""
    hours_per_day: float = 1.5
    """Watched by a viewer, on average; every viewer, every day."""
    heartbeat_s: float = 45.0
    other_events_per_hour: float = 4.0
    """Starts, pauses, seeks, ends."""
    worker_load: float = 0.5
    """Of a core that a worker may use at the peak: half is for what must be caught up."""
    redis_load: float = 0.5
    """The same of a Redis shard's one core."""
    shard_bytes: float = 16e9
    """Of a Redis shard, before copies."""
    broker_bytes_per_s: float = 50e6
    """In and out of a broker's log, copies included."""
    replication: int = 3
    retention_days: float = 7.0
    node_bytes_per_s: float = 100e6
    """Of a machine's network: 1 Gbit/s with room."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one event and one viewer cost, from ``hookpoint bench scale --json``."""

    events_per_cpu_s: float
    redis_cpu_s_per_event: float
    redis_bytes_per_event: float
    """Over the network, both ways."""
    event_bytes: float
    out_bytes_per_event: float
    """Of sessions, progress and signals."""
    redis_bytes_per_viewer: float

    @classmethod
    def read(cls, figures: Mapping[str, Any]) -> Measured:
        """Take it from a run of the bench: the dearest point of most viewers or most watching.

        Raises:
            NotMeasured: the run left out the parts that are needed, or is of another format.
        """
        month, points = figures.get("month"), figures.get("points", ())
        wanted = [it for it in points if it["part"] in {"viewers", "watching"}]
        if figures.get("format") != FORMAT or not month or not wanted:
            raise NotMeasured("not a run of `hookpoint bench scale` with the part `viewers`")
        dearest = max(wanted, key=lambda it: float(it["work"]["cpu_s"] / it["work"]["events"]))
        work = dearest["work"]
        published = sum(topic["bytes"] for topic in month["out"].values())
        largest = max(
            (it for it in wanted if it["redis_bytes_per_viewer"]), key=lambda it: it["at"]
        )
        return cls(
            events_per_cpu_s=work["events"] / work["cpu_s"],
            redis_cpu_s_per_event=work["redis_cpu_s"] / work["events"],
            redis_bytes_per_event=(work["redis_bytes_in"] + work["redis_bytes_out"])
            / work["events"],
            event_bytes=month["stream_bytes"] / month["events"],
            out_bytes_per_event=published / month["events"],
            redis_bytes_per_viewer=largest["redis_bytes_per_viewer"],
        )


class Need(NamedTuple):
    """How much of one resource, in units of one machine's share (a core, a shard, a broker)."""

    name: str
    units: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What one size needs at its peak."""

    viewers: int
    watching: float
    peak_per_s: float
    """Events per second."""
    worker_cores: float
    workers: int
    partitions: int
    redis_bytes: float
    redis_shards: int
    kafka_bytes_per_s: float
    """Into the brokers' logs, copies included."""
    kafka_disk_bytes: float
    brokers: int
    network_bytes_per_s: float
    """In and out of all workers."""
    watching_per_worker: float
    """What a worker's cache must hold, or every event is a read."""
    limits: tuple[Need, ...]
    """Which resource fills its first machine first, the tightest first."""


def events_per_hour(assumed: Assumptions) -> float:
    """Events of a viewer in an hour of watching."""
    return HOUR_S / assumed.heartbeat_s + assumed.other_events_per_hour


def plan(viewers: int, measured: Measured, assumed: Assumptions) -> Plan:
    """What a service of ``viewers`` needs at its peak."""
    watching = viewers * assumed.watching_share
    peak = watching * events_per_hour(assumed) / HOUR_S
    cores = peak / measured.events_per_cpu_s
    redis_bytes = viewers * measured.redis_bytes_per_viewer
    redis_cores = peak * measured.redis_cpu_s_per_event
    log_per_event = measured.event_bytes + measured.out_bytes_per_event
    kafka = peak * log_per_event * assumed.replication
    network = peak * (log_per_event + measured.redis_bytes_per_event)
    a_day = viewers * assumed.hours_per_day * events_per_hour(assumed)
    worker_need = cores / assumed.worker_load
    needs = (
        Need("worker cores", worker_need),
        Need("Redis memory", redis_bytes / assumed.shard_bytes),
        Need("Redis core", redis_cores / assumed.redis_load),
        Need("Kafka log", kafka / assumed.broker_bytes_per_s),
        Need("network of workers", network / assumed.node_bytes_per_s),
    )
    by_name = {need.name: need.units for need in needs}
    workers = _machines(worker_need)
    shards = _machines(max(by_name["Redis memory"], by_name["Redis core"]))
    return Plan(
        viewers=viewers,
        watching=watching,
        peak_per_s=peak,
        worker_cores=cores,
        workers=workers,
        partitions=max(LEAST_PARTITIONS, 2 ** math.ceil(math.log2(2 * workers))),
        redis_bytes=redis_bytes,
        redis_shards=shards,
        kafka_bytes_per_s=kafka,
        kafka_disk_bytes=a_day * log_per_event * assumed.retention_days * assumed.replication,
        brokers=max(assumed.replication, _machines(by_name["Kafka log"])),
        network_bytes_per_s=network,
        watching_per_worker=watching / workers,
        limits=tuple(sorted(needs, key=lambda need: -need.units)),
    )


def _machines(units: float) -> int:
    return max(1, math.ceil(units))
