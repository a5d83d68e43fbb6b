"""The seasons of the evaluation: 6 to 16 episodes, with the true shares that go on."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from producers.simulator.catalogue import Season, Title, make_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
FEWEST, MOST = 6, 16
"""Episodes of a season."""
WEEKLY_EVERY = 4
"""One title in four is released an episode a week."""
LAUNCH_WITHIN_DAYS = 14
LONG_AGO_S = 5 * 365 * DAY_S


def make_titles(count: int, seed: int, start_s: float) -> tuple[Title, ...]:
    """Series of one season each.

    Args:
        count: how many.
        seed: the same seed gives the same titles.
        start_s: epoch second at which the audience sets in. Weekly titles begin within the two
            weeks after it; all others have been out for years.
    """
    rng = random.Random(f"seasons {seed}")
    return tuple(
        replace(
            title,
            seasons=(_season(rng, SHAPES[at % len(SHAPES)]),),
            duration_s=0.0,
            popularity=rng.lognormvariate(0.0, 0.8),
            released_s=_launch_s(rng, start_s) if at % WEEKLY_EVERY == 0 else start_s - LONG_AGO_S,
        )
        for at, title in enumerate(make_catalogue(count, seed))
    )


def _launch_s(rng: random.Random, start_s: float) -> float:
    return (start_s // DAY_S + rng.randrange(LAUNCH_WITHIN_DAYS)) * DAY_S


def _season(rng: random.Random, shape: Callable[[random.Random, int], list[float]]) -> Season:
    episodes = rng.randint(FEWEST, MOST)
    runtime_s = rng.randint(20, 60) * 60
    runtimes = tuple(float(round(runtime_s * rng.uniform(0.9, 1.1))) for _ in range(episodes))
    return Season(1, runtimes, tuple(shape(rng, episodes)))


def _hooks(rng: random.Random, episodes: int) -> list[float]:
    """Many leave before the episode that hooks, few after it: the simulator's own shape."""
    hooks_at = rng.randint(2, episodes - 2)
    before, after = rng.uniform(0.62, 0.90), rng.uniform(0.90, 0.995)
    return [before if k < hooks_at else after for k in range(1, episodes)]


def _even(rng: random.Random, episodes: int) -> list[float]:
    """The same share leaves after every episode."""
    return [rng.uniform(0.80, 0.99)] * (episodes - 1)


def _sags(rng: random.Random, episodes: int) -> list[float]:
    """A strong beginning, a middle that loses people, a strong end."""
    most, least = rng.uniform(0.95, 0.99), rng.uniform(0.75, 0.90)
    third = episodes // 3
    return [least if third <= k < 2 * third else most for k in range(1, episodes)]


SHAPES = (_hooks, _even, _hooks, _sags, _hooks)
"""Dealt out in turn; five shapes and every fourth title weekly, so each shape meets both."""
