"""How redis-py behaves where streams/worker/redis_client.py relies on it, on real servers.

None of this is promised by redis-py's documentation. Names that are relied on are pinned by
tests/unit/test_pins.py; what each behaviour is for stands in the failing test's message.
"""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import redis
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.integration

ARGUMENTS = {"retry": Retry(NoBackoff(), 0), "protocol": 2, "socket_timeout": 10}


class Forgetful(Exception):
    """What a greeting may find out."""


class Greeter:
    """Greets as the worker's store does: asks something before the first command is sent."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.answers: list[object] = []
        self.refuses = False

    async def greet(self, connection) -> None:
        await connection.on_connect()
        await connection.send_command("HMGET", "no-such-key", "a", "b")
        try:
            self.answers.append(await connection.read_response(disable_decoding=True))
        except redis.exceptions.MovedError:
            self.answers.append("moved")
        self.ports.append(connection.port)
        if self.refuses:
            await connection.disconnect()
            raise Forgetful


@asynccontextmanager
async def single(stack, greeter=None):
    greet = greeter.greet if greeter else None
    client = Redis.from_url(stack.redis_url, redis_connect_func=greet, **ARGUMENTS)
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def clustered(cluster, greeter=None):
    client = RedisCluster.from_url(cluster.redis_url, **ARGUMENTS)
    if greeter is not None:
        client.connection_kwargs["redis_connect_func"] = greeter.greet
    try:
        yield client
    finally:
        await client.aclose()


def primaries_with_keys(client):
    """Each primary of a cluster, and a key of this test's that lies on it."""
    own, found = uuid.uuid4().hex, {}
    for number in range(1000):
        key = f"pin-{own}-{number}"
        node = client.nodes_manager.get_node_from_slot(key_slot(key.encode()))
        found.setdefault(node.name, (node, key))
    return list(found.values())


def cluster_questions(client):
    """How often each node was asked who serves what."""
    count = 0
    for node in client.get_primaries():
        with redis.Redis(host=node.host, port=node.port) as plain:
            stats = plain.info("commandstats")
        count += sum(
            it["calls"] for name, it in stats.items() if name.startswith("cmdstat_cluster")
        )
    return count


# -- greeting --------------------------------------------------------------------------------------
async def test_a_connection_is_greeted_by_us_before_its_first_command_and_answers_in_bytes(stack):
    greeter = Greeter()
    async with single(stack, greeter) as client:
        await client.ping()
        await client.ping()
    assert greeter.answers == [[None, None]], "the store compares its marks on every new connection"


async def test_a_connection_that_was_cut_is_greeted_anew(stack):
    greeter = Greeter()
    async with single(stack, greeter) as client, single(stack) as other:
        number = await client.client_id()
        await other.execute_command("CLIENT", "KILL", "ID", number)
        await _until_it_answers(client.ping)
    assert len(greeter.answers) == 2, "a Redis that came back older is noticed by greeting it"


async def test_what_a_greeting_raises_reaches_whoever_asked(stack):
    greeter = Greeter()
    greeter.refuses = True
    async with single(stack, greeter) as client:
        pipeline = client.pipeline(transaction=False)
        pipeline.execute_command("PING")
        with pytest.raises(Forgetful):
            await pipeline.execute(raise_on_error=False)


async def test_a_cluster_client_greets_every_node_with_what_was_added_to_its_arguments(cluster):
    greeter = Greeter()
    async with clustered(cluster, greeter) as client:
        await client.initialize()
        nodes = primaries_with_keys(client)
        assert len(nodes) == 3
        for _, key in nodes:
            await client.get(key)
        assert {node.port for node, _ in nodes} <= set(greeter.ports), (
            "connection_kwargs['redis_connect_func'] does not reach all nodes"
        )


