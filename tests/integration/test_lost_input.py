"""A topic or log that is not what the marks count: the worker stops, and says what to do."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager

import orjson
import pytest
import redis
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from players import an_event
from ports import a_port
from prometheus_client.parser import text_string_to_metric_families
from readiness import Readiness, ask
from service import LONG_AGO_S, a_title
from workers import WorkerProcess, absorbed, marks, own_settings, sending, wait_until

from streams.keys import Keys
from streams.worker.run import FAILED

# The first use of Apache Kafka may have to download it.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ENDS_WITHIN_S = 40
PARTITIONS = 2


class Place:
    """A worker's input, someone who sends to it, and an administrator who spoils it."""

    def __init__(self, folder, settings, *, client, sender, admin):
        self.folder, self.settings = folder, settings
        self.client, self.sender, self.admin = client, sender, admin
        self.topic = settings.topics.events

    def worker(self, name, **variables):
        return WorkerProcess(self.settings, self.folder, name=name, **variables)

    def send(self, number, *, of=("ann", "bob", "eve", "kim")):
        """So many events of each viewer."""
        events = [
            an_event(
                viewer, "heartbeat", LONG_AGO_S + at, at, playback_id=f"{viewer}-{time.time()}"
            )
            for viewer in of
            for at in range(number)
        ]
        self.sender.events(events)

    def is_in(self):
        return absorbed(self.client, self.settings, self.topic, self.sender.ends[self.topic])

    def take_in(self, worker):
        worker.wait_for("the events", self.is_in)

    def begin(self):
        """A worker absorbs some events, and stops."""
        with self.worker("begins") as worker:
            self.send(50)
            self.take_in(worker)
            assert worker.stop()[0] == 0

    def delete(self, topic):
        self.admin.delete_topics([topic])

    def make_again(self):
        """The topic of events, by its name; the broker takes a moment to forget the old one."""

        def made():
            answer = self.admin.create_topics(
                [NewTopic(self.topic, PARTITIONS, 1)], raise_errors=False
            )
            return not answer["topics"][0]["error_code"]

        wait_until("the topic to be made again", made)
        wait_until("the old records to be gone", lambda: not any(self.ends().values()))

    def ends(self):
        """The broker that leads a partition may take records for the old topic a moment longer."""
        places = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
        with closing(KafkaConsumer(bootstrap_servers=self.settings.kafka_bootstrap)) as consumer:
            return consumer.end_offsets(places)


@contextmanager
def a_place(stack, folder):
    settings = own_settings(stack, partitions=PARTITIONS, web_port=a_port())
    client = redis.Redis.from_url(stack.redis_url, decode_responses=True)
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    with client, admin, sending(settings) as sender:
        sender.send(settings.topics.titles, [a_title("dark")])
        yield Place(folder, settings, client=client, sender=sender, admin=admin)


@pytest.fixture
def place(stack, tmp_path):
    with a_place(stack, tmp_path) as found:
        yield found


@pytest.fixture
def apache_place(apache_stack, tmp_path):
    with a_place(apache_stack, tmp_path) as found:
        yield found


def ends_with_a_word(worker):
    """The one critical line of a worker that ends by itself; nothing else may distract from it."""
    assert worker.process.wait(ENDS_WITHIN_S) == FAILED, worker.tail()
    assert all(it.startswith("{") for it in worker.log.splitlines()), worker.tail()
    lines = [orjson.loads(it) for it in worker.log.splitlines()]
    (line,) = [it for it in lines if it["level"] == "critical"]
    assert "Traceback" not in worker.log, worker.tail()
    return line["error"]


# -- the topic -------------------------------------------------------------------------------------
def test_a_topic_that_is_deleted_under_a_worker_ends_it(place):
    with place.worker("runs") as worker:
        place.send(50)
        place.take_in(worker)
        readiness = Readiness(place.settings, worker)
        readiness.wait()
        place.delete(place.topic)
        readiness.wait_for_reason(f"the broker knows no topic {place.topic}")
        word = ends_with_a_word(worker)
    assert f"topic {place.topic} is gone" in word
    assert "HOOKPOINT_TOPICS__EVENTS" in word
    assert "HOOKPOINT_KEY_PREFIX" in word


