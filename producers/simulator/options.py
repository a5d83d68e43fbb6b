"""How large, how long and how messy a simulated audience is."""

from __future__ import annotations

from dataclasses import dataclass

WEEK_S = 7 * 86400.0
MOST = 0.8
"""The share of viewers who declare something, where any do."""
DEFAULT_START_S = 1_767_571_200.0  # 2026-01-05T00:00:00Z, a Monday


@dataclass(frozen=True, slots=True)
class AudienceOptions:
    """One audience. Equal options give equal bytes, on any machine.

    Raises:
        ValueError: if a number lies outside the range that its comment gives.
    """

    viewers: int = 1000
    """At least 1."""
    titles: int = 40
    """At least 1, at most 400 (the names run out)."""
    weeks: float = 4.0
    """Weeks of event time in which playbacks start; ``math.inf`` never ends."""
    seed: int = 7
    start_s: float = DEFAULT_START_S
    """Event time of the beginning, epoch seconds."""
    heartbeat_s: float = 45.0
    """Median seconds between heartbeats; each player has its own interval within a third of it."""
    messy_share: float = 0.3
    """Share of playbacks with pauses, seeks, rate changes, stalls or a player that dies."""
    duplicate_share: float = 0.01
    """Share of events that are delivered twice."""
    late_share: float = 0.05
    """Share of events that arrive minutes to hours late (never more than six hours)."""
    declared_share: float = 0.0
    """Share of viewers who agree to be counted under age band, country and language."""
    keep_truth: bool = True
    """Remember what truly happened; it costs memory with every playback."""

    def __post_init__(self) -> None:
        if self.viewers < 1 or not 1 <= self.titles <= 400:  # noqa: PLR2004 - said above
            raise ValueError("an audience has at least one viewer and 1 to 400 titles")
        if not self.weeks > 0 or not self.heartbeat_s > 0:
            raise ValueError("weeks and heartbeat_s must be positive")
        shares = (self.messy_share, self.duplicate_share, self.late_share, self.declared_share)
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError("messy_, duplicate_, late_ and declared_share lie in 0..1")

    @property
    def end_s(self) -> float:
        """No playback starts at or after this event time (epoch seconds)."""
        return self.start_s + self.weeks * WEEK_S
