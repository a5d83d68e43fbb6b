"""What depends on all of a viewer's playbacks at once: automatic starts, feeds of bare words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.rules import Rules
    from streams.viewing.playback import Playback, PlaybackKey


class Chain(NamedTuple):
    """What is left of playbacks that are sealed, to count those that follow."""

    end_ms: int
    """When the last of them to end did,"""
    streak: int
    """and of the last of them to begin how many in a row had started by themselves,"""
    began_ms: int
    """and when it began."""

    def after(self, playback: Playback) -> Chain:
        """The same once this one is sealed as well."""
        end_ms = max(self.end_ms, playback.last_ms)
        if playback.first_ms < self.began_ms:
            return self._replace(end_ms=end_ms)
        return Chain(end_ms, playback.streak, playback.first_ms)


def count_streaks(playbacks: Collection[Playback], chain: Chain, rules: Rules) -> list[Playback]:
    """Count anew how many episodes in a row autoplay started without any act.

    Args:
        playbacks: those that are not sealed.
        chain: what those that are sealed come to.
        rules: how long a gap ends a sitting.

    Returns:
        Those whose streak changed.
    """
    if not any(playback.streak or playback.automatic for playback in playbacks):
        return []
    changed = []
    end_ms, streak, began_ms = chain
    gap_ms = rules.sitting_gap_s * 1000
    for playback in sorted(playbacks, key=began):
        automatic = playback.automatic and not playback.acted
        joined = playback.first_ms - end_ms <= gap_ms
        if playback.first_ms <= began_ms:
            # It does not follow the last of the sealed, and what it followed may be sealed itself.
            counted = (playback.streak or 1) if automatic else 0
        else:
            counted = streak = 0 if not automatic else (streak + 1 if joined else 1)
        if counted != playback.streak:
            playback.streak = counted
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
