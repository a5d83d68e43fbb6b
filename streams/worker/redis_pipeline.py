"""A pipeline on a connection of redis-py, written at once and read as it comes.

redis-py awaits each answer by itself and makes a task for each write: for a slice of a live stream,
that is several times the work of sending and parsing. Connecting, logging in, TLS and the pool stay
redis-py's. What this leans on in it is pinned by tests/unit/test_redis_pipeline.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hiredis
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.exceptions import ConnectionError as RedisConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AT_ONCE_BYTES = 262_144


async def exchange(pool: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Answers to commands, in order; an error that Redis answers is an answer.

    Args:
        pool: of asyncio connections that speak RESP 2.
        commands: sent in one go, on one connection.

    Raises:
        RedisError, OSError: the connection failed; any of them may have been carried out.
    """
    connection = await pool.get_connection()
    try:
        connection._writer.write(b"".join(pack_commands(commands)))  # noqa: SLF001
        await connection._writer.drain()  # noqa: SLF001
        return await _read(connection, len(commands))
    except BaseException:
        # What is still to come would be taken for the answers to what is sent next.
        await connection.disconnect(nowait=True)
        raise
    finally:
        await pool.release(connection)


async def _read(connection: Any, count: int) -> list[Any]:
    stream, parser = connection._reader, connection._parser._reader  # noqa: SLF001
    answers: list[Any] = []
    while True:
        while len(answers) < count:
            answer = parser.gets(False)  # undecoded
            if answer is NOT_ENOUGH_DATA:
                break
            answers.append(answer)
        else:
            return answers
        data = await stream.read(AT_ONCE_BYTES)
        if not data:
            raise RedisConnectionError("Redis closed the connection")
        parser.feed(data)


def pack_commands(commands: Iterable[tuple[Any, ...]]) -> list[bytes]:
    """Commands as bytes, by hiredis: a fifth of the time that redis-py's own way takes.

    Its synchronous connections do it so by themselves, those for asyncio do not. Command names of
    two words would have to be split first; pipelines here have none.
    """
    return [b"".join([hiredis.pack_command(command) for command in commands])]
