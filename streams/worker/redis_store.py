"""The store on Redis or Redis Cluster: one Lua call per viewer and slice, pipelined."""

from __future__ import annotations

import asyncio
from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
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
from streams.keys import Keys
from streams.viewing.wire import Stored
from streams.worker.store import FRESH, Due, Fenced, Mark, Source, StoreAway, Timers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from config.settings import Settings
    from streams.viewing.public import Write

AWAY_ERRORS = (
    AskError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
STATE_FIELDS = ("version", "live", "rest", "out")


class Script:
    """A Lua script and the name that Redis knows it by."""

    def __init__(self, name: str) -> None:
        self.text = files("streams.worker").joinpath(name).read_text(encoding="utf-8")
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def connect(settings: Settings) -> Redis | RedisCluster:
    """A client that does not retry by itself: only the caller knows what a retry would repeat."""
    url = settings.redis_url.get_secret_value()
    arguments: dict[str, Any] = {
        "socket_timeout": settings.io_timeout_s,
        "socket_connect_timeout": settings.io_timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        **redis_kwargs(settings),
    }
    if settings.redis_cluster:
        return RedisCluster.from_url(url, **arguments)
    return Redis.from_url(url, **arguments)


class RedisStore:
    """State, public keys, marks and timers in Redis; see ``Store`` for the contract."""

    def __init__(self, settings: Settings) -> None:
        self._redis = connect(settings)
        self._keys = Keys(settings.key_prefix)
        self._group = settings.group
        self._ttl = str(settings.viewer_ttl_s)
        self._timeout_s = settings.io_timeout_s
        self._write, self._mark = Script("write.lua"), Script("mark.lua")

    # -- state ---------------------------------------------------------------------------------
    async def load(self, viewers: Sequence[str]) -> list[Stored]:
        """See ``Store.load``."""
        commands = [("HMGET", self._keys.viewer(v).state, *STATE_FIELDS) for v in viewers]
        return [_stored(answer) for answer in await self.ask(commands)]

    async def write(self, writes: Sequence[Write]) -> None:
        """See ``Store.write``."""
        commands = [self._write_command(write) for write in writes]
        answers = await self.run(self._write, commands)
        refused = [w for w, answer in zip(writes, answers, strict=True) if answer != b"ok"]
        if refused:
            await self._settle(refused)

    async def _settle(self, refused: list[Write]) -> None:
        """Tell a write of ours whose answer was lost from one that another worker overtook."""
        held = await self.load([write.viewer for write in refused])
        ours = [
            stored.version == write.version + 1
            and (stored.live, stored.out) == (write.live, write.out)
            for write, stored in zip(refused, held, strict=True)
        ]
        if not all(ours):
            lost = [w.viewer for w, own in zip(refused, ours, strict=True) if not own]
            raise Fenced(f"{len(lost)} viewers were written by another worker, {lost[0]!r} first")

    def _write_command(self, write: Write) -> tuple[Any, ...]:
        keys = self._keys.viewer(write.viewer)
        taste = [] if write.taste is None else _pairs(write.taste)
        progress, hooked = _pairs(write.progress), _pairs(write.hooked)
        return (
            "EVALSHA", self._write.sha, 4, keys.state, keys.taste, keys.progress, keys.hooked,
            write.version, write.version + 1, self._ttl,
            write.live, write.rest or b"", write.out,
            -1 if write.taste is None else len(taste),
            len(progress), len(write.progress_gone), len(hooked), len(write.hooked_gone),
            *taste, *progress, *write.progress_gone, *hooked, *write.hooked_gone,
        )  # fmt: skip

    # -- marks and timers ------------------------------------------------------------------------
    async def marks(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """See ``Store.marks``."""
        wanted = list(sources)
        commands = [
            ("HMGET", self._keys.mark(self._group, *source), "offset", "clock_ms")
            for source in wanted
        ]
        found: dict[Source, Mark] = {}
        for source, (offset, clock) in zip(wanted, await self.ask(commands), strict=True):
            if offset is not None:
                found[source] = Mark(int(offset), int(clock or 0))
        return found

    async def move_mark(self, source: Source, mark: Mark, timers: Timers, most: int) -> list[Due]:
        """See ``Store.move_mark``."""
        command = (
            "EVALSHA", self._mark.sha, 2,
            self._keys.mark(self._group, *source), self._keys.due(self._group, *source),
            mark.offset, mark.clock_ms, most, len(timers.lower), len(timers.put),
            *_pairs(timers.lower), *_pairs(timers.put), *timers.drop,
        )  # fmt: skip
        (answer,) = await self.run(self._mark, [command])
        return [
            Due(answer[i].decode(), int(float(answer[i + 1]))) for i in range(0, len(answer), 2)
        ]

    # -- asking ----------------------------------------------------------------------------------
    async def run(self, script: Script, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run one script many times; load it where a server does not know it (yet or any more)."""
        answers = await self.ask(commands)
        unknown = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            await self._load_script(script)
            again = await self.ask([commands[i] for i in unknown])
            for i, answer in zip(unknown, again, strict=True):
                answers[i] = answer
        for answer in answers:
            if isinstance(answer, Exception):
                raise _outage(answer)
        return answers

    async def _load_script(self, script: Script) -> None:
        try:
            if isinstance(self._redis, RedisCluster):
                everywhere = {"target_nodes": RedisCluster.PRIMARIES}
                await self._redis.execute_command("SCRIPT LOAD", script.text, **everywhere)
            else:
                await self._redis.script_load(script.text)
        except (RedisError, RedisClusterException, OSError) as error:
            raise _outage(error) from error

    async def ask(
        self, commands: Sequence[tuple[Any, ...]], *, forgiving: bool = False
    ) -> list[Any]:
        """Answers to a pipeline of commands, in order.

        Args:
            commands: what to ask.
            forgiving: a key of the wrong type is an answer, not an error.

        Raises:
            StoreAway: an outage; any of them may have been carried out.
        """
        if not commands:
            return []
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            async with asyncio.timeout(self._timeout_s):
                answers: list[Any] = await pipeline.execute(raise_on_error=False)
        except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
            raise _outage(error) from error
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, NoScriptError):
                if forgiving and str(answer).startswith("WRONGTYPE"):
                    continue
                raise _outage(answer)
        return answers

    async def close(self) -> None:
        """See ``Store.close``."""
        await self._redis.aclose()


AWAY = ("OOM", "READONLY", "LOADING", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "BUSY")
"""How Redis begins to say that it cannot just now."""


def _outage(error: BaseException) -> BaseException:
    """An outage to wait out; or the error itself, where waiting would not mend it."""
    if isinstance(error, AuthenticationError | AuthorizationError | DataError):
        return error
    if isinstance(error, ResponseError) and not isinstance(error, ClusterError | MovedError):
        text = str(error)
        if not any(f"{word} " in text for word in AWAY) and not isinstance(error, AWAY_ERRORS):
            return error
    return StoreAway(f"{type(error).__name__}: {error}")


def _stored(answer: list[bytes | None]) -> Stored:
    version, live, rest, out = answer
    if version is None:
        return FRESH
    return Stored(int(version), live or b"", rest or b"", out or b"")


def _pairs(fields: Any) -> list[Any]:
    return [part for pair in fields.items() for part in pair]
