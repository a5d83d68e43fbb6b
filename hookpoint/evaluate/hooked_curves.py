"""Where the curves come from that the viewers are judged by: the truth, or the stream so far."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, NamedTuple, Protocol

from hookpoint.evaluate.hooked_viewers import Follower
from streams.audience.hook_point import NONE, Hook, decide
from streams.audience.retention import Retention
from streams.catalogue import Curve, parse_title
from streams.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from producers.simulator.catalogue import Title
    from streams.audience.records import Progress

RULES = Rules()
SeasonKey = tuple[str, int]
"""Title id, season."""
GAPS_DRAWN = 20_000
GAP_STEPS = 40
KNOWN_N = 1_000_000
"""Viewers behind a curve that is not estimated at all."""


class Snapshot(NamedTuple):
    """Curves and hook points (None: there is none) at one moment."""

    curves: Mapping[SeasonKey, Curve]
    hook_points: Mapping[SeasonKey, int | None]


class Curves(Protocol):
    """A source of curves; it may only use what it has heard up to now."""

    def hear(self, progress: Progress) -> None:
        """A viewer has come further in a season."""

    def at(self, clock_ms: int) -> Snapshot:
        """What is known at this stream time."""


class KnownCurves:
    """The probabilities that the viewers were made with: the bound for any estimate.

    Where viewers differ they are those of a viewer with a pull of 0, and no bound. The gaps are
    drawn from the same model as the viewers', for a season that is all out.
    """

    def __init__(self, titles: tuple[Title, ...], seed: int, *, differ: bool = False) -> None:
        edges, cdf = drawn_gaps(titles, random.Random(f"gaps {seed}"), differ=differ)
        curves = {}
        for title in titles:
            shares = title.seasons[0].goes_on
            count = (KNOWN_N,) * len(shares)
            curves[title.title_id, 1] = Curve("true", shares, shares, count, edges, cdf)
        self._snapshot = Snapshot(
            curves, {(title.title_id, 1): title.seasons[0].hook_point() for title in titles}
        )

    def hear(self, progress: Progress) -> None:
        """The truth has nothing to learn."""

    def at(self, clock_ms: int) -> Snapshot:
        """The same at all times."""
        del clock_ms
        return self._snapshot


class LearnedCurves:
    """What the records of ``title-progress`` have told so far, by the core's own life table."""

    def __init__(self, titles: tuple[Title, ...]) -> None:
        parsed = (parse_title(title.facts()) for title in titles)
        self._seasons = {(title.title_id, 1): title.seasons[1] for title in parsed}
        self._tables = {key: Retention(RULES) for key in self._seasons}
        self._hooks: dict[SeasonKey, Hook] = dict.fromkeys(self._seasons, NONE)

    def hear(self, progress: Progress) -> None:
        """Count what has changed."""
        key = (progress.title_id, progress.season)
        season = self._seasons[key]
        for passage in progress.passages:
            following = passage.k + 1 if passage.k else season.of
            self._tables[key].add(passage, open_ms=season.released_ms.get(following, 0))

    def at(self, clock_ms: int) -> Snapshot:
        """Curves and hook points as they would be published now."""
        curves = {}
        for key, table in self._tables.items():
            table.compact(clock_ms)
            found = table.curve(self._seasons[key].of, clock_ms)
            if found is not None:
                curves[key] = Curve.parse(found.published(RULES.least_viewers))
                self._hooks[key], _ = decide(self._hooks[key], found, clock_ms, RULES)
        return Snapshot(curves, {key: hook.k for key, hook in self._hooks.items()})


def drawn_gaps(
    titles: tuple[Title, ...], rng: random.Random, *, differ: bool
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Edges in seconds and shares of gaps not longer, of viewers who go on."""
    gaps = []
    for number in range(GAPS_DRAWN // 10):
        follower = Follower(f"gap-{number}", rng, titles, differ=differ)
        now_s = follower.arrives_s(rng, titles[0].released_s, titles[0].released_s)
        gaps += [follower.gap_s(rng, now_s) for _ in range(10)]
    gaps.sort()
    edges = [60.0 * (math.ceil(gaps[-1] / 60.0)) ** (step / GAP_STEPS) for step in range(GAP_STEPS)]
    edges.append(gaps[-1])
    at, shares = 0, []
    for edge in edges:
        while at < len(gaps) and gaps[at] <= edge:
            at += 1
        shares.append(at / len(gaps))
    return (0.0, *edges), (0.0, *shares[:-1], 1.0)
