"""A pipeline past redis-py's own: the same answers, and never those to another's commands."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from streams.worker.redis_pipeline import AT_ONCE_BYTES, exchange

pytestmark = pytest.mark.integration


@pytest.fixture
async def client(stack):
    found = Redis.from_url(stack.redis_url, retry=Retry(NoBackoff(), 0), protocol=2)
    yield found
    await found.aclose()


@pytest.fixture
async def key(client):
    name = f"pipeline-{uuid.uuid4().hex[:8]}"
    yield name
    await client.delete(name)


async def test_the_answers_are_those_that_redis_py_gets_errors_among_them(client, key):
    commands = [
        ("HSET", key, "a", 1, "b", b"\x00\xff"),
        ("HMGET", key, "a", "b", "none"),
        ("GET", key),
        ("EVALSHA", "0" * 40, 0),
        ("EVAL", "return {1, {'x', false}, redis.error_reply('MINE of a kind')}", 0),
    ]
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    theirs = await pipeline.execute(raise_on_error=False)
    await client.delete(key)
    ours = await exchange(client.connection_pool, commands)
    assert [repr(it) for it in ours] == [repr(it) for it in theirs]
    assert isinstance(ours[2], ResponseError)
    assert isinstance(ours[3], NoScriptError)


async def test_answers_longer_than_what_is_read_at_once_come_whole(client, key):
    long = b"x" * (3 * AT_ONCE_BYTES)
    commands = [("HSET", key, "a", long), *[("HGET", key, "a")] * 3]
    assert await exchange(client.connection_pool, commands) == [1, long, long, long]


def is_blocked(connections, name):
    return any(it["name"] == name and "b" in it["flags"] for it in connections)


async def test_what_was_asked_by_one_who_gave_up_is_not_answered_to_the_next(client, key):
    waits = [("CLIENT", "SETNAME", key), ("BLPOP", f"{key}-nothing", 60), ("HGET", key, "b")]
    asking = asyncio.create_task(exchange(client.connection_pool, waits))
    async with asyncio.timeout(5):
        while not is_blocked(await client.client_list(), key):
            pass
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    for _ in range(3):
        assert await exchange(client.connection_pool, [("HGET", key, "a")]) == [None]


async def test_a_connection_that_is_cut_under_a_pipeline_is_an_outage_and_the_next_is_a_new_one(
    client, key
):
    pool = client.connection_pool
    (number,) = await exchange(pool, [("CLIENT", "ID")])
    kill = ("CLIENT", "KILL", "ID", number, "SKIPME", "no")
    with pytest.raises((RedisError, OSError)):
        await exchange(pool, [kill, ("HGET", key, "a")])
    (another,) = await exchange(pool, [("CLIENT", "ID")])
    assert another != number


async def test_a_server_that_is_not_there_is_told_as_redis_py_tells_it():
    nobody = Redis(port=1, retry=Retry(NoBackoff(), 0), protocol=2)
    with pytest.raises(RedisConnectionError):
        await exchange(nobody.connection_pool, [("PING",)])
    await nobody.aclose()


async def test_pipelines_side_by_side_each_get_their_own_answers(client, key):
    await client.hset(key, mapping={str(n): n for n in range(50)})
    asked = [[("HGET", key, str(n))] * (n % 7 + 1) for n in range(50)]
    answers = await asyncio.gather(*(exchange(client.connection_pool, it) for it in asked))
    assert answers == [[str(n).encode()] * (n % 7 + 1) for n in range(50)]
