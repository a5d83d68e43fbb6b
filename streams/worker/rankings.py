"""Takes titles out of the public rankings once their engagement has expired.

A title expires when nobody has watched it for long, so no lane has it at hand: every worker looks
at a few places of a few rankings now and then, and comes round to all of them. Readers of ours
leave out what has expired meanwhile (``consumers/titles.py``).
"""

from __future__ import annotations

import time
from itertools import product
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import structlog

from streams.keys import Keys
from streams.worker.redis_client import Script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.settings import Settings
    from streams.worker.redis_store import RedisStore

log = structlog.get_logger()
EVERY_S = 60.0
SETS_AT_ONCE, PLACES_AT_ONCE = 50, 100
"""Bounds of one look: what it costs does not depend on how many titles there are."""
TOPS = ("hours", "hooked", "travelling", "new-voices")
COUNTRIES = ("all", *map("".join, product(ascii_uppercase, repeat=2)))
"""All that the event contract lets through: two letters."""


class Rankings:
    """Looks round and round the rankings, some places of each at a time."""

    def __init__(self, settings: Settings, store: RedisStore) -> None:
        self._store = store
        self._keys = Keys(settings.key_prefix)
        keys = [*map(self._keys.top, TOPS), *map(self._keys.trending, COUNTRIES)]
        self._rounds = [
            keys[start : start + SETS_AT_ONCE] for start in range(0, len(keys), SETS_AT_ONCE)
        ]
        self._round = 0
        self._from = dict.fromkeys(keys, 0)
        """Where each ranking is looked at next."""
        self._swept_at = -EVERY_S
        self._script = Script("unrank.lua")

    async def sweep_now_and_then(self) -> None:
        """Take one look, if it is time to."""
        now = time.monotonic()
        if now - self._swept_at >= EVERY_S:
            await self.sweep()
            self._swept_at = now

    async def sweep_all(self) -> None:
        """Look at every ranking once: at its next places."""
        for _ in self._rounds:
            await self.sweep()

    async def sweep(self) -> None:
        """Take one look: at the next places of the next rankings."""
        keys = self._rounds[self._round]
        found = await self._store.ask(
            [
                ("ZRANGE", key, self._from[key], self._from[key] + PLACES_AT_ONCE - 1, "WITHSCORES")
                for key in keys
            ]
        )
        places = [
            (key, title, score)
            for key, flat in zip(keys, found, strict=True)
            for title, score in zip(flat[::2], flat[1::2], strict=True)
        ]
        gone = await self._remove(places) if places else []
        removed = [key for key, _, _ in gone]
        for key, flat in zip(keys, found, strict=True):
            count = len(flat) // 2
            ended = count < PLACES_AT_ONCE
            self._from[key] = 0 if ended else self._from[key] + count - removed.count(key)
        self._round = (self._round + 1) % len(self._rounds)

    async def _remove(self, places: Sequence[tuple[str, bytes, Any]]) -> list[Any]:
        gone = await self._expired(places)
        by_set: dict[str, list[Any]] = {}
        for key, title, score in gone:
            by_set.setdefault(key, []).extend((title, score))
        if not gone:
            return gone
        sha = self._script.sha
        await self._store.run(
            self._script, [("EVALSHA", sha, 1, key, *pairs) for key, pairs in by_set.items()]
        )
        # Whoever is watched again at this very moment was ranked before, or is now.
        still = {(key, title) for key, title, _ in await self._expired(gone)}
        back = [place for place in gone if place[:2] not in still]
        await self._store.ask([("ZADD", key, "NX", score, title) for key, title, score in back])
        log.info("expired titles taken out of rankings", places=len(gone) - len(back))
        return [place for place in gone if place not in back]

    async def _expired(self, places: Sequence[tuple[str, bytes, Any]]) -> list[Any]:
        answers = await self._store.ask(
            [("EXISTS", self._keys.engagement(title.decode())) for _, title, _ in places]
        )
        return [place for place, there in zip(places, answers, strict=True) if not there]
