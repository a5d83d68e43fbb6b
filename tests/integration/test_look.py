"""What the read commands print, from records and hashes as docs/events.md and docs/redis.md say."""

from __future__ import annotations

import os
import re
import signal as os_signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from kafka import KafkaProducer
from terminal import on_a_terminal
from typer.testing import CliRunner

from hookpoint.cli import app
from hookpoint.stack import Existing, Stack
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

pytestmark = pytest.mark.integration

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))

NASTY = "v\x1b[31m\x9b2J\u202eevil[bold]x[/bold]"
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


@pytest.fixture
def env(settings) -> dict[str, str]:
    topics = {f"HOOKPOINT_TOPICS__{k.upper()}": v for k, v in settings.topics.model_dump().items()}
    return {
        "HOOKPOINT_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "HOOKPOINT_REDIS_URL": settings.redis_url.get_secret_value(),
        "HOOKPOINT_KEY_PREFIX": settings.key_prefix,
        **topics,
    }


@pytest.fixture
def run(env) -> Callable[..., Result]:
    return lambda *arguments: CliRunner(env=env).invoke(app, list(arguments))


@pytest.fixture
def send(settings, make_topics):
    make_topics(settings)
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        # The embedded broker does not know how to number producers.
        enable_idempotence=False,
    )

    def send_now(topic: str, key: str, value: Any, headers: dict[str, bytes] | None = None) -> None:
        raw = value if isinstance(value, bytes) else orjson.dumps(value)
        producer.send(topic, key=key.encode(), value=raw, headers=list((headers or {}).items()))
        producer.flush(10)

    yield send_now
    producer.close()


def a_signal(number: int, viewer: str = "viewer-7", kind: str = "hooked") -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"id-{number}",
        "source": "hookpoint",
        "type": f"viewer.{kind}",
        "subject": viewer,
        "time": f"2026-03-02T21:40:{number:02d}.000Z",
        "datacontenttype": "application/json",
        "data": {
            "viewer": viewer,
            "title_id": "dark",
            "season": 1,
            "state": kind,
            "basis": "audience",
            "p": 0.83,
            "interval": [0.78, 0.88],
            "k": 4,
            "of": 10,
            "because": {"completed": 4, "left": 6, "deliberate_within": 1},
            "catalogue_version": 17,
            "curve_version": "3",
        },
    }


def a_session(number: int, viewer: str = "viewer-7", revision: int = 1) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "viewer": viewer,
        "playback_id": f"p{number}",
        "title_id": "dark",
        "season": 1,
        "episode": number,
        "device": "tv",
        "country": "DE",
        "started_at": "2026-03-02T20:00:00Z",
        "ended_at": f"2026-03-02T21:0{number}:00Z",
        "wall_s": 1250.0,
        "advanced_s": 1450.0,
        "coverage_s": 1200.0,
        "rewatched_s": 250.0,
        "position_s": 1750.0,
        "imputed": False,
        "revision": revision,
    }


def reject_headers(offset: int = 5, reason: str = "field") -> dict[str, bytes]:
    return {
        "topic": b"playback-events",
        "partition": b"2",
        "offset": str(offset).encode(),
        "key": b"viewer-7",
        "reason": reason.encode(),
        "field": b"position_s",
        "detail": b"should be a number",
        "size": b"2048",
    }


SEEN_S = 1772487600
"""2026-03-02T21:40:00Z."""


