"""Where state lives: the contract that every store keeps, and a store in memory.

One suite (tests/contracts) runs against each store: in memory, Redis, Redis Cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from streams.viewing.timers import NEVER
from streams.viewing.wire import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.viewing.public import Write

Source = tuple[str, int]
"""Topic and partition that records come from."""
FRESH = Stored(0, b"", b"", b"", b"")


class Fenced(Exception):
    """Another worker has taken a partition of ours over: this worker must stop at once."""


class Conflict(Exception):
    """Someone else has written a viewer since we read it: read it again and decide anew.

    A viewer's records may lie in several partitions (after partitions were added, or from a
    producer that spreads its records), so this alone is no sign of a zombie.
    """


class StoreAway(Exception):
    """The store cannot be reached, or refuses; nothing is known about the last request."""


class StoreWentBack(Exception):
    """The store has forgotten what it confirmed to this worker: start over from its marks."""


class Mark(NamedTuple):
    """The last offset absorbed from a source, the stream time there in ms, and if it was live."""

    offset: int
    clock_ms: int
    live: bool = False


class Due(NamedTuple):
    """A viewer whose timer is due, and the time that it is due at."""

    viewer: str
    due_ms: int


class Moved(NamedTuple):
    """What is due now that a mark has moved, and what comes next."""

    due: list[Due]
    next_ms: int
    """Nobody else is due before; ``NEVER`` if nobody is at all."""


class Timers(NamedTuple):
    """Changes to the timers of one source.

    ``lower`` adds a timer or brings it forward, ``put`` sets it, ``drop`` removes it.
    """

    lower: Mapping[str, int]
    put: Mapping[str, int]
    drop: Sequence[str]


NO_TIMERS = Timers({}, {}, ())


class Move(NamedTuple):
    """A mark, and timers, of one source that move on together."""

    source: Source
    mark: Mark
    timers: Timers


class Store(Protocol):
    """What the worker asks of a store. Every method raises ``StoreAway`` in an outage."""

    async def load(self, viewers: Sequence[str]) -> list[Stored]:
        """State of each viewer, version 0 for one that is not known."""
        ...

    async def write(self, writes: Sequence[Write], sources: Sequence[Source] = ()) -> None:
        """Apply each write if the store still holds the version that it names.

        Args:
            writes: viewers' changes.
            sources: what they come from: whoever lost one is told here, before it publishes
                anything.

        Raises:
            Fenced: another has claimed a source since we did; what could be written is.
            Conflict: naming the viewers that had moved on; the other writes are applied.
        """
        ...

    async def claim(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """Take sources over from whoever held them; returns the marks of those that have one.

        From here on ``move_mark`` of an earlier holder is fenced.
        """
        ...

    async def still_ours(self, source: Source) -> None:
        """Return if nobody has claimed the source since we did.

        Raises:
            Fenced: somebody has.
        """
        ...

    async def marks(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """Marks of the sources that have one."""
        ...

    async def due(self, source: Source, until_ms: int, most: int) -> list[Due]:
        """At most ``most`` viewers with a timer due by ``until_ms``, by time and name.

        Raises:
            Fenced: another has claimed the source since we did.
        """
        ...

    async def move_mark(self, source: Source, mark: Mark, timers: Timers, most: int) -> Moved:
        """Move mark and timers on together; at most ``most`` viewers due by the mark's clock.

        Until the source's timers are moved again, or another claims it, ``next_ms`` holds.

        A mark never moves back. A source that we have not claimed is moved all the same.

        Raises:
            Fenced: another has claimed the source; nothing is changed.
            StoreWentBack: the store no longer knows of our claim or of our last move.
        """
        ...

    async def move_marks(self, moves: Sequence[Move], most: int) -> list[Moved]:
        """As ``move_mark``, for several sources on one way.

        Raises:
            Fenced, StoreWentBack: of one of the sources; the others may have moved.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(slots=True)
