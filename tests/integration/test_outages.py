"""Redis or Kafka away: waited out, seen over HTTP, said once, at rest, and nothing is lost."""

from __future__ import annotations

from contextlib import contextmanager
from typing import NamedTuple

import orjson
import pytest
import redis
from brokers import an_apache_kafka
from players import a_run
from ports import a_port
from readiness import Readiness, cpu_share
from service import LONG_AGO_S
from workers import WorkerProcess, absorbed, own_settings, sending, wait_until

from hookpoint.processes import Server
from hookpoint.stack import Existing, Stack
from streams.worker.outage import LONGEST_PAUSE_S
from streams.worker.run import FAILED

# The first use of Apache Kafka may have to download it.
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

OUTAGE_S = 10.0
STUCK_AFTER_S = 5
"""Shorter than the outage: the watchdog must know one when it sees it."""
IMPATIENT = {"HOOKPOINT_STUCK_AFTER_S": str(STUCK_AFTER_S), "HOOKPOINT_IO_TIMEOUT_S": "1"}
AT_REST = 0.25
"""Share of a core; spinning takes all of one."""
FEW_LINES = 40
"""A line per attempt and client makes about a thousand in this time."""
STOPPED_WITHIN_S = 20.0
"""A request to a broker that has just come back may go unanswered until its time is over."""
SOON_S = LONGEST_PAUSE_S + 15.0


class Place(NamedTuple):
    """Servers of a test's own, and the one that is to fail."""

    stack: Stack
    server: Server
    name: str
    said: str
    over: str


@contextmanager
def a_place(which):
    if which == "Apache Kafka":
        with an_apache_kafka() as kafka, Stack(existing=Existing(kafka.bootstrap)) as stack:
            yield Place(stack, kafka.nodes[0], "Kafka", *KAFKA_WORDS)
        return
    with Stack(redis_options={"appendonly": "yes"}) as stack:
        if which == "Redis":
            yield Place(stack, stack.redis, "Redis", "outage, waiting for it", "outage is over")
        else:
            yield Place(stack, stack.kafka, "Kafka", *KAFKA_WORDS)


KAFKA_WORDS = ("Kafka does not answer", "Kafka answers again")
CASES = [
    ("Redis", Server.pause, Server.resume),
    ("Redis", Server.kill, Server.start),
    ("the embedded Kafka", Server.pause, Server.resume),
    ("Apache Kafka", Server.pause, Server.resume),
    ("Apache Kafka", Server.kill, Server.start),
]


def told(worker):
    """What the log says of readiness, from the start."""
    lines = [orjson.loads(it) for it in worker.log.splitlines()]
    return [it["event"] for it in lines if it["logger"] == "streams.worker.health"]


@pytest.mark.parametrize(
    ("which", "fails", "comes_back"), CASES, ids=lambda it: getattr(it, "__name__", it)
)
def test_an_outage_is_waited_out_and_told(tmp_path, which, fails, comes_back):
    with a_place(which) as place, running(place, tmp_path) as it:
        worker, readiness, send, take_in = it
        send("before")
        take_in()
        fails(place.server)
        if place.name == "Redis":
            send("meanwhile")
        readiness.wait_for_reason(f"{place.name} has been away")
        lines = worker.log.count("\n")
        with cpu_share(worker) as share:
            wait_until(
                "the time to pass",
                lambda: readiness.report()["outages"][place.name]["for_s"] >= OUTAGE_S,
                OUTAGE_S + 10,
            )
        assert share[0] < AT_REST
        assert worker.log.count("\n") - lines < FEW_LINES, worker.tail()
        comes_back(place.server)
        readiness.wait(SOON_S)
        assert (worker.said(place.said), worker.said(place.over)) == (1, 1), worker.tail()
        send("after")
        take_in()
        worker.wait_for(
            "the log to say so",
            lambda: told(worker)[-2:] == ["worker is not ready", "worker is ready"],
        )
        assert worker.stop(STOPPED_WITHIN_S)[0] == 0


@contextmanager
def running(place, folder):
    """A worker, what it says over HTTP, and ways to send it events and see them absorbed."""
    settings = own_settings(place.stack, web_port=a_port())
    topic = settings.topics.events
    client = redis.Redis.from_url(place.stack.redis_url, decode_responses=True)
    with (
        client,
        sending(settings) as sender,
        WorkerProcess(settings, folder, **IMPATIENT) as worker,
    ):
        readiness = Readiness(settings, worker)
        readiness.wait()

        def send(viewer):
            sender.events(a_run(viewer, LONG_AGO_S))

        def take_in():
            worker.wait_for(
                "the events", lambda: absorbed(client, settings, topic, sender.ends[topic])
            )

        yield worker, readiness, send, take_in


def test_a_worker_told_to_stop_while_kafka_refuses_connections_ends_in_order(tmp_path):
    with a_place("the embedded Kafka") as place, running(place, tmp_path) as it:
        worker, readiness, send, take_in = it
        send("before")
        take_in()
        place.server.kill()
        readiness.wait_for_reason("Kafka has been away")
        code, took_s = worker.stop()
        assert (code, worker.said("worker is stuck")) == (0, 0), worker.tail()
        assert took_s < STOPPED_WITHIN_S


def test_a_worker_that_starts_in_an_outage_waits_and_says_for_what(tmp_path):
    with Stack(redis_options={"appendonly": "yes"}) as stack:
        settings = own_settings(stack, web_port=a_port())
        stack.redis.kill()
        with WorkerProcess(settings, tmp_path) as worker:
            readiness = Readiness(settings, worker)
            why = readiness.wait_for_reason("the start waits for Redis")
            readiness.wait_for_reason("Redis has been away")
            assert "group" not in why
            stack.redis.start()
            readiness.wait(SOON_S)
            assert worker.stop()[0] == 0


def test_an_idle_worker_gives_up_as_a_busy_one_does(tmp_path):
    """No lane meets the outage of a broker that nothing is sent to."""
    with Stack() as stack:
        settings = own_settings(stack, outage_max_s=4.0, web_port=a_port())
        with WorkerProcess(settings, tmp_path) as worker:
            Readiness(settings, worker).wait()
            stack.kafka.pause()
            assert worker.process.wait(40) == FAILED
            assert worker.said("away for 4 s"), worker.tail()
