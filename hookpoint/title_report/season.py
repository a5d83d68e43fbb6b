"""The part of a report that is about one season, or the film itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from consumers.engagement import GroupCurve
from hookpoint.commands._tables import clock
from hookpoint.title_report.model import Chart, Row, Section
from hookpoint.title_report.words import (
    between,
    certainty,
    count,
    hours,
    named,
    points,
    provisional,
    share,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from consumers.engagement import Curve, Hook, Number, Season
    from hookpoint.title_report.model import Bounds
    from streams.rules import Rules

BINS = 20


class Group(NamedTuple):
    """Viewers of one country (ISO 3166-1 alpha-2) or one language of the audio (as ``ko``)."""

    kind: Literal["country", "language"]
    value: str

    @property
    def name(self) -> str:
        """In words: ``DE``, ``ko audio``."""
        return self.value if self.kind == "country" else f"{self.value} audio"

    def all_of(self, season: Season) -> Mapping[str, GroupCurve]:
        """Curves of all groups of this kind."""
        return season.countries if self.kind == "country" else season.languages


class Context(NamedTuple):
    """How a season is to be told."""

    group: Group | None
    """Whose curve; None for everybody's."""
    updated_at: datetime | None
    """The event time of what is published."""
    rules: Rules
    """The workers'."""


class Told(NamedTuple):
    """A share as it is drawn and as it is said."""

    value: float
    """NaN where it is not known."""
    bounds: Bounds
    words: str

    @classmethod
    def of(cls, value: float, bounds: Bounds, is_known: bool) -> Told:  # of one value
        """One that is known or not."""
        if not is_known:
            return cls(math.nan, None, share(None))
        return cls(value, bounds, share(value) + between(*(bounds or (None, None))))


def season_section(
    number: int, season: Season, runtimes_s: Mapping[str, Number], context: Context
) -> Section:
    """How season ``number`` (0 for a film) is watched; ``runtimes_s`` are by episode number."""
    figures = season.figures
    pairs = [
        ("starters", count(figures.starters)),
        ("watched 70 %", count(figures.watchers)),
        ("completed", count(figures.completers)),
        ("hours", hours(figures.hours)),
        ("completed within 7 days", share(figures.completion_7d)),
        ("completed within 28 days", share(figures.completion_28d)),
        ("completers within 24 hours", share(figures.binge_24h)),
        ("completers within a week", share(figures.binge_7d)),
        ("began it again", count(figures.rewatch_starters)),
    ]
    charts, notes = [], []
    if number:
        own, group = GroupCurve(season.curve, season.hook), context.group
        curves = group.all_of(season).get(group.value, GroupCurve()) if group else own
        pairs += hook_pairs(curves.hook, context.rules, curves.curve, group)
        if curves.curve is not None:
            charts.append(curve_chart(number, curves.curve, curves.hook, context))
        notes += _curve_notes(season, curves, context)
    if season.dropoff or season.episodes:
        charts.append(_dropoff_chart(number, season, runtimes_s))
    if season.episodes.keys() - season.dropoff.keys():
        few = f"episodes with fewer than {context.rules.least_viewers} starters"
        notes.append(f"Where viewers leave is withheld for {few}.")
    heading = f"Season {number}" if number else "The film"
    return Section(heading, named(pairs), tuple(charts), tuple(notes))


# -- hook point and curve --------------------------------------------------------------------------
def hook_pairs(
    hook: Hook | None, rules: Rules, curve: Curve | None = None, group: Group | None = None
) -> list[tuple[str, str]]:
    """The hook point in words; empty if nothing is said about one.

    Where too few viewers are behind a step of ``curve``, nothing is known of who finishes.
    """
    if hook is None:
        return []
    is_known = curve is None or curve.is_known_from(1)
    sure = certainty(hook.certainty) if hook.k is not None else ""
    if group is not None and sure:  # rounded down to a step that is worth a crowd
        sure = f"at least {share(hook.certainty)}" if hook.certainty else ""
    of, asked = "?" if hook.of is None else hook.of, share(rules.hook_share)
    if hook.k is None:
        where = f"none yet: after no episode of {of} do {asked} surely go on to the end"
    else:
        where = (
            f"episode {hook.k} of {of}: {share(hook.p)}{between(hook.low, hook.high)} of those "
            f"who watched it go on to the end, {count(hook.n)} viewers or more"
        )
    return [
        ("hook point", where),
        ("go on to the end from episode 1", share(hook.h1 if is_known else None)),
        (f"certain that {asked} do", sure),
        ("lift over an even loss", points(hook.lift if is_known else None)),
        ("beside seasons of the same length", points(hook.lift_peers if is_known else None)),
        ("so since", "" if hook.since is None else f"{hook.since:%Y-%m-%d %H:%M} UTC"),
    ]


