"""A viewer's data handed out and erased, with workers that run meanwhile, die, or wake up late."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import redis
from letters import variables_of
from players import EPISODE_S, an_event, watched
from pydantic import SecretStr
from service import HOUR_S, LONG_AGO_S, Service, a_title, running_service
from strategies import T0, event
from strategies import context as a_context
from terminal import on_a_terminal
from typer.testing import CliRunner
from workers import WorkerProcess, own_settings, sending

from consumers.viewers import REMEMBERED_S, Line, ViewerData
from hookpoint.cli import app
from hookpoint.stack import Existing, Stack
from producers.send import partition_of
from streams.keys import Keys
from streams.viewing.knots import Kind
from streams.viewing.public import write_of
from streams.viewing.viewer import Viewer
from streams.viewing.wire import load
from streams.worker.redis_store import RedisStore
from streams.worker.store import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from config.settings import Settings

pytestmark = pytest.mark.integration

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))
PUBLIC = ("taste", "progress", "hooked")
ALL_READ = Line({}, {}, REMEMBERED_S)
"""As an erase sees it where workers have absorbed everything."""


def run_on(settings: Settings, *arguments: str, stdin: bytes | None = None) -> Result:
    env = variables_of(
        settings,
        PARTITIONS=str(settings.partitions),
        REDIS_CLUSTER=str(settings.redis_cluster).lower(),
    )
    return CliRunner(env=env).invoke(app, ["viewer", *arguments], input=stdin)


@pytest.fixture(scope="module")
def service(stack, tmp_path_factory) -> Iterator[Service]:
    with running_service(stack, tmp_path_factory.mktemp("worker")) as found:
        yield found


@pytest.fixture
def run(service) -> Callable[..., Result]:
    return lambda *arguments, **more: run_on(service.settings, *arguments, **more)


def exported(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = orjson.loads(result.stdout)
    return found


def titles_of(progress: list[dict[str, Any]]) -> set[tuple[str, int]]:
    return {(each["title_id"], each["episode"]) for each in progress}


def a_hooked_viewer(service: Service, viewer: str) -> float:
    """Somebody who has watched three episodes in a row. Returns the time after them."""
    began = service.another_time()
    for episode in (1, 2, 3):
        service.report(watched(viewer, "dark", episode, began + episode * HOUR_S))
    assert service.hash("hooked", viewer)
    return began + 5 * HOUR_S


# -- a worker that runs meanwhile -----------------------------------------------------------------
def test_who_goes_on_watching_after_an_erase_is_new_to_a_worker_that_knew_them(service, run):
    viewer = "goes-on"
    now = a_hooked_viewer(service, viewer)
    half = [
        an_event(viewer, "started", now, 0, episode=4),
        an_event(viewer, "heartbeat", now + 600, 600, episode=4),
    ]
    service.report(half)
    version = int(service.hash("state", viewer)["version"])

    result = run("erase", viewer, "--yes")
    assert result.exit_code == 0, result.output
    assert [service.hash(kind, viewer) for kind in PUBLIC] == [{}, {}, {}]
    assert run("export", viewer).exit_code == 1

    service.report([an_event(viewer, "heartbeat", now + 700, 700, episode=4)])
    service.report([an_event(viewer, "stopped", now + 1000, 1000, episode=4)])
    found = exported(run("export", viewer))
    assert titles_of(found["public"]["progress"]) == {("dark", 4)}
    (coverage,) = found["private"]["coverage"]["data"]
    assert coverage["covered"] == [[700, 1000]]
    (playback,) = found["private"]["playbacks"]["data"]
    assert [report["what"] for report in playback["reports"]] == ["heartbeat", "stop"]
    assert found["public"]["taste"]["watched_s"] == 300
    assert found["public"]["hooked"] == []
    assert int(service.hash("state", viewer)["version"]) > version
    assert service.worker.running
    assert not service.worker.said("Fenced")


def test_no_timer_of_an_erased_viewer_says_anything_any_more(service, run):
    viewer = "no-timers"
    a_hooked_viewer(service, viewer)
    said = service.signals(viewer)
    assert [each["type"] for each in said] == ["viewer.hooked"]
    assert run("erase", viewer, "--yes").exit_code == 0
    assert due_of(service, viewer) == []
    *_, later = (service.another_time() for _ in range(14))  # 42 days: cooled, lapsed
    service.tick(later)
    assert service.signals(viewer) == said


def due_of(service: Service, viewer: str) -> list[float]:
    settings = service.settings
    names = [
        service.keys.due(settings.group, settings.topics.events, number)
        for number in range(settings.partitions)
    ]
    found = [service.client.zscore(name, viewer) for name in names]
    return [each for each in found if each is not None]


def test_a_timer_that_comes_back_after_the_erase_does_no_harm(service, run):
    viewer = "late-timer"
    a_hooked_viewer(service, viewer)
    assert run("erase", viewer, "--yes").exit_code == 0
    state = service.hash("state", viewer)
    # As a worker leaves it that wrote the viewer before the erase and moves its mark after it.
    settings = service.settings
    number = partition_of(viewer.encode(), settings.partitions)
    service.client.zadd(
        service.keys.due(settings.group, settings.topics.events, number), {viewer: 1}
    )
    service.tick(service.another_time())
    service.worker.wait_for("the timer to be gone", lambda: due_of(service, viewer) == [])
    assert service.hash("state", viewer) == state
    assert [service.hash(kind, viewer) for kind in PUBLIC] == [{}, {}, {}]


def test_others_in_the_slice_of_an_erased_viewer_are_counted_once(service, run):
    viewer, other = "erased-in-a-slice", "beside-them"
    now = a_hooked_viewer(service, viewer)
    service.report(watched(other, "dark", 1, now))
    assert run("erase", viewer, "--yes").exit_code == 0
    service.report(watched(viewer, "dark", 4, now) + watched(other, "dark", 2, now + HOUR_S))
    assert float(service.hash("taste", other)["watched_s"]) == 2 * EPISODE_S
    assert [each["revision"] for each in service.sessions(other)] == [1, 1]


def test_no_viewer_is_named_in_the_log_of_a_healthy_worker(service, run):
    viewer = "never-in-a-log"
    now = a_hooked_viewer(service, viewer)
    assert run("erase", viewer, "--yes").exit_code == 0
    service.report(watched(viewer, "dark", 4, now))
    service.tick(service.another_time())
    assert service.worker.said("partitions assigned")
    assert not service.worker.said(viewer)


# -- a worker that dies, or wakes up late ----------------------------------------------------------
def test_neither_unread_nor_replayed_events_bring_erased_viewing_back(stack, tmp_path):
    settings = own_settings(stack)
    topic = settings.topics.events
    client = redis.Redis.from_url(stack.redis_url, decode_responses=True)
    viewer, other = "erased", "stays"
    with client, sending(settings) as sender:
        with WorkerProcess(settings, tmp_path, name="first") as worker:
            service = Service(settings, client, sender, worker)
            service.titles([a_title("dark")])
            service.report(watched(viewer, "dark", 1, LONG_AGO_S))
            worker.kill()
        # As if it had died after it wrote the viewer, before it moved the mark.
        number = partition_of(viewer.encode(), settings.partitions)
        client.hdel(service.keys.mark(settings.group, topic, number), "offset")
        sender.events(watched(viewer, "dark", 2, LONG_AGO_S + HOUR_S))
        sender.events(watched(other, "dark", 2, LONG_AGO_S + HOUR_S))

        result = run_on(settings, "erase", viewer, "--yes")
        assert result.exit_code == 0, result.output
        assert "workers are behind" in result.stdout
        assert f"{topic}/{number}" in result.stdout
        assert "deleted as well" in result.stdout  # its session, of which nobody knows

        with WorkerProcess(settings, tmp_path, name="second") as worker:
            service = Service(settings, client, sender, worker)
            service.take_in()
            assert [service.hash(kind, viewer) for kind in PUBLIC] == [{}, {}, {}]
            assert run_on(settings, "export", viewer).exit_code == 1
            service.report(watched(viewer, "dark", 3, LONG_AGO_S + 2 * HOUR_S))
            found = exported(run_on(settings, "export", viewer))
            assert titles_of(found["public"]["progress"]) == {("dark", 3)}
            assert found["public"]["taste"]["watched_s"] == EPISODE_S
            assert service.hash("progress", other)
            assert worker.stop()[0] == 0, worker.tail()
            assert not worker.said("Traceback"), worker.tail()


@pytest.fixture(params=["redis", "cluster"])
def here(request, settings) -> Settings:
    """Settings on a single Redis, and on a Cluster."""
    if request.param == "redis":
        return settings
    nodes = request.getfixturevalue("cluster")
    update = {"redis_url": SecretStr(nodes.redis_url), "redis_cluster": True}
    return settings.model_copy(update=update)


async def watch_once(store: RedisStore, held: Viewer, offset: int) -> None:
    """What a worker does with one event of a viewer that it has in memory."""
    world = a_context()
    one = event(Kind.START, T0, 0, key=(f"p{offset}", "dark", 1, offset))
    held.absorb("events/0", offset, 0, one, world)
    await store.write([write_of(held, world)])
    held.version += 1
    held.written()


async def test_a_worker_that_was_frozen_over_an_erase_cannot_write_what_it_remembers(here):
    # Versions that began anew would meet: the frozen worker knows version 1, and so would the
    # other have written it, of somebody new.
    frozen, other = RedisStore(here), RedisStore(here)
    try:
        remembered = Viewer("v", here.rules)
        await watch_once(frozen, remembered, 1)
        with ViewerData(here) as data:
            assert data.erase("v", ALL_READ).known
            (stored,) = await other.load(["v"])
            new = load("v", stored, here.rules) if stored.version else Viewer("v", here.rules)
            await watch_once(other, new, 2)
            with pytest.raises(Conflict):
                await watch_once(frozen, remembered, 3)
            found = data.export("v")
        assert found is not None
        assert titles_of(found["public"]["progress"]) == {("dark", 2)}
    finally:
        await frozen.close()
        await other.close()


async def test_an_erase_takes_all_four_keys_and_leaves_one_without_any_viewing(here):
    store = RedisStore(here)
    client = (redis.RedisCluster if here.redis_cluster else redis.Redis).from_url(
        here.redis_url.get_secret_value(), decode_responses=True
    )
    keys = Keys(here.key_prefix)
    own = keys.viewer("v{7}")
    due = keys.due(here.group, here.topics.events, 3)
    try:
        await watch_once(store, Viewer("v{7}", here.rules), 1)
        client.hset(own.hooked, "dark:1", b'{"state": "hooked"}')
        client.zadd(due, {"v{7}": T0, "other": T0})
        line = Line({f"{here.topics.events}/3": 5}, {f"{here.topics.events}/3": 9}, 600)
        with ViewerData(here) as data:
            erased = data.erase("v{7}", line)
            assert erased.keys == ("state", "progress", "hooked")  # too little for a taste yet
            assert (erased.playbacks, erased.episodes, erased.timers) == (1, 1, 1)
            again = data.erase("v{7}", line)
            assert (again.known, again.keys, again.timers) == (False, (), 0)
            assert data.export("v{7}") is None
        assert (
            client.exists(own.taste) + client.exists(own.progress) + client.exists(own.hooked) == 0
        )
        assert 0 < client.ttl(own.state) <= 600
        (stored,) = await store.load(["v{7}"])
        assert load("v{7}", stored, here.rules).marks == {f"{here.topics.events}/3": 9}
        assert client.zrange(due, 0, -1) == ["other"]
    finally:
        await store.close()
        client.close()


async def test_the_commands_work_on_either_kind_of_redis(here, make_topics):
    make_topics(here)
    store = RedisStore(here)
    try:
        await watch_once(store, Viewer("v", here.rules), 1)
    finally:
        await store.close()
    assert titles_of(exported(run_on(here, "export", "v"))["public"]["progress"]) == {("dark", 1)}
    result = run_on(here, "erase", "v", "--yes")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("viewer v: erased\n")
    assert run_on(here, "export", "v").exit_code == 1


def test_a_state_that_cannot_be_read_is_erased_all_the_same(settings, redis_client):
    state = Keys(settings.key_prefix).viewer("v").state
    redis_client.hset(state, mapping={"version": 4, "live": "{", "rest": "[]", "out": ""})
    with ViewerData(settings) as data:
        assert data.erase("v", ALL_READ).known
        assert data.export("v") is None
    assert redis_client.hget(state, "version") == "5"


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
            first = orjson.loads(erasing.stdout.readline())
            own.redis.kill()
            receipts, said = erasing.communicate(timeout=60)
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
    assert result.stderr == f"hookpoint: Kafka does not answer at {gone.kafka_bootstrap}\n"
    assert redis_client.hget(state, "version") == "1"
