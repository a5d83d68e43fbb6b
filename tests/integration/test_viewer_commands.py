"""What ``hookpoint viewer export`` and ``erase`` print, ask, write and refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from letters import variables_of
from players import an_event, watched
from service import Service, running_service
from terminal import on_a_terminal
from viewer_data import a_hooked_viewer, exported, run_on, titles_of

from hookpoint.stack import Existing, Stack
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

pytestmark = pytest.mark.integration

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))


@pytest.fixture(scope="module")
def service(stack, tmp_path_factory) -> Iterator[Service]:
    with running_service(stack, tmp_path_factory.mktemp("worker")) as found:
        yield found


@pytest.fixture
def run(service) -> Callable[..., Result]:
    return lambda *arguments, **more: run_on(service.settings, *arguments, **more)


# -- export ----------------------------------------------------------------------------------------
def test_an_export_has_the_profile_and_what_it_is_worked_out_from(service, run):
    viewer = "exported"
    a_hooked_viewer(service, viewer)
    found = exported(run("export", viewer))
    assert found["viewer"] == viewer
    public, private = found["public"], found["private"]
    assert titles_of(public["progress"]) == {("dark", 1), ("dark", 2), ("dark", 3)}
    assert public["taste"]["lasting"]["genre"]["drama"] > 0
    assert public["hooked"][0]["state"] == "hooked"
    assert private["journeys"]["data"][0]["state"] == "hooked"
    assert len(private["playbacks"]["data"]) == 3
    assert list(private["marks"]["data"]) == list(found["timers"]["data"])
    assert public["expires_at"]["taste"] > "2026"
    assert found["records"] is None


def test_an_export_with_topics_has_every_record_about_the_viewer_and_of_nobody_else(service, run):
    viewer = "on-kafka"
    now = a_hooked_viewer(service, viewer)
    refused = an_event(viewer, "heartbeat", now, 0, rate=-1)
    service.report([refused, *watched("somebody-else", "dark", 1, now)])
    found = exported(run("export", viewer, "--topics"))["records"]
    topics = service.settings.topics
    events = found[topics.events]["data"]
    assert [each["value"]["type"] for each in events[-2:]] == [
        "playback.completed",
        "playback.heartbeat",
    ]
    assert len(events) == 7
    (letter,) = found[topics.rejects]["data"]
    assert (letter["headers"]["reason"], letter["value"]["id"]) == ("field", refused["id"])
    (signal,) = found[topics.signals]["data"]
    assert signal["value"] == service.signals(viewer)[0]
    assert [each["value"] for each in found[topics.sessions]["data"]] == service.sessions(viewer)
    assert {each["value"]["viewer"] for each in found[topics.progress]["data"]} == {viewer}
    assert found[topics.events]["kept_for"] == "7 days"
    assert b"somebody-else" not in orjson.dumps(found)


def test_records_of_an_erased_viewer_can_still_be_exported(service, run):
    viewer = "erased-but-on-kafka"
    a_hooked_viewer(service, viewer)
    assert run("erase", viewer, "--yes").exit_code == 0
    assert run("export", viewer).exit_code == 1
    found = exported(run("export", viewer, "--topics"))
    assert (found["public"], found["private"]) == (None, None)
    assert len(found["records"][service.settings.topics.sessions]["data"]) == 3


def test_an_export_to_a_file_is_for_its_owner_only(service, run, tmp_path):
    a_hooked_viewer(service, "to-a-file")
    out = tmp_path / "data.json"
    result = run("export", "to-a-file", "--out", str(out))
    assert (result.exit_code, result.stdout) == (0, "")
    assert out.stat().st_mode & 0o777 == 0o600
    assert orjson.loads(out.read_bytes())["viewer"] == "to-a-file"


@pytest.mark.parametrize("more", [[], ["--topics"]])
def test_an_unknown_viewer_is_one_clear_line_and_exit_code_1(run, more):
    result = run("export", "nobody", *more)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("hookpoint: viewer nobody: unknown viewer, nothing is kept")
    assert result.stderr.count("\n") == 1


# -- erase, as people see it -----------------------------------------------------------------------
def test_an_erase_says_what_was_deleted_and_what_was_not(service, run):
    a_hooked_viewer(service, "told")
    lines = run("erase", "told", "--yes").stdout.splitlines()
    assert lines[0] == "viewer told: erased"
    assert lines[1] == (
        "deleted: taste, progress, hooked, state "
        "(in them: playbacks 3, episodes 3, seasons 1, timers 1)"
    )
    topics = service.settings.topics
    kept = next(line for line in lines if line.startswith("not deleted"))
    assert f"{topics.events} (7 days), " in kept
    assert f"{topics.signals} (30 days)" in kept
    assert lines[-1] == "events that are sent from now on start a new profile"


def test_erasing_somebody_unknown_is_said_and_is_no_failure(run):
    result = run("erase", "nobody", "--yes")
    assert result.exit_code == 0
    assert result.stdout.startswith("viewer nobody: nothing was kept\n")


def test_a_file_of_viewers_is_erased_with_a_receipt_for_each(service, run, tmp_path):
    now = service.another_time()
    for viewer in ("bulk-1", "bulk-2"):
        service.report(watched(viewer, "dark", 1, now))
    file = tmp_path / "ids"
    file.write_text("bulk-1\nbulk-typo\n\nbulk-2\n")
    result = run("erase", "--file", str(file), "--yes", "--json")
    assert result.exit_code == 0, result.output
    receipts = [orjson.loads(line) for line in result.stdout.splitlines()]
    assert [(each["viewer"], each["known"]) for each in receipts] == [
        ("bulk-1", True),
        ("bulk-typo", False),
        ("bulk-2", True),
    ]
    assert result.stderr == "nothing was kept of viewer bulk-typo\n"
    again = run("erase", "--file", "-", "--yes", stdin=file.read_bytes())
    assert again.exit_code == 0
    assert again.stdout.startswith("0 viewers erased, nothing was kept of 3\n")


@pytest.mark.parametrize(("typed", "code"), [(b"n\n", 1), (b"y\n", 0)])
def test_on_a_terminal_an_erase_asks_first(service, tmp_path, typed, code):
    viewer = f"asked-{code}"
    service.report(watched(viewer, "dark", 1, service.another_time()))
    env = {**os.environ, **variables_of(service.settings)}
    shown = on_a_terminal([HOOKPOINT, "viewer", "erase", viewer], env, tmp_path, typed=typed)
    assert shown.returncode == code, shown.text
    assert f"Erase viewer {viewer} from Redis at 127.0.0.1:" in shown.text
    assert ("nothing was deleted" in shown.text) == bool(code)
    assert bool(service.hash("progress", viewer)) == bool(code)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["v"], "nobody can be asked here; say --yes"),
        (["--yes"], "name one viewer, or a --file of them"),
        (["v", "--file", "x", "--yes"], "name one viewer, or a --file of them"),
        (["--file", "/nowhere/ids", "--yes"], "No such file"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_deleted(run, arguments, said):
    result = run("erase", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_an_erase_that_breaks_off_says_how_far_it_came(settings, make_topics, tmp_path):
    make_topics(settings)
    file = tmp_path / "ids"
    file.write_text("".join(f"viewer-{number}\n" for number in range(100_000)))
    with Stack(existing=Existing(kafka_bootstrap=settings.kafka_bootstrap)) as own:
        env = variables_of(settings, REDIS_URL=own.redis_url)
        with subprocess.Popen(
            [HOOKPOINT, "viewer", "erase", "--file", str(file), "--yes", "--json"],
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as erasing:
            assert erasing.stdout is not None
            assert erasing.stderr is not None
            first = orjson.loads(erasing.stdout.readline())
            own.redis.kill()
            # Not `communicate`: it would miss what `readline` has read ahead.
            receipts, said = erasing.stdout.read(), erasing.stderr.read()
            erasing.wait(60)
    assert first["viewer"] == "viewer-0"
    count = 1 + len(receipts.splitlines())
    assert erasing.returncode == 1
    assert f"broken off: {count:,} of 100,000 viewers are erased" in said.decode()
    assert "hookpoint: Redis at 127.0.0.1:" in said.decode()


def test_with_kafka_away_nothing_is_erased_and_it_is_said(settings, redis_client):
    state = Keys(settings.key_prefix).viewer("v").state
    redis_client.hset(state, "version", 1)
    redis_client.expire(state, 600)
    with Stack(existing=Existing(redis_url=settings.redis_url.get_secret_value())) as own:
        gone = settings.model_copy(update={"kafka_bootstrap": own.kafka_bootstrap})
    result = run_on(gone, "erase", "v", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(
        f"hookpoint: Kafka does not answer at {gone.kafka_bootstrap}: "
        "is HOOKPOINT_KAFKA_BOOTSTRAP right"
    )
    assert result.stderr.count("\n") == 1
    assert redis_client.hget(state, "version") == "1"
