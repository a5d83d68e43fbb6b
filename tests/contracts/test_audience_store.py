"""What every store of titles' audiences keeps to: in memory, on a Redis, on a Redis Cluster."""

from __future__ import annotations

import pytest
import redis
from pydantic import SecretStr

from streams.keys import Keys
from streams.worker.audience_store import (
    DAY_TTL_S,
    UNKNOWN,
    MemoryAudienceStore,
    Rank,
    RedisAudienceStore,
    StoredTitle,
    TitleWrite,
)
from streams.worker.redis_store import RedisStore
from streams.worker.store import Conflict

TODAY = "2026-03-01"
WITHOUT_EXPIRY = ("top:", "trending:", "peers:")


def a_write(title="dark", version=0, **more):
    fields = {
        "parts": {"head": f"head-{version}".encode()},
        "out": b"",
        "report": {"hours": version},
        "today": TODAY,
        "viewers": {},
    }
    return TitleWrite(title, version, **(fields | more))


class InMemory:
    """The store in memory, and a look at what it holds."""

    def __init__(self) -> None:
        self.store = MemoryAudienceStore()

    def report(self, title):
        return {name: str(value) for name, value in self.store.reports.get(title, {}).items()}

    def members(self, key):
        return self.store.sets.get(key, {})


class InRedis:
    """A store on servers, and a look at what a plain client finds there."""

    def __init__(self, store, client, settings) -> None:
        self.store = RedisAudienceStore(settings, store)
        self.client = client
        self.keys = Keys(settings.key_prefix)
        self.prefix = settings.key_prefix

    def report(self, title):
        return self.client.hgetall(self.keys.engagement(title))

    def members(self, key):
        return dict(self.client.zrange(self.prefix + key, 0, -1, withscores=True))


@pytest.fixture(params=["memory", "redis", "cluster"])
async def held(request):
    """A store of each kind. Redis is searched for keys without an expiry at the end."""
    if request.param == "memory":
        yield InMemory()
        return
    settings = request.getfixturevalue("settings")
    if request.param == "cluster":
        url = SecretStr(request.getfixturevalue("cluster").redis_url)
        settings = settings.model_copy(update={"redis_url": url, "redis_cluster": True})
    make = redis.RedisCluster if settings.redis_cluster else redis.Redis
    client = make.from_url(settings.redis_url.get_secret_value(), decode_responses=True)
    store = RedisStore(settings)
    found = InRedis(store, client, settings)
    yield found
    await store.close()
    names = [it.removeprefix(found.prefix) for it in client.scan_iter(match=f"{found.prefix}*")]
    without = [it for it in names if client.ttl(found.prefix + it) < 0]
    client.close()
    assert [it for it in without if not it.startswith(WITHOUT_EXPIRY)] == []


async def test_an_unknown_title_has_version_zero_and_nothing_else(held):
    assert await held.store.load(["nothing", "heard of"]) == [UNKNOWN, UNKNOWN]
    assert UNKNOWN.version == 0


async def test_parts_that_are_not_written_stay_as_they_are(held):
    await held.store.write([a_write(parts={"head": b"a", "season:1": b"b"})])
    await held.store.write([a_write(version=1, parts={"head": b"c"}, out=b"[]")])
    assert await held.store.load(["dark"]) == [
        StoredTitle(2, {"head": b"c", "season:1": b"b"}, b"[]")
    ]


async def test_parts_may_be_any_bytes(held):
    odd = bytes(range(256)) * 1000
    await held.store.write([a_write(parts={"head": odd})])
    assert (await held.store.load(["dark"]))[0].parts == {"head": odd}


@pytest.mark.parametrize("title", ["{a}b", "a}b{c", "50%", "zoë ☃", "a:b:c"])
async def test_a_title_may_be_called_anything(held, title):
    await held.store.write([a_write(title), a_write("other")])
    assert [it.version for it in await held.store.load([title, "other"])] == [1, 1]
    assert held.report(title)["hours"] == "0"


@pytest.mark.parametrize("version", [0, 1, 3])
async def test_a_write_on_any_other_version_is_refused_and_changes_nothing(held, version):
    for number in range(2):
        await held.store.write([a_write(version=number)])
    before = await held.store.load(["dark"]), held.report("dark")
    zombie = a_write(
        version=version,
        parts={"head": b"zombie"},
        report={"hours": 99},
        viewers={TODAY: ["z"]},
    )
    with pytest.raises(Conflict, match="dark"):
        await held.store.write([zombie, a_write("other")])
    assert (await held.store.load(["dark"]), held.report("dark")) == before
    assert (await held.store.load(["other"]))[0].version == 1


async def test_a_report_replaces_the_last_one_whole_and_none_leaves_it(held):
    await held.store.write([a_write(report={"hours": 1, "gone": 2})])
    await held.store.write([a_write(version=1, report={"hours": 3})])
    await held.store.write([a_write(version=2, report=None)])
    assert held.report("dark") == {"hours": "3", "viewers": "0", "viewers_today": "0"}


async def test_viewers_are_counted_once_each_by_day_and_altogether(held):
    await held.store.write([a_write(viewers={TODAY: ["a", "b"], "2026-02-28": ["a", "c"]})])
    await held.store.write([a_write(version=1, viewers={TODAY: ["b"]})])
    said = held.report("dark")
    assert (said["viewers"], said["viewers_today"]) == ("3", "2")


async def test_who_watched_on_a_day_is_forgotten_in_time(held):
    await held.store.write([a_write(viewers={TODAY: ["a"]})])
    if isinstance(held, InRedis):
        day, ever = held.keys.viewers("dark", TODAY), held.keys.viewers("dark")
        assert 0 < held.client.ttl(day) <= DAY_TTL_S < held.client.ttl(ever)


async def test_a_title_is_ranked_moved_and_taken_out(held):
    await held.store.rank([Rank("top:hours", "dark", 3.5), Rank("top:hours", "heat", 1.0)])
    await held.store.rank([Rank("top:hours", "dark", 4.5), Rank("top:hours", "heat", None)])
    assert held.members("top:hours") == {"dark": 4.5}


async def test_peers_are_told_and_taken_back(held):
    await held.store.tell_peers({"dark:1": b"{}", "heat:0": b"[]"})
    await held.store.tell_peers({"heat:0": None})
    assert await held.store.peers() == {"dark:1": b"{}"}
    await held.store.tell_peers({})
