"""What others may read of a title: the fields of docs/redis.md, made from its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.json import encode

from streams.audience import hook_point
from streams.audience.hook_point import NONE, peers_mean
from streams.audience.retention import EVERYONE
from streams.audience.seasons import home_of, length, line_of, name_of, standing
from streams.audience.voices import voices_of
from streams.signals import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.audience.hook_point import Hook
    from streams.audience.retention import Retention
    from streams.audience.season_curve import SeasonCurve
    from streams.audience.title import Surroundings, TitleAudience
    from streams.audience.travels import Standing
    from streams.audience.voices import Line
    from streams.catalogue import Title
    from streams.rules import Rules

COMPLETIONS = {"completion_7d": 7 * 86400.0, "completion_28d": 28 * 86400.0}
"""Fields, and within how many seconds of beginning."""
MOVED = 0.001
"""Share of passages that no published share can be told from the one before by: three digits."""


class Made(NamedTuple):
    """What was published of a curve, and what that rests on."""

    passages: int
    hook: Hook
    beside: float | None
    """H_1 of the seasons it is compared with."""
    found: Standing | None
    """None where there was no curve to publish."""
    curve: bytes
    told: bytes
    """The fields ``curve:S`` and ``hook:S``."""


class Report(NamedTuple):
    """What a title publishes at one time.

    ``fields`` of ``engagement:{title}``; ``ranks``: the score by sorted set (key without prefix),
    None where the title is not in it; ``lines`` of the table of peers, by ``title:season``;
    ``curves`` by season and group.
    """

    fields: dict[str, Any]
    ranks: dict[str, float | None]
    lines: dict[str, bytes]
    curves: dict[tuple[int, str], Made]


def report_of(audience: TitleAudience, around: Surroundings, last: Report | None = None) -> Report:
    """Everything, as of the title's clock.

    Args:
        audience: whose.
        around: the catalogue, and what other titles say of themselves.
        last: a report to take curves from, which cost the most: those of groups, and of seasons
            that next to nobody has passed through since. None makes all anew.
    """
    return _Making(audience, around, last).report()


class _Making:
    """One report in the making."""

    def __init__(self, audience: TitleAudience, around: Surroundings, last: Report | None) -> None:
        self._audience = audience
        self._last = last
        self._made: dict[tuple[int, str], Made] = {}
        self._around = around
        self._title: Title | None = around.catalogue.titles.get(audience.title_id)
        self._least = around.rules.least_viewers
        self._at_ms = audience.clock_ms
        self._fields: dict[str, Any] = {
            "updated_at": stamp(self._at_ms), "least_viewers": self._least,
        }  # fmt: skip
        self._lines: dict[str, bytes] = {}
        self._labelled: dict[int, Line] = {}
        self._scores: dict[str, list[float]] = {"hooked": [], "travelling": [], "new-voices": []}

    def report(self) -> Report:
        engagement = self._audience.engagement
        self._fields |= engagement.scalars(self._title)
        for number in sorted(engagement.seasons):
            self._season(number)
        self._fields["audience"] = encode(self._audience.people.report(self._least))
        self._fields["reach"] = encode(self._reach())
        if self._labelled:
            self._fields["voices"] = encode(self._voices())
        return Report(self._fields, self._ranks(), self._lines, self._made)

    # -- seasons -----------------------------------------------------------------------------------
    def _season(self, number: int) -> None:
        engagement, fields = self._audience.engagement, self._fields
        said = engagement.season(number, self._title)
        retention = self._audience.retention.get(number)
        found = None
        if retention is not None:
            completion = _completion(retention, self._at_ms)
            said |= completion
            for name, share in completion.items():  # of the whole title: of what was begun first
                fields.setdefault(name, share)
            found = self._curves(number, retention)
        fields[f"season:{number}"] = encode(said)
        fields[f"episodes:{number}"] = encode(engagement.episodes(number, self._title))
        fields[f"dropoff:{number}"] = encode(engagement.drop_off(number, self._least))
        line = line_of(self._audience, number, self._title, found, self._least)
        self._lines[name_of(self._audience.title_id, number)] = encode(line)
        if line.labels:
            self._labelled[number] = line

    def _curves(self, number: int, retention: Retention) -> Standing | None:
        """Publish the curves of a season; returns how everyone's stands."""
        of = length(self._title, number)
        name = name_of(self._audience.title_id, number)
        others = self._around.table.same_length(of, name, self._least)
        beside = peers_mean(others, self._around.rules.least_peers)
        everyone = self._publish(number, EVERYONE, of, beside)
        if everyone is None:
            return None
        for group in retention.groups():
            self._publish(number, group, of, beside)
        if everyone.n >= self._least:
            self._scores["hooked"].append(everyone.low)
        return everyone

    def _publish(self, number: int, group: str, of: int, beside: float | None) -> Standing | None:
        key = (number, group)
        hook = self._audience.decisions.hooks.get(key, NONE)
        passages = self._audience.news[number][1]
        made = self._last.curves.get(key) if self._last is not None else None
        holds = made is not None and made.hook == hook
        if made is not None and not group:
            still = passages - made.passages < MOVED * passages
            holds = holds and still and made.beside == beside
        if made is None or not holds:
            curve = self._audience.retention[number].curve(of, self._at_ms, group)
            made = _made(curve, passages, hook, beside, self._around.rules)
        self._made[key] = made
        if made.found is not None:
            place = f"{number}:{group}" if group else str(number)
            self._fields[f"curve:{place}"] = made.curve
            self._fields[f"hook:{place}"] = made.told
        return made.found

    # -- the whole title ---
    def _voices(self) -> dict[str, Any]:
        broken = self._audience.decisions.breakthroughs
        told = voices_of(self._labelled, broken, self._around.table, self._least)
        self._scores["new-voices"] += [it["low"] for it in told["breakthrough"]]
        return told

    def _reach(self) -> dict[str, Any]:
        people = self._audience.people
        countries, languages = people.by_season("country"), people.by_season("language")
        home = home_of(self._title)
        told = self._audience.reach.report(
            home, countries, languages, self._audience.engagement.wall_ms(), self._least
        )
        travels = [
            {"season": number, **travel}
            for number, it in sorted(self._audience.decisions.travels.items())
            for travel in it.report()
        ]
        self._scores["travelling"] += [it["low"] for it in travels]
        return told | {"travels": travels}

    def _ranks(self) -> dict[str, float | None]:
        best: Mapping[str, float | None] = {
            name: round(max(scores), 3) if scores else None for name, scores in self._scores.items()
        }
        trends = self._audience.trending.report()
        ranks = {f"top:{name}": score for name, score in best.items()}
        ranks["top:hours"] = self._fields["hours"]
        known = {*self._audience.trending.countries(), *trends}
        return ranks | {f"trending:{name or 'all'}": trends.get(name) for name in sorted(known)}


def _made(
    curve: SeasonCurve | None, passages: int, hook: Hook, beside: float | None, rules: Rules
) -> Made:
    if curve is None:
        return Made(passages, hook, beside, None, b"", b"")
    told = hook_point.published(hook, curve, rules, beside)
    told["since"] = stamp(hook.since_ms) if hook.since_ms else None
    found = standing(curve)
    return Made(
        passages, hook, beside, found, encode(curve.published(rules.least_viewers)), encode(told)
    )


def _completion(retention: Retention, at_ms: int) -> dict[str, float]:
    found = zip(COMPLETIONS, retention.completion(list(COMPLETIONS.values()), at_ms), strict=True)
    return {name: round(it.c, 3) for name, it in found if it is not None}
