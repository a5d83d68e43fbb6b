"""Where the counts behind a title's engagement live: one Lua call per title and write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from streams.keys import Keys
from streams.worker.redis_client import Script
from streams.worker.redis_store import UNMARKED
from streams.worker.store import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from config.settings import Settings
    from streams.worker.redis_store import RedisStore

DAY_TTL_S = 35 * 86400
"""How long it is known who watched a title on a day."""


class StoredTitle(NamedTuple):
    """One title's counts as a store keeps them. ``version`` counts the writes, from 1."""

    version: int
    parts: Mapping[str, bytes]
    out: bytes


UNKNOWN = StoredTitle(0, {}, b"")


class TitleWrite(NamedTuple):
    """One title's change of state as a value; stores apply it whole or not at all.

    ``version`` is what the store must hold now; ``parts`` are those that have changed; ``report``
    is None where the published fields stay as they are; ``viewers`` are ids by day.
    """

    title_id: str
    version: int
    parts: Mapping[str, bytes]
    out: bytes
    report: Mapping[str, Any] | None
    today: str
    viewers: Mapping[str, Sequence[str]]


class Rank(NamedTuple):
    """A title's place in a public sorted set (``top:hours``); no score takes it out."""

    key: str
    title_id: str
    score: float | None


class AudienceStore(Protocol):
    """What the titles agent asks of a store. Every method raises ``StoreAway`` in an outage."""

    async def load(self, titles: Sequence[str]) -> list[StoredTitle]:
        """State of each title, version 0 for one that is not known."""
        ...

    async def write(self, writes: Sequence[TitleWrite]) -> None:
        """Apply each write if the store still holds the version that it names.

        Raises:
            Conflict: naming the titles that had moved on; the other writes are applied.
        """
        ...

    async def rank(self, ranks: Sequence[Rank]) -> None:
        """Bring public sorted sets up to date; doing it again changes nothing."""
        ...

    async def tell_peers(self, lines: Mapping[str, bytes | None]) -> None:
        """Set or remove lines of the table in which seasons are compared, by ``title:season``."""
        ...

    async def peers(self) -> dict[str, bytes]:
        """That table."""
        ...


@dataclass(slots=True)
class MemoryAudienceStore:
    """An audience store for tests of the fold: the same contract, kept in memory."""

    states: dict[str, StoredTitle] = field(default_factory=dict)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    viewers: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    sets: dict[str, dict[str, float]] = field(default_factory=dict)
    table: dict[str, bytes] = field(default_factory=dict)

    async def load(self, titles: Sequence[str]) -> list[StoredTitle]:
        """See ``AudienceStore.load``."""
        return [self.states.get(title, UNKNOWN) for title in titles]

    async def write(self, writes: Sequence[TitleWrite]) -> None:
        """See ``AudienceStore.write``."""
        refused = [write.title_id for write in writes if not self._apply(write)]
        if refused:
            raise Conflict(", ".join(refused))

    def _apply(self, write: TitleWrite) -> bool:
        held = self.states.get(write.title_id, UNKNOWN)
        if held.version != write.version:
            return False
        parts = {**held.parts, **write.parts}
        self.states[write.title_id] = StoredTitle(write.version + 1, parts, write.out)
        for day, ids in write.viewers.items():
            for name in (day, ""):
                self.viewers.setdefault((write.title_id, name), set()).update(ids)
        if write.report is not None:
            ever, today = (
                len(self.viewers.get((write.title_id, day), ())) for day in ("", write.today)
            )
            counted = {"viewers": ever, "viewers_today": today}
            self.reports[write.title_id] = {**write.report, **counted}
        return True

    async def rank(self, ranks: Sequence[Rank]) -> None:
        """See ``AudienceStore.rank``."""
        for key, title, score in ranks:
            members = self.sets.setdefault(key, {})
            if score is None:
                members.pop(title, None)
            else:
                members[title] = score

    async def tell_peers(self, lines: Mapping[str, bytes | None]) -> None:
        """See ``AudienceStore.tell_peers``."""
        for name, line in lines.items():
            if line is None:
                self.table.pop(name, None)
            else:
                self.table[name] = line

    async def peers(self) -> dict[str, bytes]:
        """See ``AudienceStore.peers``."""
        return dict(self.table)