@pytest.fixture
def viewer_in_redis(settings, redis_client) -> str:
    viewer = "viewer-7"
    keys = Keys(settings.key_prefix)
    own = keys.viewer(viewer)
    taste = {
        "genre:drama": ".5 .2",
        "genre:mystery": ".25 .6",
        "creator:Jo: the one": ".125 0",
        "hour:20": ".75 0",
        "original:true": "1 0",
        "watched_s": 5400,
        "updated_at": SEEN_S,
    }
    progress = {
        "dark:1:3": [1312.4, 1530, 3060, False, SEEN_S],
        "a%3Afilm": [3725, 3725, None, True, SEEN_S - 86400],
        "old:2": [8, SEEN_S - 366 * 86400],
    }
    hooked = {"dark:1": ["hooked", 0.83, "audience", SEEN_S, 4, 10]}
    title = keys.title("dark")
    redis_client.hset(own.taste, mapping=taste)
    for key, fields in ((own.progress, progress), (own.hooked, hooked)):
        redis_client.hset(key, mapping={name: orjson.dumps(each) for name, each in fields.items()})
    redis_client.hset(title, mapping={"name": "Dark", "kind": "series"})
    for key in (own.taste, own.progress, own.hooked, title):
        redis_client.expire(key, 600)
    return viewer


def lines(result: Result) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in result.stdout.splitlines()]


def test_taste_ranks_values_by_lasting_share_with_now_beside_it(run, viewer_in_redis):
    result = run("taste", viewer_in_redis)
    assert result.exit_code == 0
    assert re.search(r"genre +drama +\S+ +50 % +20 % +▼", result.stdout)
    assert re.search(r"mystery +\S+ +25 % +60 % +▲", result.stdout)
    assert result.stdout.index("drama") < result.stdout.index("mystery")
    assert "1 h 30 min watched" in result.stdout
    # Hours are the viewer's own (docs/redis.md).
    assert re.search(r"hour +20:00-23:59 +█", result.stdout)
    assert "Jo: the one" in result.stdout
    assert "as diverse as 1.9 genres in equal parts" in result.stdout


def test_taste_now_ranks_by_the_taste_of_now(run, viewer_in_redis):
    printed = run("taste", viewer_in_redis, "--now", "--top", "1").stdout
    assert "mystery" in printed
    assert "drama" not in printed


def test_taste_as_json_is_one_object_with_every_share(run, viewer_in_redis):
    [found] = lines(run("taste", viewer_in_redis, "--json"))
    assert found["lasting"]["genre"] == {"drama": 0.5, "mystery": 0.25}
    assert found["lasting"]["creator"] == {"Jo: the one": 0.125}
    assert found["now"] == {"genre": {"drama": 0.2, "mystery": 0.6}}
    assert found["watched_s"] == 5400
    assert found["diversity"]["genre"] == pytest.approx(0.9183, abs=1e-4)
    assert found["updated_at"] == "2026-03-02T21:40:00Z"


def test_progress_names_the_title_and_says_where_to_continue(run, viewer_in_redis):
    result = run("progress", viewer_in_redis)
    assert result.exit_code == 0
    assert re.search(r"Dark +1 +3 +21:52 +50 % +2026-03-02 21:40:00", result.stdout)
    assert re.search(r"a:film +- +- +1:02:05 +- +yes", result.stdout)
    assert re.search(r"old +2 +all 8 +- +- +yes", result.stdout)
    assert re.search(r"Dark +1 +hooked +83 % +4 of 10 +audience", result.stdout)


def test_progress_as_json_is_one_object_last_seen_first(run, viewer_in_redis):
    [found] = lines(run("progress", viewer_in_redis, "--json"))
    assert [each["title_id"] for each in found["progress"]] == ["dark", "a:film", "old"]
    assert found["progress"][0]["name"] == "Dark"
    assert found["progress"][0]["covered"] == 0.5
    assert found["hooked"][0]["p"] == 0.83


@pytest.mark.parametrize("command", ["taste", "progress"])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_an_unknown_viewer_is_one_clear_line_and_exit_code_1(run, command, more):
    result = run(command, "nobody", *more)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "hookpoint: viewer nobody: unknown viewer "
        "(`hookpoint sessions --limit 5` names some who have watched)\n"
    )


