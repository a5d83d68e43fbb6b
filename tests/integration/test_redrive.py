"""Sending dead letters again: what goes, what stays, and that each goes once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from kafka import KafkaConsumer, TopicPartition
from letters import (
    LATE,
    NOW_S,
    Letters,
    as_lines,
    bad,
    good,
    runner,
    some_letters,
    variables_of,
)
from players import as_binary
from pydantic import SecretStr

from config.topics import DAY_MS
from consumers import redrive
from consumers.connection import connect
from consumers.courier import Courier, CourierError
from consumers.records import Place
from consumers.redriven import LockedError, Redriven
from consumers.rejects import RejectReader
from hookpoint.stack import Existing, Stack
from producers.send import partition_of
from streams.events import Reject
from streams.keys import Keys
from streams.worker.decoding import KEPT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))
LARGE = Reject("too_large", "value", "262145 bytes")
RETENTION_S = 30 * DAY_MS // 1000


@pytest.fixture
def letters(settings) -> Iterator[Letters]:
    with some_letters(settings) as found:
        yield found


@pytest.fixture
def run(settings):
    return runner(settings)


def mend(lines: list[dict], **data) -> bytes:
    """The same lines, with these fields of ``data`` set in each value."""
    for line in lines:
        event = orjson.loads(line["value"])
        event["data"] |= data
        line["value"] = orjson.dumps(event).decode()
    return b"\n".join(map(orjson.dumps, lines))


# -- what goes -------------------------------------------------------------------------------------
def test_what_passes_today_is_sent_again_and_the_rest_is_counted_and_left(run, letters):
    fixed = letters.reject(good("a"))
    letters.reject(bad("b"))
    letters.reject((b"c", b"{", []), Reject("not_json", "value", "torn"))
    result = run("--redrive")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "1 sent again, 2 left (field: 1, not json: 1)\n"
    assert letters.repeated() == [fixed]


def test_it_goes_out_as_it_came_in_with_one_header_more(run, letters):
    key, value, headers = as_binary(orjson.loads(good("zoë")[1]))
    headers = [("x", b"1"), *headers, ("x", b"\xff"), ("", b"")]
    place = letters.reject((key, value, headers))
    assert run("--redrive").stdout.startswith("1 sent again")
    (again,) = raw_records(letters)
    assert (again.key, again.value) == (key, value)
    assert again.headers == [*headers, ("redriven", place.encode())]


def raw_records(letters):
    """Kafka's own records, with headers as a list, of what was sent again."""
    settings, found = letters.settings, letters.sent_again()
    with KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap) as consumer:
        for record in found:
            at = TopicPartition(record.topic, record.partition)
            consumer.assign([at])
            consumer.seek(at, record.offset)
            yield next(consumer)


def test_a_null_header_comes_through(run, letters):
    why = Reject("field", "position_s", "why")
    place = (letters.settings.topics.events, 0, 7)
    letters.letter((b"a", good("a")[1], [("none", None)]), why, place)
    run("--redrive")
    (again,) = raw_records(letters)
    assert again.headers == [("none", None), ("redriven", "/".join(map(str, place)).encode())]


def test_it_lands_in_the_partition_of_its_viewer_wherever_it_lay(run, letters):
    viewers = [f"viewer-{number}" for number in range(8)]
    for number, viewer in enumerate(viewers):
        letters.letter(good(viewer), place=(letters.settings.topics.events, 0, number))
    run("--redrive")
    found = {record.key.decode(): record.partition for record in letters.sent_again()}
    assert found == {viewer: partition_of(viewer.encode(), 4) for viewer in viewers}


def test_filters_and_a_limit_bound_what_is_sent(run, letters):
    kept = letters.reject(good("a"), Reject("field", "rate", "why"))
    for viewer in "bcd":
        letters.reject(good(viewer))
    assert run("--redrive", "--field", "rate").stdout == "1 sent again, 0 left\n"
    assert letters.repeated() == [kept]
    assert run("--redrive", "--limit", "2").stdout.startswith("2 sent again")
    assert len(letters.repeated()) == 3


def test_after_a_size_limit_was_raised_the_whole_record_is_fetched_from_its_topic(run, letters):
    large = good("a", padding="x" * 300_000)
    place = letters.reject(large, LARGE)
    assert run("--redrive").stdout == "0 sent again, 1 left (too large: 1)\n"
    assert run("--redrive", MAX_VALUE_BYTES="400000").stdout == "1 sent again, 0 left\n"
    (again,) = letters.sent_again()
    assert (again.value, again.headers["redriven"]) == (large[1], place.encode())


