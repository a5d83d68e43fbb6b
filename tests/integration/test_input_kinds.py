"""Input that only Apache Kafka can hold: transactions, and offsets that compaction took away."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import asynccontextmanager, contextmanager

import orjson
import pytest
import redis
from aiokafka import AIOKafkaProducer
from kafka.admin import ConfigResource, KafkaAdminClient
from players import a_run, an_event
from service import LONG_AGO_S, Service, a_title, running_service
from workers import (
    WorkerProcess,
    absorbed,
    marks,
    own_settings,
    read_topic,
    sending,
    wait_until,
)

# The first use of Apache Kafka may have to download it.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

A_WHOLE_RUN = [2000, 2500, 2500, 0, 2700, False]
FIGURES = ("wall_s", "advanced_s", "coverage_s", "rewatched_s", "position_s", "imputed")


def figures(session):
    return [session[name] for name in FIGURES]


def last_figures(service, viewer):
    """Of the viewer's latest revision: how many there are depends on where slices end."""
    return figures(max(service.sessions(viewer), key=lambda it: it["revision"]))


def seen_of(service, viewer):
    """All that a worker may leave of a viewer."""
    return [
        service.sessions(viewer),
        service.signals(viewer),
        *(service.hash(kind, viewer) for kind in ("state", "taste", "progress", "hooked")),
    ]


NOTHING = [[], [], {}, {}, {}, {}]


# -- transactions ----------------------------------------------------------------------------------
@asynccontextmanager
async def transactional_producer(settings):
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap.split(","),
        transactional_id=f"test-{uuid.uuid4().hex}",
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send_events(producer, settings, events, partition=0):
    """Send to one partition; gives (partition, offset) of each."""
    places = []
    for event in events:
        key, value = event["subject"].encode(), orjson.dumps(event)
        done = await producer.send_and_wait(
            settings.topics.events, value, key=key, partition=partition
        )
        places.append((done.partition, done.offset))
    return places


def in_transaction(settings, events, *, commit):
    async def run():
        async with transactional_producer(settings) as producer:
            await producer.begin_transaction()
            places = await send_events(producer, settings, events)
            await (producer.commit_transaction() if commit else producer.abort_transaction())
            return places

    return asyncio.run(run())


@pytest.fixture(scope="module")
def service(apache_stack, tmp_path_factory):
    """A worker on one partition, so that all records lie in one row."""
    folder = tmp_path_factory.mktemp("transactions")
    with running_service(apache_stack, folder, partitions=1) as found:
        yield found


def test_records_of_an_aborted_transaction_leave_no_trace_and_those_of_a_committed_one_count(
    service,
):
    began, events = service.another_time(), service.settings.topics.events
    in_transaction(service.settings, a_run("aborted", began), commit=False)
    places = in_transaction(service.settings, a_run("committed", began), commit=True)
    service.sender.note(events, places)
    service.take_in()
    assert last_figures(service, "committed") == A_WHOLE_RUN
    assert seen_of(service, "aborted") == NOTHING


def test_plain_records_between_transactions_count_as_ever(service):
    began = service.another_time()
    run = a_run("between", began)
    for number, event in enumerate(run):
        in_transaction(service.settings, a_run(f"noise-{number}", began)[:1], commit=False)
        service.sender.events([event])
    service.take_in()
    assert last_figures(service, "between") == A_WHOLE_RUN
    for number in range(len(run)):
        assert seen_of(service, f"noise-{number}") == NOTHING


