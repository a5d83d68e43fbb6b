"""How a season's audience goes on from episode to episode: its curve, of everyone and by group.

A group is a country (``DE``) or a language of the audio, whatever its region (``language:ko``): the
same name as in ``curve:S:DE`` and ``curve:S:language:ko`` of docs/redis.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from streams.audience.life_table import NOTHING, Bucket, Estimate, estimate, pooled
from streams.audience.passages import EDGES_S, Passages
from streams.audience.records import Seat
from streams.audience.season_curve import SeasonCurve
from streams.audience.tally import spoken
from streams.catalogue import MIN_CURVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.audience.records import Passage, Row
    from streams.rules import Rules

EVERYONE = ""
"""Stands for all groups together."""
LANGUAGE = "language:"
Kind = Literal["country", "language"]
MOST_GROUPS: Mapping[Kind, int] = {"country": 10, "language": 5}
"""Groups of a season with tables of their own; everyone is in the pooled ones."""
MOST_COUNTED = 300
"""Groups of a kind whose viewers are counted so that a table can pass to a larger one."""
TAKES_OVER = 2
"""How many times as many viewers a group must have to take the tables of another."""
NOWHERE = Seat()


@dataclass(slots=True)
class _Group:
    """Passages by k of one group, of rows entered at ``since_ms`` or later."""

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

    def has(self, least: int, of: int) -> bool:
        """Whether at least so many have watched each of the episodes that one can go on from."""
        behind = (self.passages.get(k) for k in range(1, of))
        return all(it is not None and it.entered() >= least for it in behind)


class Retention:
    """One season (or film: k = 0 alone), from the passages of its viewers' records.

    The pooled tables and the counts by group depend on the rows alone, in any order. A group that
    comes to have ``TAKES_OVER`` times the viewers of the smallest of its kind with tables takes
    their place, and is then told from those on who enter from that moment. Home, which all others
    are compared with, takes it at once and keeps it.
    """

    __slots__ = (
        "_groups",
        "_languages_since_ms",
        "_latest_ms",
        "_least",
        "_open",
        "_viewers",
        "changed",
    )

    def __init__(self, rules: Rules) -> None:
        self._least = rules.least_viewers
        self._groups = {EVERYONE: _Group(0, {})}
        self._viewers: dict[Kind, dict[str, int]] = {kind: {} for kind in MOST_GROUPS}
        self._open: dict[int, int] = {}
        self._latest_ms = 0
        self._languages_since_ms = 0
        """Who entered before was not counted by language: an earlier release counted them."""
        self.changed: set[str] = set()
        """Groups whose tables are, or that have lost theirs, since they were last written."""

    def add(
        self,
        passage: Passage,
        seat: Seat = NOWHERE,
        open_ms: int = 0,
        home: Sequence[str] = (),
    ) -> None:
        """Count what changed for one viewer.

        Args:
            passage: their row as it was and as it is.
            seat: the country and language they are counted under, where these are known.
            open_ms: when what follows came out (for k from 1 episode k+1, for 0 the last episode);
                0 if nothing is known of it, ``passages.NOT_OUT`` if it is not out and has no day.
            home: groups that the title comes from.
        """
        k, before, now = passage.k, passage.before, passage.now
        if open_ms:
            self.opens(k, open_ms)
        names = groups_of(seat.country, seat.language)
        if not k:  # who completes a season is told of everyone together
            for name in names:
                self._count(name, passage, home)
            names = ()
        if now and now.entered_ms > self._latest_ms:
            self._latest_ms = now.entered_ms
        open_ms = self._open.get(k, 0)
        for name in (EVERYONE, *names):
            if group := self._groups.get(name):
                self.changed.add(name)
                if before:
                    group.add(k, before, -1, open_ms)
                if now:
                    group.add(k, now, 1, open_ms)

    def opens(self, k: int, open_ms: int) -> None:
        """Tell when what follows k came out; holds for everyone who waits there already."""
        self._open[k] = open_ms

    def compact(self, clock_ms: int) -> None:
        """Make old cells coarser; once an hour of event time is often enough."""
        self.changed.update(self._groups)
        for group in self._groups.values():
            for k, passages in group.passages.items():
                passages.compact(clock_ms, self._open.get(k, 0))

    def groups(self) -> list[str]:
        """Those with tables of their own: countries, then languages."""
        return sorted(name for name in self._groups if name)

    def groups_by_value(self, kind: Kind) -> dict[str, str]:
        """Those of a kind, by country or language."""
        named = {name.removeprefix(LANGUAGE): name for name in self._groups if name}
        return {value: name for value, name in sorted(named.items()) if kind_of(name) == kind}

    def can_hook(self, group: str = EVERYONE) -> bool:
        """Whether enough have watched the second episode for it to be worth making a curve."""
        found = self._groups.get(group)
        second = found.passages.get(2) if found else None
        return second is not None and second.entered() >= self._least

    def curve(self, of: int, clock_ms: int, group: str = EVERYONE) -> SeasonCurve | None:
        """What can be told of a season of ``of`` episodes as of ``clock_ms``.

        A step with fewer than ``least_viewers`` behind it is as if nobody was there. None if that
        is the first, and for a group if it is any.
        """
        found = self.estimates(of, clock_ms, group)
        return found.known_of(self._least) if found is not None else None

    def estimates(self, of: int, clock_ms: int, group: str = EVERYONE) -> SeasonCurve | None:
        """The curve, however few viewers are behind a step of everyone's. Not for publication.

        None if the season's length is not known (``of`` 0) or it has one episode, and for a group
        with fewer than ``least_viewers`` behind any episode.
        """
        found = self._groups.get(group)
        if of < MIN_CURVE or found is None:
            return None
        if group and not found.has(self._least, of):
            return None
        tables = [self._buckets(found, k, clock_ms) for k in range(1, of)]
        if group and any(table[0].entered < self._least for table in tables):
            return None
        steps = tuple(map(estimate, tables))
        gaps = estimate(pooled(tables))
        return SeasonCurve.made_of(str(clock_ms // 1000), steps, gaps, of_group=bool(group))

    def completion(self, within_s: Sequence[float], clock_ms: int) -> list[Estimate | None]:
        """The share of those who began that completes within each of ``within_s`` (edges).

        Within that time of beginning, or of the last episode's release if that is later. None until
        someone could be watched for that long, and for fewer than ``least_viewers``.
        """
        began = self._groups[EVERYONE].passages.get(0) or Passages()
        watched_s = began.watched_s(clock_ms, self._open.get(0, 0))
        if began.entered() < self._least or watched_s < min(within_s):
            return [None for _ in within_s]
        buckets = self._buckets(self._groups[EVERYONE], 0, clock_ms)
        found = [
            (within, estimate(buckets[: EDGES_S.index(within)]) if watched_s >= within else NOTHING)
            for within in within_s
        ]
        return [
            it if it.n >= self._least and it.horizon_s >= within else None for within, it in found
        ]

    def dump(self) -> list[Any]:
        """Plain values, to be kept: all but the tables of groups."""
        viewers = [
            [[name, n] for name, n in sorted(counts.items()) if n]
            for counts in self._viewers.values()
        ]
        opens = [list(it) for it in sorted(self._open.items())]
        everyone = self._groups[EVERYONE].dump()
        return [everyone, *viewers, opens, self._latest_ms, self._languages_since_ms]

    def dump_group(self, name: str) -> list[Any]:
        """The tables of a group; nothing if it has none any more."""
        group = self._groups.get(name)
        return group.dump() if group else []

    def load_group(self, name: str, data: list[Any]) -> None:
        """Take up what ``dump_group`` gave."""
        if data:
            self._groups[name] = _Group.load(data)

    @classmethod
    def load(cls, data: list[Any], rules: Rules) -> Retention:
        """What ``dump`` gave."""
        it = cls(rules)
        everyone, countries, languages, opens, it._latest_ms, it._languages_since_ms = data
        it._groups[EVERYONE] = _Group.load(everyone)
        it._viewers = {
            "country": dict(map(tuple, countries)), "language": dict(map(tuple, languages)),
        }  # fmt: skip
        it._open = dict(map(tuple, opens))
        return it

    @classmethod
    def load_without_languages(cls, data: list[Any], rules: Rules) -> Retention:
        """What ``dump`` gave before there were languages: they begin with whoever enters now."""
        everyone, countries, opens, latest_ms = data
        return cls.load([everyone, countries, [], opens, latest_ms, latest_ms + 1], rules)

    def _buckets(self, group: _Group, k: int, clock_ms: int) -> list[Bucket]:
        return (group.passages.get(k) or Passages()).buckets(clock_ms, self._open.get(k, 0))

    def _count(self, name: str, passage: Passage, home: Sequence[str]) -> None:
        change = (passage.now is not None) - (passage.before is not None)
        kind = kind_of(name)
        counts = self._viewers[kind]
        known = counts.get(name)
        if known is None and len(counts) >= MOST_COUNTED:
            return
        viewers = counts[name] = (known or 0) + change
        if name in self._groups or passage.now is None:
            return
        held = self.groups_by_value(kind).values()
        if len(held) >= MOST_GROUPS[kind]:
            fewest, least = min((counts.get(it, 0), it) for it in held if it not in home)
            if name not in home and viewers < TAKES_OVER * max(fewest, self._least):
                return
            del self._groups[least]
            self.changed.add(least)
        since_ms = self._languages_since_ms if kind == "language" else 0
        if known is not None:
            # Nobody who enters later was counted yet, so nobody will be taken off who was not.
            since_ms = self._latest_ms + 1
        self._groups[name] = _Group(since_ms, {})
        self.changed.add(name)


def kind_of(group: str) -> Kind:
    """What a group is of."""
    return "language" if group.startswith(LANGUAGE) else "country"


@lru_cache(maxsize=4096)
def groups_of(country: str, language: str) -> tuple[str, ...]:
    """Groups that a viewer belongs to, those of unknown values left out."""
    speech = spoken(language)
    return (*((country,) if country else ()), *((LANGUAGE + speech,) if speech else ()))
