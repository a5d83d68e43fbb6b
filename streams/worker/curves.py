"""The titles that this worker's viewers watch: waited for if new, their curves looked up."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from streams.worker.catalogue_store import parse_curves, stale

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.worker.catalogue_store import CatalogueStore, Snapshot

EVERY_S = 10.0
TITLE_PATIENCE_S = 1.0
FORGIVE_AFTER_S = 60.0
MOST_AWAITED = 200
"""Unknown titles that are waited for within that time; more are not going to come."""
MOST_SEEN = 100_000


class Curves:
    """Keeps the snapshot's curves fresh for the titles at hand."""

    def __init__(self, store: CatalogueStore, snapshot: Snapshot) -> None:
        self._store = store
        self._snapshot = snapshot
        self._seen: dict[str, float] = {}
        self._awaited: dict[str, float] = {}
        # A lane that finds a title being looked up must wait for the answer, not decide without.
        self._looking = asyncio.Lock()

    async def await_titles(self, titles: Iterable[str]) -> None:
        """Give titles that are not known yet a moment to arrive, once a minute each.

        A producer sends a title and then its first events; the two topics are read side by side.
        """
        now = time.monotonic()
        unknown = {title for title in titles if title not in self._snapshot.catalogue.titles}
        if len(self._awaited) >= MOST_AWAITED:  # a flood of titles that nobody sends, or an old one
            self._awaited = {t: at for t, at in self._awaited.items() if now - at < FORGIVE_AFTER_S}
        room = len(self._awaited) < MOST_AWAITED
        waiting = set(stale(self._awaited, unknown, now, FORGIVE_AFTER_S)) if room else set()
        while waiting and time.monotonic() - now < TITLE_PATIENCE_S:
            await asyncio.sleep(TITLE_PATIENCE_S / 20)
            await self._snapshot.refresh()
            waiting -= self._snapshot.catalogue.titles.keys()

    async def refresh(self, titles: Iterable[str]) -> None:
        """Look up the curves of ``titles`` that were not looked up for a while."""
        async with self._looking:
            await self._refresh(titles)

    async def _refresh(self, titles: Iterable[str]) -> None:
        if len(self._seen) > MOST_SEEN:
            self._seen.clear()
        wanted = stale(self._seen, titles, time.monotonic(), EVERY_S)
        if not wanted:
            return
        try:
            answers = await self._store.curves(wanted)
        except BaseException:
            for title in wanted:
                self._seen.pop(title, None)
            raise
        curves = self._snapshot.catalogue.curves
        for title, fields in zip(wanted, answers, strict=True):
            for key in [key for key in curves if key[0] == title]:
                del curves[key]
            curves.update(parse_curves(title, fields))
