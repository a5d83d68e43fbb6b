"""What is decided about a title at whole hours, with a signal for every change that matters.

| type | when |
|---|---|
| `title.hook_point` | the episode that hooks is found, is another one, or is none any more |
| `title.trending` | far more viewers begin it than its own baseline lets expect, or no longer |
| `title.travels` | it hooks viewers of another country or language about as well as at home, or
  no longer |
| `title.breakthrough` | a labelled season hooks clearly more than comparable ones, or no longer |

The id of a signal is a hash of what it is about and how many there were of that before, so the same
decision has the same id, whoever takes it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from streams.audience import hook_point
from streams.audience.breakthroughs import Breakthroughs
from streams.audience.hook_point import NONE, Hook
from streams.audience.retention import EVERYONE, LANGUAGE, kind_of
from streams.audience.seasons import home_of, length, line_of, standing
from streams.audience.tally import spoken
from streams.audience.travels import Travels
from streams.signals import stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.audience.retention import Kind
    from streams.audience.season_curve import SeasonCurve
    from streams.audience.title import Surroundings, TitleAudience
    from streams.audience.travels import Standing
    from streams.rules import Rules

GROUPS_EVERY_H = 24
"""Countries and languages are looked at once a day of event time, everyone together every hour."""
HOUR_MS = 3_600_000
STATE = {True: "begun", False: "ended"}


class Decisions:
    """The last word on everything that is decided about a title, and how often there was one."""

    __slots__ = ("_counts", "_rules", "_title_id", "breakthroughs", "hooks", "travels")

    def __init__(self, title_id: str, rules: Rules) -> None:
        self._title_id = title_id
        self._rules = rules
        self.hooks: dict[tuple[int, str], Hook] = {}
        self.travels: dict[int, Travels] = {}
        self.breakthroughs: dict[int, Breakthroughs] = {}
        """By season, as are travels."""
        self._counts: dict[str, int] = {}

    def dump(self) -> list[Any]:
        """Plain values, to be kept."""
        hooks = [[*key, hook.k, hook.since_ms] for key, hook in sorted(self.hooks.items())]
        travels = [[season, it.dump()] for season, it in sorted(self.travels.items())]
        broken = [[season, it.dump()] for season, it in sorted(self.breakthroughs.items())]
        return [hooks, travels, broken, self._counts]

    def load(self, data: list[Any]) -> None:
        """Take up what ``dump`` gave."""
        hooks, travels, broken, self._counts = data
        self.hooks = {(season, country): Hook(k, since) for season, country, k, since in hooks}
        for season, dumped in travels:
            self._travels(season).load(dumped)
        for season, dumped in broken:
            self._breakthroughs(season).load(dumped)

    def _travels(self, season: int) -> Travels:
        return self.travels.setdefault(season, Travels(self._rules))

    def _breakthroughs(self, season: int) -> Breakthroughs:
        return self.breakthroughs.setdefault(season, Breakthroughs(self._rules))

    def take(
        self, audience: TitleAudience, at_ms: int, moved: Sequence[int], around: Surroundings
    ) -> Iterator[str]:
        """Decide at a whole hour: on trends, and on the seasons that have ``moved``.

        Returns:
            Bodies of ``engagement-signals``.
        """
        yield from self._trends(audience, at_ms)
        for number in moved:
            hour = _Hour(at_ms, number, audience, around)
            if hour.of:
                yield from self._hook_points(hour)
                yield from self._comparisons(hour)

    # -- hook points -------------------------------------------------------------------------------
    def _hook_points(self, hour: _Hour) -> Iterator[str]:
        for group in hour.groups():
            held = self.hooks.get((hour.season, group), NONE)
            if held.k is None and not hour.retention.can_hook(group):
                continue
            curve = hour.curve(group)
            hook, change = hook_point.decide(held, curve, hour.at_ms, self._rules)
            if curve is None or change is None:
                continue
            self.hooks[hour.season, group] = hook
            told = hook_point.published(hook, curve, self._rules)
            del told["since"], told["version"], told["share"], told["lift_peers"]
            data = {
                "title_id": self._title_id,
                "season": hour.season,
                **_about(group),
                "state": change.what,
                **told,
                "before": change.before,
                "curve_version": curve.version,
                "catalogue_version": hour.around.catalogue.version,
            }
            yield self._signal("hook_point", f"{hour.season}:{group}", hour.at_ms, data)

    # -- the title beside itself and others ---
    def _trends(self, audience: TitleAudience, at_ms: int) -> Iterator[str]:
        for change in audience.trending.tick(at_ms // HOUR_MS):
            data = {
                "title_id": self._title_id,
                "country": change.country or None,
                "state": STATE[change.begins],
                "observed": change.observed,
                "expected": change.expected,
                "p": change.tail,
            }
            yield self._signal("trending", change.country, at_ms, data)

    def _comparisons(self, hour: _Hour) -> Iterator[str]:
        if not hour.daily:
            return
        yield from self._travelling(hour)
        least = self._rules.least_viewers
        curve = hour.curve(EVERYONE)
        found = standing(curve) if curve is not None else None
        line = line_of(hour.audience, hour.season, hour.title, found, least)
        for change in self._breakthroughs(hour.season).decide(line, hour.around.table):
            data = {
                "title_id": self._title_id,
                "season": hour.season,
                "labels": [change.label],
                "state": STATE[change.begins],
                **{name: it for name, it in change._asdict().items() if name != "begins"},
            }
            yield self._signal("breakthrough", f"{hour.season}:{change.label}", hour.at_ms, data)

    def _travelling(self, hour: _Hour) -> Iterator[str]:
        home = home_of(hour.title)
        homes: dict[Kind, str] = {"country": home.country, "language": spoken(home.language)}
        for kind, at_home in homes.items():
            for travel in self._travels(hour.season).decide(kind, at_home, hour.standings(kind)):
                data = {
                    "title_id": self._title_id,
                    "season": hour.season,
                    "state": STATE[travel.begins],
                    **{name: it for name, it in travel._asdict().items() if name != "begins"},
                }
                about = f"{hour.season}:{travel.to}:{travel.value}"
                yield self._signal("travels", about, hour.at_ms, data)

    # -- signals -----------------------------------------------------------------------------------
    def _signal(self, kind: str, about: str, at_ms: int, data: dict[str, Any]) -> str:
        """A CloudEvent of ``engagement-signals``."""
        counted = f"{kind}:{about}"
        number = self._counts[counted] = self._counts.get(counted, 0) + 1
        name = repr((self._title_id, kind, about, data["state"], number)).encode()
        body = {
            "specversion": "1.0",
            "id": blake2b(name, digest_size=16).hexdigest(),
            "source": "hookpoint",
            "type": f"title.{kind}",
            "subject": self._title_id,
            "time": stamp(at_ms),
            "datacontenttype": "application/json",
            "data": data,
        }
        return orjson.dumps(body).decode()


class _Hour:
    """One season at a whole hour; curves are made when they are asked for, once."""

    def __init__(
        self, at_ms: int, season: int, audience: TitleAudience, around: Surroundings
    ) -> None:
        self.at_ms = at_ms
        self.season = season
        self.audience = audience
        self.around = around
        self.title = around.catalogue.titles.get(audience.title_id)
        self.of = length(self.title, season)
        self.retention = audience.retention[season]
        self.daily = at_ms // HOUR_MS % GROUPS_EVERY_H == 0
        self._curves: dict[str, SeasonCurve | None] = {}

    def groups(self) -> list[str]:
        """Those that are looked at now."""
        return [EVERYONE, *(self.retention.groups() if self.daily else ())]

    def curve(self, group: str) -> SeasonCurve | None:
        """The curve of a group as of this hour."""
        if group not in self._curves:
            self._curves[group] = self.retention.curve(self.of, self.at_ms, group)
        return self._curves[group]

    def standings(self, kind: Kind) -> dict[str, Standing]:
        """How every country (or language) with a curve stands."""
        return {
            value: standing(curve)
            for value, group in self.retention.groups_by_value(kind).items()
            if (curve := self.curve(group)) is not None
        }


def _about(group: str) -> dict[str, str | None]:
    """Whose hook point a signal is about; both are null for everyone's."""
    value, of_language = group.removeprefix(LANGUAGE) or None, kind_of(group) == "language"
    return {
        "country": None if of_language else value,
        "language": value if of_language else None,
    }
