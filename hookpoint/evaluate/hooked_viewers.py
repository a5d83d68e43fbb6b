"""A viewer of the evaluation: one season each, with a habit of their own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from hookpoint.evaluate.hooked_seasons import DAY_S, WEEK_S
from producers.simulator.viewer import GAP_MEDIAN_S, GAP_SIGMA, Journey, Viewer

if TYPE_CHECKING:
    import random

    from producers.simulator.catalogue import Title

GAP_MAX_S = 60 * DAY_S
IN_A_ROW = 4
"""After so many episodes on end everyone takes a break, as in the simulator."""


class Habit(NamedTuple):
    """How a kind of viewer watches.

    ``at_once`` is the chance (0..1) that the next episode follows within seconds. ``pull`` moves
    the log-odds of going on, and ``patience`` stretches the gaps, where viewers differ in that.
    """

    name: str
    share: float
    at_once: float
    pull: float
    patience: float


HABITS = (
    Habit("binger", 0.25, 0.75, 0.6, 1.0),
    Habit("ordinary", 0.50, 0.25, 0.0, 1.0),
    Habit("slow", 0.25, 0.02, -0.6, 3.0),
)
PULL_SIGMA = 0.8
"""Spread of the log-odds among viewers of one habit, where viewers differ."""
JOINS_LATER = 0.03
"""Share of viewers who begin in the middle: they know the beginning from elsewhere."""


class Follower(Viewer):
    """Watches one season until it ends or the viewer does not go on.

    Args:
        name: of the viewer.
        rng: source of all chance.
        titles: one of them is followed.
        differ: whether viewers differ in how readily and how soon they go on; if not, everyone
            goes on with exactly the title's probability, after gaps of one distribution.
    """

    __slots__ = ("began_with", "gap_median_s", "habit", "pull")

    def __init__(
        self, name: str, rng: random.Random, titles: tuple[Title, ...], *, differ: bool
    ) -> None:
        super().__init__(name, rng, titles)
        self.habit = rng.choices(HABITS, [habit.share for habit in HABITS])[0]
        self.pull = rng.gauss(self.habit.pull, PULL_SIGMA) if differ else 0.0
        self.gap_median_s = GAP_MEDIAN_S * (self.habit.patience if differ else 1.0)
        self.began_with = 1
        if rng.random() < JOINS_LATER:
            self.began_with = rng.randint(2, len(self.season_runtimes_s) // 2 + 1)
            self.journey = Journey(self.journey.title, 1, self.began_with)

    @property
    def season_runtimes_s(self) -> tuple[float, ...]:
        """Seconds of each episode of the season that is followed."""
        return self.journey.title.seasons[0].runtimes_s

    def arrives_s(self, rng: random.Random, start_s: float, end_s: float) -> float:
        """When the first episode is begun: any time, all alike, once it is out."""
        earliest_s = max(start_s, self._released_s(self.began_with))
        return self._suiting(rng, lambda: rng.uniform(earliest_s, max(end_s, earliest_s + WEEK_S)))

    def finished(self, rng: random.Random, titles: tuple[Title, ...], now_s: float) -> float:
        """Decide whether to go on. Returns when (epoch seconds), infinite for never."""
        here = self.journey
        season = here.title.seasons[0]
        if here.episode == len(season.runtimes_s):
            return math.inf
        if rng.random() >= self._goes_on(season.goes_on[here.episode - 1]):
            return self.dropped(rng, titles, now_s)
        released_s = self._released_s(here.episode + 1)
        at_once = released_s <= now_s and self.tempted(rng)
        self.journey = Journey(here.title, 1, here.episode + 1, autoplay=at_once)
        if at_once:
            return now_s + rng.uniform(5.0, 15.0)
        return self._gap_end(rng, max(now_s, released_s))

    def tempted(self, rng: random.Random) -> bool:
        """Whether the next episode, if it is out, follows within seconds."""
        at_once = self._in_a_row < IN_A_ROW and rng.random() < self.habit.at_once
        self._in_a_row = self._in_a_row + 1 if at_once else 0
        return at_once

    def gap_s(self, rng: random.Random, now_s: float) -> float:
        """Seconds until someone who goes on plays the next episode, which is out."""
        return rng.uniform(5.0, 15.0) if self.tempted(rng) else self._gap_end(rng, now_s) - now_s

    def dropped(self, rng: random.Random, titles: tuple[Title, ...], now_s: float) -> float:
        """Never come back: other titles are other viewers here."""
        del rng, titles, now_s
        return math.inf

    def _released_s(self, episode: int) -> float:
        return self.journey.title.released_s + (episode - 1) * WEEK_S

    def _goes_on(self, share: float) -> float:
        if not self.pull:
            return share
        odds = share / (1 - share) * math.exp(self.pull)
        return odds / (1 + odds)

    def _gap_end(self, rng: random.Random, now_s: float) -> float:
        median = math.log(self.gap_median_s)
        return self._suiting(
            rng, lambda: now_s + min(rng.lognormvariate(median, GAP_SIGMA), GAP_MAX_S)
        )
