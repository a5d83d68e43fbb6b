"""The catalogue, put where a worker finds it: no service meets a backlog without one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from streams.worker.catalogue_store import CatalogueStore, Change
from streams.worker.redis_store import RedisStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from config.settings import Settings


def know_titles(settings: Settings, titles: Sequence[Mapping[str, Any]]) -> None:
    """Put ``titles`` (docs/events.md) into the Redis of ``settings``."""
    asyncio.run(_know(settings, titles))


async def _know(settings: Settings, titles: Sequence[Mapping[str, Any]]) -> None:
    store = RedisStore(settings)
    try:
        known = {str(title["title_id"]): Change(orjson.dumps(title)) for title in titles}
        await CatalogueStore(settings, store).put(known)
    finally:
        await store.close()
