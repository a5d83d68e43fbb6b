"""Stores of every kind, and what a look from outside finds in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
from pydantic import SecretStr

from streams.keys import Keys
from streams.viewing.public import Write
from streams.worker.redis_store import RedisStore
from streams.worker.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from config.settings import Settings

SOURCE = ("playback-events", 3)
NEXT = ("playback-events", 4)
WITHOUT_EXPIRY = ("mark:", "due:", "catalogue:")
PUBLIC = ("taste", "progress", "hooked")


def a_write(viewer="viewer-7", version=0, **more):
    """A write that sets something of everything."""
    fields = {
        "live": f"live-{version}".encode(),
        "rest": f"rest-{version}".encode(),
        "sums": f"sums-{version}".encode(),
        "out": b"",
        "taste": {"genre:drama": f"0.{version}"},
        "progress": {f"dark:1:{version + 1}": b"{}"},
        "progress_gone": [],
        "hooked": {},
        "hooked_gone": [],
    }
    return Write(viewer=viewer, version=version, **(fields | more))


class InMemory:
    """The store in memory, and a look at what it holds."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def another(self):
        """The store of another worker, over the same data."""
        return MemoryStore(self.store.kept)

    def hash(self, kind, viewer):
        held = getattr(self.store.kept, kind).get(viewer, {})
        return {name: as_text(value) for name, value in held.items()}


class InRedis:
    """A store on servers, and a look at what a plain client finds there."""

    def __init__(self, store: RedisStore, client, settings: Settings) -> None:
        self.store = store
        self.client = client
        self.settings = settings
        self.keys = Keys(settings.key_prefix)
        self.others = []

    def another(self):
        """The store of another worker, over the same data."""
        self.others.append(RedisStore(self.settings))
        return self.others[-1]

    def hash(self, kind, viewer):
        return self.client.hgetall(getattr(self.keys.viewer(viewer), kind))


def as_text(value):
    return value.decode() if isinstance(value, bytes) else value


def client_for(settings):
    make = redis.RedisCluster if settings.redis_cluster else redis.Redis
    return make.from_url(settings.redis_url.get_secret_value(), decode_responses=True)


def own_settings(request, kind):
    settings = request.getfixturevalue("settings")
    if kind == "cluster":
        nodes = request.getfixturevalue("cluster")
        update = {"redis_url": SecretStr(nodes.redis_url), "redis_cluster": True}
        settings = settings.model_copy(update=update)
    return settings


async def on_servers(request, kind) -> AsyncIterator[InRedis]:
    settings = own_settings(request, kind)
    store = RedisStore(settings)
    client = client_for(settings)
    found = InRedis(store, client, settings)
    yield found
    for one in (store, *found.others):
        await one.close()
    without = [
        name
        for name in client.scan_iter(match=f"{settings.key_prefix}*", count=1000)
        if client.ttl(name) < 0
        and not name.removeprefix(settings.key_prefix).startswith(WITHOUT_EXPIRY)
    ]
    client.close()
    assert not without, "keys that never expire"
