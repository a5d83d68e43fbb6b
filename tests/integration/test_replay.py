"""``hookpoint replay`` and ``simulate`` against a real broker, and the sender through outages."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from kafka import KafkaProducer
from terminal import on_a_terminal

from consumers.feed import Feed
from hookpoint.processes import free_port
from hookpoint.stack import Stack
from hookpoint.topics import ensure_topics
from producers.records import Record
from producers.send import BulkSender, Lane, SendError, partition_of, send_records, send_ticks
from producers.simulator import Audience, AudienceOptions
from streams.audience.records import Declared

pytestmark = pytest.mark.integration

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))
SMALL = AudienceOptions(viewers=40, weeks=0.5)


@pytest.fixture
def env(settings):
    ensure_topics(settings)
    topics = {f"HOOKPOINT_TOPICS__{k.upper()}": v for k, v in settings.topics.model_dump().items()}
    return {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}},
        "HOOKPOINT_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "HOOKPOINT_OUTAGE_MAX_S": "2",
        **topics,
    }


@pytest.fixture
def hookpoint(env, tmp_path):
    def run(*arguments, **more):
        command = [HOOKPOINT, *map(str, arguments)]
        options = {"env": env, "cwd": tmp_path, "capture_output": True, "timeout": 60, **more}
        return subprocess.run(command, check=False, **options)

    return run


@pytest.fixture
def arrived(settings):
    """What lies in a topic, oldest first within each partition."""

    def read(topic=settings.topics.events, where=settings):
        feed = Feed(where, topic)
        try:
            return list(feed.whats_there())
        finally:
            feed.close()

    return read


def an_event(number, viewer="viewer-7", **more):
    event = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/players/web",
        "type": "playback.paused",
        "subject": viewer,
        "time": f"2026-03-01T20:15:{number % 60:02d}Z",
        "data": {"playback_id": "p1", "title_id": "dark", "position_s": number},
    }
    return orjson.dumps(event | more)


# -- replay ----------------------------------------------------------------------------------------


def test_replay_sends_every_line_untouched_and_in_order(hookpoint, arrived, tmp_path, settings):
    lines = [an_event(number, f"viewer-{number % 7}") for number in range(5000)]
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    done = hookpoint("replay", "events.jsonl")
    assert done.returncode == 0, done.stderr
    assert b"5,000 events sent" in done.stdout
    records = arrived()
    for viewer in range(7):
        key = f"viewer-{viewer}".encode()
        mine = [record for record in records if record.key == key]
        assert [record.value for record in mine] == lines[viewer::7]
        assert {record.partition for record in mine} == {partition_of(key, settings.partitions)}


def test_replay_names_refused_lines_and_sends_the_rest(hookpoint, arrived, tmp_path):
    lines = [an_event(1), b"nonsense", b"", b"[]", b'{"type":"playback.paused"}', an_event(2)]
    (tmp_path / "messy.jsonl").write_bytes(b"\r\n".join(lines))
    done = hookpoint("replay", "messy.jsonl")
    assert done.returncode == 0
    assert b"2 events sent, 0 ticks, 3 of 5 lines refused" in done.stdout
    told = done.stderr.decode().splitlines()
    assert told[0].startswith("messy.jsonl:2: not JSON")
    assert told[1:] == [
        "messy.jsonl:4: not a JSON object",
        "messy.jsonl:5: no `subject` to key it by",
    ]
    assert [record.value for record in arrived()] == [an_event(1), an_event(2)]


def test_replay_names_twenty_refused_lines_and_counts_the_others(hookpoint, tmp_path):
    (tmp_path / "messy.jsonl").write_bytes(b"nonsense\n" * 50 + an_event(1))
    told = hookpoint("replay", "messy.jsonl").stderr.decode().splitlines()
    assert len(told) == 21
    assert "30 more refused lines" in told[-1]


def test_replay_that_could_send_nothing_says_so(hookpoint, tmp_path):
    (tmp_path / "bad.jsonl").write_bytes(b"nonsense\n")
    assert hookpoint("replay", "bad.jsonl").returncode == 2
    assert hookpoint("replay", "missing.jsonl").returncode == 2


def test_titles_alone_are_something_sent(hookpoint, arrived, tmp_path, settings):
    (tmp_path / "titles.jsonl").write_bytes(b'{"title_id":"dark","kind":"film","name":"Dark"}\n')
    (tmp_path / "empty.jsonl").touch()
    done = hookpoint("replay", "empty.jsonl", "--catalogue", "titles.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"1 titles, 0 events sent, 0 ticks, 0 of 0 lines refused\n"
    assert [record.key for record in arrived(settings.topics.titles)] == [b"dark"]


def test_simulate_without_a_broker_says_once_that_it_waits(hookpoint, env):
    place = f"127.0.0.1:{free_port()}"
    done = hookpoint("simulate", "--viewers", "5", env=env | {"HOOKPOINT_KAFKA_BOOTSTRAP": place})
    assert done.returncode == 2
    waiting, failed = done.stderr.decode().splitlines()
    assert waiting == f"waiting for Kafka at {place}"
    assert failed.startswith(f"no broker at {place}")


def test_replay_without_a_broker_ends_with_a_clear_word(hookpoint, env, tmp_path):
    (tmp_path / "events.jsonl").write_bytes(an_event(1))
    port = free_port()
    nowhere = env | {"HOOKPOINT_KAFKA_BOOTSTRAP": f"127.0.0.1:{port}"}
    done = hookpoint("replay", "events.jsonl", env=nowhere)
    assert done.returncode == 2
    waiting, failed = done.stderr.decode().splitlines()
    assert waiting == f"waiting for Kafka at 127.0.0.1:{port}"
    assert failed.startswith(f"no broker at 127.0.0.1:{port}")


def test_replay_reads_standard_input_and_gzip_and_sends_titles_first(
    hookpoint, arrived, tmp_path, settings
):
    (tmp_path / "titles.jsonl").write_bytes(b'{"title_id":"dark","kind":"film","name":"Dark"}\n')
    (tmp_path / "events.gz").write_bytes(gzip.compress(an_event(1)))
    done = hookpoint(
        "replay", "events.gz", "-", "--catalogue", "titles.jsonl", input=an_event(2) + b"\n"
    )
    assert done.returncode == 0, done.stderr
    assert [record.value for record in arrived()] == [an_event(1), an_event(2)]
    assert [record.key for record in arrived(settings.topics.titles)] == [b"dark"]


def test_what_comes_on_standard_input_is_sent_while_more_is_awaited(env, arrived, tmp_path):
    with subprocess.Popen(
        [HOOKPOINT, "replay", "-"], stdin=subprocess.PIPE, env=env, cwd=tmp_path
    ) as process:
        process.stdin.write(an_event(1) + b"\n")
        process.stdin.flush()
        # `whats_there` ends when the topic is quiet, so ask until the record is there.
        while not (records := arrived()):
            assert process.poll() is None
        assert [record.value for record in records] == [an_event(1)]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) != 0


def test_the_last_tick_reaches_every_partition_behind_all_events(
    hookpoint, arrived, tmp_path, settings
):
    lines = [an_event(number, f"viewer-{number}") for number in range(50)]
    future = orjson.dumps({"subject": "v", "time": "2999-01-01T00:00:00Z"})
    (tmp_path / "events.jsonl").write_bytes(b"\n".join([*lines, future]))
    done = hookpoint("replay", "events.jsonl", "--tick")
    assert done.returncode == 0, done.stderr
    last = {record.partition: record for record in arrived()}
    assert len(last) == settings.partitions
    for record in last.values():
        tick = orjson.loads(record.value)
        assert (record.key, tick["type"]) == (None, "stream.tick")
        # 31 minutes after the latest event that does not lie in the future.
        assert tick["time"] == "2026-03-01T20:46:49.000Z"


def test_a_tick_inside_a_file_goes_to_every_partition(hookpoint, arrived, tmp_path, settings):
    tick = b'{"specversion":"1.0","id":"t","source":"x","type":"stream.tick","time":"2026-03-01T21:00:00Z"}'  # noqa: E501 - one line is the point
    (tmp_path / "events.jsonl").write_bytes(b"\n".join([an_event(1), tick, an_event(2)]))
    assert hookpoint("replay", "events.jsonl").returncode == 0
    records = arrived()
    assert sum(record.value == tick for record in records) == settings.partitions
    mine = partition_of(b"viewer-7", settings.partitions)
    assert [it.value for it in records if it.partition == mine] == [an_event(1), tick, an_event(2)]


def test_replay_at_a_speed_keeps_the_gaps(hookpoint, arrived, tmp_path):
    (tmp_path / "events.jsonl").write_bytes(an_event(0) + b"\n" + an_event(30))
    assert hookpoint("replay", "events.jsonl", "--speed", "30").returncode == 0
    first, second = arrived()
    assert 900 <= second.timestamp_ms - first.timestamp_ms < 10_000


@pytest.mark.parametrize("how", [(), ("--speed", "1000")])
def test_replay_shows_how_far_it_is_on_a_terminal(env, tmp_path, how):
    (tmp_path / "events.jsonl").write_bytes(an_event(0) + b"\nnonsense\n" + an_event(30))
    done = on_a_terminal([HOOKPOINT, "replay", "events.jsonl", *how], env, tmp_path)
    assert done.returncode == 0, done.text
    assert re.search(r"events\.jsonl ━+ (\d+)/\1 bytes", done.text), done.text
    assert "events.jsonl:2: not JSON" in done.text
    assert "2 events sent, 0 ticks, 1 of 3 lines refused" in done.text


# -- simulate --------------------------------------------------------------------------------------


def test_what_is_simulated_into_a_file_is_what_is_simulated_into_kafka(
    hookpoint, arrived, tmp_path, settings
):
    who = ("--viewers", "40", "--weeks", "0.5")
    written = hookpoint("simulate", *who, "--out", "ev.jsonl.gz", "--catalogue", "cat.jsonl")
    assert written.returncode == 0, written.stderr
    sent = hookpoint("simulate", *who)
    assert sent.returncode == 0, sent.stderr
    lines = gzip.decompress((tmp_path / "ev.jsonl.gz").read_bytes()).splitlines()
    records = arrived()
    assert sorted(it.value for it in records if it.key is not None) == sorted(lines)
    assert sum(it.key is None for it in records) == settings.partitions
    titles = sorted((tmp_path / "cat.jsonl").read_bytes().splitlines())
    assert sorted(it.value for it in arrived(settings.topics.titles)) == titles


def test_simulated_viewers_declare_who_they_are_where_that_is_turned_on(
    hookpoint, env, arrived, settings
):
    who = ("simulate", "--viewers", "20", "--weeks", "0.1", "--demographics")
    refused = hookpoint(*who)
    assert refused.returncode == 2
    assert b"HOOKPOINT_DEMOGRAPHICS" in refused.stderr
    assert arrived(settings.topics.titles) == []
    ensure_topics(settings.model_copy(update={"demographics": True}))
    sent = hookpoint(*who, env=env | {"HOOKPOINT_DEMOGRAPHICS": "true"})
    assert sent.returncode == 0, sent.stderr
    declared = arrived(settings.topics.viewers)
    assert {it.key for it in declared} <= {b"viewer-%02d" % n for n in range(1, 21)}
    assert all(orjson.loads(it.value).keys() == set(Declared._fields) for it in declared)
    assert len(declared) > 8


@pytest.mark.parametrize("how", [(), ("--speed", "1000000")])
def test_simulate_counts_what_it_sends_on_a_terminal(env, tmp_path, how):
    command = [HOOKPOINT, "simulate", "--viewers", "5", "--weeks", "0.1", *how]
    done = on_a_terminal(command, env, tmp_path)
    assert done.returncode == 0, done.text
    sent = re.search(r"([\d,]+) events of 5 viewers sent", done.text)
    assert sent, done.text
    assert f"simulated {sent[1]} events" in done.text


def test_a_live_audience_sends_until_it_is_told_to_stop(env, arrived, tmp_path):
    command = [HOOKPOINT, "simulate", "--live", "--viewers", "6000"]
    with subprocess.Popen(command, env=env, cwd=tmp_path) as process:
        while len(records := arrived()) < 20:
            assert process.poll() is None
        process.terminate()
        process.wait(15)
    for record in records:
        age_s = record.timestamp_ms / 1000 - _time_s(orjson.loads(record.value)["time"])
        assert -1 < age_s < 6 * 3600 + 60


def _time_s(text):
    from datetime import datetime  # noqa: PLC0415 - one use

    return datetime.fromisoformat(text).timestamp()


# -- the sender ------------------------------------------------------------------------------------


def test_the_sender_counts_what_the_broker_confirmed_up_to_the_last_offset(settings, arrived):
    ensure_topics(settings)
    sent = send_records(settings, Audience(SMALL).records())
    ticks = send_ticks(settings, 1_780_000_000.0)
    records = arrived()
    assert sent.records + ticks.records == len(records)
    ends = {Lane(settings.topics.events, it.partition): it.offset for it in records}
    assert ticks.last_offsets == ends
    assert {lane: offset + 1 for lane, offset in sent.last_offsets.items()} == ends


def test_the_sender_puts_a_key_where_any_other_producer_puts_it(settings, arrived):
    ensure_topics(settings)
    keys = [f"viewer-{number}".encode() for number in range(100)]
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, enable_idempotence=False)
    for key in keys:
        producer.send(settings.topics.events, key=key, value=b"theirs")
    producer.close()
    send_records(settings, [Record(key, b"ours", 0.0) for key in keys])
    where = {}
    for record in arrived():
        where.setdefault(record.key, set()).add(record.partition)
    assert set(where) == set(keys)
    assert all(len(partitions) == 1 for partitions in where.values())


def test_records_have_the_time_of_sending_not_of_the_event(settings, arrived):
    """A broker drops records by their timestamp: old events must outlive the retention."""
    ensure_topics(settings)
    send_records(settings, [Record(b"viewer-7", an_event(1), 1_772_395_200.0)])
    assert arrived()[0].timestamp_ms > 1_773_000_000_000


@pytest.fixture
def frail(settings):
    """A broker of the test's own, to be frozen; patience is short."""
    with Stack() as own:
        where = settings.model_copy(
            update={"kafka_bootstrap": own.kafka_bootstrap, "io_timeout_s": 1.0}
        )
        ensure_topics(where)
        yield own, where


