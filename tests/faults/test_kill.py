"""Workers that are killed, frozen and cut off end where an undisturbed one does, to the byte.

The measure is a quiet run over the same records: every viewer's state, taste, progress and hooked
key in Redis, and every session and signal on Kafka.
"""

from __future__ import annotations

import random
import time

import pytest
from faults.runs import OUTAGE, OVER
from outcomes import assert_equal, outcome
from workers import wait_until

from hookpoint.stack import Existing, Stack
from streams.worker.run import FAILED

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(170),
]

KILLS = 5


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
    run = start("crowd", slice_max=25, cache_viewers=10)
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