def test_what_is_too_large_to_be_kept_and_gone_from_its_topic_is_left(run, letters):
    letters.lay(bad("somebody else"))
    place = (letters.settings.topics.events, partition_of(b"somebody else", 4), 0)
    letters.letter(good("a", padding="x" * KEPT_BYTES), LARGE, place)
    result = run("--redrive")
    assert result.stdout == "0 sent again, 1 left (cut: 1)\n"
    assert "gone from their own topic" in result.stderr


def test_titles_are_left_to_whoever_has_the_catalogue(run, letters):
    title = (b"heat", b'{"title_id": "heat", "kind": "film", "name": "Heat"}', [])
    why = Reject("field", "name", "why")
    letters.reject(title, why, topic=letters.settings.topics.titles)
    result = run("--redrive")
    assert result.stdout == "0 sent again, 1 left (other topic: 1)\n"
    assert "a newer title may be there" in result.stderr


# -- verdicts that lie in what came before ---------------------------------------------------------
def test_what_was_too_late_is_sent_only_if_it_is_named(run, letters):
    place = letters.reject(good("a"), LATE)
    letters.reject(good("b"))
    result = run("--redrive")
    assert result.stdout == "1 sent again, 1 left (too late: 1)\n"
    assert "--reason too_late" in result.stderr
    assert run("--redrive", "--reason", "too_late").stdout == "1 sent again, 0 left\n"
    assert place in letters.repeated()


def test_what_would_be_too_late_by_now_keeps_its_one_chance(run, letters, settings, redis_client):
    letters.reject(good("a"))
    mark = Keys(settings.key_prefix).mark(
        settings.group, settings.topics.events, partition_of(b"a", 4)
    )
    a_day_later_ms = round((NOW_S + 86_400) * 1000)
    redis_client.hset(mark, mapping={"offset": 9, "clock_ms": a_day_later_ms + 1})
    assert run("--redrive").stdout == "0 sent again, 1 left (too late: 1)\n"
    redis_client.hset(mark, "clock_ms", a_day_later_ms)
    assert run("--redrive").stdout == "1 sent again, 0 left\n"


def test_what_was_sent_again_and_refused_again_is_left(run, letters):
    key, value, _ = good("a")
    letters.reject((key, value, [("redriven", b"playback-events/0/1")]))
    result = run("--redrive")
    assert result.stdout == "0 sent again, 1 left (sent before and refused: 1)\n"
    assert "not sent a third time" in result.stderr


# -- mended ----------------------------------------------------------------------------------------
def test_mended_values_go_out_under_their_own_keys_and_headers(run, letters):
    key, value, _ = bad("a")
    place = letters.reject((key, value, [("trace", b"\xff")]))
    letters.reject(good("not in the file"))
    lines = [line for line in as_lines(run("--json")) if line["key"] == "a"]
    result = run("--redrive", "--mended", "-", stdin=mend(lines, position_s=61))
    assert result.stdout == "1 sent again, 0 left\n"
    (again,) = letters.sent_again()
    assert (again.key, again.headers["trace"]) == (key, b"\xff")
    assert again.headers["redriven"].decode() == place
    assert orjson.loads(again.value)["data"]["position_s"] == 61


def test_a_line_needs_no_more_than_its_place_and_what_was_mended(run, letters):
    partition, offset = letters.reject(bad("a")).split("/")[1:]
    line = {
        "topic": letters.settings.topics.events,
        "partition": int(partition),
        "offset": int(offset),
        "value": orjson.loads(good("a")[1]),
    }
    result = run("--redrive", "--mended", "-", stdin=orjson.dumps(line))
    assert result.stdout == "1 sent again, 0 left\n"


def test_a_mended_key_takes_the_record_to_its_viewer(run, letters):
    letters.reject((None, good("a")[1], []), Reject("key", "key", "no key"))
    (line,) = as_lines(run("--json"))
    run("--redrive", "--mended", "-", stdin=orjson.dumps(line | {"key": "a"}))
    (again,) = letters.sent_again()
    assert (again.key, again.partition) == (b"a", partition_of(b"a", 4))