def test_a_viewer_without_taste_is_told_apart_from_an_unknown_one(
    run, settings, redis_client, viewer_in_redis
):
    redis_client.delete(Keys(settings.key_prefix).viewer(viewer_in_redis).taste)
    result = run("taste", viewer_in_redis)
    assert result.exit_code == 1
    assert "nothing is known about their taste yet" in result.stderr


def test_a_broken_hash_is_one_clear_line(run, settings, redis_client, viewer_in_redis):
    key = Keys(settings.key_prefix).viewer(viewer_in_redis).progress
    redis_client.hset(key, "dark:1:4", "{")
    result = run("progress", viewer_in_redis)
    assert result.exit_code == 1
    assert result.stderr.startswith("hookpoint: a progress in Redis is not as documented")
    assert result.stderr.count("\n") == 1


def test_signals_show_the_latest_oldest_first_with_their_reason(run, send, settings):
    for number in range(30):
        send(settings.topics.signals, f"v{number}", a_signal(number, f"v{number}"))
    result = run("signals", "--limit", "3")
    assert result.exit_code == 0
    assert re.findall(r"v\d+", result.stdout) == ["v27", "v28", "v29"]
    assert re.search(
        r"2026-03-02 21:40:29 +hooked +v29 +dark S1 +83 % \(78-88\) +4 of 10 +audience: "
        r"completed 4, left 6, deliberate within 1",
        result.stdout,
    )


def test_the_last_activity_behind_a_signal_is_a_time_in_the_table_and_as_sent_in_json(
    run, send, settings
):
    cooled = a_signal(1, kind="cooled")
    cooled["data"]["because"] = {"left": 6, "last_activity_ms": 1767849976608, "idle_s": 1_209_600}
    send(settings.topics.signals, "viewer-7", cooled)
    assert "left 6, last activity 2026-01-08 05:26:16, idle 14 days" in run("signals").stdout
    assert lines(run("signals", "--json"))[0]["data"] == cooled["data"]


@pytest.mark.parametrize("command", ["signals", "sessions"])
def test_one_long_name_widens_no_other_row_of_a_terminal(env, send, settings, tmp_path, command):
    make = {"signals": a_signal, "sessions": a_session}[command]
    topic = getattr(settings.topics, command)
    long = "".join(f"{number:04d}" for number in range(64))
    for number, viewer in enumerate((long, "viewer-7"), start=1):
        send(topic, viewer, make(number, viewer))
    shown = on_a_terminal([HOOKPOINT, command], {**os.environ, **env}, tmp_path, columns=160)
    assert shown.returncode == 0, shown.text
    printed = shown.text.splitlines()
    assert max(map(len, printed)) <= 160
    assert any(re.search(r"viewer-7 {30,40}dark S1", line) for line in printed)
    # It goes on below itself; from 200 characters on every table cuts what it shows.
    assert "".join(re.findall(r"\d{30,}…?", shown.text)) == long[:199] + "…"


def test_signals_as_json_are_the_events_themselves(run, send, settings):
    send(settings.topics.signals, "viewer-7", a_signal(1))
    [found] = lines(run("signals", "--json"))
    assert found == {**a_signal(1), "time": "2026-03-02T21:40:01Z"}


def test_signals_come_once_however_often_they_were_sent(run, send, settings):
    for number in (1, 2, 1, 2, 2):
        send(settings.topics.signals, "viewer-7", a_signal(number))
    found = lines(run("signals", "--from-start", "--json"))
    assert [each["id"] for each in found] == ["id-1", "id-2"]


def test_signals_can_be_narrowed_to_a_viewer_and_a_type(run, send, settings):
    for number, (viewer, kind) in enumerate(
        [("a", "hooked"), ("a", "cooled"), ("b", "hooked"), ("a", "hooked")]
    ):
        send(settings.topics.signals, viewer, a_signal(number, viewer, kind))
    found = lines(run("signals", "--viewer", "a", "--type", "hooked", "--json"))
    assert [each["id"] for each in found] == ["id-0", "id-3"]
    result = run("signals", "--viewer", "nobody", "--json")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert (
        f"none of the 4 signals on {settings.topics.signals} is of viewer nobody" in result.stderr
    )