def test_a_topic_that_is_deleted_and_made_again_under_a_worker_ends_it(place):
    with place.worker("runs") as worker:
        place.send(50)
        place.take_in(worker)
        place.delete(place.topic)
        place.make_again()
        place.send(80)
        word = ends_with_a_word(worker)
    assert f"topic {place.topic} is not the one that the marks are of" in word


def test_a_worker_does_not_begin_on_a_topic_that_was_made_again_meanwhile(place):
    """Even if the new one is as long as the old: its records are others."""
    place.begin()
    held = marks(place.client, place.settings, place.topic)
    place.delete(place.topic)
    place.make_again()
    place.send(80)
    with place.worker("again") as worker:
        word = ends_with_a_word(worker)
    assert f"topic {place.topic} is not the one that the marks are of" in word
    assert marks(place.client, place.settings, place.topic) == held


def test_the_remedy_works(place):
    place.begin()
    place.delete(place.topic)
    place.make_again()
    place.sender.ends.clear()
    place.send(20)
    anew = place.settings.model_copy(update={"key_prefix": f"{place.settings.key_prefix}anew:"})
    with WorkerProcess(anew, place.folder, name="anew") as worker:
        ends = place.sender.ends[place.topic]
        worker.wait_for("all", lambda: absorbed(place.client, anew, place.topic, ends))


def test_an_output_that_is_deleted_ends_the_worker_which_says_how_to_make_it_again(place):
    with place.worker("runs") as worker:
        Readiness(place.settings, worker).wait()
        place.delete(place.settings.topics.signals)
        word = ends_with_a_word(worker)
    assert (
        f"topic {place.settings.topics.signals} is gone. Make it again: `hookpoint topics`" in word
    )


# -- the log ---------------------------------------------------------------------------------------
def delete_before(place, offsets):
    """As retention would."""
    place.admin.delete_records(
        {TopicPartition(place.topic, number): offset for number, offset in offsets.items()}
    )


@pytest.fixture
def behind(apache_place):
    """A stopped worker whose next ten records of each partition retention has taken."""
    apache_place.begin()
    held = marks(apache_place.client, apache_place.settings, apache_place.topic)
    apache_place.send(50)
    delete_before(apache_place, {number: mark + 11 for number, mark in held.items()})
    return apache_place


def test_records_that_were_deleted_unread_end_the_worker_with_the_numbers(behind):
    held = marks(behind.client, behind.settings, behind.topic)
    with behind.worker("again") as worker:
        word = ends_with_a_word(worker)
    said = [
        f"10 records of {behind.topic}/{number} were deleted before they were read: the mark is "
        f"{mark}, and its log holds {mark + 11} to {behind.sender.ends[behind.topic][number]}"
        for number, mark in held.items()
    ]
    assert any(sentence in word for sentence in said)
    assert "HOOKPOINT_ON_LOST_RECORDS=skip" in word


def test_by_setting_the_worker_goes_on_without_them_and_counts_them(behind):
    with behind.worker("skips", HOOKPOINT_ON_LOST_RECORDS="skip") as worker:
        behind.take_in(worker)
        families = text_string_to_metric_families(ask(behind.settings.web_port, "/metrics").text)
        lost = {
            it.labels["partition"]: it.value
            for family in families
            for it in family.samples
            if it.name == "hookpoint_lost_records_total"
        }
        assert lost == {f"{behind.topic}/{number}": 10 for number in range(PARTITIONS)}
        assert worker.said("records were deleted before they were read, going on") == PARTITIONS
        assert worker.stop()[0] == 0


def test_a_mark_beyond_the_end_of_the_log_ends_the_worker(apache_place):
    """The log was cut short, or the marks are of another cluster."""
    apache_place.begin()
    end = apache_place.sender.ends[apache_place.topic][1]
    key = Keys(apache_place.settings.key_prefix).mark(
        apache_place.settings.group, apache_place.topic, 1
    )
    apache_place.client.hset(key, "offset", end + 500)
    with apache_place.worker("again") as worker:
        word = ends_with_a_word(worker)
    assert (
        f"{apache_place.topic}/1 was cut short: the mark is {end + 500}, and its log holds 0 to "
        f"{end}" in word
    )
