"""The stores that the contracts are held to."""

from __future__ import annotations

import pytest
from contracts.stores import InMemory, on_servers

from streams.worker.store import MemoryStore


@pytest.fixture(params=["memory", "redis", "cluster"])
async def held(request):
    """A store of each kind. Redis is searched for keys without an expiry at the end."""
    if request.param == "memory":
        yield InMemory(MemoryStore())
    else:
        async for found in on_servers(request, request.param):
            yield found


@pytest.fixture(params=["redis", "cluster"])
async def served(request):
    """The stores that others can reach."""
    async for found in on_servers(request, request.param):
        yield found
