"""Dead letters: which record was refused, why, and its own bytes; chosen, and summed up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.reader import Contents, Reader
from consumers.records import Place, Reject, parse_reject

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from config.settings import Settings
    from consumers.seen import Memory

__all__ = ["OF_STATE", "REASONS", "Choice", "Kind", "Place", "Reject", "RejectReader", "kinds"]

REASONS = (
    "too_large", "empty", "not_json", "envelope", "field", "key", "unknown_type", "time",
    "too_late", "too_many",
)  # fmt: skip
"""Every reason of docs/events.md."""
OF_STATE = frozenset({"too_late", "too_many"})
"""Reasons that lie in what came before the record, not in its bytes."""


class RejectReader(Reader[Reject]):
    """Reads ``playback-rejects``, dropping those of a source record seen before; see ``Reader``."""

    def __init__(
        self, settings: Settings, *, group: str | None = None, memory: Memory | None = None
    ) -> None:
        contents = Contents(settings.topics.rejects, parse_reject, lambda reject: str(reject.place))
        super().__init__(settings, contents, group=group, memory=memory)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are wanted; what is empty or None lets every one through.

    ``since`` (inclusive) and ``until`` (exclusive) are about when the worker refused the record.
    """

    reasons: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    topic: str | None = None
    partition: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, reject: Reject) -> bool:
        """Whether ``reject`` is wanted."""
        return (
            (not self.reasons or reject.reason in self.reasons)
            and (not self.fields or reject.field in self.fields)
            and self.topic in {None, reject.topic}
            and self.partition in {None, reject.partition}
            and (self.since is None or self.since <= reject.rejected_at)
            and (self.until is None or reject.rejected_at < self.until)
        )

    def __str__(self) -> str:
        """``of reason field and from topic playback-events``."""
        said = {
            "of reason": " or ".join(self.reasons),
            "about field": " or ".join(self.fields),
            "from topic": self.topic,
            "from partition": self.partition,
            "refused since": self.since and f"{self.since:%Y-%m-%d %H:%M:%S} UTC",
            "refused before": self.until and f"{self.until:%Y-%m-%d %H:%M:%S} UTC",
        }
        return " and ".join(f"{k} {v}" for k, v in said.items() if v is not None and v != "")


@dataclass(slots=True)
class Kind:
    """Dead letters of one reason and field."""

    reason: str
    field: str | None
    count: int
    first: datetime
    last: datetime
    example: Reject
    """The latest of them."""


def kinds(rejects: Iterable[Reject]) -> list[Kind]:
    """Dead letters by reason and field, the most frequent first."""
    found: dict[tuple[str, str | None], Kind] = {}
    for reject in rejects:
        at = reject.rejected_at
        kind = found.get((reject.reason, reject.field))
        if kind is None:
            new = Kind(reject.reason, reject.field, 1, at, at, reject)
            found[reject.reason, reject.field] = new
            continue
        kind.count += 1
        kind.first = min(kind.first, at)
        if at >= kind.last:
            kind.last, kind.example = at, reject
    return sorted(found.values(), key=lambda kind: (-kind.count, kind.reason, kind.field or ""))
