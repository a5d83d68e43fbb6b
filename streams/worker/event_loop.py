"""uvloop, on which a lost connection fails as one: the clients of Kafka and Redis rely on it.

Writing to a connection that was lost a moment ago raises ``RuntimeError`` on uvloop, where asyncio
lets the read that follows fail. To aiokafka that is no outage but a bug: its task that fetches ends
for good, and the worker gets no record any more. An ``OSError`` is what both clients wait out.
"""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING, Any

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSED = "the handler is closed"
_WRITES = {name: getattr(asyncio.StreamWriter, name) for name in ("write", "writelines")}


def install() -> None:
    """Use uvloop for every event loop from here on. Safe to call again."""
    uvloop.install()
    for name, write in _WRITES.items():
        setattr(asyncio.StreamWriter, name, _failing_as_lost(write))


def _failing_as_lost(write: Callable[..., None]) -> Callable[..., None]:
    @wraps(write)
    def write_or_lose(self: asyncio.StreamWriter, data: Any) -> None:
        try:
            write(self, data)
        except RuntimeError as error:
            if CLOSED not in str(error):
                raise
            raise ConnectionResetError("the connection was lost before this was sent") from error

    return write_or_lose
