"""How far the sessions agree with Netflix's own record of the same playbacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from producers.netflix.playbacks import Playback

CLOSE_S = 5.0
CLOSE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Agreement:
    """One profile's playbacks that both know of; times in seconds."""

    viewer: str
    playbacks: int
    close: int
    ours_s: float
    netflix_s: float
    bookmarks: int
    bookmarks_close: int

    @property
    def close_share(self) -> float:
        """Share of playbacks whose time agrees within 5 s or 5 %."""
        return self.close / self.playbacks if self.playbacks else 1.0

    @property
    def bookmark_share(self) -> float:
        """Share of last positions within 5 s of Netflix's bookmark."""
        return self.bookmarks_close / self.bookmarks if self.bookmarks else 1.0

    @property
    def total_difference(self) -> float:
        """Ours over Netflix's, less one."""
        return self.ours_s / self.netflix_s - 1 if self.netflix_s else 0.0


def agreements(
    playbacks: Iterable[Playback], sessions: Iterable[Mapping[str, Any]]
) -> list[Agreement]:
    """Compare per profile, in order of name.

    Only playbacks with a trace and a record are compared: Netflix also lists some whose trace is
    empty, of which we know nothing.
    """
    ours: dict[str, dict[str, Any]] = {}
    for session in sessions:
        held = ours.setdefault(session["playback_id"], {"wall_s": 0.0, "ended_at": ""})
        held["wall_s"] += session["wall_s"]
        if session["ended_at"] >= held["ended_at"]:
            held |= {"ended_at": session["ended_at"], "position_s": session["position_s"]}
    by_viewer: dict[str, list[tuple[Playback, dict[str, Any] | None]]] = {}
    for playback in playbacks:
        if playback.viewing is not None:
            pair = (playback, ours.get(playback.playback_id))
            by_viewer.setdefault(playback.row.profile, []).append(pair)
    return [_agreement(viewer, pairs) for viewer, pairs in sorted(by_viewer.items())]


def _agreement(viewer: str, pairs: list[tuple[Playback, dict[str, Any] | None]]) -> Agreement:
    close = bookmarks = bookmarks_close = 0
    ours_s = netflix_s = 0.0
    for playback, session in pairs:
        record = playback.viewing
        if record is None:
            continue
        wall_s = session["wall_s"] if session else 0.0
        ours_s += wall_s
        netflix_s += record.duration_s
        close += abs(wall_s - record.duration_s) <= max(CLOSE_S, CLOSE_SHARE * record.duration_s)
        if record.bookmark_s is not None:
            bookmarks += 1
            at = session["position_s"] if session else None
            bookmarks_close += at is not None and abs(at - record.bookmark_s) <= CLOSE_S
    return Agreement(viewer, len(pairs), close, ours_s, netflix_s, bookmarks, bookmarks_close)
