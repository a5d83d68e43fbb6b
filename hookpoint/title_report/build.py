"""The report on one title, from what is published about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.engagement import Audience, Engagement, Facts, Reach
from hookpoint.commands._tables import clock, moment
from hookpoint.title_report.audience import audience_section, reach_section, voices_section
from hookpoint.title_report.model import Report, Section
from hookpoint.title_report.season import Context, Group, hook_pairs, season_section
from hookpoint.title_report.words import count, hours, named, share
from streams.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.engagement import Number
    from consumers.titles import Title


RULES = Rules()


def chosen_season(title: Title, wanted: int | None) -> int | None:
    """The season to show: the one wanted, or the last that has been watched; 0 for a film.

    Returns:
        None if nothing is published about it.
    """
    seasons = title.engagement.seasons if title.engagement else {}
    if wanted is not None:
        return wanted if wanted in seasons else None
    return max(seasons, default=None)


def build_report(
    title: Title,
    season: int | None = None,
    group: Group | None = None,
    rules: Rules = RULES,
) -> Report:
    """All that there is to say about ``title``.

    Args:
        title: as it was read.
        season: shown in full; None shows the last one that has been watched.
        group: whose curve to show; None shows everybody's.
        rules: the workers' thresholds, as far as what is published does not say them.
    """
    engagement = title.engagement or Engagement()
    if engagement.least_viewers:
        rules = replace(rules, least_viewers=engagement.least_viewers)
    sections = [_facts_section(title), _headline(engagement)]
    shown = chosen_season(title, season)
    if shown is not None:
        updated_at, runtimes = engagement.updated_at, _runtimes_s(title, shown)
        part = engagement.seasons[shown]
        context = Context(group, updated_at, rules)
        sections.append(season_section(shown, part, runtimes, context))
        sections += _other_seasons(engagement, shown, rules)
    if group is not None:
        sections.append(_in_group(engagement, group))
    sections += [
        audience_section(engagement.audience, rules.least_viewers),
        reach_section(engagement.reach, rules.least_viewers),
    ]
    voices = voices_section(engagement.voices, rules.least_viewers)
    if voices is not None:
        sections.append(voices)
    return Report(title.name, _as_of(engagement), tuple(sections))


def _as_of(engagement: Engagement) -> str:
    if engagement.updated_at is None:
        return "nobody has watched it yet"
    return f"as of {moment(engagement.updated_at)} UTC"


def _facts_section(title: Title) -> Section:
    facts = title.facts
    if facts is None:
        return Section("Facts", (("title", title.title_id),), notes=("Not in the catalogue.",))
    made_for = {True: "yes", False: "no", None: ""}[facts.original]
    pairs = [
        ("title", title.title_id),
        ("kind", facts.kind or ""),
        ("seasons", _season_list(facts)),
        ("runtime", clock(facts.duration_s) or ""),
        ("genres", ", ".join(facts.genres)),
        ("themes", ", ".join(facts.themes)),
        ("creators", ", ".join(facts.creators)),
        ("labels", ", ".join(facts.labels)),
        ("language", facts.language or ""),
        ("country", facts.country or ""),
        ("original", made_for),
    ]
    return Section("Facts", named(pairs))


def _season_list(facts: Facts) -> str:
    return ", ".join(
        f"{each.season} ({len(each.episodes)} episodes{'' if each.complete else ' so far'})"
        for each in facts.seasons
    )


def _headline(engagement: Engagement) -> Section:
    today = "" if engagement.viewers_today is None else f", {count(engagement.viewers_today)} today"
    pairs = [
        ("starters (2 minutes)", count(engagement.starters)),
        ("watched 70 %", count(engagement.watchers)),
        ("completed", count(engagement.completers)),
        ("hours", hours(engagement.hours)),
        ("views (hours by runtime)", count(engagement.views)),
        ("unique viewers", "" if engagement.viewers is None
            else f"about {count(engagement.viewers)}{today}"),
        ("completed within 7 days", share(engagement.completion_7d)),
        ("completed within 28 days", share(engagement.completion_28d)),
        ("started by autoplay", share(engagement.autoplay_share)),
        ("watched again", share(engagement.rewatched_share)),
        ("completers within 24 hours", share(engagement.binge_24h)),
        ("completers within a week", share(engagement.binge_7d)),
    ]  # fmt: skip
    late = [
        days
        for days, known in ((7, engagement.completion_7d), (28, engagement.completion_28d))
        if known is None
    ]
    notes = []
    if engagement.starters and late:
        days = " and ".join(map(str, late))
        notes.append(f"Completion within {days} days is known once viewers have had that long.")
    return Section("Headline", named(pairs), notes=tuple(notes))


def _other_seasons(engagement: Engagement, shown: int, rules: Rules) -> list[Section]:
    pairs = []
    for number, season in engagement.seasons.items():
        if number != shown:
            figures = season.figures
            told = [f"{count(figures.starters)} starters", f"{count(figures.completers)} completed"]
            told += [f"{name} {value}" for name, value in hook_pairs(season.hook, rules)[:1]]
            pairs.append((f"season {number}", ", ".join(told)))
    return [Section("Other seasons", tuple(pairs))] if pairs else []


def _in_group(engagement: Engagement, group: Group) -> Section:
    audience, reach = engagement.audience or Audience(), engagement.reach or Reach()
    in_country = group.kind == "country"
    viewers = (audience.country if in_country else audience.language).get(group.value)
    watched = (reach.countries if in_country else reach.languages).get(group.value)
    pairs = named(
        [
            ("viewers", "" if viewers is None else f"at least {count(viewers)}"),
            ("hours", hours(watched)),
        ]
    )
    whose = f"the curve and the hook point are of {group.name}"
    note = f"Beside these, only {whose}; the rest is of all."
    if not pairs:
        note = f"Viewers and hours are withheld: too few. {note}"
    return Section(f"In {group.name}", pairs, notes=(note,))


def _runtimes_s(title: Title, season: int) -> Mapping[str, Number]:
    facts = title.facts or Facts()
    if not season:
        return {"0": facts.duration_s} if facts.duration_s else {}
    return next((each.runtimes_s() for each in facts.seasons if each.season == season), {})
