"""What must come out, the plain way: one record after the other, nothing fails, nothing is resent.

No lanes, no cache, no outbox, no marks: viewers stay in memory, and all timers are looked at after
every record.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from faulty_world import WORLD
from output_topics import SETTINGS, Seen, Sent, Topics, as_seen
from strategies import RULES

from streams.events import Reject
from streams.signals import PROGRESS, SESSIONS, SIGNALS, lineage_header, viewer_hash
from streams.viewing.public import write_of
from streams.viewing.viewer import Viewer
from streams.worker.decoding import decode_slice
from streams.worker.store import Kept, MemoryStore, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAMES = {
    SESSIONS: SETTINGS.topics.sessions,
    SIGNALS: SETTINGS.topics.signals,
    PROGRESS: SETTINGS.topics.progress,
}


class Plain:
    """The viewers of one source partition, and everything that was said of them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name = f"{source[0]}/{source[1]}"
        self.viewers: dict[str, Viewer] = {}
        self.store = MemoryStore(Kept())
        self.clock_ms = 0
        self.offset = -1
        self.said: list[tuple[str, Sent]] = []
        self.refused: dict[bytes, bytes | None] = {}

    def take(self, record: Any) -> None:
        """One record, and then whatever was due by the time that it moved on to."""
        decoded = decode_slice(
            self.source, [record], self.clock_ms, RULES, SETTINGS.max_value_bytes
        )
        self.offset = record.offset
        letters = decoded.rejects
        for name, work in decoded.viewers.items():
            viewer = self.viewers.setdefault(name, Viewer(name, RULES))
            for offset, clock_ms, event in work:
                try:
                    viewer.absorb(self.name, offset, clock_ms, event, WORLD)
                except Reject as reject:
                    letters.append(decoded.letter(offset, reject))
            self._note(viewer)
        for letter in letters:
            where = f"{letter.topic}/{letter.partition}/{letter.offset}"
            self.refused[where.encode()] = letter.value
        self.move_on(decoded.time.clock_ms)

    def move_on(self, clock_ms: int) -> None:
        """Time moves on to ``clock_ms``."""
        self.clock_ms = max(clock_ms, self.clock_ms)
        for viewer in sorted(self.viewers.values(), key=lambda it: viewer_hash(it.name)):
            viewer.after(self.name, self.offset)
            viewer.fire(self.clock_ms, WORLD)
            self._note(viewer)

    def _note(self, viewer: Viewer) -> None:
        for out in viewer.outbox:
            headers = {"lineage": lineage_header(viewer.name, out)}
            record = Sent(out.key.encode(), out.body.encode(), headers)
            self.said.append((NAMES[out.topic], record))
        viewer.outbox = []
        if viewer.touched:
            assert self.store._apply(write_of(viewer, WORLD))
            viewer.version += 1
            viewer.written()


def plain(source: Source, records: Sequence[Any], moves: Iterable[tuple[int, int]]) -> Plain:
    """All that must come of one partition.

    Args:
        source: the partition.
        records: what lies there, in order.
        moves: after which offset the wall clock moved its time on, and to when (ms).
    """
    model = Plain(source)
    waiting = sorted(moves)
    for record in records:
        while waiting and waiting[0][0] < record.offset:
            model.move_on(waiting.pop(0)[1])
        model.take(record)
    for _, clock_ms in waiting:
        model.move_on(clock_ms)
    return model


def as_said(models: Iterable[Plain]) -> Seen:
    """What the models said, as consumers see it."""
    topics = Topics()
    refused: dict[bytes, bytes | None] = {}
    progress: Counter[bytes] = Counter()
    for model in models:
        refused |= model.refused
        for topic, record in model.said:
            topics.append(topic, 0, [record])
            if topic == SETTINGS.topics.progress:
                progress[record.value or b""] += 1
    return as_seen(topics)._replace(progress=progress, rejects=refused)
