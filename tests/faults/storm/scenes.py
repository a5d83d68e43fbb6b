"""The acts of a storm: one Redis and faults of all kinds; the yardstick; a Redis Cluster."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from faults.storm.deeds import DEEDS, Deed
from faults.storm.report import Act, Beat
from faults.storm.schedule import Schedule, lasts_s, plan, spread
from faults.storm.stream import Stream, audience
from faults.storm.world import PARTITIONS, Brokers, Run, World
from outcomes import Outcome, outcome
from workers import Ends, WorkerProcess, send_titles, wait_until

from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from faults.storm.schedule import Planned
    from faults.supervisor import Supervisor

VIEWERS = 560
WORKERS = 2
TITLE_WORKERS = 2
CATALOGUE = ("catalogue_facts", "catalogue_changes")
THROUGH_WITHIN_S = 90.0
SENT_WITHIN_S = 60.0


@dataclass(slots=True)
class Given:
    """What all runs read."""

    titles: list[dict[str, Any]] = field(default_factory=list)
    title_ends: Ends = field(default_factory=dict)
    ends: Ends = field(default_factory=dict)
    catalogue: dict[str, bytes] = field(default_factory=dict)
    """As the first run has learnt it, so that the signals of all runs name one version."""

    def keep_catalogue(self, run: Run, client: Any) -> None:
        """Remember what a run has learnt of the titles."""
        keys = Keys(run.settings.key_prefix)
        self.catalogue = {name: client.dump(getattr(keys, name)()) for name in CATALOGUE}

    def put_catalogue(self, run: Run, client: Any) -> None:
        """Give a run the catalogue, if there is one."""
        keys = Keys(run.settings.key_prefix)
        for name, dumped in self.catalogue.items():
            client.restore(getattr(keys, name)(), 0, dumped)

    def put_into(self, run: Run, client: Any) -> int:
        """Give a run the catalogue, if there is one, and hand-made curves. Returns how many."""
        self.put_catalogue(run, client)
        return run.give_curves(client, self.titles)


def storm(
    world: World, seed: int, given: Given, act: Act, deeds: Sequence[Deed] = DEEDS
) -> Outcome:
    """Events flow while faults happen; in the end all is as if they had not."""
    rng = random.Random(f"storm {seed}")
    crowd = audience(VIEWERS, seed)
    given.titles = crowd.catalogue()
    planned = a_plan(deeds, seed, rng)
    stream = Stream(world.run.settings, crowd, lasts_s(planned) + 2.0, rng)
    act.measured["records"] = stream.records
    act.measured["curves"] = given.put_into(world.run, world.client)
    for _ in range(WORKERS):
        world.workers.add()
    for _ in range(TITLE_WORKERS):
        world.beside.workers.add()
    given.title_ends = send_titles(world.run.settings, given.titles)
    for run in (world.run, world.beside.run):
        knows = lambda of=run: of.has_titles(world.client, given.title_ends)  # noqa: E731 - said once
        _wait(world, "the catalogue", knows, 40)
    given.keep_catalogue(world.run, world.client)
    schedule = Schedule(world, planned, str(seed))
    act.faults = schedule.done
    stream.start()
    began = time.monotonic()
    pulse = threading.Thread(target=keep_pulse, args=(world, stream, began, act.pulse), daemon=True)
    pulse.start()
    try:
        act.measured["recovery_s"] = recovery(world)
        schedule.carry_out(began)
        assert stream.flows, "the events were over before the faults were"
        stream.finish(SENT_WITHIN_S)
    finally:
        stream.drop()
    given.ends = stream.ends
    act.measured["sent_again"] = stream.again
    sent = sum(offset + 1 for offset in stream.ends.values())
    act.measured["records_on_topic"] = sent
    through = time.monotonic()
    _wait(world, "the end", lambda: world.run.is_through(world.client, given.ends))
    _wait(world, "the titles", lambda: world.beside.run.has_heard_all(world.client))
    act.measured["drained_s"] = time.monotonic() - through
    both = (world.workers, world.beside.workers)
    for workers in both:
        workers.stop_all()
    tell_of(both, act)
    found = outcome(world.run.settings, world.beside.run.settings)
    act.measured["signals of titles"] = len(found.title_signals)
    return found


def a_plan(deeds: Sequence[Deed], seed: int, rng: random.Random) -> list[Planned]:
    """What is done to viewers' workers and to servers, and meanwhile to the titles' workers."""
    planned = plan([deed for deed in deeds if not deed.of_titles], rng, begins_s=14.0)
    of_titles = [deed for deed in deeds if deed.of_titles]
    beside = spread(of_titles, random.Random(f"titles {seed}"), planned)
    return sorted(planned + beside, key=lambda it: it.at_s)


def keep_pulse(world: World, stream: Stream, began: float, pulse: list[Beat]) -> None:
    """Note once a second how much was sent and absorbed."""
    with world.run.look(world.redis.url) as client:
        while stream.flows:
            done = sum(offset + 1 for offset in world.run.marks(client).values())
            pulse.append(Beat(time.monotonic() - began, stream.sent + stream.again, done))
            time.sleep(1.0)


def tell_of(supervisors: Sequence[Supervisor], act: Act) -> None:
    """How workers ended, and what they waited for."""
    for server in ("Redis", "Kafka"):
        told = f'"server":"{server}","error"'
        act.outages[server] = sum(workers.said(told) for workers in supervisors)
    for workers in supervisors:
        for post in workers.posts:
            for code in post.codes:
                act.exits[str(code)] = act.exits.get(str(code), 0) + 1
    words = sum((workers.last_words() for workers in supervisors), Counter())
    act.last_words = dict(words)
    act.measured["stopped late"] = sum(workers.killed_late for workers in supervisors)


def _wait(world: World, what: str, condition: Any, within_s: float = THROUGH_WITHIN_S) -> None:
    def or_failed() -> Any:
        world.check()
        return condition()

    try:
        wait_until(what, or_failed, within_s)
    except AssertionError as problem:
        marks = world.run.marks(world.client)
        raise AssertionError(f"{problem}; marks {marks}\n{world.tails()}") from None


def recovery(world: World) -> float:
    """Seconds from the SIGKILL of one of two workers until all partitions are worked on again."""
    run, client = world.run, world.client

    def all_move(since: Ends) -> bool:
        now = run.marks(client)
        return all(now.get(p, -1) > since.get(p, -1) for p in range(PARTITIONS))

    begin = run.marks(client)
    _wait(world, "events in all partitions", lambda: all_move(begin), 30)
    wait_until("both workers at work", lambda: len(set(claimants(world))) > 1, 20)
    victim = world.workers.posts[0]
    victim.held = True
    victim.worker.kill()
    killed = time.monotonic()
    marks = run.marks(client)
    _wait(world, "the partitions of a killed worker", lambda: all_move(marks), 40)
    seconds = time.monotonic() - killed
    victim.held = False
    return seconds


def claimants(world: World) -> list[str]:
    """What the workers' logs say of the partitions that each was given last."""
    found = []
    for post in world.workers.running():
        lines = [line for line in post.worker.log.splitlines() if "partitions assigned" in line]
        if lines and '"events":0' not in lines[-1]:
            found.append(post.name)
    return found


