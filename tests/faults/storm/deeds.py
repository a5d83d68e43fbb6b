"""What is done to a running service, one function per fault. Each says in a line what it did."""

from __future__ import annotations

import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
from faults.storm.world import SESSION_TIMEOUT_S
from faults.supervisor import Duty
from workers import wait_until

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from faults.storm.world import World
    from faults.supervisor import Post

    Do = Callable[[World, random.Random], str]

STEPS = ("claim", "write", "publish", "mark", "handle", "timer")
RARE = "title-publish"
TITLE_STEPS = ("claim", "write", "publish", "mark", "handle")
STEP_WITHIN_S = 90.0
"""Kafka may be away just then, or nothing be decided about titles yet."""
NOBODY_S = 15.0
FORGOTTEN, FORGOTTEN_WITHIN_S = 2000, 40.0
"""Events that a Redis must have absorbed since the state that it is taken back to."""
DAY_S = 86_400


class Deed(NamedTuple):
    """One kind of fault: what it is done to, how long it takes (seconds, roughly), and how.

    ``of_titles``: to the workers that do titles, beside what happens to the others.
    """

    name: str
    seconds: float
    do: Do
    of_titles: bool = False


def _someone(world: World, rng: random.Random) -> Post:
    """A worker that runs; there may be none for a moment."""
    found = wait_until("a running worker", world.workers.running, NOBODY_S)
    return rng.choice(found)


# -- workers ---------------------------------------------------------------------------------------
def kill_worker(world: World, rng: random.Random) -> str:
    post = _someone(world, rng)
    post.worker.kill()
    return post.name


def kill_two(world: World, _: random.Random) -> str:
    found = world.workers.running()[:2]
    for post in found:
        post.worker.process.kill()
    return " and ".join(post.name for post in found)


def _nobody_got_to(world: World, step: str) -> AssertionError:
    late = f"no worker got as far as to {step} within {STEP_WITHIN_S:.0f} s"
    return AssertionError(f"{late}\n{world.workers.tails()}")


def kill_at(step: str) -> Do:
    def do(world: World, rng: random.Random) -> str:
        deadline = time.monotonic() + STEP_WITHIN_S
        while time.monotonic() < deadline:
            post = _someone(world, rng)
            count = 1 if step == RARE else rng.randint(1, 4)
            if step.endswith("claim"):  # each takes its partitions when it starts
                count = 1
                _replace(world, post, deadline)
            process = post.worker.process
            post.worker.tell(f"kill {step} {count}")
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            if process.poll() == -signal.SIGKILL:
                return f"{post.name}, time {count}"
        raise _nobody_got_to(world, step)

    return do


def _replace(world: World, post: Post, deadline: float) -> None:
    """Let another worker start at a post, and catch it before it has come far."""
    before = post.worker
    world.workers.stop(post, Duty.STOP)
    while post.worker is before and time.monotonic() < deadline:
        time.sleep(0.02)


def stop_worker(world: World, rng: random.Random) -> str:
    post = _someone(world, rng)
    world.workers.stop(post, Duty.STOP)
    return post.name


def freeze_worker(world: World, rng: random.Random) -> str:
    """Longer than the group waits for it; it wakes as a zombie."""
    post = _someone(world, rng)
    post.worker.pause()
    world.wait(SESSION_TIMEOUT_S + rng.uniform(2, 3))
    post.worker.resume()
    return post.name


def freeze_at(step: str) -> Do:
    """After a write, the first thing it does as a zombie is to publish, the next to move a mark."""

    def do(world: World, rng: random.Random) -> str:
        deadline = time.monotonic() + STEP_WITHIN_S
        while time.monotonic() < deadline:
            post = _someone(world, rng)
            process = psutil.Process(post.worker.process.pid)
            post.worker.tell(f"freeze {step} 1")
            with suppress(psutil.NoSuchProcess):
                while time.monotonic() < deadline:
                    if process.status() == psutil.STATUS_STOPPED:
                        world.wait(SESSION_TIMEOUT_S + rng.uniform(2, 3))
                        post.worker.resume()
                        return post.name
                    time.sleep(0.02)
        raise _nobody_got_to(world, step)

    return do


def join(world: World, rng: random.Random) -> str:
    post = world.workers.add()
    world.wait(rng.uniform(6, 8))
    world.workers.stop(post, Duty.LEAVE)
    return f"{post.name} came and left"


def jump_clock(world: World, rng: random.Random) -> str:
    post = _someone(world, rng)
    said = []
    for days in (1, -1):
        post.worker.tell(f"clock {days * DAY_S}")
        said.append(f"{days:+d} day")
        world.wait(rng.uniform(1.5, 2.5))
    post.worker.tell("clock 0")
    return f"{post.name}: {', '.join(said)}"


# -- Kafka -----------------------------------------------------------------------------------------
def kill_a_node(world: World, rng: random.Random) -> str:
    with world.kafka_turn:
        node = rng.choice(world.brokers.kafka.nodes)
        node.kill()
        world.wait(rng.uniform(1, 3))
        node.start()
        return f"node {node.node_id}"


def kill_all_nodes(world: World, rng: random.Random) -> str:
    with world.kafka_turn:
        began = time.monotonic()
        world.brokers.kill_all()
        world.wait(rng.uniform(0.5, 2))
        world.brokers.start_all()
        return f"back after {time.monotonic() - began:.1f} s"


def reset_kafka(world: World, rng: random.Random) -> str:
    times = rng.randint(3, 6)
    count = 0
    for _ in range(times):
        count += sum(proxy.cut() for proxy in world.brokers.proxies)
        world.wait(rng.uniform(0.05, 0.4))
    return f"{count} connections in {times} goes"