def test_records_behind_an_open_transaction_wait_until_it_ends(apache_stack, tmp_path):
    began = LONG_AGO_S
    with running_service(apache_stack, tmp_path, partitions=2) as service:
        settings, topic = service.settings, service.settings.topics.events

        async def run():
            async with transactional_producer(settings) as producer:
                await producer.begin_transaction()
                inside = await send_events(producer, settings, a_run("inside", began))
                async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap) as plain:
                    behind = await send_events(plain, settings, a_run("behind", began))
                    beside = await send_events(plain, settings, a_run("beside", began), 1)
                await asyncio.to_thread(wait_for, [*beside])
                assert marks(service.client, settings, topic).get(0, -1) == -1
                await producer.commit_transaction()
                await asyncio.to_thread(wait_for, [*inside, *behind])

        def wait_for(places):
            ends = dict(sorted(places))
            service.worker.wait_for(
                "records", lambda: absorbed(service.client, settings, topic, ends)
            )

        asyncio.run(run())
        for viewer in ("inside", "behind", "beside"):
            assert last_figures(service, viewer) == A_WHOLE_RUN


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "aborted"])
def test_a_partition_that_ends_in_a_transactions_marker_comes_to_rest(
    apache_stack, tmp_path, commit
):
    """Time goes on by the wall clock only where the worker knows that nothing is left to read."""
    settings = own_settings(apache_stack, partitions=1, idle_after_s=1.0)
    with sending(settings) as sender, service_of(apache_stack, settings, sender, tmp_path) as found:
        now = time.time()
        playing = [an_event("fades", "heartbeat", now - 3 + s, s) for s in range(3)]
        if commit:
            in_transaction(settings, playing, commit=True)
        else:
            sender.events(playing)
            in_transaction(settings, a_run("aborted", now), commit=False)
        found.worker.wait_for("its close by the wall clock", lambda: found.sessions("fades"))
        assert last_figures(found, "fades")[:3] == [2, 2, 2]
        assert seen_of(found, "aborted") == NOTHING


# -- compaction ------------------------------------------------------------------------------------
@contextmanager
def service_of(stack, settings, sender, folder, name="worker"):
    """A worker on given settings, for whom five seconds of silence are an end."""
    client = redis.Redis.from_url(stack.redis_url, decode_responses=True)
    rules = {"HOOKPOINT_RULES__SILENCE_PLAYING_S": "5"}
    with client, WorkerProcess(settings, folder, name=name, **rules) as worker:
        found = Service(settings, client, sender, worker)
        found.titles([a_title("dark")])
        yield found
        assert worker.stop()[0] == 0, worker.tail()


def configure(settings, **configs):
    """Change the events topic on the broker."""
    with KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap) as admin:
        named = {name.replace("_", "."): value for name, value in configs.items()}
        admin.alter_configs([ConfigResource("TOPIC", settings.topics.events, named)])


def offsets(settings):
    return {record.offset for record in read_topic(settings, settings.topics.events)}


def test_a_compacted_topic_is_read_across_its_gaps_even_from_within_one(apache_stack, tmp_path):
    settings = own_settings(apache_stack, partitions=1)
    topic, viewers = settings.topics.events, [f"steady-{number}" for number in range(5)]
    configure(
        settings,
        cleanup_policy="compact",
        segment_ms="50",
        min_cleanable_dirty_ratio="0.01",
        max_compaction_lag_ms="100",
    )

    def steady(word, *seconds):
        """Straight play: the same whether or not the reports in between are still there."""
        return [an_event(viewer, word, LONG_AGO_S + s, s) for s in seconds for viewer in viewers]

    def gaps_around(mark):
        # Compaction spares the segment that is written to; a record later it is another one.
        sender.events(steady("heartbeat", 100))
        held = offsets(settings)
        return held.isdisjoint({mark, mark + 1}) and min(held) > 0

    with sending(settings) as sender:
        with service_of(apache_stack, settings, sender, tmp_path, "first") as service:
            service.report(steady("started", 0) + steady("heartbeat", *range(2, 50, 2)))
            mark = marks(service.client, settings, topic)[0]
        sender.events(steady("heartbeat", *range(50, 100, 2)))
        wait_until("gaps", lambda: gaps_around(mark), within_s=90)
        configure(settings, segment_ms=str(86_400_000))
        sender.events(steady("stopped", 104) + a_run("whole", LONG_AGO_S + 3600))
        with service_of(apache_stack, settings, sender, tmp_path, "second") as service:
            service.take_in()
            assert last_figures(service, "whole") == A_WHOLE_RUN
            for viewer in viewers:
                assert last_figures(service, viewer) == [104, 104, 104, 0, 104, False]
    assert len(offsets(settings)) < max(offsets(settings)) / 2
    assert read_topic(settings, settings.topics.rejects) == []
