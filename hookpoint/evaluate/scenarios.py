"""The audiences that retention is evaluated on; all of their truth is in these values."""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86400.0
WEEK_DAYS = 7.0
HOOKING = (0.80, 0.82, 0.88, 0.94, 0.95, 0.96, 0.97, 0.97, 0.98)
"""Loses viewers early; from episode 4 on 79 % go on to the end."""
EVEN = (0.90,) * 9


@dataclass(frozen=True, slots=True)
class Scenario:
    """One audience: who comes, who goes on, how soon, and when one looks.

    ``steps[k-1]`` is the probability to go on from episode k, now or ever. Gaps are log-normal
    around ``gap_median_h`` with ``gap_sigma``; viewers arrive evenly over ``days``, and the look is
    at their end.
    """

    name: str
    what: str
    viewers: int
    days: float
    steps: tuple[float, ...] = HOOKING
    gap_median_h: float = 12.0
    gap_sigma: float = 1.6
    weekly: bool = False
    """Episode k comes out k-1 weeks after the first; otherwise all are there from the start."""
    bingers: float = 0.0
    """Share of viewers whose gaps have a median of five minutes, and who stay more often."""
    skips: float = 0.0
    """Share of steps that go to the episode after the next; most of these viewers come back."""
    joins: float = 0.0
    """Share of viewers who begin at episode 5."""

    @property
    def of(self) -> int:
        """Episodes of the season."""
        return len(self.steps) + 1

    @property
    def is_uniform(self) -> bool:
        """Whether all viewers are alike and watch in order, so that the truth has a formula."""
        return not (self.bingers or self.skips)

    def opens_s(self, episode: int) -> float:
        """When an episode comes out, seconds after the first."""
        return (episode - 1) * WEEK_DAYS * DAY_S if self.weekly else 0.0


LAUNCH = Scenario("launch", "a launch 7 days old", 20_000, 7)
SCENARIOS = (
    LAUNCH,
    Scenario("grown", "a show after 60 days", 3_000, 60),
    Scenario("small", "300 viewers in 60 days", 300, 60),
    Scenario("even", "the same loss at every episode, 60 days old", 3_000, 60, EVEN),
    Scenario("even-launch", "the same loss at every episode, 7 days old", 20_000, 7, EVEN),
    Scenario("weekly", "weekly, day 40: six of ten are out", 3_000, 40, weekly=True),
    Scenario("weekly-done", "weekly, day 80: all is out", 3_000, 80, weekly=True),
    Scenario("binge", "half are bingers, 7 days old", 3_000, 7, bingers=0.5),
    Scenario("order", "skipping, joining at 5; 30 days", 3_000, 30, skips=0.1, joins=0.2),
)
DAILY = Scenario("daily", "20,000 viewers in 35 days, looked at every day", 20_000, 35)