def quiet(brokers: Brokers, world: World, given: Given, folder: Path, act: Act) -> Outcome:
    """One worker, over the same events, that nobody disturbs."""
    run = Run(brokers.bootstrap, world.redis.url, "quiet")
    beside = run.of_titles()
    with run.look() as client:
        given.put_into(run, client)
        given.put_catalogue(beside, client)
        with (
            WorkerProcess(run.settings, folder, name="quiet") as worker,
            WorkerProcess(beside.settings, folder, name="quiet-titles") as titles,
        ):
            done = lambda: run.is_through(client, given.ends)  # noqa: E731 - said once
            worker.wait_for("the end", done, THROUGH_WITHIN_S)
            titles.wait_for("the end", lambda: beside.has_heard_all(client), THROUGH_WITHIN_S)
            for process in (worker, titles):
                code, _ = process.stop()
                assert code == 0, process.tail()
    found = outcome(run.settings, beside.settings)
    act.measured["sessions"], act.measured["signals"] = len(found.sessions), len(found.signals)
    act.measured["viewers"] = sum(name.startswith("state:") for name in found.keys)
    bases = [value.count(b'"basis":"audience"') for value in found.signals.values()]
    act.measured["signals_on_curves"] = sum(bases)
    act.measured["titles"] = len(found.titles)
    act.measured["counts of titles"] = sum(map(len, found.titles.values()))
    act.measured["signals of titles"] = len(found.title_signals)
    return found
