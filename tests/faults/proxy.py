"""A TCP proxy on loopback, to do to a connection what networks do: reset, delay, hold back, lose.

It runs in a thread of its own; its methods may be called from any thread.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import uvloop

from hookpoint.processes import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

CHUNK_BYTES = 256 * 1024
STARTED_WITHIN_S = 10.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time at all: closing sends RST instead of FIN."""


class Proxy:
    """Passes connections on to a port of loopback; a context manager.

    Args:
        target_port: where to.
        port: where it listens; None takes a free one.
    """

    def __init__(self, target_port: int, port: int | None = None) -> None:
        self.port = port or free_port()
        self.delay_s = 0.0
        """Every chunk of data waits this long, in both directions."""
        self.resets = 0
        """Connections that were cut on purpose."""
        self._target = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._swallows = False
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def address(self) -> str:
        """``host:port`` for clients."""
        return f"{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(asyncio.start_server(self._serve, LOOPBACK, self.port, limit=CHUNK_BYTES))
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STARTED_WITHIN_S)

    def cut(self) -> int:
        """Reset all connections; new ones are let in. Returns how many connections there were."""

        async def reset() -> int:
            found = len(self._writers)
            for writer in list(self._writers):
                _reset(writer)
            return found // 2

        count = self._run(reset())
        self.resets += count
        return count

    def swallow(self) -> None:
        """From here on nothing arrives, in either direction, and nobody is told."""
        self._swallows = True

    def restore(self) -> None:
        """Let data through again. Connections that have lost some are reset."""
        self.delay_s = 0.0
        if self._swallows:
            self._swallows = False
            self.cut()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STARTED_WITHIN_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to = await asyncio.open_connection(LOOPBACK, self._target, limit=CHUNK_BYTES)
        except OSError:
            _reset(writer)
            return
        ends = {writer, to[1]}
        self._writers |= ends
        try:
            await asyncio.gather(self._pump(reader, to[1]), self._pump(to[0], writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, RuntimeError):  # uvloop's word for a connection that is gone
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if not self._swallows:
                    writer.write(data)
                    await writer.drain()
        # Neither protocol knows connections that are closed on one side only.
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError, ValueError):  # a descriptor of -1: it has just been closed
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
