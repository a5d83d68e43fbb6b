"""The catalogue in Redis: the latest record of each title counts, whoever brings it when."""

from __future__ import annotations

import orjson
import pytest
import redis
from players import A_SEASON
from pydantic import SecretStr

from streams.keys import Keys
from streams.worker.catalogue_store import TITLES_AT_ONCE, CatalogueStore, Change, Snapshot
from streams.worker.redis_store import RedisStore

HERE, THERE = "titles/0", "titles/1"


def named(name, source=HERE, offset=0):
    return Change(orjson.dumps(A_SEASON | {"name": name}), source, offset)


class Shelf:
    """A catalogue, and a look at what others see of it."""

    def __init__(self, settings, store, client) -> None:
        self.titles = CatalogueStore(settings, store)
        self.client = client
        self.keys = Keys(settings.key_prefix)

    async def put(self, **titles):
        await self.titles.put(titles)

    async def known(self):
        """Names as a worker learns them."""
        snapshot = Snapshot(self.titles)
        await snapshot.refresh()
        values = (await self.titles.news(0))[1]
        assert snapshot.catalogue.titles.keys() == {t for t, v in values.items() if v}
        return {title: orjson.loads(value)["name"] for title, value in values.items() if value}

    def public(self, title):
        return self.client.hget(self.keys.title(title), "name")


@pytest.fixture(params=["redis", "cluster"])
async def shelf(request, settings):
    if request.param == "cluster":
        url = SecretStr(request.getfixturevalue("cluster").redis_url)
        settings = settings.model_copy(update={"redis_url": url, "redis_cluster": True})
    make = redis.RedisCluster if settings.redis_cluster else redis.Redis
    client = make.from_url(settings.redis_url.get_secret_value(), decode_responses=True)
    store = RedisStore(settings)
    yield Shelf(settings, store, client)
    await store.close()
    client.close()


async def test_a_later_record_of_a_title_replaces_an_earlier_one(shelf):
    await shelf.put(dark=named("First", offset=3))
    await shelf.put(dark=named("Second", offset=9))
    assert await shelf.known() == {"dark": "Second"}
    assert shelf.public("dark") == "Second"


async def test_a_worker_that_lost_the_partition_cannot_bring_an_earlier_record_back(shelf):
    await shelf.put(dark=named("Second", offset=9))
    await shelf.put(dark=named("First", offset=3), heat=named("Heat", offset=4))
    assert await shelf.known() == {"dark": "Second", "heat": "Heat"}
    assert shelf.public("dark") == "Second"


async def test_a_removed_title_is_not_brought_back_by_an_earlier_record(shelf):
    await shelf.put(dark=named("First", offset=3))
    await shelf.put(dark=Change(None, HERE, 9))
    await shelf.put(dark=named("First", offset=3))
    assert await shelf.known() == {}
    assert shelf.public("dark") is None


async def test_the_same_record_again_mends_what_a_crash_left_undone(shelf):
    await shelf.put(dark=named("First", offset=3))
    shelf.client.delete(shelf.keys.title("dark"))
    await shelf.put(dark=named("First", offset=3))
    assert shelf.public("dark") == "First"


async def test_offsets_of_two_partitions_are_never_compared(shelf):
    """After partitions were added a title's records go on in another one, from offset 0."""
    await shelf.put(dark=named("First", HERE, 500))
    await shelf.put(dark=named("Second", THERE, 0))
    await shelf.put(dark=named("First", HERE, 499))
    assert await shelf.known() == {"dark": "Second"}


async def test_a_catalogue_of_any_size_is_taken_in(shelf):
    many = {
        f"t{n}": Change(orjson.dumps(A_SEASON | {"title_id": f"t{n}", "name": str(n)}))
        for n in range(2 * TITLES_AT_ONCE + 1)
    }
    await shelf.titles.put(many)
    assert len(await shelf.known()) == len(many)
