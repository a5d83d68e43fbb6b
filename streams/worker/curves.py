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
LOOK_EVERY_S = 0.05
MOST_IN_VAIN = 10
"""Times that is waited in vain within that time: then nobody sends titles, and events go on."""
MOST_SEEN = 100_000


class Curves:
    """Keeps the snapshot's curves fresh for the titles at hand."""

    def __init__(self, store: CatalogueStore, snapshot: Snapshot) -> None:
        self._store = store
        self._snapshot = snapshot
        self._seen: dict[str, float] = {}
        self._await_until: dict[str, float] = {}
        """Titles that are, or were, waited for, and until when (monotonic s)."""
        # A lane that finds a title being looked up must wait for the answer, not decide without.
        self._looking = asyncio.Lock()

    async def await_titles(self, titles: Iterable[str]) -> None:
        """Give titles that are not known yet a moment to arrive, once a minute each.

        A producer sends a title and then its first events; the two topics are read side by side.
        """
        unknown = self._missing(titles)
        if not unknown:
            return
        self._begin_waiting(unknown, time.monotonic())
        until = self._await_until
        while self._missing(it for it in unknown if time.monotonic() < until.get(it, 0.0)):
            await asyncio.sleep(LOOK_EVERY_S)
            await self._snapshot.refresh()

    def _missing(self, titles: Iterable[str]) -> list[str]:
        known = self._snapshot.catalogue.titles
        return [title for title in titles if title not in known]

    def _begin_waiting(self, unknown: Iterable[str], now: float) -> None:
        """Let every lane that meets them wait, also one that comes to it a moment later."""
        over = now - FORGIVE_AFTER_S
        fresh = [title for title in unknown if self._await_until.get(title, over) <= over]
        if not fresh:
            return
        missing = self._missing(self._await_until)
        self._await_until = {
            title: until for title in missing if (until := self._await_until[title]) > over
        }
        if len(set(self._await_until.values())) < MOST_IN_VAIN:
            self._await_until |= dict.fromkeys(fresh, now + TITLE_PATIENCE_S)

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
