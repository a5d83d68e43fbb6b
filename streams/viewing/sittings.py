"""What depends on all of a viewer's playbacks at once: automatic starts, feeds of bare words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.rules import Rules
    from streams.viewing.playback import Playback, PlaybackKey


def count_streaks(
    playbacks: Collection[Playback], chain: tuple[int, int], rules: Rules
) -> list[Playback]:
    """Count anew how many episodes in a row autoplay started without any act.

    Args:
        playbacks: those that are not sealed.
        chain: end in ms and streak of the last one that is.
        rules: how long a gap ends a sitting.

    Returns:
        Those whose streak changed.
    """
    if not any(playback.streak or playback.automatic for playback in playbacks):
        return []
    changed = []
    end_ms, streak = chain
    gap_ms = rules.sitting_gap_s * 1000
    for playback in sorted(playbacks, key=began):
        automatic = playback.automatic and not playback.acted
        joined = playback.first_ms - end_ms <= gap_ms
        streak = 0 if not automatic else (streak + 1 if joined else 1)
        if streak != playback.streak:
            playback.streak = streak
            changed.append(playback)
        end_ms = max(end_ms, playback.last_ms)
    return changed


def impute(playbacks: Collection[Playback], rules: Rules) -> list[Playback]:
    """Credit every dangling bare ``play`` up to the viewer's next event; those that changed."""
    changed = []
    for playback in playbacks:
        cursor = playback.cursor
        if not (playback.bare and cursor) and playback.extra is None:
            continue
        later = [
            knot.at_ms
            for other in playbacks
            if other is not playback
            for knot in other.knots.knots
            if cursor and knot.at_ms > cursor.at_ms
        ]
        if playback.impute(min(later, default=0), rules):
            changed.append(playback)
    return changed


def began(playback: Playback) -> tuple[int, PlaybackKey]:
    """Order of playbacks by their start."""
    return playback.first_ms, playback.key


def reported(playback: Playback) -> tuple[int, PlaybackKey]:
    """Order of playbacks by their last report."""
    return playback.last_ms, playback.key