def test_lines_that_are_still_wrong_are_named_and_the_others_sent(run, letters, tmp_path):
    letters.reject(bad("a"))
    letters.reject(bad("b"))
    late = letters.reject(good("c"), LATE)
    lines = {line["key"]: line for line in as_lines(run("--json"))}
    nowhere = lines["a"] | {"offset": 99}
    file = tmp_path / "mended.jsonl"
    file.write_bytes(
        b"\n".join(
            [
                mend([lines["a"]], position_s=61),
                mend([lines["b"]], position_s=-1),
                orjson.dumps(lines["c"]),
                orjson.dumps(nowhere),
            ]
        )
    )
    result = run("--redrive", "--mended", str(file))
    assert result.exit_code == 0
    assert result.stdout == "1 sent again, 3 left (field: 1, no dead letter: 1, too late: 1)\n"
    said = result.stderr.splitlines()
    assert said[0] == f"{file}:2: field: position_s: -1 is not seconds from 0 to 864000"
    assert said[1].startswith(f"{file}:3: too_late:")
    assert said[2].startswith(f"{file}:4: no_dead_letter:")
    assert late not in letters.repeated()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "line 2"),
        (b"[]", "line 2: not a JSON object"),
        (b'{"topic": "t", "partition": 0}', "line 2: topic, partition and offset"),
        (b'{"topic": "t", "partition": 0, "offset": 0, "value": 7}', "line 2: value must be text"),
        (b'{"topic": "t", "partition": 0, "offset": 0, "headers": [7]}', "line 2"),
    ],
)
def test_a_file_with_a_line_that_cannot_be_read_sends_nothing(run, letters, tmp_path, text, why):
    letters.reject(bad("a"))
    file = tmp_path / "mended.jsonl"
    file.write_bytes(mend(as_lines(run("--json")), position_s=61) + b"\n" + text)
    result = run("--redrive", "--mended", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in " ".join(result.stderr.replace("│", " ").split())
    assert letters.sent_again() == []
    assert run("--redrive", "--mended", str(tmp_path / "missing")).exit_code == 2


def test_mended_lines_sent_again_only_name_those_that_are_still_wrong(run, letters, tmp_path):
    for viewer in "abc":
        letters.reject(bad(viewer))
    lines = {line["key"]: line for line in as_lines(run("--json"))}
    gone = lines["a"] | {"offset": 99}
    file = tmp_path / "mended.jsonl"
    texts = [orjson.dumps(gone), *(mend([lines[viewer]], position_s=61) for viewer in "ab")]
    file.write_bytes(b"\n".join([*texts, mend([lines["c"]], position_s=-1)]))
    assert run("--redrive", "--mended", str(file)).stdout.startswith("2 sent again, 2 left")
    result = run("--redrive", "--mended", str(file))
    assert result.stdout == ("0 sent again, 4 left (sent before: 2, field: 1, no dead letter: 1)\n")
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == [
        f"{file}:4", f"{file}:1",
    ]  # fmt: skip


# -- once ------------------------------------------------------------------------------------------
def test_a_second_run_sends_nothing_again(run, letters):
    places = sorted(letters.reject(good(viewer)) for viewer in "abc")
    assert run("--redrive").stdout == "3 sent again, 0 left\n"
    assert run("--redrive").stdout == "0 sent again, 3 left (sent before: 3)\n"
    assert as_lines(run("--redrive", "--json")) == [{"sent": 0, "left": {"sent_before": 3}}]
    assert letters.repeated() == places


def test_a_dry_run_says_what_would_be_sent_and_leaves_no_trace(
    run, letters, settings, redis_client
):
    place = letters.reject(good("a"))
    letters.reject(bad("b"))
    result = run("--redrive", "--dry-run")
    assert place in result.stdout
    assert result.stdout.endswith("1 would be sent again, 1 left (field: 1)\n")
    (line,) = as_lines(run("--redrive", "--dry-run", "--json"))
    assert line["key"] == "a"
    assert letters.sent_again() == []
    assert list(redis_client.scan_iter(f"{settings.key_prefix}redriv*")) == []
    assert run("--redrive").stdout.startswith("1 sent again")


def test_what_a_dry_run_writes_can_be_mended_and_handed_back(run, letters):
    letters.reject(good("a"))
    lines = as_lines(run("--redrive", "--dry-run", "--json"))
    run("--redrive", "--mended", "-", stdin=mend(lines, position_s=62))
    (again,) = letters.sent_again()
    assert orjson.loads(again.value)["data"]["position_s"] == 62


def test_killed_before_the_note_at_most_that_batch_is_sent_again(settings, letters, monkeypatch):
    monkeypatch.setattr(redrive, "BATCH", 3)
    places = [letters.reject(good(f"viewer-{number}")) for number in range(8)]

    class Killed(Redriven):
        notes = 0

        def add(self, places):
            self.notes += 1
            if self.notes == 2:
                raise KeyboardInterrupt
            super().add(places)

    with pytest.raises(KeyboardInterrupt):
        send_all(settings, Killed)
    report = send_all(settings, Redriven)
    assert (report.sent, report.left) == (5, {"sent_before": 3})
    found = letters.repeated()
    assert sorted(set(found)) == sorted(places)
    assert len(found) == len(places) + 3


def send_all(settings, memory):
    """What the command does, with this memory."""
    with (
        connect(settings) as client,
        Courier(settings, settings.topics.events) as courier,
        RejectReader(settings) as reader,
    ):
        judge = redrive.Judge(settings, courier, redrive.stream_clock(client, settings))
        run = redrive.Redrive(judge, courier, memory(client, settings), redrive.Wish())
        return run.run(reader.whats_there())


def test_while_one_sends_another_does_not(run, letters, settings, redis_client):
    place = letters.reject(good("a"))
    with Redriven(redis_client, settings).alone():
        result = run("--redrive")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "are being sent again by another process" in result.stderr
    assert letters.sent_again() == []
    run("--redrive")
    assert letters.repeated() == [place]


def test_two_at_once_send_each_once(letters, settings):
    places = sorted(letters.reject(good(f"viewer-{number}")) for number in range(200))
    env = os.environ | variables_of(settings)
    command = [HOOKPOINT, "rejects", "--redrive"]
    both = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE) for _ in range(2)]
    codes = sorted(process.wait(60) for process in both)
    said = b"".join(process.communicate()[1] for process in both)
    assert codes == [0, 0] or (codes == [0, 1] and b"by another process" in said)
    assert letters.repeated() == places


