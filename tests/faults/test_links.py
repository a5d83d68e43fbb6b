"""Connections that are reset, or swallow what is sent, again and again."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from brokers import an_apache_kafka
from faults.proxy import Proxy
from faults.runs import OPTIONS, OUTAGE, TICK_S, Run, records, with_catalogue
from outcomes import assert_equal
from workers import send_events, send_titles

from hookpoint.stack import Existing, Stack
from producers.simulator import Audience

# The first use of Apache Kafka may have to download it.
pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.timeout(300)]

MOMENTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


def cut_now_and_then(run, worker, link):
    for moment in MOMENTS:
        worker.wait_for(f"{moment:.0%}", lambda at=moment: run.progress() > at)
        link.cut()
    assert link.resets > 0


@contextmanager
def behind_a_link_to_redis(given):
    with Proxy(given.stack.redis.port) as link:
        url = f"redis://{link.address}/0"
        yield Stack(existing=Existing(given.stack.kafka_bootstrap, url)), link


def test_connections_to_redis_that_are_reset_are_made_anew(given, start, quiet):
    with behind_a_link_to_redis(given) as (stack, link):
        run = start("reset", stack=stack)
        with run.worker() as worker:
            cut_now_and_then(run, worker, link)
            assert_equal(run.finish(worker), quiet)
    assert run.workers == 1, "no worker died of it"


def test_a_redis_whose_answers_are_lost_on_the_way_is_waited_for(given, start, quiet):
    """What was written without an answer is recognised, and not written again."""
    with behind_a_link_to_redis(given) as (stack, link):
        run = start("swallowed", stack=stack, io_timeout_s=1.0)
        with run.worker() as worker:
            worker.wait_for("some events", lambda: run.progress() > 0.2)
            link.swallow()
            worker.wait_for("an outage", lambda: worker.said(OUTAGE))
            link.restore()
            assert_equal(run.finish(worker), quiet)
    assert run.workers == 1, "no worker died of it"


def test_connections_to_kafka_that_are_reset_are_made_anew(given, quiet, tmp_path):
    kafka = an_apache_kafka()
    (node,) = kafka.nodes
    with Proxy(node.port) as link:
        node.advertised_port = link.port
        with kafka, Stack(existing=Existing(link.address, given.stack.redis_url)) as stack:
            run = with_catalogue(Run(given, tmp_path, "reset-kafka", stack=stack))
            send_titles(run.settings, Audience(OPTIONS).catalogue())
            assert send_events(run.settings, records(), TICK_S) == given.events
            with run.worker() as worker:
                cut_now_and_then(run, worker, link)
                assert_equal(run.finish(worker), quiet)
        assert run.workers == 1, "no worker died of it"
