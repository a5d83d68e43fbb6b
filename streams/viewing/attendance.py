"""How long a viewer has been watching, ever: time on one device counts once.

Playbacks of one device that overlap (a player restarted under a new id, a tab left open) share
their time, so no viewer watches more than 24 hours a day per device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.viewing import intervals as iv

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.viewing.playback import Playback

KEPT_MS = 48 * 3_600_000


class Attendance:
    """Wall time spent playing, in milliseconds: the last two days in detail, the rest summed."""

    __slots__ = ("folded_ms", "folded_to", "recent")

    def __init__(self) -> None:
        self.folded_ms = 0
        self.recent: dict[str, iv.Intervals] = {}
        self.folded_to: dict[str, int] = {}

    def seal(self, playback: Playback, now_ms: int, live: Iterable[Playback]) -> None:
        """Take in a playback that can no longer be mended.

        What a live playback may overlap stays in detail, however long that one goes on.
        """
        device = _device(playback)
        fresh = iv.clip(playback.played_all(), self.folded_to.get(device, 0))
        self.recent[device] = iv.union(self.recent.get(device, []), fresh)
        self._fold(min([now_ms - KEPT_MS, *(other.first_ms for other in live)]))

    def _fold(self, before_ms: int) -> None:
        for device, intervals in list(self.recent.items()):
            while intervals and intervals[0][1] <= before_ms:
                start, end = intervals.pop(0)
                self.folded_ms += end - start
                self.folded_to[device] = end
            if not intervals:
                del self.recent[device]
        self.folded_to = {d: t for d, t in self.folded_to.items() if t > before_ms - KEPT_MS}

    def total_ms(self, live: Iterable[Playback]) -> int:
        """All of it, with the playbacks that are not sealed yet."""
        parts: dict[str, list[iv.Intervals]] = {d: [i] for d, i in self.recent.items()}
        for playback in live:
            device = _device(playback)
            fresh = iv.clip(playback.played_all(), self.folded_to.get(device, 0))
            parts.setdefault(device, []).append(fresh)
        return self.folded_ms + sum(iv.measure(iv.union(*sets)) for sets in parts.values())


def _device(playback: Playback) -> str:
    return playback.fact("device") or ""