def test_one_that_was_held_up_for_too_long_stops(settings, redis_client):
    held_up = Redriven(redis_client, settings)
    with held_up.alone():
        held_up.still_alone()
        (lock,) = redis_client.scan_iter(f"{settings.key_prefix}redriving:*")
        assert 0 < redis_client.ttl(lock) <= held_up.locked_s
        redis_client.delete(lock)  # as its expiry would
        with Redriven(redis_client, settings).alone(), pytest.raises(LockedError):
            held_up.still_alone()


@pytest.mark.parametrize("server", ["stack", "cluster"])
def test_what_was_sent_is_remembered_for_longer_than_dead_letters_are_kept(
    server, settings, request
):
    url = SecretStr(request.getfixturevalue(server).redis_url)
    here = settings.model_copy(update={"redis_url": url, "redis_cluster": server == "cluster"})
    with connect(here) as client:
        memory = Redriven(client, here)
        some = [Place("t", 0, 5), Place("t", 0, 9_000_000_000), Place("t", 1, 5)]
        with memory.alone():
            memory.still_alone()
            memory.add(some)
        others = [Place("t", 0, 6), Place("t", 2, 5), Place("u", 0, 5)]
        assert memory.known([*some, *others]) == set(some)
        names = list(client.scan_iter(f"{here.key_prefix}redriv*"))
        assert len(names) == 3
        assert all(client.ttl(name) > RETENTION_S for name in names)
        assert all(client.strlen(name) <= 1024 for name in names)


# -- outages ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("variable", "what"), [("KAFKA_BOOTSTRAP", "Kafka"), ("REDIS_URL", "Redis")]
)
def test_an_absent_server_is_one_line_and_nothing_is_sent(run, letters, variable, what):
    letters.reject(good("a"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{unused.getsockname()[1]}"
        url = nowhere if what == "Kafka" else f"redis://:secret@{nowhere}/0"
        result = run("--redrive", **{variable: url})
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"hookpoint: {what}")
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.stderr
    assert letters.sent_again() == []


def test_when_the_broker_goes_away_what_it_confirmed_is_noted_and_no_more(
    stack, settings, monkeypatch
):
    monkeypatch.setattr(redrive, "BATCH", 2)
    with Stack(existing=Existing(redis_url=stack.redis_url)) as own:
        here = own.pointed_at(settings).model_copy(update={"io_timeout_s": 2.0})
        with some_letters(here) as letters:
            places = [letters.reject(good(f"viewer-{number}")) for number in range(4)]
        with RejectReader(here) as reader:
            rejects = sorted(reader.whats_there(), key=lambda it: it.key)
        with connect(here) as client, Courier(here, here.topics.events) as courier:

            def kill_the_broker(reject, _):
                if reject == rejects[2]:
                    own.kafka.kill()

            memory = Redriven(client, here)
            judge = redrive.Judge(here, courier, redrive.stream_clock(client, here))
            run = redrive.Redrive(judge, courier, memory, redrive.Wish(), chosen=kill_the_broker)
            with pytest.raises(CourierError, match="Kafka did not confirm"):
                run.run(rejects)
            assert run.report.sent == 2
            assert {str(at) for at in memory.known([it.place for it in rejects])} == set(places[:2])
