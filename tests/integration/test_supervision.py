"""A worker that is watched: ended where it comes no further, left alone where it cannot help it."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import ExitStack

import ailing
import orjson
import psutil
import pytest
import redis
from aiokafka import AIOKafkaProducer
from players import a_run, an_event
from ports import a_port
from readiness import Readiness, ask
from service import LONG_AGO_S, running_service
from workers import (
    FAUST,
    WorkerProcess,
    absorbed,
    marks,
    own_settings,
    read_topic,
    sending,
    wait_until,
)

from streams.worker.run import FAILED

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STUCK_AFTER_S = 5
IMPATIENT = {"HOOKPOINT_STUCK_AFTER_S": str(STUCK_AFTER_S), "HOOKPOINT_IO_TIMEOUT_S": "1"}
LONGER_S = 2.0 * STUCK_AFTER_S


def last_words(worker):
    """The critical lines of ours."""
    lines = [orjson.loads(it) for it in worker.log.splitlines() if it.startswith("{")]
    return [
        it for it in lines if it.get("level") == "critical" and it["logger"].startswith("streams.")
    ]


def stays_alive(worker, seconds):
    """Watch it for a while."""
    until = time.monotonic() + seconds
    wait_until("the time", lambda: not worker.running or time.monotonic() > until, seconds + 5)
    assert worker.running, worker.tail()


class Watched:
    """A worker of its own topics that gets impatient fast."""

    def __init__(self, stack, folder, sender, settings, command):
        self.settings, self.sender = settings, sender
        self.worker = WorkerProcess(settings, folder, command=command, **IMPATIENT)
        self.readiness = Readiness(settings, self.worker)
        self.client = redis.Redis.from_url(stack.redis_url, decode_responses=True)

    def send(self, viewer):
        self.sender.events(a_run(viewer, LONG_AGO_S))

    def is_in(self):
        topic = self.settings.topics.events
        return absorbed(self.client, self.settings, topic, self.sender.ends[topic])

    def take_in(self):
        self.worker.wait_for("the events", self.is_in)

    def ended(self, within_s=4.0 * STUCK_AFTER_S):
        return self.worker.process.wait(within_s)


@pytest.fixture
def watched(stack, tmp_path):
    settings = own_settings(stack, web_port=a_port(), idle_after_s=0.5)
    with sending(settings) as sender:
        found = Watched(stack, tmp_path, sender, settings, ailing.COMMAND)
        with found.worker, found.client:
            found.readiness.wait()
            found.send("before")
            found.take_in()
            yield found


# -- ended -----------------------------------------------------------------------------------------
def test_a_worker_whose_event_loop_stands_still_is_ended_with_every_stack_in_the_log(watched):
    watched.worker.process.send_signal(ailing.LOOP_STANDS_STILL)
    wait_until("livez to say so", lambda: ask(watched.settings.web_port, "/livez").status != 200)
    assert watched.ended() == FAILED
    (line,) = last_words(watched.worker)
    assert line["why"].startswith("the event loop has not turned for")
    topics = watched.settings.topics
    assert set(line["lanes"]) == {
        f"{topic}/{number}"
        for topic in (topics.events, topics.titles, topics.progress)
        for number in range(4)
    }
    assert "_stand_still" in watched.worker.log, "the stacks do not show where it stood"


def test_a_worker_whose_lanes_hang_is_ended_and_says_what_each_was_doing(watched):
    watched.worker.process.send_signal(ailing.LANES_HANG)
    watched.send("hung")
    watched.readiness.wait_for_reason("no lane has come further", LONGER_S)
    assert watched.ended() == FAILED
    (line,) = last_words(watched.worker)
    assert "no lane has come further for" in line["why"]
    assert any(doing.startswith("publishing to Kafka for") for doing in line["lanes"].values())


def test_a_worker_that_is_handed_nothing_though_the_broker_has_it_is_ended(watched):
    watched.worker.process.send_signal(ailing.NOTHING_IS_FETCHED)
    watched.send("unread")
    assert watched.ended() == FAILED
    (line,) = last_words(watched.worker)
    assert line["why"].startswith("there is work, and no lane has come further for")


def test_another_worker_reads_on_where_one_was_ended(watched, tmp_path):
    watched.worker.process.send_signal(ailing.LANES_HANG)
    watched.send("hung")
    assert watched.ended() == FAILED
    with WorkerProcess(watched.settings, tmp_path, name="next") as following:
        following.wait_for("the events", watched.is_in)
        assert following.stop()[0] == 0


# -- left alone ------------------------------------------------------------------------------------
def test_a_worker_with_nothing_to_do_is_left_alone(watched):
    stays_alive(watched.worker, LONGER_S)
    assert watched.readiness.why() == ""


def test_a_worker_that_was_suspended_for_longer_goes_on(watched):
    watched.worker.pause()
    watched.send("meanwhile")
    stays_alive(watched.worker, LONGER_S)
    watched.worker.resume()
    watched.take_in()
    stays_alive(watched.worker, STUCK_AFTER_S)
    watched.readiness.wait()


def test_transaction_markers_at_the_end_of_a_partition_are_no_lag(apache_stack, tmp_path):
    settings = own_settings(apache_stack, web_port=a_port(), partitions=1)

    async def in_transactions():
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap.split(","),
            transactional_id=f"test-{uuid.uuid4().hex}",
        )
        await producer.start()
        try:
            for finish in (producer.commit_transaction, producer.abort_transaction):
                await producer.begin_transaction()
                for event in a_run("ann", LONG_AGO_S):
                    value = orjson.dumps(event)
                    last = await producer.send_and_wait(settings.topics.events, value, key=b"ann")
                await finish()
                if finish == producer.commit_transaction:
                    sender.note(settings.topics.events, [(last.partition, last.offset)])
        finally:
            await producer.stop()

    with sending(settings) as sender:
        watched = Watched(apache_stack, tmp_path, sender, settings, ailing.COMMAND)
        with watched.worker, watched.client:
            watched.readiness.wait()
            asyncio.run(in_transactions())
            watched.take_in()
            stays_alive(watched.worker, LONGER_S)
            assert watched.readiness.why() == ""
            lags = {it["lag"] for it in watched.readiness.report()["partitions"].values()}
            assert lags == {0}


def test_a_rebalance_that_takes_longer_is_waited_for(apache_stack, tmp_path):
    """The group waits for a member that is frozen, until its session is over."""
    settings = own_settings(apache_stack, web_port=a_port(), session_timeout_s=3.0 * STUCK_AFTER_S)
    with sending(settings) as sender:
        watched = Watched(apache_stack, tmp_path, sender, settings, ailing.COMMAND)
        without_web = settings.model_copy(update={"web_port": 0})
        frozen = WorkerProcess(without_web, tmp_path, name="frozen")
        with watched.worker, watched.client, frozen:
            frozen.wait_until_ready()
            watched.readiness.wait()
            frozen.pause()
            with WorkerProcess(without_web, tmp_path, name="joins") as joins:
                watched.send("meanwhile")
                watched.readiness.wait_for_reason("no place in the consumer group")
                began = time.monotonic()
                watched.readiness.wait(60)
                assert time.monotonic() - began > STUCK_AFTER_S, "it took no time"
                watched.take_in()
                assert joins.running


# -- floods ----------------------------------------------------------------------------------------
def flood(service, number):
    topic = service.settings.topics.events
    service.sender.send(topic, [(f"v{i}".encode(), b"{}", []) for i in range(number)])


def test_a_flood_of_rejects_turns_readiness_red_until_it_is_over(stack, tmp_path):
    with running_service(stack, tmp_path, web_port=a_port()) as service:
        readiness = Readiness(service.settings, service.worker)
        readiness.wait()
        flood(service, 999)
        service.take_in()
        assert readiness.why() == ""
        flood(service, 400)
        why = readiness.wait_for_reason("were rejected")
        assert "100% of the records" in why
        assert "envelope 1," in why
        assert readiness.report()["rejects"]["reasons"]["envelope"] >= 1000
        began = service.another_time()
        events = [
            an_event(f"good-{i}", "started", began + i, 0, playback_id=f"p{i}") for i in range(1500)
        ]
        service.sender.events(events)
        readiness.wait()
        assert service.worker.said('"worker is not ready"') >= 1


def test_by_setting_a_flood_ends_the_worker_with_nothing_passed_by(stack, tmp_path):
    settings = own_settings(stack, slice_max=50, partitions=1)
    topic = settings.topics.events
    client = redis.Redis.from_url(stack.redis_url, decode_responses=True)
    variables = {"HOOKPOINT_REJECT_FLOOD_STOPS": "true", "HOOKPOINT_REJECT_FLOOD_LEAST": "300"}
    with client, sending(settings) as sender:
        sender.send(topic, [(b"v", b"{}", [])] * 100_000)
        with WorkerProcess(settings, tmp_path, **variables) as worker:
            assert worker.process.wait(30) == FAILED, worker.tail()
            (line,) = last_words(worker)
            assert line["event"] == "worker stops"
            assert "100% of the records" in line["error"]
            assert "envelope" in line["error"]
            assert "Traceback" not in worker.log, worker.tail()
        held = marks(client, settings, topic)[0]
        assert held < sender.ends[topic][0], "it read everything before it stopped"
        sent_on = {it.key for it in read_topic(settings, settings.topics.rejects)}
        assert {f"{topic}/0/{offset}".encode() for offset in range(held + 1)} <= sent_on
        with WorkerProcess(settings, tmp_path, name="next") as following:
            following.wait_for(
                "the rest", lambda: absorbed(client, settings, topic, sender.ends[topic])
            )


# -- how it is asked -------------------------------------------------------------------------------
def test_a_port_that_was_set_and_is_taken_ends_the_worker_with_a_word(stack, tmp_path):
    settings = own_settings(stack, web_port=a_port())
    with WorkerProcess(settings, tmp_path, name="first") as first:
        Readiness(settings, first).wait()
        with WorkerProcess(settings, tmp_path, name="second") as second:
            assert second.process.wait(20) == FAILED
            (line,) = last_words(second)
            assert (
                f"HOOKPOINT_WEB_PORT {settings.web_port}: Address already in use" in line["error"]
            )
        assert first.running


def test_a_worker_for_whom_no_partition_is_left_is_ready_to_take_one(stack, tmp_path):
    # One partition of events, one of titles.
    settings = own_settings(stack, partitions=1, agents={"viewers", "catalogue"})
    with ExitStack() as workers:
        readiness = []
        for name in ("first", "second", "third"):
            own = settings.model_copy(update={"web_port": a_port()})
            worker = workers.enter_context(WorkerProcess(own, tmp_path, name=name))
            readiness.append(Readiness(own, worker))

        def shares():
            return sorted(len(it.report().get("partitions", "?")) for it in readiness)

        wait_until("everyone to have a share", lambda: shares() == [0, 1, 1], 120)
        wait_until("everyone to be ready", lambda: [it.why() for it in readiness] == [""] * 3)


def test_the_faust_command_answers_too_and_listens_nowhere_else(stack, tmp_path):
    settings = own_settings(stack, web_port=a_port())
    with WorkerProcess(settings, tmp_path, command=(FAUST[:-1])) as worker:
        Readiness(settings, worker).wait()
        assert ask(settings.web_port, "/livez").status == 200
        listens = psutil.Process(worker.process.pid).net_connections("inet")
        at = {it.laddr for it in listens if it.status == psutil.CONN_LISTEN}
        assert at == {("127.0.0.1", settings.web_port)}
        assert worker.stop()[0] == 0
