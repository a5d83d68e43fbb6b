"""The table in which seasons are compared, as this worker read it last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from streams.audience.voices import Table, read_line

if TYPE_CHECKING:
    from streams.worker.audience_store import AudienceStore

log = structlog.get_logger()
EVERY_S = 10.0


class Peers:
    """Reads the table again every few seconds; lines that did not change cost nothing."""

    def __init__(self, store: AudienceStore) -> None:
        self._store = store
        self._known: dict[str, bytes] = {}
        self._read_at = -EVERY_S
        self.table = Table()

    async def refresh(self) -> None:
        """Take in what other titles say of themselves, if it is time to."""
        now = time.monotonic()
        if now - self._read_at < EVERY_S:
            return
        found = await self._store.peers()
        self._read_at = now
        for name in self._known.keys() - found.keys():
            self.table.put(name, None)
        for name, body in found.items():
            if self._known.get(name) != body:
                self._put(name, body)
        self._known = found

    def _put(self, name: str, body: bytes) -> None:
        try:
            self.table.put(name, read_line(body))
        except ValueError as error:  # of another release: comparisons go without it
            log.warning("line of peers left out", season=name, error=str(error))
            self.table.put(name, None)
