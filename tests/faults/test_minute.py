"""Redis and Kafka away for a minute, under load: waited out by the same process, and at rest."""

from __future__ import annotations

import time

import pytest
from brokers import an_apache_kafka
from faults.runs import OPTIONS, TICK_S, Run, records, with_catalogue
from outcomes import assert_equal
from ports import a_port
from readiness import Readiness, cpu_share
from workers import send_events, send_titles, wait_until

from hookpoint.stack import Existing, Stack
from producers.simulator import Audience

# The first use of Apache Kafka may have to download it.
pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(400),
]

OUTAGE_S = 60.0
AT_REST = 0.1
"""Share of a core, over the whole outage."""
KEPT = {"appendonly": "yes"}


def test_a_minute_without_kafka_and_redis_is_waited_out(given, quiet, tmp_path):
    with (
        an_apache_kafka() as kafka,
        Stack(existing=Existing(kafka.bootstrap), redis_options=KEPT) as stack,
    ):
        limits = {"outage_max_s": 300.0, "io_timeout_s": 5.0, "web_port": a_port()}
        run = with_catalogue(Run(given, tmp_path, "minute", stack=stack, **limits))
        (node,) = kafka.nodes
        send_titles(run.settings, Audience(OPTIONS).catalogue())
        assert send_events(run.settings, records(), TICK_S) == given.events
        with run.worker() as worker:
            readiness = Readiness(run.settings, worker)
            worker.wait_for("some events", lambda: run.progress() > 0.2)
            node.kill()
            stack.redis.kill()
            away_since = time.monotonic()
            for name in ("Redis", "Kafka"):
                readiness.wait_for_reason(f"{name} has been away")
            with cpu_share(worker) as share:
                wait_until(
                    "the minute to pass",
                    lambda: time.monotonic() - away_since >= OUTAGE_S,
                    OUTAGE_S + 1,
                )
            assert share[0] < AT_REST
            assert not readiness.report()["ready"]
            stack.redis.start()
            node.start()
            readiness.wait(60)
            assert_equal(run.finish(worker), quiet)
        assert run.workers == 1, "no worker died of it"
