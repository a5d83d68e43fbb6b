"""Every threshold of the pure core in one frozen value, each with its unit and its source."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite

SHARES = frozenset(
    {
        "drift_share", "watched_share", "completed_share", "abandoned_share", "partial_share",
        "hooked_at", "cooled_below", "min_left_share", "curve_bound",
        "hook_share", "hook_found_at", "hook_kept_at", "trending_tail", "trending_over",
        "breakthrough_margin", "travels_share",
    }
)  # fmt: skip
IN_ORDER = (
    ("cooled_below", "hooked_at"),
    ("hook_kept_at", "hook_found_at"),
    ("trending_tail", "trending_over"),
)
"""What ends must not be asked more than what begins: a word would be taken back as it is said."""
SIGNED = frozenset({"abandoned_weight", "seek_slack_s", "autoplay_weights"})


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds that decide what counts.

    Defaults are the project's own choice unless a line names another source. All times
    are seconds of event time, all shares lie in 0..1.
    """

    # -- watching ------------------------------------------------------------------------------
    seek_slack_s: float = 2.0
    """How far a position may run ahead of rate x time before it is an unreported seek."""
    drift_share: float = 0.005
    """The same as a share of the time passed: two clocks drift apart over a long run."""
    silence_playing_s: float = 600.0
    """A playback that plays closes after this much silence."""
    silence_paused_s: float = 1800.0
    """A playback that is paused closes after this much silence."""
    lateness_s: float = 86400.0
    """How long a playback stays mendable; later events are rejected as ``too_late``."""
    max_ahead_s: float = 300.0
    """How far an event's time may lie ahead of the broker's record timestamp."""
    earliest_time_s: float = 946684800.0
    """No event before 2000-01-01: no streaming service has older ones, broken clocks do."""
    imputed_max_s: float = 4 * 3600.0
    """The most that is imputed to one bare ``play`` whose runtime is unknown."""
    sitting_gap_s: float = 3600.0
    """Viewing with no longer gap is one sitting."""

    # -- an episode ----------------------------------------------------------------------------
    started_s: float = 120.0
    """Coverage that makes a starter (two minutes, the industry's usual view threshold)."""
    watched_share: float = 0.70
    completed_share: float = 0.90

    # -- taste ---------------------------------------------------------------------------------
    half_life_now_s: float = 7 * 86400.0
    half_life_lasting_s: float = 90 * 86400.0
    taste_prior: float = 5.0
    """Weight of the catalogue's own shares in a profile, in episodes watched."""
    abandoned_share: float = 0.25
    abandoned_after_s: float = 7 * 86400.0
    abandoned_weight: float = -0.3
    partial_share: float = 0.50
    autoplay_weights: tuple[float, ...] = (0.982, 0.881, 0.5, 0.119, 0.018)
    """Weight of the t-th episode in a row that autoplay started without any act."""

    # -- hooked --------------------------------------------------------------------------------
    hooked_at: float = 0.70
    cooled_below: float = 0.50
    min_completed: int = 2
    min_left: int = 2
    min_left_share: float = 0.25
    deliberate_within: int = 3
    curve_bound: float = 0.60
    curve_n: int = 50
    pace_completed: int = 3
    pace_within_s: float = 86400.0
    pace_cooled_after_s: float = 7 * 86400.0
    """Without a curve there is no p: a week without an episode cools (weekly habits survive it)."""
    lapsed_after_s: float = 28 * 86400.0

    # -- a title's audience -----------------------------------------------------------------------
    least_viewers: int = 50
    """Nothing that is told of a title's audience is about fewer viewers, or tells fewer apart."""
    hook_share: float = 0.70
    """A hook point: of those who watched the episode, at least this share goes on to the end,"""
    hook_found_at: float = 0.95
    """with this certainty (0..1) when it is found,"""
    hook_kept_at: float = 0.80
    """and no less than this one while it stays."""
    least_peers: int = 5
    """Seasons that make a comparison, of the same or about the same length."""
    trending_tail: float = 1e-3
    """A burst begins below this chance of as many viewers on a usual day,"""
    trending_over: float = 0.05
    """and is over above this one, which any title reaches once in three weeks (ADR 0023)."""
    trending_room: float = 1.25
    """To begin, it takes so many times ``least_viewers``; below ``least_viewers`` it ends."""
    trending_half_life_s: float = 14 * 86400.0
    """Half-life of a title's baseline: two weeks, so that it has weekdays and weekends."""
    travels_share: float = 0.90
    """A title travels where H_1 is at least this share of H_1 at home (ADR 0023)."""
    breakthrough_margin: float = 0.05
    """How far the bound of H_1 must lie above comparable seasons for a breakthrough (ADR 0023)."""

    # -- memory --------------------------------------------------------------------------------
    keep_coverage_s: float = 30 * 86400.0
    """Coverage of an episode is kept in detail this long after it was last watched."""
    keep_progress: int = 120
    """Episodes kept per viewer, the most recently watched first; older ones shrink to summaries."""
    keep_journeys: int = 40
    """Seasons kept per viewer, the most recently watched first."""

    def __post_init__(self) -> None:
        """Refuse thresholds that cannot be meant.

        Raises:
            ValueError: naming the threshold.
        """
        for rule in fields(self):
            value = getattr(self, rule.name)
            if isinstance(value, float) and not isfinite(value):
                raise ValueError(f"{rule.name} must be a number, not {value}")
            share = rule.name in SHARES
            if share and not 0 <= value <= 1:
                raise ValueError(f"{rule.name} is a share, 0 to 1, not {value}")
            if not share and rule.name not in SIGNED and value <= 0:
                raise ValueError(f"{rule.name} must be above 0, not {value}")
        for lower, upper in IN_ORDER:
            if getattr(self, lower) > getattr(self, upper):
                raise ValueError(f"{lower} must not be above {upper}")
        if self.trending_room < 1:
            raise ValueError("trending_room must be at least 1: a burst would end as it begins")
