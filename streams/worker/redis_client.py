"""A Redis or Redis Cluster client that knows what an outage is, and whom it is talking to."""

from __future__ import annotations

import asyncio
from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    ClusterError,
    DataError,
    MasterDownError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)

from config.kafka import redis_kwargs
from streams.worker.redis_pipeline import exchange, pack_commands
from streams.worker.store import StoreAway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from config.settings import Settings

AWAY_ERRORS = (
    AskError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
AWAY = ("OOM", "READONLY", "LOADING", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "BUSY")
"""How Redis begins to say that it cannot just now."""
BARRIER_S = 60


class Script:
    """A Lua script and the name that Redis knows it by."""

    def __init__(self, name: str) -> None:
        self.text = files("streams.worker").joinpath(name).read_text(encoding="utf-8")
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class RedisClient:
    """Pipelines of commands, without retries: only the caller knows what one would repeat."""

    def __init__(self, settings: Settings) -> None:
        self._timeout_s = settings.io_timeout_s
        self._replicas = settings.redis_replicas
        self._prefix = settings.key_prefix
        self._redis = self._connect(settings)
        self._resets = 0
        self.boots = 0
        """How often a server was found to have been started again."""
        self.on_boot: Callable[[], None] = lambda: None
        """Called then: what is in memory may be newer than what the server has."""
        self._run_ids: dict[tuple[Any, ...], set[bytes]] = {}

    @property
    def is_cluster(self) -> bool:
        """Whether keys are spread over several servers, so that a call takes those of one slot."""
        return isinstance(self._redis, RedisCluster)

    def _connect(self, settings: Settings) -> Redis | RedisCluster:
        url = settings.redis_url.get_secret_value()
        arguments: dict[str, Any] = {
            "socket_timeout": settings.io_timeout_s,
            "socket_connect_timeout": settings.io_timeout_s,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            **redis_kwargs(settings),
        }
        if settings.redis_cluster:
            cluster = RedisCluster.from_url(url, **arguments)
            # Only so can a cluster client be given what a plain one takes as an argument.
            cluster.connection_kwargs["redis_connect_func"] = self._connected
            return cluster
        return Redis.from_url(url, redis_connect_func=self._connected, **arguments)

    async def _connected(self, connection: Any) -> None:
        """Greet a server, and look at what it holds before the first command is sent."""
        await connection.on_connect()
        connection.pack_commands = pack_commands
        try:
            await self._recognise(connection)
            await self.inspect(connection)
        except BaseException:
            await connection.disconnect()
            raise

    async def _recognise(self, connection: Any) -> None:
        """Notice a server that was started again: the last that it was told may be gone.

        Where INFO is not allowed, nothing is noticed.

        Raises:
            StoreAway: it was; the next call goes on with it.
        """
        await connection.send_command("INFO", "server")
        try:
            told = await connection.read_response(disable_decoding=True)
        except ResponseError:
            return
        run_id = told.partition(b"run_id:")[2].split(b"\r\n")[0]
        place = tuple(getattr(connection, name, None) for name in ("host", "port", "path"))
        known = self._run_ids.setdefault(place, set())
        is_other = bool(known) and run_id not in known
        known.add(run_id)
        if is_other:
            self.boots += 1
            self.on_boot()
            raise StoreAway("Redis was started again")

    async def inspect(self, connection: Any) -> None:
        """What to look at on a new connection; it may be to another server than before."""

    # -- asking ----------------------------------------------------------------------------------
    async def run(
        self,
        scripts: Script | Sequence[Script],
        commands: Sequence[tuple[Any, ...]],
        told: tuple[str, ...] = (),
    ) -> list[Any]:
        """Run scripts many times; load them where a server does not know them (yet or any more).

        Errors that begin with one of the words ``told`` are answers.
        """
        answers = await self.ask(commands, told=told)
        unknown = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            for script in [scripts] if isinstance(scripts, Script) else scripts:
                await self._load_script(script)
            again = await self.ask([commands[i] for i in unknown], told=told)
            for i, answer in zip(unknown, again, strict=True):
                answers[i] = answer
        for answer in answers:
            if isinstance(answer, NoScriptError):
                raise outage(answer)
        return answers

    async def _load_script(self, script: Script) -> None:
        try:
            if isinstance(self._redis, RedisCluster):
                everywhere = {"target_nodes": RedisCluster.PRIMARIES}
                await self._redis.execute_command("SCRIPT LOAD", script.text, **everywhere)
            else:
                await self._redis.script_load(script.text)
        except (RedisError, RedisClusterException, OSError) as error:
            raise outage(error) from error

    async def ask(
        self, commands: Sequence[tuple[Any, ...]], *, told: tuple[str, ...] = ()
    ) -> list[Any]:
        """Answers to a pipeline of commands, in order.

        Args:
            commands: what to ask.
            told: how errors begin that are answers.

        Raises:
            StoreAway: an outage; any of them may have been carried out.
        """
        if not commands:
            return []
        if isinstance(self._redis, RedisCluster):
            pipeline = self._redis.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            answers = await self._execute(pipeline.execute(raise_on_error=False))
        else:
            answers = await self._execute(exchange(self._redis.connection_pool, commands))
            answers = _as_clients_read(self._redis, commands, answers)
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, NoScriptError):
                if told and str(answer).startswith(told):
                    continue
                raise outage(answer)
        return answers

    async def _execute(self, pipeline: Awaitable[list[Any]]) -> list[Any]:
        resets = self._resets
        try:
            async with asyncio.timeout(self._timeout_s):
                answers = await pipeline
        except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
            await self._look_again(resets)
            raise outage(error) from error
        except AttributeError as error:
            if resets == self._resets:
                raise
            # So redis-py meets a connection that another lane, looking again, has just closed.
            raise StoreAway("the connections to the cluster were closed") from error
        return answers

    async def _look_again(self, resets: int) -> None:
        """Let a cluster client forget who serves what: a shard may have changed hands.

        Once per outage, not once per lane: forgetting also cuts what others are waiting for.
        """
        if isinstance(self._redis, RedisCluster) and resets == self._resets:
            self._resets += 1
            await self._redis.aclose()

    # -- replicas --------------------------------------------------------------------------------
    async def confirm(self) -> None:
        """Return once as many replicas as set hold everything written before, on every primary.

        Raises:
            StoreAway: they do not, or not in time.
        """
        if not self._replicas:
            return
        pipeline = self._redis.pipeline(transaction=False)
        wait = ("WAIT", self._replicas, int(self._timeout_s * 500))
        for key, target in await self._barriers():
            # WAIT waits for writes of its own connection; replication is one line, so one write
            # stands for all before it.
            pipeline.execute_command("SET", key, "", "EX", BARRIER_S, **target)
            pipeline.execute_command(*wait, **target)
        answers = await self._execute(pipeline.execute(raise_on_error=False))
        for answer in answers:
            if isinstance(answer, Exception):
                raise outage(answer)
        least = min(answers[1::2])
        if least < self._replicas:
            raise StoreAway(f"{least} of {self._replicas} replicas confirmed what was written")

    async def _barriers(self) -> list[tuple[str, dict[str, Any]]]:
        name = f"{self._prefix}barrier:"
        if not isinstance(self._redis, RedisCluster):
            return [(name, {})]
        try:
            await self._redis.initialize()
        except (RedisError, RedisClusterException, OSError) as error:
            raise outage(error) from error
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        primaries = {node.name for node in self._redis.get_primaries()}
        number = 0
        while primaries - found.keys():
            key = f"{name}{number}"
            node = self._redis.nodes_manager.get_node_from_slot(key_slot(key.encode()))
            found.setdefault(node.name, (key, {"target_nodes": node}))
            number += 1
        return list(found.values())

    async def close(self) -> None:
        """Let go of connections."""
        await self._redis.aclose()


def _as_clients_read(
    client: Redis, commands: Sequence[tuple[Any, ...]], answers: list[Any]
) -> list[Any]:
    """Answers in the form that redis-py gives them, so that a cluster's look the same."""
    forms = client.response_callbacks
    if not any(name in forms for name in {command[0] for command in commands}):
        return answers
    return [
        forms[command[0]](answer)
        if command[0] in forms and not isinstance(answer, Exception)
        else answer
        for command, answer in zip(commands, answers, strict=True)
    ]


def outage(error: BaseException) -> BaseException:
    """An outage to wait out; or the error itself, where waiting would not mend it."""
    if isinstance(error, AuthenticationError | AuthorizationError | DataError):
        return error
    if isinstance(error, ResponseError) and not isinstance(error, ClusterError | MovedError):
        text = str(error)
        if not any(f"{word} " in text for word in AWAY) and not isinstance(error, AWAY_ERRORS):
            return error
    return StoreAway(f"{type(error).__name__}: {error}")