def swallow_kafka(world: World, rng: random.Random) -> str:
    with world.link_turn:
        proxies = rng.sample(world.brokers.proxies, rng.randint(1, 3))
        for proxy in proxies:
            proxy.swallow()
        seconds = rng.uniform(2, 5)
        world.wait(seconds)
        for proxy in proxies:
            proxy.restore()
        return f"{len(proxies)} of 3 nodes for {seconds:.1f} s"


# -- Redis -----------------------------------------------------------------------------------------
def kill_redis(world: World, rng: random.Random) -> str:
    with world.redis_turn:
        world.redis.kill()
        world.wait(rng.uniform(0.1, 1.5))
        world.redis.start()
        return "with its append-only file"


def restore_redis(world: World, rng: random.Random) -> str:
    with tempfile.TemporaryDirectory(dir=world.folder) as name:
        with world.redis_turn:
            world.copy_log(Path(name))
            before = sum(world.run.marks(world.client).values())
            copied = time.monotonic()
        world.wait(rng.uniform(3, 6))
        wait_until(
            "something to forget",
            lambda: sum(world.run.marks(world.client).values()) > before + FORGOTTEN,
            FORGOTTEN_WITHIN_S,
        )
        with world.redis_turn:
            after = sum(world.run.marks(world.client).values())
            world.redis.kill()
            world.bring_back_log(Path(name))
            world.redis.start()
    return f"to {time.monotonic() - copied:.1f} s ago, {after - before:,} events"


def slow_redis(world: World, rng: random.Random) -> str:
    with world.link_turn:
        delay_s = rng.uniform(0.05, 0.3)
        world.redis_link.delay_s = delay_s
        world.wait(rng.uniform(2, 4))
        world.redis_link.restore()
        return f"by {delay_s * 1000:.0f} ms a way"


def hang_redis(world: World, rng: random.Random) -> str:
    with world.redis_turn:
        world.redis.pause()
        seconds = rng.uniform(2, 6)
        world.wait(seconds)
        world.redis.resume()
        return f"{seconds:.1f} s"


def swallow_redis(world: World, rng: random.Random) -> str:
    with world.link_turn:
        world.redis_link.swallow()
        seconds = rng.uniform(2, 5)
        world.wait(seconds)
        world.redis_link.restore()
        return f"{seconds:.1f} s"


def reset_redis(world: World, rng: random.Random) -> str:
    times = rng.randint(4, 8)
    count = 0
    for _ in range(times):
        count += world.redis_link.cut()
        world.wait(rng.uniform(0.05, 0.4))
    return f"{count} connections in {times} goes"


def fill_redis(world: World, rng: random.Random) -> str:
    with world.redis_turn:
        used = int(world.client.info("memory")["used_memory"])
        world.client.config_set("maxmemory", used // 2)
        world.wait(rng.uniform(1.5, 3))
        world.client.config_set("maxmemory", 0)
        return f"at {used // 2 // 1024} KiB"


def replica_redis(world: World, rng: random.Random) -> str:
    """Of a primary that is not there: it answers reads and refuses writes."""
    with world.redis_turn:
        world.client.replicaof("127.0.0.1", "9")
        world.wait(rng.uniform(1.5, 3))
        world.client.replicaof("NO", "ONE")
        return "a replica for a while"


def lonely_redis(world: World, rng: random.Random) -> str:
    with world.redis_turn:
        world.client.config_set("min-replicas-to-write", 1)
        world.wait(rng.uniform(1.5, 3))
        world.client.config_set("min-replicas-to-write", 0)
        return "min-replicas-to-write 1"


DEEDS = (
    Deed("worker killed", 1.0, kill_worker),
    Deed("two workers killed", 2.0, kill_two),
    *(Deed(f"worker killed after {step}", 3.0, kill_at(step)) for step in STEPS),
    Deed("worker told to stop", 1.5, stop_worker),
    Deed("worker frozen", 6.0, freeze_worker),
    Deed("worker frozen after write", 6.5, freeze_at("write")),
    Deed("worker joins", 7.0, join),
    Deed("clock of a worker jumps", 4.0, jump_clock),
    Deed("Kafka node killed", 6.0, kill_a_node),
    Deed("all Kafka nodes killed", 9.0, kill_all_nodes),
    Deed("Kafka connections reset", 1.5, reset_kafka),
    Deed("Kafka swallows", 3.5, swallow_kafka),
    Deed("Redis killed", 1.5, kill_redis),
    Deed("Redis restored", 8.0, restore_redis),
    Deed("Redis slow", 3.0, slow_redis),
    Deed("Redis hangs", 4.0, hang_redis),
    Deed("Redis swallows", 3.5, swallow_redis),
    Deed("Redis connections reset", 1.5, reset_redis),
    Deed("Redis full", 2.5, fill_redis),
    Deed("Redis a replica", 2.5, replica_redis),
    Deed("Redis without replicas", 2.5, lonely_redis),
    Deed("titles worker killed", 1.0, kill_worker, of_titles=True),
    Deed("two titles workers killed", 2.0, kill_two, of_titles=True),
    *(
        Deed(f"titles worker killed after {step}", 3.0, kill_at(f"title-{step}"), of_titles=True)
        for step in TITLE_STEPS
    ),
    Deed("titles worker told to stop", 1.5, stop_worker, of_titles=True),
    Deed("titles worker frozen", 6.0, freeze_worker, of_titles=True),
    Deed("titles worker frozen after write", 6.5, freeze_at("title-write"), of_titles=True),
)