def test_an_outage_is_waited_out_and_loses_nothing(frail, arrived):
    own, settings = frail
    settings = settings.model_copy(update={"outage_max_s": 60.0})
    records = list(Audience(SMALL).records())
    told = []

    async def run():
        async with BulkSender(settings, tell=told.append) as sender:
            await sender.send(settings.topics.events, records[:1000])
            await sender.flush()
            own.kafka.pause()
            sending = asyncio.create_task(_send_rest(sender))
            # Longer than one attempt may take.
            done, _ = await asyncio.wait({sending}, timeout=3.0)
            assert not done
            own.kafka.resume()
            await sending
        return sender.sent

    async def _send_rest(sender):
        await sender.send(settings.topics.events, records[1000:])
        await sender.flush()

    sent = asyncio.run(run())
    assert sent.records == len(records)
    place = settings.kafka_bootstrap
    assert told == [f"waiting for Kafka at {place}", f"Kafka at {place} is back"]
    # At least once: what had arrived before its answer was lost is there twice, but in order.
    found = {}
    for record in arrived(settings.topics.events, settings):
        found.setdefault(record.key, {}).setdefault(record.value)
    wanted = {}
    for record in records:
        wanted.setdefault(record.key, {}).setdefault(record.value)
    assert {k: list(v) for k, v in found.items()} == {k: list(v) for k, v in wanted.items()}


def test_an_outage_that_lasts_is_an_error_and_not_a_silent_loss(frail):
    own, settings = frail
    settings = settings.model_copy(update={"outage_max_s": 2.0})

    async def run():
        async with BulkSender(settings) as sender:
            await sender.send(settings.topics.events, [Record(b"viewer-7", b"x", 0.0)])
            await sender.flush()
            own.kafka.pause()
            await sender.send(settings.topics.events, [Record(b"viewer-7", b"y", 0.0)])
            await sender.flush()

    try:
        with pytest.raises(SendError, match=settings.topics.events):
            asyncio.run(run())
    finally:
        own.kafka.resume()
