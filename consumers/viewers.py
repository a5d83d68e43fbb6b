"""All that is kept of one viewer: handed out whole, or erased.

An erase is a write like any other (docs/adr/0015). It takes the state's next version, so whoever
still has the viewer in memory loses the next compare-and-set and reads again; and where records
lie on the topic of events that no worker has absorbed yet, it leaves marks beyond them. So what was
sent before an erase never comes back, whatever a worker does, crashes or replays.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self

from config.topics import DAY_MS, topic_specs
from consumers.connection import connect
from consumers.feed import Feed
from consumers.profiles import ProfileReader
from consumers.statement import says_nothing, statement
from streams.audience.records import Declared
from streams.keys import Keys
from streams.signals import stamp
from streams.viewing.settled import dump_rest, dump_sums
from streams.viewing.viewer import Viewer
from streams.viewing.wire import (
    BrokenState,
    NewerFormat,
    Stored,
    dump_live,
    load,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from config.settings import Settings

STATE_FIELDS = ("version", "live", "rest", "sums", "out", "beats")
PUBLIC_NAMES = ("taste", "progress", "hooked")
KEY_NAMES = ("state", *PUBLIC_NAMES, "declared")
TRIES = 5
REMEMBERED_S = 86_400
"""For longer than any worker that was frozen keeps a viewer and then still writes."""
LATE_SEGMENTS_MS = 7 * DAY_MS
"""Brokers drop whole segments, up to a week after the records in them have expired."""


@dataclass(frozen=True, slots=True)
class Line:
    """Where the past ends: what lies on the topic of events when an erase begins.

    ``marks`` is how far each partition is absorbed. ``unread`` names those that hold more, by
    their last offset.
    """

    marks: Mapping[str, int]
    unread: Mapping[str, int]
    kept_s: int
    """How long a viewer's marks must stay, so that no record before the line is absorbed."""
    declared: Mapping[str, int] = field(default_factory=dict)
    """As ``unread``, of the topic of what viewers declare."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erase has deleted."""

    viewer: str
    keys: tuple[str, ...]
    """Which of state, taste, progress, hooked and declared there were; empty if none."""
    playbacks: int
    episodes: int
    seasons: int
    unsent: int
    """Records (sessions, signals, …) that were decided, but perhaps not published yet."""
    timers: int

    @property
    def known(self) -> bool:
        """Whether there was anything."""
        return bool(self.keys)