def curve_chart(number: int, curve: Curve, hook: Hook | None, context: Context) -> Chart:
    """Who goes on from each episode, and who to the end, with bounds; the hook point is marked.

    What too few viewers are behind is not drawn, and ``-`` in words.
    """
    marked, group = (hook.k if hook is not None else None), context.group
    rows, told = [], []
    for place, (c, h) in enumerate(zip(curve.c, curve.finish(), strict=True)):
        episode = place + 1
        go_on = Told.of(c, _bounds(curve.low, curve.high, place), curve.is_known(episode))
        finish = Told.of(h, _bounds(curve.h_low, curve.h_high, place), curve.is_known_from(episode))
        to_next, to_end = go_on.words, finish.words
        behind = count(curve.n[place]) if curve.n[place] else f"under {context.rules.least_viewers}"
        cells = (to_next, to_end, behind, "hook point" if episode == marked else "")
        values, bounds = (go_on.value, finish.value), (go_on.bounds, finish.bounds)
        rows.append(Row(str(episode), values, cells, bounds, is_marked=episode == marked))
        told.append(f"{episode}: {to_next} to the next, {to_end} to the end")
    where = f" in {group.name}" if group else ""
    point = f" The hook point is episode {marked}." if marked is not None else ""
    return Chart(
        name=f"curve-{number}",
        shape="bounds",
        caption=f"Who goes on{where}, by the last episode watched",
        headings=("episode", "go on to the next", "next", "to the end", "viewers", ""),
        rows=tuple(rows),
        alt=f"Share of viewers{where} who go on after each episode. {'; '.join(told)}.{point}",
        line=context.rules.hook_share,
    )


def _bounds(lows: tuple[float, ...], highs: tuple[float, ...], place: int) -> Bounds:
    return (lows[place], highs[place]) if lows and highs else None


def _curve_notes(season: Season, curves: GroupCurve, context: Context) -> list[str]:
    group = context.group
    what = f"The curve of {group.name}" if group else "The curve"
    if curves.curve is None:
        there = ""
        if group is not None:
            others = (name for name, each in group.all_of(season).items() if each.curve)
            told = ", ".join(others)
            there = f" There is one for: {told}." if told else ""
        why = "too few viewers have finished an episode, or the season's length is unknown"
        return [f"{what} is not there yet: {why}.{there}"]
    if curves.curve.provisional:
        return [provisional(what, curves.curve.horizon_s, context.updated_at)]
    return []


# -- where in an episode people leave --------------------------------------------------------------
def _dropoff_chart(number: int, season: Season, runtimes_s: Mapping[str, Number]) -> Chart:
    names = sorted({*season.dropoff, *season.episodes}, key=_in_order)
    rows, told = [], []
    for name in names:
        left = season.dropoff.get(name, ())
        where = _where_most_leave(left, runtimes_s.get(name))
        label = name if number else "film"
        rows.append(Row(label, left, (*_episode_cells(season, name), where)))
        if where:
            told.append(f"{label}: {where}")
    return Chart(
        name=f"dropoff-{number}",
        shape="profile",
        caption="Where viewers leave for good, by twentieths of an episode",
        headings=(
            "episode", "left at", "starters", "watched", "completed", "hours", "most leave at",
        ),
        rows=tuple(rows),
        alt=f"Share of starters who leave in each twentieth of an episode. {'; '.join(told)}.",
    )  # fmt: skip


def _episode_cells(season: Season, name: str) -> tuple[str, ...]:
    figures = season.episodes.get(name)
    if figures is None:
        return ("", "", "", "")
    counts = (figures.starters, figures.watchers, figures.completers)
    return (*map(count, counts), hours(figures.hours))


def _where_most_leave(left: tuple[float, ...], runtime_s: Number | None) -> str:
    if not left or not max(left) > 0:
        return ""
    worst = left.index(max(left))
    start, end = worst / len(left), (worst + 1) / len(left)
    where = f"{start * 100:.0f}-{end * 100:.0f} %"
    if runtime_s:
        where += f", {clock(round(start * runtime_s))}-{clock(round(end * runtime_s))}"
    return f"{where}: {left[worst] * 100:.1f} %"


def _in_order(name: str) -> tuple[int, str]:
    return (int(name), name) if name.isdecimal() else (0, name)
