"""The highest rate of a live stream that a worker keeps up with.

A backlog is worked off faster than a stream: its slices are long, and nobody sends meanwhile. Of a
capacity so measured, what is "at 90 %" grows without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 5
"""Halvings of what is not decided yet: it ends within a thirtieth of where it began."""
TRY_S = 15.0
"""For how long each rate is sent."""
MOST_BEHIND_S = 0.5
"""A worker that is further behind at the end, in seconds of the stream, does not keep up."""
PROBES_PER_S = 1.0
"""The least that a schedule takes; nobody looks at them."""


def sustained(upper: float, behind: Callable[[float], float]) -> float:
    """The highest rate that was kept up with, in events/s; 0 if none was.

    Args:
        upper: a rate, in events/s, that surely is too high.
        behind: sends at a rate, and tells how many records the worker is behind then.
    """
    kept = 0.0
    for _ in range(STEPS):
        middle = (kept + upper) / 2
        if behind(middle) <= middle * MOST_BEHIND_S:
            kept = middle
        else:
            upper = middle
    return kept


def attempt(rate: float) -> dict[str, Any]:
    """What the sender is told for one rate, in events/s."""
    return {
        "do": "load", "rate": rate, "warm_s": 0.0, "measure_s": TRY_S, "probes_per_s": PROBES_PER_S,
    }  # fmt: skip
