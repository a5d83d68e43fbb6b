"""How a season's audience goes on from episode to episode: its curve, pooled and by country."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.audience.beta import Beta
from streams.audience.life_table import HIGH, LOW, NOTHING, Bucket, Estimate, estimate, pooled
from streams.audience.passages import EDGES_S, Passages
from streams.catalogue import MIN_CURVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.audience.records import Passage, Row

LEAST_VIEWERS = 50
"""Nothing is said about fewer, and counts are told in steps of it (DESIGN's threshold)."""
MOST_COUNTRIES = 10
"""Countries of a season with tables of their own; all are in the pooled ones."""
MOST_COUNTED = 300
"""Countries whose viewers are counted so that a table can pass to a larger one."""
TAKES_OVER = 2
"""How many times as many viewers a country must have to take the table of another."""
PROVISIONAL_UNTIL_S = EDGES_S[-1]
DIGITS, SCALE = 3, 1000
"""Of published shares: finer ones would tell the counts behind them."""


@dataclass(frozen=True, slots=True)
class SeasonCurve:
    """What is known of a season, for episodes 1 .. K-1 at index 0 .. K-2.

    ``steps[j-1]`` is c_j, the share of those who watched j that goes on; ``h[k-1]`` is H_k, the
    product of c_j from k on: the share of those who watched k that goes on to the end.
    ``beliefs[k-1]`` is the distribution around H_k (steps err independently; the Beta of their
    product's first two moments). ``gap_cdf`` is the share of gaps over by ``EDGES_S``.
    ``horizon_s`` is the shortest of the steps' horizons.
    """

    version: str
    steps: tuple[Estimate, ...]
    h: tuple[float, ...]
    beliefs: tuple[Beta, ...]
    gap_cdf: tuple[float, ...]
    horizon_s: float

    @property
    def of(self) -> int:
        """Episodes of the season."""
        return len(self.steps) + 1

    def evenly_seen(self) -> tuple[float, ...]:
        """The shares of ``steps`` that go on within the one time that all of them were seen for.

        Early in a launch the first episodes were watched for longer than the last; shares within
        unlike times must not be compared.
        """
        edge = bisect_right(EDGES_S, self.horizon_s) - 1
        if edge < 1:
            return tuple(it.c for it in self.steps)
        return tuple(it.c * it.gap_cdf[edge - 1] for it in self.steps)

    @property
    def provisional(self) -> bool:
        """Whether who leaves cannot be known yet: nobody was watched for 28 days."""
        return self.horizon_s < PROVISIONAL_UNTIL_S

    def published(self) -> dict[str, Any]:
        """The field ``curve:S`` of docs/redis.md."""
        beliefs = list(zip(self.h, self.beliefs, strict=True))
        return {
            "version": self.version,
            "episodes": self.of,
            "c": [_nearest(it.c) for it in self.steps],
            "low": [_down(it.low) for it in self.steps],
            "high": [_up(it.high) for it in self.steps],
            "se": [_nearest(it.se) for it in self.steps],
            "n": [in_steps(it.n) for it in self.steps],
            "n_eff": [in_steps(it.n_eff) for it in self.steps],
            "h": [_nearest(h) for h, _ in beliefs],
            "h_low": [_down(min(h, it.quantile(LOW))) for h, it in beliefs],
            "h_high": [_up(max(h, it.quantile(HIGH))) for h, it in beliefs],
            "gap_s": [int(edge) for edge in EDGES_S],
            "gap_cdf": [_nearest(it) for it in self.gap_cdf],
            "horizon_s": int(self.horizon_s),
            "provisional": self.provisional,
        }


@dataclass(slots=True)
class _Group:
    """Passages by k of one country (of all, for ""), of rows entered at ``since_ms`` or later."""

    since_ms: int
    passages: dict[int, Passages]

    def add(self, k: int, row: Row, sign: int, open_ms: int) -> None:
        if row.entered_ms < self.since_ms:
            return
        found = self.passages.get(k)
        if found is None:
            found = self.passages[k] = Passages()
        found.add(row, sign, open_ms)

    def dump(self) -> list[Any]:
        return [self.since_ms, [[k, it.dump()] for k, it in sorted(self.passages.items())]]

    @classmethod
    def load(cls, data: list[Any]) -> _Group:
        since_ms, tables = data
        return cls(since_ms, {k: Passages.load(table) for k, table in tables})

    def has_enough(self, of: int) -> bool:
        """Whether enough have watched each of the episodes that one can go on from."""
        behind = (self.passages.get(k) for k in range(1, of))
        return all(it is not None and it.entered() >= LEAST_VIEWERS for it in behind)


class Retention:
    """One season (or film: k = 0 alone), from the passages of its viewers' records.

    The pooled tables and the counts by country depend on the rows alone, in any order. A country
    that comes to have ``TAKES_OVER`` times the viewers of the smallest with a table takes its
    place, and is then told from those on who enter from that moment.
    """

    __slots__ = ("_groups", "_latest_ms", "_open", "_viewers", "changed")

    def __init__(self) -> None:
        self._groups = {"": _Group(0, {})}
        self._viewers: dict[str, int] = {}
        self._open: dict[int, int] = {}
        self._latest_ms = 0
        self.changed: set[str] = set()
        """Groups whose tables are, or that have lost theirs, since they were last written."""

    def add(self, passage: Passage, country: str = "", open_ms: int = 0) -> None:
        """Count what changed for one viewer of ``country`` ("" unknown).

        ``open_ms``: when what follows came out (for k from 1 episode k+1, for 0 the last episode);
        0 if nothing is known of it, ``passages.NOT_OUT`` if it is not out and has no day.
        """
        if open_ms:
            self.opens(passage.k, open_ms)
        if country and not passage.k:
            self._count(country, passage)
        if passage.now and passage.now.entered_ms > self._latest_ms:
            self._latest_ms = passage.now.entered_ms
        open_ms = self._open.get(passage.k, 0)
        for name in ("", country) if country else ("",):
            if group := self._groups.get(name):
                self.changed.add(name)
                if passage.before:
                    group.add(passage.k, passage.before, -1, open_ms)
                if passage.now:
                    group.add(passage.k, passage.now, 1, open_ms)

    def opens(self, k: int, open_ms: int) -> None:
        """Tell when what follows k came out; holds for everyone who waits there already."""
        self._open[k] = open_ms

    def compact(self, clock_ms: int) -> None:
        """Make old cells coarser; once an hour of event time is often enough."""
        self.changed.update(self._groups)
        for group in self._groups.values():
            for k, passages in group.passages.items():
                passages.compact(clock_ms, self._open.get(k, 0))

    def countries(self) -> list[str]:
        """Those with tables of their own."""
        return sorted(name for name in self._groups if name)

    def can_hook(self, country: str = "") -> bool:
        """Whether enough have watched the second episode for it to be worth making a curve."""
        group = self._groups.get(country)
        second = group.passages.get(2) if group else None
        return second is not None and second.entered() >= LEAST_VIEWERS

    def curve(self, of: int, clock_ms: int, country: str = "") -> SeasonCurve | None:
        """The curve of a season of ``of`` episodes as of ``clock_ms``.

        None if the season's length is not known (``of`` 0) or it has one episode, and for a country
        with fewer than ``LEAST_VIEWERS`` viewers behind any episode.
        """
        group = self._groups.get(country)
        if of < MIN_CURVE or group is None:
            return None
        if country and not group.has_enough(of):
            return None
        tables = [self._buckets(group, k, clock_ms) for k in range(1, of)]
        if country and any(table[0].entered < LEAST_VIEWERS for table in tables):
            return None
        steps = tuple(map(estimate, tables))
        ahead = [steps[k:] for k in range(of - 1)]
        gaps = estimate(pooled(tables))
        known = gaps is not NOTHING and gaps.c > 0
        return SeasonCurve(
            version=str(clock_ms // 1000),
            steps=steps,
            h=tuple(math.prod(it.c for it in rest) for rest in ahead),
            beliefs=tuple(Beta.product(it.belief for it in rest) for rest in ahead),
            gap_cdf=(0.0, *gaps.gap_cdf) if known else (*[0.0] * (len(EDGES_S) - 1), 1.0),
            horizon_s=min(it.horizon_s for it in steps),
        )

    def completion(self, within_s: Sequence[float], clock_ms: int) -> list[Estimate | None]:
        """The share of those who began that completes within each of ``within_s`` (edges).

        Within that time of beginning, or of the last episode's release if that is later. None until
        someone could be watched for that long, and for fewer than ``LEAST_VIEWERS``.
        """
        buckets = self._buckets(self._groups[""], 0, clock_ms)
        found = [(within, estimate(buckets[: EDGES_S.index(within)])) for within in within_s]
        return [
            it if it.n >= LEAST_VIEWERS and it.horizon_s >= within else None for within, it in found
        ]

    def dump(self) -> list[Any]:
        """Plain values, to be kept: all but the tables of single countries."""
        viewers = [[name, n] for name, n in sorted(self._viewers.items()) if n]
        opens = [list(it) for it in sorted(self._open.items())]
        return [self._groups[""].dump(), viewers, opens, self._latest_ms]

    def dump_country(self, country: str) -> list[Any]:
        """The tables of a country; nothing if it has none any more."""
        group = self._groups.get(country)
        return group.dump() if group else []

    def load_country(self, country: str, data: list[Any]) -> None:
        """Take up what ``dump_country`` gave."""
        if data:
            self._groups[country] = _Group.load(data)

    @classmethod
    def load(cls, data: list[Any]) -> Retention:
        """What ``dump`` gave."""
        it = cls()
        everyone, viewers, opens, it._latest_ms = data
        it._groups[""] = _Group.load(everyone)
        it._viewers = dict(map(tuple, viewers))
        it._open = dict(map(tuple, opens))
        return it

    def _buckets(self, group: _Group, k: int, clock_ms: int) -> list[Bucket]:
        return (group.passages.get(k) or Passages()).buckets(clock_ms, self._open.get(k, 0))

    def _count(self, country: str, passage: Passage) -> None:
        change = (passage.now is not None) - (passage.before is not None)
        known = self._viewers.get(country)
        if known is None and len(self._viewers) >= MOST_COUNTED:
            return
        self._viewers[country] = (known or 0) + change
        if country in self._groups or passage.now is None:
            return
        if len(self._groups) > MOST_COUNTRIES:
            viewers, least = min((self._viewers.get(it, 0), it) for it in self.countries())
            if self._viewers[country] < TAKES_OVER * max(viewers, LEAST_VIEWERS):
                return
            del self._groups[least]
            self.changed.add(least)
            # Nobody who entered later was counted yet, so nobody will be taken off who was not.
            self._groups[country] = _Group(self._latest_ms + 1, {})
        else:
            self._groups[country] = _Group(0, {})


def in_steps(n: float) -> int:
    """``n`` rounded down to a multiple of ``LEAST_VIEWERS``: no difference tells of fewer."""
    return int(max(n, 0.0) // LEAST_VIEWERS) * LEAST_VIEWERS


def _nearest(share: float) -> float:
    return round(share, DIGITS)


def _down(share: float) -> float:
    return math.floor(share * SCALE) / SCALE


def _up(share: float) -> float:
    return math.ceil(share * SCALE) / SCALE
