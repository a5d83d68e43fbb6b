"""Workers that are killed, frozen and cut off end where an undisturbed one does, to the byte.

The measure is a quiet run over the same records: every viewer's state, taste, progress and hooked
key in Redis, and every session and signal on Kafka.
"""

from __future__ import annotations

import random
import time
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import redis
from brokers import a_stack
from outcomes import Outcome, assert_equal, outcome
from pydantic import SecretStr
from workers import (
    NEVER_IDLE_S,
    Ends,
    WorkerProcess,
    absorbed,
    marks,
    send_events,
    send_titles,
    settled,
    wait_until,
)

from config.settings import Settings, TopicNames
from hookpoint.stack import Existing, Stack
from hookpoint.topics import ensure_topics
from producers.simulator import Audience, AudienceOptions
from streams.keys import Keys
from streams.worker.run import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.timeout(170)]

OPTIONS = AudienceOptions(
    viewers=120, titles=12, weeks=1, seed=11, messy_share=0.4, late_share=0.1, keep_truth=False
)
PARTITIONS = 2
SESSION_TIMEOUT_S = 2.5
KILLS = 5
TICK_S = OPTIONS.end_s + 40 * 86_400.0
"""Past every timer: the last signals, the settling of tastes, the shrinking of progress."""
OUTAGE, OVER = "outage, waiting for it to end", "outage is over"
OWN = uuid.uuid4().hex[:10]
EVENTS, TITLES = f"playback-events-{OWN}", f"titles-{OWN}"


class Input(NamedTuple):
    """The records that every run reads: ids of sessions rest on where a record lies."""

    stack: Stack
    titles: Ends
    events: Ends


def settings_of(stack: Stack, name: str, **more: Any) -> Settings:
    """The same input, and everything else of one's own."""
    roles = ("sessions", "signals", "progress", "rejects")
    outputs = {role: f"{name}-{role}-{OWN}" for role in roles}
    return Settings(
        kafka_bootstrap=stack.kafka_bootstrap,
        redis_url=SecretStr(stack.redis_url),
        topics=TopicNames(events=EVENTS, titles=TITLES, **outputs),
        partitions=PARTITIONS,
        group=f"{name}-{OWN}",
        key_prefix=f"{name}:",
        session_timeout_s=SESSION_TIMEOUT_S,
        idle_after_s=NEVER_IDLE_S,
        outage_max_s=60.0,
        # Many slices, so that there are many places to die in.
        **{"slice_max": 500, **more},
    )


class Run:
    """One run over the input: its settings, its workers, and a look at how far it is."""

    def __init__(self, given: Input, folder: Path, name: str, **more: Any) -> None:
        stack = more.pop("stack", given.stack)
        self.settings = settings_of(stack, name, **more)
        self.given = given
        self.folder = folder
        self.workers = 0
        ensure_topics(self.settings)
        self.client = redis.Redis.from_url(stack.redis_url, decode_responses=True)

    def knows_titles(self) -> bool:
        """Whether the catalogue is in."""
        return absorbed(self.client, self.settings, TITLES, self.given.titles)

    def worker(self) -> WorkerProcess:
        """Start one more."""
        self.workers += 1
        name = f"{self.settings.group}-{self.workers}"
        return WorkerProcess(self.settings, self.folder, name=name)

    def progress(self) -> float:
        """The share of all events that marks have passed."""
        held = marks(self.client, self.settings, EVENTS)
        ends = self.given.events
        return sum(held.get(at, -1) + 1 for at in ends) / sum(end + 1 for end in ends.values())

    def done(self) -> bool:
        """Whether all events are in and all timers have fired; False while Redis is away."""
        return settled(self.client, self.settings, self.given.events)

    def finish(self, worker: WorkerProcess, within_s: float = 60.0) -> Outcome:
        """Wait for the end, stop the worker in order, and see what came of it."""
        worker.wait_for("the end of the events", self.done, within_s)
        code, _ = worker.stop()
        assert code == 0, worker.tail()
        return outcome(self.settings)


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Iterator[Input]:
    """A broker that holds catalogue and events, and a Redis that knows the catalogue."""
    audience = Audience(OPTIONS)
    with a_stack() as stack:
        settings = settings_of(stack, "first")
        ensure_topics(settings)
        titles = send_titles(settings, audience.catalogue())
        # The catalogue alone at first: what is watched before its title is known counts for less,
        # and signals name the catalogue's version.
        first = Run(Input(stack, titles, {}), tmp_path_factory.mktemp("first"), "first")
        with first.worker() as worker:
            worker.wait_for("the catalogue", first.knows_titles)
            assert worker.stop()[0] == 0
        events = send_events(settings, audience.records(), TICK_S)
        assert sum(events.values()) > 20_000
        yield Input(stack, titles, events)


def with_catalogue(run: Run) -> Run:
    """Give a run the catalogue as the first worker learnt it, so that all name one version."""
    source = redis.Redis.from_url(run.given.stack.redis_url)
    raw = redis.Redis.from_url(run.settings.redis_url.get_secret_value())
    first, own = Keys("first:"), Keys(run.settings.key_prefix)
    with source, raw:
        for name in ("catalogue_facts", "catalogue_changes"):
            raw.restore(getattr(own, name)(), 0, source.dump(getattr(first, name)()))
    return run


