"""Engagement signals as they happen, each once.

Example:
    with SignalReader(Settings(), group="mailer") as signals:
        for signal in signals:
            if signal.type == "viewer.hooked":
                send_mail(signal.viewer, signal.title_id)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.reader import Contents, Reader
from consumers.records import Signal, parse_signal

if TYPE_CHECKING:
    from config.settings import Settings
    from consumers.seen import Memory

__all__ = ["Signal", "SignalReader"]


class SignalReader(Reader[Signal]):
    """Reads ``engagement-signals``, dropping ids that were taken before; see ``Reader``."""

    def __init__(
        self, settings: Settings, *, group: str | None = None, memory: Memory | None = None
    ) -> None:
        contents = Contents(settings.topics.signals, parse_signal, lambda signal: signal.id)
        super().__init__(settings, contents, group=group, memory=memory)
