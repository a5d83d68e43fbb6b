"""The second storm: a Redis Cluster loses primaries, and their replicas take over."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from faults.storm.report import Act, Done
from faults.storm.scenes import THROUGH_WITHIN_S, WORKERS, Given, tell_of
from faults.storm.world import SLICE_MAX, Brokers, Run
from faults.supervisor import Supervisor
from outcomes import Outcome, outcome
from workers import wait_until

from hookpoint.redis_cluster import RedisCluster

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hookpoint.servers import RedisServer

MOMENTS = ((0.1, 0.25), (0.45, 0.6))
"""Between which shares of the events a primary dies."""
MOMENT_WITHIN_S = 60.0
PROMOTED_WITHIN_S = 20.0
OPTIONS = {"appendonly": "yes", "appendfsync": "everysec"}


def cluster_storm(brokers: Brokers, folder: Path, given: Given, seed: int, act: Act) -> Outcome:
    """Work off the same events on a Redis Cluster, while its shards fail over."""
    rng, began = random.Random(f"cluster {seed}"), time.monotonic()
    with RedisCluster(replicas=1, redis_options=OPTIONS, data_dir=folder / "cluster") as cluster:
        more = {"redis_cluster": True, "redis_replicas": 1, "slice_max": SLICE_MAX}
        run = Run(brokers.bootstrap, cluster.redis_url, "cluster", **more)
        beside = run.of_titles()
        with run.look() as client:
            given.put_into(run, client)
            given.put_catalogue(beside, client)
            with (
                Supervisor(run.settings, folder, lambda: run.marks(client)) as workers,
                Supervisor(beside.settings, folder, lambda: beside.marks(client)) as titles,
            ):
                for _ in range(WORKERS):
                    workers.add()
                titles.add()
                for low, high in MOMENTS:
                    share = rng.uniform(low, high)
                    _wait(workers, f"{share:.0%}", lambda at=share: _far(run, client, given) > at)
                    act.faults.append(_lose_a_primary(cluster, (workers, titles), rng, began))
                _wait(workers, "the end", lambda: run.is_through(client, given.ends))
                _wait(titles, "the titles", lambda: beside.has_heard_all(client))
                for supervisor in (workers, titles):
                    supervisor.stop_all()
                tell_of((workers, titles), act)
        return outcome(run.settings, beside.settings)


def _wait(workers: Supervisor, what: str, condition: Any) -> None:
    def or_failed() -> Any:
        workers.check()
        return condition()

    try:
        wait_until(f"{what} of the events on the cluster", or_failed, THROUGH_WITHIN_S)
    except AssertionError as problem:
        raise AssertionError(f"{problem}\n{workers.tails()}") from None


def _far(run: Run, client: Any, given: Given) -> float:
    """The share of the events that is absorbed."""
    total = sum(offset + 1 for offset in given.ends.values())
    return sum(offset + 1 for offset in run.marks(client).values()) / total


def _lose_a_primary(
    cluster: RedisCluster, killed: Sequence[Supervisor], rng: random.Random, began: float
) -> Done:
    done = Done("Redis primary killed", time.monotonic() - began)
    primary = rng.choice([node for node in cluster.nodes if cluster.is_primary(node)])
    replica = wait_until("its replica", lambda: cluster.replica_of(primary))
    primary.kill()
    posts = [rng.choice(wait_until("a worker", workers.running)) for workers in killed]
    for post in posts:
        post.worker.kill()
    promoted_s = _promotion(cluster, replica)
    primary.start()
    cluster.wait_until_ok()
    done.ended_s = time.monotonic() - began
    names = " and ".join(post.name for post in posts)
    done.said = f"and {names}; its replica took over after {promoted_s:.1f} s"
    return done


def _promotion(cluster: RedisCluster, replica: RedisServer) -> float:
    began = time.monotonic()
    wait_until("the promotion", lambda: cluster.is_primary(replica), PROMOTED_WITHIN_S)
    return time.monotonic() - began
