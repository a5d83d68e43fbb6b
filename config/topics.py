"""The topics: names, keys, partitions, retention or compaction. One list for worker and admin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings

DAY_MS = 86_400_000
SAFE_COPIES = 2


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it should exist on the broker.

    ``retention_ms`` of -1 keeps records for ever. ``compacted`` keeps the latest record per key.
    ``confirmed_by`` is the number of replicas that must hold a record before its sender is told
    that it is safe (`min.insync.replicas`); None leaves it to the broker.
    """

    name: str
    key: str
    partitions: int
    retention_ms: int
    compacted: bool
    what: str
    confirmed_by: int | None = None

    def config(self) -> dict[str, str]:
        """Broker-side topic settings, by Kafka's own names."""
        policy = "compact" if self.compacted else "delete"
        found = {
            "cleanup.policy": policy,
            "retention.ms": str(self.retention_ms),
            # The broker's clock counts: Kafka refuses records of a sender whose clock is far ahead.
            "message.timestamp.type": "LogAppendTime",
        }
        if self.confirmed_by is not None:
            found["min.insync.replicas"] = str(self.confirmed_by)
        return found


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """All topics in the order in which records flow through them."""
    n = settings.partitions
    # With three replicas and two that confirm, any one node may be lost, and nothing confirmed is.
    confirmed_by = SAFE_COPIES if settings.replication > SAFE_COPIES else None
    t = settings.topics
    specs = [
        TopicSpec(t.titles, "title_id", n, -1, True, "the catalogue, latest record per title"),
        TopicSpec(t.events, "viewer", n, 7 * DAY_MS, False, "play and pause events"),
        TopicSpec(t.sessions, "viewer", n, 30 * DAY_MS, False, "one record per closed playback"),
        TopicSpec(t.progress, "title_id", n, 7 * DAY_MS, False, "what viewers did with a title"),
        TopicSpec(
            t.signals, "viewer or title_id", n, 30 * DAY_MS, False, "of viewers and of titles"
        ),
        TopicSpec(t.rejects, "source record", n, 30 * DAY_MS, False, "dead letters, with reasons"),
    ]
    if settings.demographics:
        what = "age band, country, language; latest record per viewer who agreed"
        specs.insert(1, TopicSpec(t.viewers, "viewer", n, -1, True, what))
    return tuple(replace(spec, confirmed_by=confirmed_by) for spec in specs)