class RedisAudienceStore:
    """Titles' counts, reports and ranks in Redis; see ``AudienceStore`` for the contract."""

    def __init__(self, settings: Settings, store: RedisStore) -> None:
        self._store = store
        self._keys, self._prefix = Keys(settings.key_prefix), settings.key_prefix
        self._ttl_s = settings.viewer_ttl_s
        self._script = Script("audience.lua")

    async def load(self, titles: Sequence[str]) -> list[StoredTitle]:
        """See ``AudienceStore.load``."""
        commands = [("HGETALL", self._keys.audience(title)) for title in titles]
        return [_stored(answer) for answer in await self._store.ask(commands)]

    async def write(self, writes: Sequence[TitleWrite]) -> None:
        """See ``AudienceStore.write``."""
        UNMARKED.set(self._store.boots)
        commands = [self._command(write) for write in writes]
        answers = await self._store.run(self._script, commands)
        refused = [w for w, answer in zip(writes, answers, strict=True) if answer != b"ok"]
        if refused:
            await self._settle(refused)
        await self._store.confirm()

    async def _settle(self, refused: list[TitleWrite]) -> None:
        """Tell a write of ours whose answer was lost from one that somebody overtook."""
        held = await self.load([write.title_id for write in refused])
        lost = [
            write.title_id
            for write, stored in zip(refused, held, strict=True)
            if stored.version != write.version + 1
            or stored.out != write.out
            or any(stored.parts.get(name) != part for name, part in write.parts.items())
        ]
        if lost:
            raise Conflict(f"{len(lost)} titles were written by somebody else, {lost[0]!r} first")

    def _command(self, write: TitleWrite) -> tuple[Any, ...]:
        title, keys = write.title_id, self._keys
        days = [write.today, *(day for day in write.viewers if day != write.today)]
        names = [keys.audience(title), keys.engagement(title), keys.viewers(title)]
        names += [keys.viewers(title, day) for day in days]
        seen = [
            part
            for place, day in enumerate(days, 4)
            for viewer in write.viewers.get(day, ())
            for part in (place, viewer)
        ]
        report = write.report
        return (
            "EVALSHA", self._script.sha, len(names), *names,
            write.version, write.version + 1, self._ttl_s, DAY_TTL_S, write.out,
            len(write.parts), -1 if report is None else len(report), len(seen) // 2,
            *_pairs(write.parts), *_pairs(report or {}), *seen,
        )  # fmt: skip

    async def rank(self, ranks: Sequence[Rank]) -> None:
        """See ``AudienceStore.rank``."""
        await self._store.ask(
            [
                ("ZREM", self._prefix + key, title)
                if score is None
                else ("ZADD", self._prefix + key, score, title)
                for key, title, score in ranks
            ]
        )

    async def tell_peers(self, lines: Mapping[str, bytes | None]) -> None:
        """See ``AudienceStore.tell_peers``."""
        key = self._keys.peers()
        await self._store.ask(
            [
                ("HDEL", key, name) if line is None else ("HSET", key, name, line)
                for name, line in lines.items()
            ]
        )

    async def peers(self) -> dict[str, bytes]:
        """See ``AudienceStore.peers``."""
        (answer,) = await self._store.ask([("HGETALL", self._keys.peers())])
        return {name.decode(): line for name, line in _fields(answer).items()}


def _stored(answer: Any) -> StoredTitle:
    fields = {name.decode(): value for name, value in _fields(answer).items()}
    if "version" not in fields:
        return UNKNOWN
    version, out = int(fields.pop("version")), fields.pop("out", b"")
    return StoredTitle(version, fields, out)


def _fields(answer: Any) -> dict[bytes, bytes]:
    """As a dict, also from a client that leaves it a flat list."""
    return answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))


def _pairs(fields: Mapping[str, Any]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]
