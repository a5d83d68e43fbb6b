"""Dead letters: which record was refused, why, and its own bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.reader import Contents, Reader
from consumers.records import Reject, parse_reject

if TYPE_CHECKING:
    from config.settings import Settings
    from consumers.seen import Memory

__all__ = ["Reject", "RejectReader"]


class RejectReader(Reader[Reject]):
    """Reads ``playback-rejects``, dropping those of a source record seen before; see ``Reader``."""

    def __init__(
        self, settings: Settings, *, group: str | None = None, memory: Memory | None = None
    ) -> None:
        contents = Contents(
            settings.topics.rejects,
            parse_reject,
            lambda reject: f"{reject.topic}/{reject.partition}/{reject.offset}",
        )
        super().__init__(settings, contents, group=group, memory=memory)