@pytest.fixture
def start(given, tmp_path) -> Callable[..., Run]:
    """Make a run by name."""
    return lambda name, **more: with_catalogue(Run(given, tmp_path, name, **more))


@pytest.fixture(scope="module")
def quiet(given, tmp_path_factory) -> Outcome:
    """What one worker makes of it that nobody disturbs."""
    run = with_catalogue(Run(given, tmp_path_factory.mktemp("quiet"), "quiet"))
    with run.worker() as worker:
        found = run.finish(worker)
    assert len(found.sessions) > 300
    assert len(found.signals) > 20
    return found


def test_a_second_quiet_run_over_other_slices_ends_the_same(start, quiet):
    """The yardstick itself: nothing depends on where slices begin and end."""
    run = start("again", slice_max=3000, cache_viewers=10)
    with run.worker() as worker:
        assert_equal(run.finish(worker), quiet)


def test_workers_killed_at_random_moments_lose_and_double_nothing(start, quiet):
    rng = random.Random(5)
    run = start("killed")
    interrupted = 0
    for moment in sorted(rng.uniform(0.02, 0.9) for _ in range(KILLS)):
        with run.worker() as worker:
            worker.wait_for(f"{moment:.0%} of the events", lambda at=moment: run.progress() > at)
            time.sleep(rng.uniform(0, 0.05))  # anywhere within a slice, not just after a mark
            worker.kill()
            interrupted += not run.done()
    assert interrupted == KILLS, "the events were through before the last kill"
    with run.worker() as worker:
        assert_equal(run.finish(worker), quiet)


def test_a_frozen_worker_that_wakes_after_another_took_over_does_no_harm(start, quiet):
    run = start("zombie")
    with run.worker() as first:
        first.wait_for("a third of the events", lambda: run.progress() > 1 / 3)
        first.pause()
        assert not run.done(), "frozen too late to be a zombie"
        with run.worker() as second:
            second.wait_for("the end of the events", run.done, 60)
            before = first.said("partitions assigned")
            first.resume()
            # Either it is fenced and ends, or it hears that the group went on and joins anew.
            wait_until(
                "the zombie to learn that it is one",
                lambda: not first.running or first.said("partitions assigned") > before,
            )
            found = run.finish(second)
        assert first.process.poll() in (None, FAILED), first.tail()
        if first.running:
            assert first.stop()[0] == 0
    assert_equal(found, quiet)
    assert_equal(outcome(run.settings), quiet)


def test_a_redis_that_dies_and_comes_back_from_its_log_is_waited_for(given, start, quiet):
    options = {"appendonly": "yes", "appendfsync": "always"}
    existing = Existing(kafka_bootstrap=given.stack.kafka_bootstrap)
    with Stack(redis_options=options, existing=existing) as stack:
        run = start("redis", stack=stack)
        with run.worker() as worker:
            for moment in (0.2, 0.6):
                worker.wait_for(f"{moment:.0%}", lambda at=moment: run.progress() > at)
                said = worker.said(OUTAGE)
                stack.redis.kill()
                worker.wait_for("an outage", lambda before=said: worker.said(OUTAGE) > before)
                stack.redis.restart()
            worker.wait_for("its end", lambda: worker.said(OVER) >= 2)
            assert_equal(run.finish(worker), quiet)
        assert run.workers == 1, "no worker died of it"


def test_a_redis_that_hangs_longer_than_a_round_trip_may_take_is_waited_for(given, start, quiet):
    run = start("hangs", io_timeout_s=1.0)
    with run.worker() as worker:
        worker.wait_for("a third of the events", lambda: run.progress() > 1 / 3)
        given.stack.redis.pause()
        try:
            worker.wait_for("an outage", lambda: worker.said(OUTAGE))
        finally:
            given.stack.redis.resume()
        assert_equal(run.finish(worker), quiet)


def test_workers_that_come_and_go_under_load_lose_and_double_nothing(start, quiet):
    """Two join a busy one, which is then stopped, then one of the two is killed."""
    run = start("crowd", slice_max=100, cache_viewers=10)
    with run.worker() as first:
        first.wait_for("the first events", lambda: run.progress() > 0.02)
        with run.worker() as second:
            second.wait_until_ready()
            assert not run.done(), "no load any more"
            assert first.running, first.tail()
            assert first.stop()[0] == 0, first.tail()
            with run.worker() as third:
                third.wait_until_ready()
                assert second.running, second.tail()
                second.kill()
                assert_equal(run.finish(third), quiet)


def test_workers_told_to_stop_mid_stream_end_in_order_and_lose_nothing(start, quiet):
    run = start("stopped")
    for moment in (0.1, 0.6):
        with run.worker() as worker:
            worker.wait_for(f"{moment:.0%} of the events", lambda at=moment: run.progress() > at)
            code, _ = worker.stop()
            assert code == 0, worker.tail()
            assert not worker.said("Traceback"), worker.tail()
    with run.worker() as worker:
        assert_equal(run.finish(worker), quiet)
