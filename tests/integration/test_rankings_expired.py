"""Rankings lose titles whose engagement has expired, on a single Redis and on a Cluster."""

from __future__ import annotations

import time

import pytest
import redis
from pydantic import SecretStr

from consumers.titles import TitleReader
from streams.keys import Keys
from streams.worker.audience_store import Rank, RedisAudienceStore, TitleWrite
from streams.worker.rankings import PLACES_AT_ONCE, Rankings
from streams.worker.redis_client import Script
from streams.worker.redis_store import RedisStore

pytestmark = pytest.mark.integration
PATIENCE_S = 10.0


class Ranked:
    """Titles that the agent's store has written and ranked, and what lets them expire."""

    def __init__(self, settings, client, store) -> None:
        self.settings, self.store = settings, store
        self.keys = Keys(settings.key_prefix)
        self._client = client
        self._titles = RedisAudienceStore(settings, store)

    async def rank(self, scores: dict[str, float], *keys: str) -> None:
        day = "2026-03-01"
        await self._titles.write(
            [TitleWrite(title, 0, {}, b"", {"hours": score}, day, {})
             for title, score in scores.items()]
        )  # fmt: skip
        await self._titles.rank([Rank(key, *it) for key in keys for it in scores.items()])

    def expire(self, *titles: str) -> None:
        names = [self.keys.engagement(title) for title in titles]
        for name in names:
            self._client.pexpire(name, 1)
        until = time.monotonic() + PATIENCE_S
        while any(self._client.exists(name) for name in names):
            assert time.monotonic() < until, "they do not expire"

    def members(self, key: str) -> dict[str, float]:
        return dict(self._client.zrange(self.settings.key_prefix + key, 0, -1, withscores=True))


@pytest.fixture(params=["single", "cluster"])
async def ranked(request, settings):
    if request.param == "cluster":
        url = SecretStr(request.getfixturevalue("cluster").redis_url)
        settings = settings.model_copy(update={"redis_url": url, "redis_cluster": True})
    make = redis.RedisCluster if settings.redis_cluster else redis.Redis
    store = RedisStore(settings)
    with make.from_url(settings.redis_url.get_secret_value(), decode_responses=True) as client:
        yield Ranked(settings, client, store)
    await store.close()


async def test_an_expired_title_leaves_every_ranking_and_the_others_stay(ranked):
    sets = ("top:hours", "top:hooked", "trending:all", "trending:ZZ")
    await ranked.rank({"gone": 3.25, "{odd}%": 2.0, "dark": 1.5}, *sets)
    ranked.expire("gone", "{odd}%")
    await Rankings(ranked.settings, ranked.store).sweep_all()
    assert [ranked.members(it) for it in sets] == [{"dark": 1.5}] * len(sets)


async def test_a_long_ranking_is_looked_through_part_by_part(ranked):
    many = {f"title-{number:04d}": float(number) for number in range(2 * PLACES_AT_ONCE + 50)}
    await ranked.rank(many, "top:hours")
    expired = [name for number, name in enumerate(many) if number % 3 == 0]
    ranked.expire(*expired)
    rankings = Rankings(ranked.settings, ranked.store)
    await rankings.sweep_all()
    after_one_look = ranked.members("top:hours")
    assert set(list(many)[PLACES_AT_ONCE:]) <= after_one_look.keys()
    await rankings.sweep_all()
    await rankings.sweep_all()
    assert ranked.members("top:hours").keys() == many.keys() - set(expired)


async def test_a_title_that_was_ranked_anew_meanwhile_stays(ranked):
    await ranked.rank({"dark": 3.25}, "top:hours")
    script, key = Script("unrank.lua"), ranked.keys.top("hours")
    await ranked.store.run(script, [("EVALSHA", script.sha, 1, key, "dark", "3.5", "no", "1")])
    assert ranked.members("top:hours") == {"dark": 3.25}
    await ranked.store.run(script, [("EVALSHA", script.sha, 1, key, "dark", "3.25")])
    assert ranked.members("top:hours") == {}


async def test_a_reader_never_sees_an_expired_title_and_gets_as_many_as_it_asked_for(ranked):
    scores = {f"t{number}": 100.0 - number for number in range(12)}
    await ranked.rank(scores, "top:hours")
    ranked.expire(*(f"t{number}" for number in range(6)))
    with TitleReader(ranked.settings) as reader:
        found = reader.top("hours", limit=4)
        assert [(it.rank, it.title.title_id) for it in found] == [
            (1, "t6"), (2, "t7"), (3, "t8"), (4, "t9")
        ]  # fmt: skip
        assert [it.title.title_id for it in reader.top("hours", limit=50)] == [
            f"t{number}" for number in range(6, 12)
        ]
