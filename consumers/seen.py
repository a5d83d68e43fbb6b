"""Ids that were taken before: the most recent in memory, and per group in Redis across restarts."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

from streams.keys import tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from config.settings import Settings

REMEMBER_S = 30 * 86_400
"""As long as the topics keep a record: what can come again is recognised."""


class Memory(Protocol):
    """What remembers ids. Bounded: the oldest ids are forgotten first."""

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of ``ids`` that were added before."""
        ...

    def add(self, new_id: str) -> None:
        """Remember ``new_id``."""
        ...


class RecentIds:
    """The last ``limit`` ids in the memory of this process."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._ids: OrderedDict[str, None] = OrderedDict()

    def known(self, ids: Iterable[str]) -> set[str]:
        """Those of ``ids`` that were added before; they count as used just now."""
        found = {one for one in ids if one in self._ids}
        for one in found:
            self._ids.move_to_end(one)
        return found

    def add(self, new_id: str) -> None:
        """Remember ``new_id``, forgetting the one that went unused the longest."""
        self._ids[new_id] = None
        self._ids.move_to_end(new_id)
        if len(self._ids) > self._limit:
            self._ids.popitem(last=False)


class GroupIds:
    """The last ids that a consumer group took, in one sorted set in Redis, scored by time.

    Every member of the group shares it, so it holds across restarts, machines and rebalances. It
    expires 30 days after the last addition and never holds more than ``limit`` ids.

    Raises:
        redis.RedisError: from every method, if Redis is away.
    """

    def __init__(
        self, client: Any, settings: Settings, group: str, topic: str, limit: int = 200_000
    ) -> None:
        self.key = f"{settings.key_prefix}seen:{tag(f'{group}:{topic}')}"
        self._client = client
        self._limit = limit

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of ``ids`` that the group took before; one round trip."""
        if not ids:
            return set()
        scores = self._client.zmscore(self.key, list(ids))
        return {one for one, score in zip(ids, scores, strict=True) if score is not None}

    def add(self, new_id: str) -> None:
        """Remember ``new_id``; one round trip, all or nothing."""
        batch = self._client.pipeline(transaction=True)
        batch.zadd(self.key, {new_id: time.time()})
        batch.zremrangebyrank(self.key, 0, -self._limit - 1)
        batch.expire(self.key, REMEMBER_S)
        batch.execute()
