"""A Redis that answers, but does not take what it is given; and one that is an older copy."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest
import redis
from faults.runs import OUTAGE, OVER
from outcomes import assert_equal
from workers import wait_until

from hookpoint.stack import Existing, Stack
from streams.worker.run import FAILED

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.timeout(170)]

KEPT = {"appendonly": "yes", "appendfsync": "always", "auto-aof-rewrite-percentage": "0"}


@contextmanager
def full(client):
    client.config_set("maxmemory", int(client.info("memory")["used_memory"]) // 2)
    yield
    client.config_set("maxmemory", 0)


@contextmanager
def without_its_primary(client):
    client.replicaof("127.0.0.1", "9")
    yield
    client.replicaof("NO", "ONE")


@contextmanager
def without_replicas(client):
    client.config_set("min-replicas-to-write", 1)
    yield
    client.config_set("min-replicas-to-write", 0)


@pytest.fixture
def own_redis(given):
    """A Redis of the test's own that keeps what it was told, on the broker with the events."""
    existing = Existing(kafka_bootstrap=given.stack.kafka_bootstrap)
    with Stack(redis_options=KEPT, existing=existing) as stack:
        yield stack


def test_a_redis_that_refuses_writes_is_waited_for(own_redis, start, quiet):
    """OOM, READONLY and NOREPLICAS, one after the other."""
    run = start("refused", stack=own_redis)
    moments = {0.1: full, 0.35: without_its_primary, 0.6: without_replicas}
    with redis.Redis.from_url(own_redis.redis_url) as client, run.worker() as worker:
        for moment, refusing in moments.items():
            worker.wait_for(f"{moment:.0%}", lambda at=moment: run.progress() > at)
            outages = worker.said(OUTAGE)
            with refusing(client):
                worker.wait_for("an outage", lambda before=outages: worker.said(OUTAGE) > before)
                progress = run.progress()
                assert progress < 1
            worker.wait_for("its end", lambda before=outages: worker.said(OVER) > before)
            assert run.progress() >= progress
        assert_equal(run.finish(worker), quiet)
    assert run.workers == 1, "no worker died of it"


def test_after_redis_was_put_back_to_an_earlier_state_workers_start_over_from_there(
    own_redis, start, quiet, tmp_path
):
    run = start("restored", stack=own_redis)
    log, copy = own_redis.redis.folder / "appendonly.aof", tmp_path / "earlier.aof"
    with run.worker() as worker:
        worker.wait_for("some events", lambda: run.progress() > 0.15)
        shutil.copyfile(log, copy)
        worker.wait_for("many events", lambda: run.progress() > 0.5)
        progress = run.progress()
        own_redis.redis.kill()
        shutil.copyfile(copy, log)
        own_redis.redis.start()
        assert run.progress() < progress
        wait_until("the worker to notice", lambda: not worker.running)
        assert worker.process.returncode == FAILED
        assert worker.said("StoreWentBack: "), worker.tail()
    with run.worker() as worker:
        assert_equal(run.finish(worker), quiet)
