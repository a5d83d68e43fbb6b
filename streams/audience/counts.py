"""Signed counts of an episode and of a season, as records of ``title-progress`` change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.audience.records import Figures, Flags, Passage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.rules import Rules

BINS = 20
"""Twentieths of the runtime: two minutes of a film of 40."""
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS


class Episode:
    """Counts of one episode or film; ``again_`` ones are of viewers who finished it before."""

    __slots__ = (
        "advanced_ms", "again_completers", "again_starters", "again_watchers", "autoplayed",
        "completers", "left", "rewatched_ms", "runtime_ms", "sessions", "starters", "wall_ms",
        "watchers",
    )  # fmt: skip

    def __init__(self) -> None:
        self.starters = 0
        self.watchers = 0
        self.completers = 0
        self.again_starters = 0
        self.again_watchers = 0
        self.again_completers = 0
        self.sessions = 0
        self.autoplayed = 0
        self.wall_ms = 0
        self.advanced_ms = 0
        self.rewatched_ms = 0
        self.runtime_ms = 0
        """The longest that a session told; the catalogue's own goes before it."""
        self.left = [0] * BINS
        """Sessions that ended in each twentieth, less those that resumed from it."""

    def dump(self) -> list[Any]:
        """All counts, JSON-able."""
        return [
            self.starters, self.watchers, self.completers,
            self.again_starters, self.again_watchers, self.again_completers,
            self.sessions, self.autoplayed, self.wall_ms, self.advanced_ms, self.rewatched_ms,
            self.runtime_ms, self.left if any(self.left) else 0,
        ]  # fmt: skip

    @classmethod
    def load(cls, dumped: Sequence[Any]) -> Episode:
        """The counts that ``dump`` gave."""
        self = cls()
        (
            self.starters, self.watchers, self.completers,
            self.again_starters, self.again_watchers, self.again_completers,
            self.sessions, self.autoplayed, self.wall_ms, self.advanced_ms, self.rewatched_ms,
            self.runtime_ms, left,
        ) = dumped  # fmt: skip
        self.left = list(left) if left else [0] * BINS
        return self

    def cross(self, before: Flags, now: Flags, *, again: bool) -> None:
        """Count which thresholds a viewer crossed, or crossed back."""
        started = now.started - before.started
        watched = now.watched - before.watched
        completed = now.completed - before.completed
        if again:
            self.again_starters += started
            self.again_watchers += watched
            self.again_completers += completed
        else:
            self.starters += started
            self.watchers += watched
            self.completers += completed

    def play(self, figures: Figures, sign: int) -> None:
        """Count what a playback came to (``sign`` 1), or take it off again (-1)."""
        advanced = round(figures.advanced_s * 1000)
        self.wall_ms += sign * round(figures.wall_s * 1000)
        self.advanced_ms += sign * advanced
        self.rewatched_ms += sign * (advanced - round(figures.coverage_s * 1000))

    def leave(self, figures: Figures, runtime_s: float, sign: int, rules: Rules) -> None:
        """Count where a playback ended, and that its viewer is back where it began."""
        ended = left_in(figures.position_s, runtime_s, rules)
        if ended >= 0:
            self.left[ended] += sign
        resumed = left_in(figures.from_position_s, runtime_s, rules)
        if resumed >= 0:
            self.left[resumed] -= sign

    def drop_off(self) -> list[float]:
        """Share of those who began it that left in each twentieth and have not come back.

        Two digits: with more, and starters being told exactly, each who leaves would show.

        Players rewind a few seconds on resuming, and a resume counts in the twentieth before the
        one that was left: what a bin lacks is taken from the next one.
        """
        began = self.starters + self.again_starters
        shares: list[float] = []
        owed = 0
        for count in self.left:
            rest = count + owed
            owed = min(0, count)
            shares.append(round(min(1.0, max(0, rest) / began), 2) if began > 0 else 0.0)
        return shares


def left_in(position_s: float, runtime_s: float, rules: Rules) -> int:
    """The twentieth of the runtime that a position is in, or -1 where nobody leaves.

    Before two minutes nobody is a starter, so none is lost, and from 90 % on it is over.
    """
    if runtime_s <= 0 or not rules.started_s <= position_s < rules.completed_share * runtime_s:
        return -1
    return int(BINS * position_s / runtime_s)


class Season:
    """Counts of one season (0 for a film): its episodes, and who began and finished it all."""

    __slots__ = ("began", "episodes", "finished", "whole", "within_day", "within_week")

    def __init__(self) -> None:
        self.began = 0
        self.finished = 0
        self.within_day = 0
        self.within_week = 0
        self.whole = Episode()
        """What a record of the season itself says (episode 0 of a series)."""
        self.episodes: dict[int, Episode] = {}

    def pass_through(self, passage: Passage) -> None:
        """Count who began, and finished, the season."""
        for row, sign in ((passage.before, -1), (passage.now, 1)):
            if row is None:
                continue
            self.began += sign
            if row.passed_ms:
                took = row.passed_ms - row.entered_ms
                self.finished += sign
                self.within_day += sign if took <= DAY_MS else 0
                self.within_week += sign if took <= WEEK_MS else 0

    def dump(self) -> list[Any]:
        """All counts, JSON-able."""
        episodes = [[number, *self.episodes[number].dump()] for number in sorted(self.episodes)]
        totals = [self.began, self.finished, self.within_day, self.within_week]
        return [*totals, self.whole.dump(), episodes]

    @classmethod
    def load(cls, dumped: Sequence[Any]) -> Season:
        """The counts that ``dump`` gave."""
        self = cls()
        self.began, self.finished, self.within_day, self.within_week, whole, episodes = dumped
        self.whole = Episode.load(whole)
        self.episodes = {number: Episode.load(rest) for number, *rest in episodes}
        return self

    def watchers(self) -> int:
        """Viewers who watched (70 %) one of its episodes, as far as is known.

        Records of the season say so; without them, at least as many as watched any one episode.
        """
        return max([self.whole.watchers, *(it.watchers for it in self.episodes.values())])

    def rewatch_starters(self) -> int:
        """Viewers who began it again, by the same reasoning."""
        counts = (it.again_starters for it in self.episodes.values())
        return max([self.whole.again_starters, *counts])

    def wall_ms(self) -> int:
        """Time spent playing its episodes."""
        return sum(it.wall_ms for it in self.episodes.values())
