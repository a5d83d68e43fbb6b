"""A viewer erased while workers run, die, or wake up late: nothing of them comes back."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import redis
from outcomes import open_redis
from players import EPISODE_S, an_event, watched
from pydantic import SecretStr
from service import HOUR_S, LONG_AGO_S, Service, a_title, running_service
from strategies import T0, event
from strategies import context as a_context
from viewer_data import a_hooked_viewer, exported, run_on, titles_of
from workers import WorkerProcess, own_settings, sending

from consumers.viewers import REMEMBERED_S, Line, ViewerData
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

PUBLIC = ("taste", "progress", "hooked")
ALL_READ = Line({}, {}, REMEMBERED_S)
"""As an erase sees it where workers have absorbed everything."""


@pytest.fixture(scope="module")
def service(stack, tmp_path_factory) -> Iterator[Service]:
    with running_service(stack, tmp_path_factory.mktemp("worker")) as found:
        yield found


@pytest.fixture
def run(service) -> Callable[..., Result]:
    return lambda *arguments, **more: run_on(service.settings, *arguments, **more)


def state_of(service, viewer) -> dict[bytes, bytes]:
    """The private state, which is no text."""
    with closing(open_redis(service.settings)) as client:
        found: dict[bytes, bytes] = client.hgetall(service.keys.viewer(viewer).state)
        return found


# -- a worker that runs meanwhile -----------------------------------------------------------------
def test_who_goes_on_watching_after_an_erase_is_new_to_a_worker_that_knew_them(service, run):
    viewer = "goes-on"
    now = a_hooked_viewer(service, viewer)
    half = [
        an_event(viewer, "started", now, 0, episode=4),
        an_event(viewer, "heartbeat", now + 600, 600, episode=4),
    ]
    service.report(half)
    version = int(state_of(service, viewer)[b"version"])

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
    assert int(state_of(service, viewer)[b"version"]) > version
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
    state = state_of(service, viewer)
    # As a worker leaves it that wrote the viewer before the erase and moves its mark after it.
    settings = service.settings
    number = partition_of(viewer.encode(), settings.partitions)
    service.client.zadd(
        service.keys.due(settings.group, settings.topics.events, number), {viewer: 1}
    )
    service.tick(service.another_time())
    service.worker.wait_for("the timer to be gone", lambda: due_of(service, viewer) == [])
    assert state_of(service, viewer) == state
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
