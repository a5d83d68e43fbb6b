"""Topics in memory that workers write to, and their readers as docs/events.md has them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import orjson
from strategies import RULES

from config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

SETTINGS = Settings(_env_file=None, rules=RULES)


class Sent(NamedTuple):
    """A record in an output topic."""

    key: bytes
    value: bytes | None
    headers: dict[str, bytes]


class Topics:
    """The output topics: what was appended to each partition, in order."""

    def __init__(self) -> None:
        self.log: dict[tuple[str, int], list[Sent]] = {}
        self.bodies: set[bytes] = set()
        self._named: dict[tuple[str, str], bytes] = {}

    def count(self) -> int:
        """How many records there are."""
        return sum(map(len, self.log.values()))

    def append(self, topic: str, partition: int, records: Iterable[Sent]) -> None:
        """Take a batch. One name must never have two bodies."""
        for record in records:
            self.log.setdefault((topic, partition), []).append(record)
            assert record.value is not None or topic == SETTINGS.topics.rejects
            if topic in (SETTINGS.topics.sessions, SETTINGS.topics.signals):
                body = orjson.loads(record.value or b"")
                name = (topic, f"{body['id']} {body.get('revision')}")
                held = self._named.setdefault(name, record.value or b"")
                assert held == record.value, f"{name} went out with two bodies"
            self.bodies.add(record.value or b"")


class Seen(NamedTuple):
    """The output topics as their consumers see them."""

    sessions: dict[str, bytes]
    """The latest revision by id."""
    signals: dict[str, bytes]
    """By id."""
    progress: Counter[bytes]
    """Every record that a consumer counts."""
    rejects: dict[bytes, bytes | None]
    """By coordinates."""
    said: set[tuple[str, bytes, bytes]]
    """Topic, lineage and body of all but the rejects."""


def as_seen(topics: Topics) -> Seen:
    """What consumers make of the topics."""
    sessions: dict[str, tuple[int, bytes]] = {}
    signals: dict[str, bytes] = {}
    rejects: dict[bytes, bytes | None] = {}
    said: set[tuple[str, bytes, bytes]] = set()
    for (topic, _), records in topics.log.items():
        for record in records:
            if topic == SETTINGS.topics.rejects:
                assert rejects.setdefault(record.key, record.value) == record.value
                continue
            said.add((topic, record.headers["lineage"], record.value or b""))
            if topic != SETTINGS.topics.progress:
                assert record.value is not None
                body = orjson.loads(record.value)
                if topic == SETTINGS.topics.signals:
                    signals.setdefault(body["id"], record.value)
                elif body["revision"] > sessions.get(body["id"], (0, b""))[0]:
                    sessions[body["id"]] = (body["revision"], record.value)
    latest = {name: value for name, (_, value) in sessions.items()}
    return Seen(latest, signals, counted(topics), rejects, said)


def counted(topics: Topics) -> Counter[bytes]:
    """Title progress as counted by a consumer with one mark per source partition."""
    found: Counter[bytes] = Counter()
    for (topic, _), records in topics.log.items():
        if topic != SETTINGS.topics.progress:
            continue
        marks: dict[tuple[str, str], tuple[int, ...]] = {}
        for record in records:
            name, number, *place = record.headers["lineage"].decode().split("/")
            lineage = tuple(map(int, place))
            source = (name, number)
            if lineage > marks.get(source, ()):
                marks[source] = lineage
                found[record.value or b""] += 1
    return found