class Kept:
    """What a store in memory holds; several ``MemoryStore`` may share it, as workers do a Redis."""

    states: dict[str, Stored] = field(default_factory=dict)
    taste: dict[str, dict[str, str]] = field(default_factory=dict)
    progress: dict[str, dict[str, bytes]] = field(default_factory=dict)
    hooked: dict[str, dict[str, bytes]] = field(default_factory=dict)
    marks: dict[Source, Mark] = field(default_factory=dict)
    timers: dict[Source, dict[str, int]] = field(default_factory=dict)
    claims: dict[Source, int] = field(default_factory=dict)


@dataclass(slots=True)
class MemoryStore:
    """A store for tests of the fold: the same contract, kept in memory."""

    kept: Kept = field(default_factory=Kept)
    _claimed: dict[Source, int] = field(default_factory=dict)

    async def load(self, viewers: Sequence[str]) -> list[Stored]:
        """See ``Store.load``."""
        return [self.kept.states.get(viewer, FRESH) for viewer in viewers]

    async def write(self, writes: Sequence[Write], sources: Sequence[Source] = ()) -> None:
        """See ``Store.write``."""
        refused = [write.viewer for write in writes if not self._apply(write)]
        for source in sources:
            if source in self._claimed:
                await self.still_ours(source)
        if refused:
            raise Conflict(", ".join(refused))

    def _apply(self, write: Write) -> bool:
        held = self.kept.states.get(write.viewer, FRESH)
        if held.version != write.version:
            return False
        rest = held.rest if write.rest is None else write.rest
        sums = held.sums if write.sums is None else write.sums
        live = held.live if write.live is None else write.live
        stored = Stored(write.version + 1, live, rest, sums, write.out, write.beats)
        self.kept.states[write.viewer] = stored
        if write.taste is not None:
            self.kept.taste[write.viewer] = dict(write.taste)
        for kept, news, gone in (
            (self.kept.progress, write.progress, write.progress_gone),
            (self.kept.hooked, write.hooked, write.hooked_gone),
        ):
            fields = kept.setdefault(write.viewer, {})
            fields.update(news)
            for name in gone:
                fields.pop(name, None)
        return True

    async def claim(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """See ``Store.claim``."""
        wanted = list(sources)
        for source in wanted:
            self.kept.claims[source] = self.kept.claims.get(source, 0) + 1
            self._claimed[source] = self.kept.claims[source]
        return await self.marks(wanted)

    async def still_ours(self, source: Source) -> None:
        """See ``Store.still_ours``."""
        if self._claimed.get(source) != self.kept.claims.get(source):
            raise Fenced(f"{source[0]}/{source[1]} was claimed by another worker")

    async def marks(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """See ``Store.marks``."""
        return {s: self.kept.marks[s] for s in sources if s in self.kept.marks}

    async def move_mark(self, source: Source, mark: Mark, timers: Timers, most: int) -> Moved:
        """See ``Store.move_mark``."""
        if source in self._claimed:
            await self.still_ours(source)
        held = self.kept.marks.get(source, Mark(-2, 0))
        if mark[:2] > held[:2]:
            self.kept.marks[source] = mark
        times = self.kept.timers.setdefault(source, {})
        for viewer, due_ms in timers.lower.items():
            times[viewer] = min(due_ms, times.get(viewer, due_ms))
        times.update(timers.put)
        for viewer in timers.drop:
            times.pop(viewer, None)
        due = await self.due(source, mark.clock_ms, most)
        told = {it.viewer for it in due}
        return Moved(due, min((at for it, at in times.items() if it not in told), default=NEVER))

    async def move_marks(self, moves: Sequence[Move], most: int) -> list[Moved]:
        """See ``Store.move_marks``."""
        return [await self.move_mark(*move, most) for move in moves]

    async def due(self, source: Source, until_ms: int, most: int) -> list[Due]:
        """See ``Store.due``."""
        if source in self._claimed:
            await self.still_ours(source)
        times = self.kept.timers.get(source, {})
        found = sorted((due, viewer) for viewer, due in times.items() if due <= until_ms)
        return [Due(viewer, due) for due, viewer in found[:most]]

    async def close(self) -> None:
        """See ``Store.close``."""
