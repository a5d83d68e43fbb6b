"""Where state lives: the contract that every store keeps, and a store in memory.

One suite (tests/contracts) runs against each store: in memory, Redis, Redis Cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from streams.viewing.wire import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.viewing.public import Write

Source = tuple[str, int]
"""Topic and partition that records come from."""
FRESH = Stored(0, b"", b"", b"")


class Fenced(Exception):
    """Someone else has written a viewer of ours: this worker must stop at once."""


class StoreAway(Exception):
    """The store cannot be reached, or refuses; nothing is known about the last request."""


class Mark(NamedTuple):
    """The last offset absorbed from a source, and the stream time there in ms."""

    offset: int
    clock_ms: int


class Due(NamedTuple):
    """A viewer whose timer is due, and the time that it is due at."""

    viewer: str
    due_ms: int


class Timers(NamedTuple):
    """Changes to the timers of one source.

    ``lower`` adds a timer or brings it forward, ``put`` sets it, ``drop`` removes it.
    """

    lower: Mapping[str, int]
    put: Mapping[str, int]
    drop: Sequence[str]


NO_TIMERS = Timers({}, {}, ())


class Store(Protocol):
    """What the worker asks of a store. Every method raises ``StoreAway`` in an outage."""

    async def load(self, viewers: Sequence[str]) -> list[Stored]:
        """State of each viewer, version 0 for one that is not known."""
        ...

    async def write(self, writes: Sequence[Write]) -> None:
        """Apply each write if the store still holds the version that it names.

        Raises:
            Fenced: naming the viewers that had moved on; the other writes are applied.
        """
        ...

    async def marks(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """Marks of the sources that have one."""
        ...

    async def move_mark(self, source: Source, mark: Mark, timers: Timers, most: int) -> list[Due]:
        """Move mark and timers on together; at most ``most`` viewers due by the mark's clock."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(slots=True)
class MemoryStore:
    """A store for tests of the fold: the same contract, nothing kept."""

    states: dict[str, Stored] = field(default_factory=dict)
    taste: dict[str, dict[str, str]] = field(default_factory=dict)
    progress: dict[str, dict[str, bytes]] = field(default_factory=dict)
    hooked: dict[str, dict[str, bytes]] = field(default_factory=dict)
    held_marks: dict[Source, Mark] = field(default_factory=dict)
    timers: dict[Source, dict[str, int]] = field(default_factory=dict)

    async def load(self, viewers: Sequence[str]) -> list[Stored]:
        """See ``Store.load``."""
        return [self.states.get(viewer, FRESH) for viewer in viewers]

    async def write(self, writes: Sequence[Write]) -> None:
        """See ``Store.write``."""
        refused = [write.viewer for write in writes if not self._apply(write)]
        if refused:
            raise Fenced(", ".join(refused))

    def _apply(self, write: Write) -> bool:
        held = self.states.get(write.viewer, FRESH)
        if held.version != write.version:
            return False
        rest = held.rest if write.rest is None else write.rest
        self.states[write.viewer] = Stored(write.version + 1, write.live, rest, write.out)
        if write.taste is not None:
            self.taste[write.viewer] = dict(write.taste)
        for kept, news, gone in (
            (self.progress, write.progress, write.progress_gone),
            (self.hooked, write.hooked, write.hooked_gone),
        ):
            fields = kept.setdefault(write.viewer, {})
            fields.update(news)
            for name in gone:
                fields.pop(name, None)
        return True

    async def marks(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """See ``Store.marks``."""
        return {s: self.held_marks[s] for s in sources if s in self.held_marks}

    async def move_mark(self, source: Source, mark: Mark, timers: Timers, most: int) -> list[Due]:
        """See ``Store.move_mark``."""
        held = self.held_marks.get(source, Mark(-2, 0))
        if mark.offset > held.offset or (
            mark.offset == held.offset and mark.clock_ms > held.clock_ms
        ):
            self.held_marks[source] = mark
        times = self.timers.setdefault(source, {})
        for viewer, due_ms in timers.lower.items():
            times[viewer] = min(due_ms, times.get(viewer, due_ms))
        times.update(timers.put)
        for viewer in timers.drop:
            times.pop(viewer, None)
        found = sorted((due, viewer) for viewer, due in times.items() if due <= mark.clock_ms)
        return [Due(viewer, due) for due, viewer in found[:most]]

    async def close(self) -> None:
        """See ``Store.close``."""