async def test_what_a_greeting_of_a_cluster_s_node_raises_reaches_whoever_asked(cluster):
    greeter = Greeter()
    async with clustered(cluster, greeter) as client:
        await client.initialize()
        (node, key), *_ = primaries_with_keys(client)
        await client.get(key)
        await node.disconnect()
        greeter.refuses = True
        pipeline = client.pipeline(transaction=False)
        pipeline.execute_command("GET", key)
        with pytest.raises(Forgetful):
            await pipeline.execute(raise_on_error=False)


# -- nothing is repeated ---------------------------------------------------------------------------
async def test_a_pipeline_that_is_cut_is_not_sent_again(stack):
    key = f"pin-{uuid.uuid4().hex}"
    async with single(stack) as client, single(stack) as other:
        number = await client.client_id()
        pipeline = client.pipeline(transaction=False)
        pipeline.execute_command("INCR", key)
        pipeline.execute_command("CLIENT", "KILL", "ID", number, "SKIPME", "NO")
        pipeline.execute_command("INCR", key)
        with pytest.raises(RedisConnectionError):
            await pipeline.execute(raise_on_error=False)
        assert await other.getdel(key) == b"1", "only the store knows what a repetition would do"


async def test_a_cluster_s_pipeline_that_is_cut_is_not_sent_again(cluster):
    async with clustered(cluster) as client, clustered(cluster) as other:
        await client.initialize()
        (node, key), *_ = primaries_with_keys(client)
        number = await client.execute_command("CLIENT ID", target_nodes=node)
        pipeline = client.pipeline(transaction=False)
        pipeline.execute_command("INCR", key)
        kill = ("CLIENT KILL", "ID", number, "SKIPME", "NO")
        pipeline.execute_command(*kill, target_nodes=node)
        pipeline.execute_command("INCR", key)
        with pytest.raises(RedisConnectionError):
            raise _first_error(await pipeline.execute(raise_on_error=False))
        assert await other.execute_command("GETDEL", key) == b"1"


# -- who gets what ---------------------------------------------------------------------------------
async def test_commands_of_a_pipeline_for_one_node_take_one_connection_in_order(cluster):
    """WAIT waits for what its own connection has written."""
    async with clustered(cluster) as client:
        await client.initialize()
        pipeline, expected = client.pipeline(transaction=False), []
        for turn in range(3):
            for node, key in primaries_with_keys(client):
                pipeline.execute_command("SET", key, turn, "EX", 60, target_nodes=node)
                pipeline.execute_command("CLIENT ID", target_nodes=node)
                expected.append(node.name)
        answers = await pipeline.execute(raise_on_error=False)
    assert all(answer in (True, b"OK") for answer in answers[::2]), answers
    connections = dict(zip(expected, answers[1::2], strict=True))
    assert [connections[name] for name in expected] == answers[1::2], "a node had several"


async def test_a_key_s_node_is_the_one_that_serves_it(cluster):
    async with clustered(cluster) as client:
        await client.initialize()
        for node, key in primaries_with_keys(client):
            with redis.Redis(host=node.host, port=node.port) as plain:
                assert plain.get(key) is None, "another node would say MOVED"


async def test_a_cluster_client_that_was_closed_looks_again_who_serves_what_and_goes_on(cluster):
    async with clustered(cluster) as client:
        await client.initialize()
        before = cluster_questions(client)
        await client.ping()
        assert cluster_questions(client) == before, "it asks without need"
        await client.aclose()
        assert await client.set(f"pin-{uuid.uuid4().hex}", 1, ex=60)
        assert cluster_questions(client) > before, "aclose() is how a failover is noticed"


async def _until_it_answers(ask: Callable[[], Awaitable[object]]) -> None:
    try:
        await ask()
    except RedisConnectionError:  # the cut was noticed only by the command that met it
        await ask()


def _first_error(answers: list[object]) -> Exception:
    found = [it for it in answers if isinstance(it, RedisError)]
    assert found, f"the cut went unnoticed: {answers}"
    return found[0]