class ViewerData:
    """Exports and erases viewers, in a single Redis or a Cluster. A context manager.

    Raises:
        redis.RedisError: from every method, if Redis is away.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = Keys(settings.key_prefix)
        self._profiles = ProfileReader(settings)
        self._client: Any = connect(settings, decode=False)
        self._script = files("consumers").joinpath("erase.lua").read_text(encoding="utf-8")

    # -- export ----------------------------------------------------------------------------------
    def export(self, viewer: str) -> dict[str, Any] | None:
        """All that Redis holds about ``viewer``; None if that is nothing.

        Public keys are typed as in consumers/profiles.py, the state is put into words.

        Raises:
            BadProfileError, BrokenState, NewerFormat: a key holds what it should not.
        """
        for _ in range(TRIES):  # until no worker writes in between
            stored = self._stored(viewer)
            profile = self._profiles.profile(viewer)
            if self._stored(viewer).version == stored.version:
                break
        state, declared = self._load(viewer, stored), self._declared(viewer)
        if not profile.known and state is None and declared is None:
            return None
        public = asdict(profile)
        del public["viewer"]
        keys = self._keys.viewer(viewer)
        return {
            "public": {
                "what": "What any service of ours may read: taste, progress, hooked.",
                "expires_at": {name: self._expiry(getattr(keys, name)) for name in PUBLIC_NAMES},
                **public,
            },
            "private": None
            if state is None
            else {
                "what": "What the above is worked out from.",
                "expires_at": self._expiry(keys.state),
                **statement(state),
            },
            "declared": declared,
            "timers": {
                "what": "When time alone will change something next, by partition.",
                "data": self._timers(viewer, state),
            },
        }

    def _declared(self, viewer: str) -> dict[str, Any] | None:
        """What they have agreed to be counted under, None if that is nothing."""
        key = self._keys.declared(viewer)
        held = {name.decode(): text.decode() for name, text in self._client.hgetall(key).items()}
        data = {name: held.pop(name) for name in Declared._fields if name in held}
        if not data:
            return None
        return {
            "what": "What your service says they have agreed to be counted under, until it is "
            "withdrawn; and the last record of each partition that was taken in.",
            "expires_at": self._expiry(key),
            "data": data,
            "marks": {source: int(offset) for source, offset in held.items()},
        }

    def _stored(self, viewer: str) -> Stored:
        key = self._keys.viewer(viewer).state
        return _stored(self._client.hmget(key, STATE_FIELDS))

    def _load(self, viewer: str, stored: Stored) -> Viewer | None:
        """The viewer's state, None if it says nothing."""
        rules = self._settings.rules
        if not stored.version:
            return None
        found = load(viewer, stored, rules)
        return None if says_nothing(found, rules) else found

    def _expiry(self, key: str) -> str | None:
        left_ms = self._client.pttl(key)
        if left_ms < 0:
            return None
        return stamp(int(time.time() * 1000) + left_ms)

    def _timers(self, viewer: str, state: Viewer | None) -> dict[str, str]:
        settings = self._settings
        sources = {f"{settings.topics.events}/{n}" for n in range(settings.partitions)}
        sources |= set(state.marks) if state else set()
        ordered = sorted(sources)
        batch = self._client.pipeline(transaction=False)
        for source in ordered:
            batch.zscore(self._due(source), viewer)
        found = zip(ordered, batch.execute(), strict=True)
        return {source: stamp(int(due)) for source, due in found if due is not None}

    def _due(self, source: str) -> str:
        topic, _, number = source.rpartition("/")
        return self._keys.due(self._settings.group, topic, int(number))

    # -- erase -----------------------------------------------------------------------------------
    def draw_line(self) -> Line:
        """Look where the topic of events ends, and how far the workers are; once for many erases.

        Raises:
            ReaderError: Kafka is away, or has no such topic.
        """
        topics = self._settings.topics
        marks, unread = self._how_far(topics.events)
        declared: dict[str, int] = {}
        if self._settings.demographics:
            _, declared = self._how_far(topics.viewers)
        kept_s = REMEMBERED_S
        if unread or declared:
            (events,) = (it for it in topic_specs(self._settings) if it.name == topics.events)
            kept_s = (events.retention_ms + LATE_SEGMENTS_MS) // 1000
        return Line(marks, unread, kept_s, declared)

    def _how_far(self, topic: str) -> tuple[dict[str, int], dict[str, int]]:
        """The mark of each partition, and the last offset of those that hold more."""
        settings = self._settings
        feed = Feed(settings, topic)
        try:
            ends = feed.ends()
        finally:
            feed.close()
        # In this order: what is absorbed by now of what lay there then will never be read again.
        partitions = range(max(settings.partitions, len(ends)))
        batch = self._client.pipeline(transaction=False)
        for number in partitions:
            batch.hget(self._keys.mark(settings.group, topic, number), "offset")
        found = zip(partitions, batch.execute(), strict=True)
        marks = {number: int(-1 if offset is None else offset) for number, offset in found}
        return (
            {f"{topic}/{number}": offset for number, offset in marks.items()},
            {f"{topic}/{n}": end - 1 for n, end in ends.items() if marks[n] < end - 1},
        )

    def erase(self, viewer: str, line: Line) -> Erased:
        """Delete all that Redis holds about ``viewer``; doing it again does no harm.

        The keys go in one atomic step. For ``line.kept_s`` a state without any viewing takes
        their place: its version, and marks where records before the line are still unread.
        """
        rules = self._settings.rules
        nobody = Viewer(viewer, rules)
        nobody.marks = dict(line.unread)
        keys = self._keys.viewer(viewer)
        skipped = [part for pair in line.declared.items() for part in pair]
        answer = self._client.eval(
            self._script, 5,
            keys.state, keys.taste, keys.progress, keys.hooked, self._keys.declared(viewer),
            dump_live(nobody), dump_rest(nobody), dump_sums(nobody), line.kept_s, *skipped,
        )  # fmt: skip
        return self._erased(viewer, answer, line, self._drop_timers(viewer, line.marks))

    def _drop_timers(self, viewer: str, sources: Iterable[str]) -> int:
        batch = self._client.pipeline(transaction=False)
        for source in sources:
            batch.zrem(self._due(source), viewer)
        return sum(batch.execute())

    def _erased(self, viewer: str, answer: list[Any], line: Line, timers: int) -> Erased:
        there = dict(zip(KEY_NAMES[1:], answer[len(STATE_FIELDS) :], strict=True))
        try:
            stored = _stored(answer[: len(STATE_FIELDS)])
            state = self._load(viewer, stored)
            there["state"] = state is not None
        except (BrokenState, NewerFormat):  # gone all the same
            state, there["state"] = None, True
        keys = tuple(name for name in KEY_NAMES if there[name])
        if state is None:
            return Erased(viewer, keys, 0, 0, 0, 0, timers)
        unsent = [out for out in state.outbox if out.offset > line.marks.get(out.source, -1)]
        sizes = (len(state.playbacks), len(state.episodes) + len(state.shelf), len(state.journeys))
        return Erased(viewer, keys, *sizes, len(unsent), timers)

    # -- the end ---------------------------------------------------------------------------------
    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._profiles.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _stored(found: list[bytes | None]) -> Stored:
    version, *parts = found
    return Stored(int(version or 0), *(part or b"" for part in parts))
