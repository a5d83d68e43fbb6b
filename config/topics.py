"""The topics: names, keys, partitions, retention or compaction. One list for worker and admin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it should exist on the broker.

    ``retention_ms`` of -1 keeps records for ever. ``compacted`` keeps the latest record per key.
    """

    name: str
    key: str
    partitions: int
    retention_ms: int
    compacted: bool
    what: str

    def config(self) -> dict[str, str]:
        """Broker-side topic settings, by Kafka's own names."""
        policy = "compact" if self.compacted else "delete"
        return {"cleanup.policy": policy, "retention.ms": str(self.retention_ms)}


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """All topics in the order in which records flow through them."""
    n = settings.partitions
    t = settings.topics
    return (
        TopicSpec(t.titles, "title_id", n, -1, True, "the catalogue, latest record per title"),
        TopicSpec(t.events, "viewer", n, 7 * DAY_MS, False, "play and pause events"),
        TopicSpec(t.sessions, "viewer", n, 30 * DAY_MS, False, "one record per closed playback"),
        TopicSpec(t.progress, "title_id", n, 7 * DAY_MS, False, "what viewers did with a title"),
        TopicSpec(t.signals, "viewer", n, 30 * DAY_MS, False, "hooked, cooled, completed, ..."),
        TopicSpec(t.rejects, "source record", n, 30 * DAY_MS, False, "dead letters, with reasons"),
    )
