"""Partitions that are added while a worker runs: a viewer's records then lie in two of them."""

from __future__ import annotations

import orjson
import pytest
import redis
from brokers import an_apache_kafka
from kafka.admin import KafkaAdminClient
from outcomes import outcome
from workers import WorkerProcess, absorbed, own_settings, send_events, send_titles, settled

from hookpoint.stack import Existing, Stack
from producers.simulator import Audience, AudienceOptions

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.timeout(300)]

OPTIONS = AudienceOptions(viewers=25, titles=12, weeks=1, seed=4, messy_share=0.4, keep_truth=False)
TICK_S = OPTIONS.end_s + 40 * 86_400.0
BEFORE, AFTER = 2, 4
PIECES = 8
"""Of the second half, eleven hours each: as in live viewing, no partition is a day ahead of others,
for a viewer's timers go by whichever of their partitions is."""
NOTICED = {"HOOKPOINT_FAUST_CONSUMER_METADATA_MAX_AGE_MS": "1000"}
"""Faust's own setting; by default a worker looks for new partitions every five minutes."""


@pytest.fixture(scope="module")
def stack():
    with an_apache_kafka() as kafka, Stack(existing=Existing(kafka.bootstrap)) as running:
        yield running


def contents(settings):
    """What does not count how often it was written: of sessions, all but their revisions."""
    found = outcome(settings)
    assert found.contradictions == []
    profiles = {name: it for name, it in found.keys.items() if not name.startswith("state:")}
    sessions = {
        name: orjson.loads(body) | {"revision": None} for name, body in found.sessions.items()
    }
    return profiles, sessions, sorted(found.signals.values()), found.titles


def run(stack, folder, partitions, between):
    """Send one half, do something, send the other. Returns what comes of it."""
    settings = own_settings(stack, partitions=partitions, slice_max=200)
    audience = Audience(OPTIONS)
    records = list(audience.records())
    half = len(records) // 2
    client = redis.Redis.from_url(stack.redis_url, decode_responses=True)
    titles = send_titles(settings, audience.catalogue())
    with client, WorkerProcess(settings, folder, name=f"{partitions}", **NOTICED) as worker:
        topic = settings.topics.titles
        worker.wait_for("titles", lambda: absorbed(client, settings, topic, titles))

        def take_in(part, tick_s=None):
            ends = send_events(settings, part, tick_s)
            worker.wait_for("a part of the events", lambda: settled(client, settings, ends))
            return ends

        take_in(records[:half])
        settings = between(settings, worker)
        size = half // PIECES + 1
        for begin in range(half, len(records), size):
            take_in(records[begin : begin + size])
        assert len(take_in((), TICK_S)) == AFTER
        assert worker.stop()[0] == 0, worker.tail()
    return contents(settings)


def add_partitions(settings, worker):
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    assignments = worker.said("partitions assigned")
    admin.create_partitions({settings.topics.events: AFTER})
    worker.wait_for("it to notice", lambda: worker.said("partitions assigned") > assignments)
    admin.close()
    return settings.model_copy(update={"partitions": AFTER})


def test_partitions_that_are_added_are_taken_up_and_nobody_s_viewing_is_lost(stack, tmp_path):
    grown = run(stack, tmp_path, BEFORE, add_partitions)
    always = run(stack, tmp_path, AFTER, lambda settings, _: settings)
    for ours, theirs in zip(grown, always, strict=True):
        assert ours == theirs != []
