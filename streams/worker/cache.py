"""Viewers in memory: the most recently used, up to a set number.

Most of a viewer's memory is what has settled, which somebody who only goes on watching does not
need. So only a number of them are held whole; the others' settled parts are the bytes that are
stored, until something needs them (docs/adr/0027).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from streams.viewing.timers import NEVER
from streams.viewing.viewer import Viewer
from streams.viewing.wire import load
from streams.worker.declared_store import NEVER_S
from streams.worker.metrics import CACHED, LOADS, WHOLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from streams.rules import Rules
    from streams.worker.declared_store import Declarations
    from streams.worker.store import Store


class Entry:
    """A viewer, and when the store's index of timers will next look at them.

    ``declared_at_s`` is when it was looked up what the viewer has declared.
    Each source has an index of its own, and a viewer's records may lie in several. Only what the
    last source is known to have is kept: another's is at worst told once more.
    """

    __slots__ = ("_indexed_ms", "_source", "declared_at_s", "viewer")

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.declared_at_s = NEVER_S
        self._source, self._indexed_ms = "", NEVER

    def indexed_ms(self, source: str) -> int:
        """When the index of ``source`` looks at the viewer at the latest; NEVER if unknown."""
        return self._indexed_ms if source == self._source else NEVER

    def indexed(self, source: str, at_ms: int) -> None:
        """The index of ``source`` looks at the viewer at ``at_ms`` or before."""
        self._source, self._indexed_ms = source, at_ms


class Cache:
    """State by viewer. What is here equals the store, or is being written by one lane."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        most: int,
        *,
        most_whole: int | None = None,
        declarations: Declarations | None = None,
    ) -> None:
        self._store = store
        self._most_whole = most if most_whole is None else most_whole
        self._whole: OrderedDict[str, Entry] = OrderedDict()
        """By when they came to be whole, which is when they were loaded or something happened."""
        self._declarations = declarations
        self._rules = rules
        self._most = most
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._lent: set[str] = set()
        self._returned = asyncio.Event()

    @asynccontextmanager
    async def borrowed(self, names: Sequence[str]) -> AsyncIterator[list[Entry]]:
        """Entries in the order of ``names``, for one lane alone.

        Waits while another lane has one of them. If the block fails, what is in memory may differ
        from the store, and is forgotten.
        """
        while not self._lent.isdisjoint(names):
            await self._returned.wait()
        self._lent.update(names)
        entries: list[Entry] = []
        try:
            entries = await self.get(names)
            yield entries
        except BaseException:
            self.drop(names)
            raise
        finally:
            self._lent.difference_update(names)
            self._returned.set()
            self._returned = asyncio.Event()
            self._note_whole(entries)
            self.trim()

    async def get(self, names: Sequence[str]) -> list[Entry]:
        """Entries in the order of ``names``, read from the store where they are not here."""
        # Held here, so that another lane's `trim` cannot take them away while this one waits.
        found = {name: self._entries[name] for name in names if name in self._entries}
        missing = [name for name in names if name not in found]
        if self._declarations is not None:
            await self._load_and_look(missing, found, self._declarations)
        elif missing:
            await self._load(missing, found)
        for name in names:
            self._entries[name] = found[name]
            self._entries.move_to_end(name)
        return [found[name] for name in names]

    async def _load(self, missing: Sequence[str], found: dict[str, Entry]) -> None:
        for name, stored in zip(missing, await self._store.load(missing), strict=True):
            known = stored.version > 0
            viewer = load(name, stored, self._rules) if known else Viewer(name, self._rules)
            found[name] = Entry(viewer)
        LOADS.inc(len(missing))

    async def _load_and_look(
        self, missing: Sequence[str], found: dict[str, Entry], declarations: Declarations
    ) -> None:
        """Side by side, so that both take the time of one round trip."""
        wanted = [*missing, *declarations.stale(found.values())]
        if not wanted:
            return
        (at_s, said), _ = await asyncio.gather(declarations.ask(wanted), self._load(missing, found))
        for name, declared in zip(wanted, said, strict=True):
            found[name].viewer.declared, found[name].declared_at_s = declared, at_s

    def look_again(self, names: Iterable[str]) -> None:
        """What these viewers have declared has changed."""
        if self._declarations is not None:
            self._declarations.have_changed()
        for name in names:
            if name in self._entries:
                self._entries[name].declared_at_s = NEVER_S

    def drop(self, names: Iterable[str]) -> None:
        """Forget viewers whose state here may differ from the store's."""
        for name in names:
            self._entries.pop(name, None)
            self._whole.pop(name, None)

    def _note_whole(self, entries: Iterable[Entry]) -> None:
        whole = self._whole
        for entry in entries:
            viewer = entry.viewer
            name = viewer.name
            if not viewer.away and name not in whole and self._entries.get(name) is entry:
                whole[name] = entry

    def trim(self) -> None:
        """Let the least recently used go. A lane that works on one of them still holds it."""
        while len(self._entries) > self._most:
            name, _ = self._entries.popitem(last=False)
            self._whole.pop(name, None)
        for _ in range(len(self._whole) - self._most_whole):
            name, entry = self._whole.popitem(last=False)
            if name in self._lent:
                self._whole[name] = entry
            else:
                entry.viewer.put_away(self._rules)
        CACHED.set(len(self._entries))
        WHOLE.set(len(self._whole))

    def clear(self) -> None:
        """Forget everyone: partitions have changed hands."""
        self._entries.clear()
        self._whole.clear()
