"""Readers on a real broker and a real Redis: each id once, whatever stops the reader."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer
from pydantic import SecretStr
from redis.exceptions import RedisError

from consumers.connection import connect
from consumers.profiles import BadProfileError, ProfileReader
from consumers.reader import ReaderError
from consumers.rejects import RejectReader
from consumers.seen import GroupIds
from consumers.sessions import SessionReader
from consumers.signals import SignalReader
from streams.keys import Keys

pytestmark = pytest.mark.integration

JOIN_WITHIN_S = 30.0
ROOT = Path(__file__).parents[2]

# Notes each id in a file, then dies while it still holds the last one, as a power cut would.
DIES_HOLDING_ONE = """
import os, signal, sys
from config.settings import Settings
from consumers.signals import SignalReader

notes, noted_before_death = sys.argv[1], int(sys.argv[2])
with SignalReader(Settings.model_validate_json(sys.stdin.read()), group="mailer") as reader:
    for count, found in enumerate(reader):
        if count == noted_before_death:
            os.kill(os.getpid(), signal.SIGKILL)
        with open(notes, "a") as file:
            file.write(found.id + "\\n")
            file.flush()
            os.fsync(file.fileno())
"""


def a_signal(number: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"id-{number}",
        "source": "hookpoint",
        "type": "viewer.hooked",
        "subject": f"v{number % 7}",
        "time": "2026-03-02T21:40:00Z",
        "data": {"viewer": f"v{number % 7}", "title_id": "dark", "season": 1, "k": 3, "of": 8},
    }


@pytest.fixture
def send(settings, make_topics):
    make_topics(settings)
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        # The embedded broker does not know how to number producers.
        enable_idempotence=False,
    )

    def send_now(topic, values, headers=()):
        for value in values:
            raw = value if isinstance(value, bytes) else orjson.dumps(value)
            key = value.get("subject", "x") if isinstance(value, dict) else "x"
            producer.send(topic, key=key.encode(), value=raw, headers=list(headers))
        producer.flush(10)

    yield send_now
    producer.close()


@pytest.fixture(params=["single", "cluster"])
def redis_settings(request, settings):
    if request.param == "single":
        return settings
    nodes = request.getfixturevalue("cluster")
    update = {"redis_url": SecretStr(nodes.redis_url), "redis_cluster": True}
    return settings.model_copy(update=update)


def take(reader, count: int) -> list[str]:
    """The next ``count`` ids, dealt with one after the other."""
    ids = []
    deadline = time.monotonic() + JOIN_WITHIN_S
    while len(ids) < count and time.monotonic() < deadline:
        found = reader.poll(0.5)
        if found is not None:
            ids.append(found.id)
    return ids


def ids(*numbers: int) -> list[str]:
    return sorted(f"id-{number}" for number in numbers)


def test_a_signal_has_every_field_of_the_contract(settings, send):
    event = a_signal(1)
    event["data"] |= {
        "state": "hooked",
        "basis": "audience",
        "p": 0.83,
        "interval": [0.78, 0.88],
        "because": {"completed": 4},
        "catalogue_version": 17,
        "curve_version": "3",
        "retracts": "id-0",
    }
    send(settings.topics.signals, [event])
    with SignalReader(settings) as reader:
        [found] = reader.whats_there()
    assert (found.id, found.type, found.subject, found.viewer) == (
        "id-1",
        "viewer.hooked",
        "v1",
        "v1",
    )
    assert (found.title_id, found.season, found.state, found.basis) == (
        "dark",
        1,
        "hooked",
        "audience",
    )
    assert (found.p, found.interval, found.k, found.of) == (0.83, (0.78, 0.88), 3, 8)
    assert (found.catalogue_version, found.curve_version, found.retracts) == (17, "3", "id-0")
    assert found.because == {"completed": 4}
    assert found.time.isoformat() == "2026-03-02T21:40:00+00:00"


def test_a_finite_read_ends_with_everything_that_was_there(settings, send):
    # Many batches: the embedded broker's list-offsets answer is below the end of the last one.
    for start in range(0, 1000, 100):
        send(settings.topics.signals, [a_signal(n) for n in range(start, start + 100)])
    with SignalReader(settings) as reader:
        assert sorted(found.id for found in reader.whats_there()) == ids(*range(1000))


def test_the_last_of_each_partition_are_never_less_than_asked_for(settings, send):
    send(settings.topics.signals, [a_signal(n) for n in range(0, 700, 7)])
    with SignalReader(settings) as reader:
        found = [each.id for each in reader.whats_there(last_per_partition=5)]
    assert {f"id-{n}" for n in range(665, 700, 7)} <= set(found)


def test_a_finite_read_of_a_topic_that_never_rests_still_ends(settings, send):
    stop = threading.Event()
    numbers = iter(range(100_000))

    def keep_sending() -> None:
        while not stop.wait(0.02):
            send(settings.topics.signals, [a_signal(next(numbers))])

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        with SignalReader(settings) as reader:
            started = time.monotonic()
            list(reader.whats_there())
            assert time.monotonic() - started < 10
    finally:
        stop.set()
        sender.join()


def test_a_repeated_id_is_delivered_once(settings, send):
    send(settings.topics.signals, [a_signal(n) for n in (1, 2, 1, 3, 2, 1)])
    with SignalReader(settings) as reader:
        assert sorted(take(reader, 3)) == ids(1, 2, 3)
        assert reader.poll(1.0) is None
        assert reader.repeats == 3


def test_a_group_that_closed_goes_on_where_it_stopped(settings, send):
    send(settings.topics.signals, [a_signal(n) for n in range(20)])
    with SignalReader(settings, group="mailer") as reader:
        first = take(reader, 8)
    with SignalReader(settings, group="mailer") as reader:
        rest = take(reader, 12)
        assert reader.poll(1.0) is None
    assert sorted(first + rest) == ids(*range(20))


def test_an_id_taken_before_a_restart_is_not_delivered_after_it(settings, send):
    send(settings.topics.signals, [a_signal(n) for n in range(3)])
    with SignalReader(settings, group="mailer") as reader:
        take(reader, 3)
    send(settings.topics.signals, [a_signal(n) for n in (0, 1, 2, 3)])
    with SignalReader(settings, group="mailer") as reader:
        assert take(reader, 1) == ["id-3"]
        assert reader.poll(1.0) is None
        assert reader.repeats == 3


def test_two_groups_both_get_everything(settings, send):
    send(settings.topics.signals, [a_signal(n) for n in range(5)])
    for group in ("mailer", "ranker"):
        with SignalReader(settings, group=group) as reader:
            assert sorted(take(reader, 5)) == ids(*range(5))


def test_a_record_whose_handling_failed_comes_again_and_no_other(settings, send):
    send(settings.topics.signals, [a_signal(7 * n) for n in range(6)])

    def fail_at_the_second() -> None:
        with SignalReader(settings, group="mailer") as reader:
            assert take(reader, 2) == ["id-0", "id-7"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_at_the_second()
    with SignalReader(settings, group="mailer") as reader:
        assert take(reader, 5) == ["id-7", "id-14", "id-21", "id-28", "id-35"]


def test_a_killed_reader_resumes_with_the_record_it_held_and_each_id_comes_once(
    settings, send, tmp_path
):
    send(settings.topics.signals, [a_signal(n) for n in range(30)])
    notes = tmp_path / "noted"
    plain = settings.model_dump(mode="json")
    plain["redis_url"] = settings.redis_url.get_secret_value()
    for noted_before_death in (7, 11):
        killed = subprocess.run(
            [sys.executable, "-c", DIES_HOLDING_ONE, str(notes), str(noted_before_death)],
            input=orjson.dumps(plain),
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        assert killed.returncode == -9
    noted = notes.read_text().split()
    assert len(noted) == 18
    with SignalReader(settings, group="mailer") as reader:
        rest = take(reader, 12)
        assert reader.poll(1.0) is None
    assert sorted(noted + rest) == ids(*range(30))


def test_bad_records_are_logged_by_name_counted_and_passed_over(settings, send, caplog):
    no_time = {key: value for key, value in a_signal(0).items() if key != "time"}
    send(settings.topics.signals, [b"\xff", no_time, {"id": 1}, a_signal(1)])
    caplog.set_level(logging.WARNING, "consumers")
    with SignalReader(settings, group="mailer") as reader:
        assert take(reader, 1) == ["id-1"]
    assert reader.bad == {"not_json": 1, "time": 1, "data": 1}
    ours = [record for record in caplog.records if record.name.startswith("consumers")]
    assert len(ours) == 1, "one line a second, not one per record"
    assert "BadRecordError" in ours[0].getMessage()
    assert settings.topics.signals in ours[0].getMessage()


def test_bad_records_are_committed_too(settings, send):
    send(settings.topics.signals, [b"{"])
    with SignalReader(settings, group="mailer") as reader:
        deadline = time.monotonic() + JOIN_WITHIN_S
        while not reader.bad and time.monotonic() < deadline:
            assert reader.poll(0.5) is None
    send(settings.topics.signals, [a_signal(1)])
    with SignalReader(settings, group="mailer") as reader:
        assert take(reader, 1) == ["id-1"]
        assert not reader.bad


def test_what_a_group_remembers_is_bounded_and_expires(redis_settings):
    with connect(redis_settings) as client:
        memory = GroupIds(client, redis_settings, "mailer", "topic", limit=3)
        for number in range(5):
            memory.add(f"id-{number}")
        assert client.zcard(memory.key) == 3
        assert memory.known(ids(0, 2, 3, 4)) == {"id-2", "id-3", "id-4"}
        assert memory.known([]) == set()
        assert 0 < client.ttl(memory.key) <= 30 * 86400


def test_a_reader_without_kafka_or_redis_says_so(settings, send):
    send(settings.topics.signals, [a_signal(1)])
    nowhere = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    reader = SignalReader(nowhere, group="mailer")
    with pytest.raises(ReaderError, match="Redis"):
        take(reader, 1)
    reader.close()
    with pytest.raises(ReaderError, match="no topic"):
        SignalReader(
            settings.model_copy(
                update={"topics": settings.topics.model_copy(update={"signals": "missing"})}
            )
        )


def test_a_snapshot_keeps_the_highest_revision_of_each_session(settings, send):
    def session(session_id: str, revision: int, viewer: str = "v") -> dict[str, Any]:
        seconds = dict.fromkeys(
            ("wall_s", "advanced_s", "coverage_s", "rewatched_s", "position_s"), 1
        )
        times = dict.fromkeys(("started_at", "ended_at"), "2026-03-02T21:40:00Z")
        names = {"id": session_id, "viewer": viewer, "playback_id": "p", "title_id": "film"}
        return {**seconds, **times, **names, "imputed": False, "revision": revision}

    revisions = [("a", 1), ("b", 1), ("a", 3), ("a", 2)]
    send(settings.topics.sessions, [session(*each) for each in revisions])
    send(settings.topics.sessions, [session("c", 1, "other")])
    with SessionReader(settings) as reader:
        found = reader.snapshot(viewer="v")
    assert {name: each.revision for name, each in found.items()} == {"a": 3, "b": 1}
    assert found["a"].season is None


def test_a_reject_is_read_from_its_headers_and_recognised_by_its_source(settings, send):
    headers = {"topic": b"events", "partition": b"2", "offset": b"5", "reason": b"not_json"}
    for _ in range(2):
        send(settings.topics.rejects, [b"\xff\x1b"], headers.items())
    with RejectReader(settings) as reader:
        [found] = reader.whats_there()
    assert (found.topic, found.partition, found.offset) == ("events", 2, 5)
    assert (found.reason, found.field, found.detail, found.key) == ("not_json", None, None, None)
    assert (found.value, found.size) == (b"\xff\x1b", 2)


def test_profiles_are_read_from_one_server_and_from_a_cluster(redis_settings):
    keys = Keys(redis_settings.key_prefix)
    viewers = [f"v{n}" for n in range(20)] + ["br{ace}"]
    with ProfileReader(redis_settings) as reader:
        for number, viewer in enumerate(viewers):
            own = keys.viewer(viewer)
            fields = {"genre:drama": f"{number / 40} .5", "watched_s": number}
            reader._client.hset(own.taste, mapping=fields)
            reader._client.expire(own.taste, 600)
        reader._client.hset(keys.title("dark"), "name", "Dark")
        reader._client.expire(keys.title("dark"), 600)
        tastes = reader.tastes([*viewers, "nobody", "v1"])
        assert list(tastes) == [*viewers, "nobody"]
        assert tastes["nobody"] is None
        assert tastes["br{ace}"].lasting == {"genre": {"drama": 0.5}}
        assert tastes["v4"] == reader.taste("v4") == reader.profile("v4").taste
        assert tastes["v4"].lasting["genre"]["drama"] == 0.1
        assert tastes["v4"].now == {"genre": {"drama": 0.5}}
        assert reader.tastes([]) == {}
        assert not reader.profile("nobody").known
        assert reader.names(["dark", "unknown"]) == {"dark": "Dark"}


def test_a_profile_is_of_one_moment_while_it_is_being_written(settings, redis_client):
    own = Keys(settings.key_prefix).viewer("busy")
    stop = threading.Event()

    def keep_writing() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            seen = [number, 0, None, False, 1772487600]
            batch = redis_client.pipeline(transaction=True)
            batch.hset(own.taste, mapping={"watched_s": number})
            batch.hset(own.progress, "film", orjson.dumps(seen))
            batch.expire(own.taste, 600)
            batch.expire(own.progress, 600)
            batch.execute()

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        with ProfileReader(settings) as reader:
            moments = set()
            deadline = time.monotonic() + 20
            while len(moments) < 200 and time.monotonic() < deadline:
                found = reader.profile("busy")
                if found.taste is not None:
                    assert found.taste.watched_s == found.progress[0].position_s
                    moments.add(found.taste.watched_s)
    finally:
        stop.set()
        writer.join()
    assert len(moments) == 200


def test_a_hash_that_breaks_the_contract_is_named(settings, redis_client):
    own = Keys(settings.key_prefix).viewer("v")
    redis_client.hset(own.hooked, "dark:1", '{"state": "hooked"}')
    redis_client.expire(own.hooked, 600)
    with ProfileReader(settings) as reader:
        with pytest.raises(BadProfileError, match="hooked on"):
            reader.hooked("v")
        assert reader.progress("v") == []


def test_an_absent_redis_is_an_error_of_redis(settings):
    nowhere = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    with ProfileReader(nowhere) as reader, pytest.raises(RedisError):
        reader.taste("v")