@pytest.mark.parametrize("command", ["signals", "sessions", "rejects"])
def test_an_empty_topic_is_said_to_be_empty(run, settings, make_topics, command):
    make_topics(settings)
    result = run(command)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert f"topic {getattr(settings.topics, command)} is empty" in result.stderr


def test_a_missing_topic_is_one_clear_line_that_names_the_way_out(run, settings):
    result = run("signals")
    assert result.exit_code == 1
    assert f"there is no topic {settings.topics.signals}" in result.stderr
    assert "hookpoint topics" in result.stderr
    assert result.stderr.count("\n") == 1


def test_bad_records_are_skipped_and_counted_by_reason(run, send, settings):
    send(settings.topics.signals, "x", b"{")
    send(settings.topics.signals, "x", {**a_signal(1), "time": "yesterday"})
    send(settings.topics.signals, "x", a_signal(2))
    result = run("signals", "--json")
    assert [each["id"] for each in lines(result)] == ["id-2"]
    assert "skipped 2 records (not_json: 1, time: 1) that break the contract" in result.stderr


def test_following_shows_what_comes_and_stops_at_its_limit(env, send, settings):
    send(settings.topics.signals, "viewer-7", a_signal(1))
    follower = subprocess.Popen(
        [HOOKPOINT, "signals", "--follow", "--from-start", "--limit", "3", "--json"],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
    )
    with follower:
        first = orjson.loads(follower.stdout.readline())
        send(settings.topics.signals, "viewer-7", a_signal(1))
        send(settings.topics.signals, "viewer-7", a_signal(2))
        send(settings.topics.signals, "viewer-7", a_signal(3))
        rest, _ = follower.communicate(timeout=30)
    ids = [first["id"], *(orjson.loads(line)["id"] for line in rest.splitlines())]
    assert ids == ["id-1", "id-2", "id-3"]
    assert follower.returncode == 0


