"""What viewers declare, in every store: the latest record of a viewer counts, whoever brings it."""

from __future__ import annotations

import pytest
import redis
from pydantic import SecretStr

from streams.audience.records import NOTHING_DECLARED, Declared
from streams.keys import Keys
from streams.worker.declared_store import (
    WITHDRAWN_S,
    Declaration,
    MemoryDeclared,
    RedisDeclared,
)
from streams.worker.redis_store import RedisStore

HERE, THERE = "viewers/0", "viewers/1"
ALL = Declared("25-34", "DE", "de")


def said(offset, source=HERE, **declared):
    return Declaration(Declared(**declared), source, offset)


def client_of(settings):
    make = redis.RedisCluster if settings.redis_cluster else redis.Redis
    return make.from_url(settings.redis_url.get_secret_value(), decode_responses=True)


def where(request, settings, param):
    if param != "cluster":
        return settings
    url = SecretStr(request.getfixturevalue("cluster").redis_url)
    return settings.model_copy(update={"redis_url": url, "redis_cluster": True})


@pytest.fixture(params=["memory", "redis", "cluster"])
async def store(request, settings):
    if request.param == "memory":
        yield MemoryDeclared()
        return
    settings = where(request, settings, request.param)
    servers = RedisStore(settings)
    yield RedisDeclared(settings, servers)
    await servers.close()
    with client_of(settings) as client:
        for key in client.scan_iter(f"{settings.key_prefix}*"):
            assert client.ttl(key) > 0, f"{key} never expires"


async def held(store, *viewers):
    return await store.load(viewers)


async def test_who_has_declared_nothing_is_known_as_such(store):
    assert await held(store, "a", "b") == [NOTHING_DECLARED, NOTHING_DECLARED]
    assert await held(store) == []


async def test_what_is_declared_is_handed_out_to_each(store):
    await store.put({"a": Declaration(ALL, HERE, 0), "b{7}": said(1, age_band="65+")})
    found = await held(store, "b{7}", "nobody", "a")
    assert found == [Declared("65+"), NOTHING_DECLARED, ALL]


async def test_a_later_record_replaces_an_earlier_one_whole(store):
    await store.put({"a": Declaration(ALL, HERE, 3)})
    await store.put({"a": said(9, country="FR")})
    assert await held(store, "a") == [Declared("", "FR", "")]


async def test_a_worker_that_lost_the_partition_cannot_bring_an_earlier_record_back(store):
    await store.put({"a": said(9, age_band="65+")})
    await store.put({"a": Declaration(ALL, HERE, 3), "b": said(4, country="FR")})
    assert await held(store, "a", "b") == [Declared("65+"), Declared("", "FR", "")]


async def test_what_is_withdrawn_stays_so_in_any_replay(store):
    await store.put({"a": Declaration(ALL, HERE, 3)})
    await store.put({"a": said(9)})
    await store.put({"a": Declaration(ALL, HERE, 3)})
    await store.put({"a": Declaration(ALL, HERE, 9)})
    assert await held(store, "a") == [NOTHING_DECLARED]
    await store.put({"a": Declaration(ALL, HERE, 10)})
    assert await held(store, "a") == [ALL]


async def test_offsets_of_two_partitions_are_never_compared(store):
    """After partitions were added a viewer's records go on in another one, from offset 0."""
    await store.put({"a": said(500, HERE, age_band="18-24")})
    await store.put({"a": said(0, THERE, age_band="25-34")})
    await store.put({"a": said(499, HERE, age_band="18-24")})
    assert await held(store, "a") == [Declared("25-34")]


async def test_as_many_as_a_slice_holds_are_taken_in_at_once(store):
    many = {f"v{n}": said(n, country="DE") for n in range(2000)}
    await store.put(many)
    assert await held(store, *many) == [Declared("", "DE", "")] * len(many)


# -- how long it stays -----------------------------------------------------------------------------
@pytest.fixture(params=["redis", "cluster"])
async def kept(request, settings):
    """A store on servers, the time that a key of ``a`` has left, and a way to set it."""
    settings = where(request, settings, request.param)
    key = Keys(settings.key_prefix).declared("a")
    servers = RedisStore(settings)
    with client_of(settings) as client:
        yield RedisDeclared(settings, servers), client, key, settings.viewer_ttl_s
    await servers.close()


async def test_it_expires_with_the_profile_and_lives_on_while_its_viewer_is_met(kept):
    store, client, key, ttl_s = kept
    await store.put({"a": Declaration(ALL, HERE, 3)})
    assert ttl_s - 60 <= client.ttl(key) <= ttl_s
    client.expire(key, ttl_s - 1000)
    await store.load(["a"])
    assert client.ttl(key) <= ttl_s - 1000
    client.expire(key, ttl_s // 3)
    await store.load(["a"])
    assert client.ttl(key) >= ttl_s - 60


async def test_of_who_has_withdrawn_only_offsets_stay_and_not_for_long(kept):
    store, client, key, _ = kept
    await store.put({"a": Declaration(ALL, HERE, 3)})
    await store.put({"a": said(4)})
    assert client.hgetall(key) == {HERE: "4"}
    client.expire(key, 100)
    await store.load(["a"])
    assert 0 < client.ttl(key) <= 100 < WITHDRAWN_S


async def test_a_viewers_keys_are_in_one_slot(settings):
    keys = Keys(settings.key_prefix)
    tag = keys.viewer("a{b}").state.partition("{")[2]
    assert keys.declared("a{b}").partition("{")[2] == tag
