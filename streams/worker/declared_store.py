"""What viewers have agreed to be counted under: from its topic to Redis, and into memory.

Opt-in twice: the service turns it on (``HOOKPOINT_DEMOGRAPHICS``), and sends only who agreed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from streams.audience.records import NOTHING_DECLARED, Declared
from streams.contract import decode_declared
from streams.events import Reject
from streams.keys import Keys
from streams.worker.decoding import dead_letter
from streams.worker.redis_client import Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from config.settings import Settings
    from streams.worker.cache import Cache, Entry
    from streams.worker.decoding import DeadLetter
    from streams.worker.redis_store import RedisStore
    from streams.worker.store import Source

LOOK_EVERY_S = 60.0
"""So old may be what a worker goes by: what another took in of a viewer it has in memory."""
NEVER_S = float("-inf")
WITHDRAWN_S = 14 * 86_400
"""For longer than a worker that lost a partition may go on, it is known what was withdrawn."""


class Declaration(NamedTuple):
    """What a record says of a viewer, and where the record lies."""

    declared: Declared
    source: str = ""
    offset: int = 0


def read_declared(
    source: Source, records: Sequence[Any], most_bytes: int
) -> tuple[dict[str, Declaration], list[DeadLetter]]:
    """The latest record per viewer in a slice of the topic, and what cannot be taken."""
    news: dict[str, Declaration] = {}
    letters: list[DeadLetter] = []
    name = f"{source[0]}/{source[1]}"
    for record in records:
        try:
            if record.value is not None and len(record.value) > most_bytes:
                raise Reject("too_large", "value", f"{len(record.value)} bytes")
            viewer, declared = decode_declared(record.key, record.value)
        except Reject as reject:
            letters.append(dead_letter(source, record, reject))
        else:
            news[viewer] = Declaration(declared, name, record.offset)
    return news, letters


class DeclaredStore(Protocol):
    """What is asked of such a store; ``StoreAway`` in an outage."""

    async def put(self, news: Mapping[str, Declaration]) -> None:
        """Take in by viewer, unless that record of its source, or a later one, was before."""
        ...

    async def load(self, viewers: Sequence[str]) -> list[Declared]:
        """What each viewer has declared."""
        ...


class RedisDeclared:
    """One small key per viewer, in the slot of their state."""

    def __init__(self, settings: Settings, store: RedisStore) -> None:
        self._store = store
        self._keys = Keys(settings.key_prefix)
        self._ttl_s = settings.viewer_ttl_s
        self._put, self._look = Script("declared.lua"), Script("declared_look.lua")

    async def put(self, news: Mapping[str, Declaration]) -> None:
        """See ``DeclaredStore.put``."""
        commands = [self._command(viewer, said) for viewer, said in news.items()]
        await self._store.run(self._put, commands)

    def _command(self, viewer: str, said: Declaration) -> tuple[Any, ...]:
        fields = [it for it in zip(Declared._fields, said.declared, strict=True) if it[1]]
        ttl_s = self._ttl_s if fields else WITHDRAWN_S
        pairs = [part for pair in fields for part in pair]
        key = self._keys.declared(viewer)
        return ("EVALSHA", self._put.sha, 1, key, said.source, said.offset, ttl_s, *pairs)

    async def load(self, viewers: Sequence[str]) -> list[Declared]:
        """See ``DeclaredStore.load``."""
        sha, ttl_s = self._look.sha, self._ttl_s
        commands = [("EVALSHA", sha, 1, self._keys.declared(it), ttl_s) for it in viewers]
        answers = await self._store.run(self._look, commands)
        return [Declared(*((part or b"").decode() for part in answer)) for answer in answers]


@dataclass(slots=True)
class MemoryDeclared:
    """The same contract, kept in memory: for tests of who uses it."""

    held: dict[str, Declared] = field(default_factory=dict)
    marks: dict[tuple[str, str], int] = field(default_factory=dict)

    async def put(self, news: Mapping[str, Declaration]) -> None:
        """See ``DeclaredStore.put``."""
        for viewer, (declared, source, offset) in news.items():
            if offset > self.marks.get((viewer, source), -1):
                self.marks[viewer, source] = offset
                self.held[viewer] = declared

    async def load(self, viewers: Sequence[str]) -> list[Declared]:
        """See ``DeclaredStore.load``."""
        return [self.held.get(viewer, NOTHING_DECLARED) for viewer in viewers]


class Declarations:
    """Looks up what viewers in memory have declared, so that it is never older than a minute."""

    def __init__(self, store: DeclaredStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._news = 0

    def stale(self, entries: Iterable[Entry]) -> list[str]:
        """Viewers that were not looked up for a while."""
        before = self._clock() - LOOK_EVERY_S
        return [entry.viewer.name for entry in entries if entry.declared_at_s <= before]

    async def ask(self, viewers: Sequence[str]) -> tuple[float, list[Declared]]:
        """What each has declared, and as of when (in seconds of the clock)."""
        now, news = self._clock(), self._news
        found = await self._store.load(viewers)
        return (now if news == self._news else NEVER_S), found

    def have_changed(self) -> None:
        """What is being asked just now may be answered as it was."""
        self._news += 1


class DeclaredInput:
    """The topic ``viewers`` as a side input."""

    what = "what viewers declare"

    def __init__(self, store: DeclaredStore, cache: Cache) -> None:
        self._store = store
        self._cache = cache

    def read(
        self, source: Source, records: Sequence[Any], most_bytes: int
    ) -> tuple[dict[str, Declaration], list[DeadLetter]]:
        """See ``read_declared``."""
        return read_declared(source, records, most_bytes)

    async def put(self, news: Mapping[str, Declaration]) -> None:
        """Into the store; viewers in this worker's memory are looked up again when next met."""
        await self._store.put(news)
        self._cache.look_again(news)