def test_ctrl_c_ends_following_without_a_word(env, send, settings):
    send(settings.topics.signals, "viewer-7", a_signal(1))
    follower = subprocess.Popen(
        [HOOKPOINT, "signals", "--follow"],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with follower:
        heading = follower.stdout.readline()
        row = follower.stdout.readline()
        follower.send_signal(os_signal.SIGINT)
        _, said = follower.communicate(timeout=30)
    assert heading.startswith(b"time (UTC)")
    assert b"viewer-7" in row
    assert said == b""
    assert follower.returncode == 130


def test_sessions_show_the_highest_revision_of_each(run, send, settings):
    send(settings.topics.sessions, "viewer-7", a_session(1))
    send(settings.topics.sessions, "viewer-7", a_session(2))
    send(settings.topics.sessions, "viewer-7", {**a_session(1, revision=2), "wall_s": 60})
    found = lines(run("sessions", "--json"))
    assert [(each["id"], each["revision"]) for each in found] == [("s1", 2), ("s2", 1)]
    assert found[0]["wall_s"] == 60
    printed = run("sessions", "--viewer", "viewer-7").stdout
    assert re.search(
        r"21:02:00 +viewer-7 +dark S1 E2 +20:50 +20:00 +4:10 +29:10 +tv +1 *$",
        printed,
        re.MULTILINE,
    )


def test_rejects_say_where_from_and_why(run, send, settings):
    send(settings.topics.rejects, "playback-events/2/5", b'{"a": 1}', reject_headers())
    send(settings.topics.rejects, "playback-events/2/6", b"\xff", reject_headers(6, "not_json"))
    printed = run("rejects").stdout
    assert re.search(
        r"field +position_s +playback-events/2/5 +viewer-7 +2,048 +should be a number +"
        r"\{\"a\": 1\}",
        printed,
    )
    [found] = lines(run("rejects", "--reason", "not_json", "--json"))
    assert (found["offset"], found["value"], found["value_base64"]) == (6, None, "/w==")


def test_long_rejected_bytes_are_cut_in_the_table_and_whole_in_json(run, send, settings):
    send(settings.topics.rejects, "playback-events/2/5", b"x" * 60_000, reject_headers())
    assert len(run("rejects").stdout) < 1000
    assert lines(run("rejects", "--json"))[0]["value"] == "x" * 60_000


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_no_control_character_reaches_the_terminal(run, send, settings, more):
    bad = NASTY.encode()
    headers = {**reject_headers(), "key": bad, "detail": bad, "reason": bad, "field": bad}
    send(settings.topics.rejects, "playback-events/2/5", bad + b"\x00\xff\x1b]0;x\x07", headers)
    signal = a_signal(1, NASTY)
    signal["data"]["because"] = {NASTY: NASTY}
    signal["data"]["title_id"] = NASTY
    send(settings.topics.signals, "x", signal)
    send(settings.topics.sessions, "x", {**a_session(1, NASTY), "device": NASTY})
    for command in ("rejects", "signals", "sessions"):
        result = run(command, *more)
        assert result.exit_code == 0
        assert not UNSAFE.search(result.output), command
        assert "[bold]x[/bold]" in result.output, command


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_nasty_viewer_name_is_written_out(run, settings, redis_client, more):
    own = Keys(settings.key_prefix).viewer(NASTY)
    redis_client.hset(own.taste, mapping={f"genre:{NASTY}": ".5 .5", "watched_s": 1})
    redis_client.hset(own.progress, NASTY + ":1", orjson.dumps([8, SEEN_S]))
    for key in (own.taste, own.progress):
        redis_client.expire(key, 600)
    for command in ("taste", "progress"):
        result = run(command, NASTY, *more)
        assert result.exit_code == 0
        assert not UNSAFE.search(result.output), command
    assert not UNSAFE.search(run("taste", NASTY + "?").output)


def test_following_says_when_kafka_goes_away_and_when_it_is_back(env, settings, make_topics):
    with Stack(existing=Existing(redis_url=settings.redis_url.get_secret_value())) as own:
        here = settings.model_copy(update={"kafka_bootstrap": own.kafka_bootstrap})
        make_topics(here)
        follower = subprocess.Popen(
            [HOOKPOINT, "signals", "--follow"],
            env={**os.environ, **env, **own.env()},
            stderr=subprocess.PIPE,
            text=True,
        )
        with follower:
            assert follower.stderr.readline() == "no signals yet; waiting for the first\n"
            own.kafka.kill()
            assert follower.stderr.readline() == "Kafka does not answer; waiting for it\n"
            own.kafka.start()
            make_topics(here)
            assert follower.stderr.readline() == "Kafka is back\n"
            follower.send_signal(os_signal.SIGINT)
            assert follower.wait(30) == 130


@pytest.mark.parametrize(
    ("command", "what"),
    [(["taste", "v"], "Redis"), (["progress", "v"], "Redis"), (["signals"], "Kafka")],
)
def test_an_absent_server_is_one_line_without_a_traceback(env, command, what):
    with socket.socket() as unused:
        # Bound but not listening: whoever connects is refused.
        unused.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{unused.getsockname()[1]}"
        away = {
            "HOOKPOINT_KAFKA_BOOTSTRAP": nowhere,
            "HOOKPOINT_REDIS_URL": f"redis://:secret@{nowhere}/0",
        }
        result = subprocess.run(
            [HOOKPOINT, *command],
            env={**os.environ, **env, **away},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"hookpoint: {what}")
    assert nowhere in result.stderr
    assert "secret" not in result.stderr
    assert result.stderr.count("\n") == 1
