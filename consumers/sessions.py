"""Closed playbacks: every revision as it comes, or the highest of each at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.reader import Contents, Reader
from consumers.records import Session, parse_session

if TYPE_CHECKING:
    from config.settings import Settings
    from consumers.seen import Memory

__all__ = ["Session", "SessionReader"]


class SessionReader(Reader[Session]):
    """Reads ``viewing-sessions``, dropping revisions that were taken before; see ``Reader``."""

    def __init__(
        self, settings: Settings, *, group: str | None = None, memory: Memory | None = None
    ) -> None:
        contents = Contents(
            settings.topics.sessions,
            parse_session,
            lambda session: f"{session.revision}/{session.id}",
        )
        super().__init__(settings, contents, group=group, memory=memory)

    def snapshot(self, viewer: str | None = None) -> dict[str, Session]:
        """The highest revision per session id of what the topic holds now; without a group.

        Args:
            viewer: leave out all other viewers; holds every session in memory otherwise.

        Raises:
            ReaderError: Kafka is away, or stopped answering halfway.
        """
        highest: dict[str, Session] = {}
        for session in self.whats_there():
            if viewer is not None and session.viewer != viewer:
                continue
            before = highest.get(session.id)
            if before is None or session.revision > before.revision:
                highest[session.id] = session
        return highest
