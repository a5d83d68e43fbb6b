"""The parts of a report that are about who watches, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.engagement import Label
from hookpoint.title_report.model import Chart, Row, Section
from hookpoint.title_report.words import count, hours, local_hours, named, share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.engagement import Audience, Breakthrough, Reach, Travel, Voices

FACETS = ("country", "language", "genre", "hour", "device", "age")
CAPTIONS = {
    "country": "Viewers by country",
    "language": "Viewers by audio language",
    "genre": "Viewers by genre watched most before",
    "hour": "Viewers by local time of day",
    "device": "Viewers by device",
    "age": "Viewers by declared age band",
}
SHOWN = 8
"""Values per facet."""


def audience_section(audience: Audience | None, least: int) -> Section:
    """Who watches; what is said of fewer than ``least`` is that it is withheld."""
    if audience is None or not audience.n:
        note = f"Withheld: fewer than {least} viewers so far."
        return Section("Who watches", notes=(note,))
    charts, none = [], []
    for facet in FACETS:
        counts = getattr(audience, facet)
        if counts:
            charts.append(_facet_chart(facet, counts, audience.n))
        else:
            none.append(facet)
    rounded = f"Counts are rounded down to multiples of {least}"
    notes = [f"{rounded}; what has fewer than {least} viewers is withheld."]
    if none:
        why = f"no value is known of {least} viewers"
        notes.append(f"Withheld altogether: {', '.join(none)}; {why}.")
    pairs = (("viewers counted here", f"at least {count(audience.n)}"),)
    return Section("Who watches", pairs, tuple(charts), tuple(notes))


def _facet_chart(facet: str, counts: Mapping[str, int], n: int) -> Chart:
    spelt = local_hours if facet == "hour" else str
    if facet == "hour":
        order = sorted(counts, key=lambda value: (len(value), value))
    elif facet == "age":
        order = sorted(counts)
    else:
        order = sorted(counts, key=lambda value: (-counts[value], value))[:SHOWN]
    rows = tuple(
        Row(spelt(value), (counts[value] / n,), (share(counts[value] / n), count(counts[value])))
        for value in order
    )
    told = ", ".join(f"{row.label} {row.cells[0]}" for row in rows)
    return Chart(
        name=f"audience-{facet}",
        shape="bars",
        caption=CAPTIONS[facet],
        headings=(facet, "", "share", "viewers"),
        rows=rows,
        alt=f"{CAPTIONS[facet]}: {told}.",
    )


def reach_section(reach: Reach | None, least: int) -> Section:
    """Where it is watched, and where it travels. Countries below ``least`` starters are folded."""
    heading = "Where it reaches"
    if reach is None:
        return Section(heading, notes=(f"Withheld: no country has {least} starters yet.",))
    pairs = named(
        [
            ("at home in", _home(reach)),
            ("watched abroad", _away(reach.abroad_share, reach.home_country)),
            ("in another language", _away(reach.foreign_language_share, reach.home_language)),
            ("spread over countries", _spread(reach)),
        ]
    )
    charts = [
        _hours_chart(f"reach-{what}", caption, counts)
        for what, caption, counts in (
            ("countries", "Hours by country", reach.countries),
            ("languages", "Hours by audio language", reach.languages),
        )
        if counts
    ]
    if reach.travels:
        charts.append(_travels_chart(reach.travels))
    notes = [
        f'Countries with fewer than {least} starters are withheld; their hours are in "other".'
    ]
    if not reach.travels:
        notes.append("It is not known to hook viewers elsewhere as well as it does at home.")
    return Section(heading, pairs, tuple(charts), tuple(notes))


def _away(found: float | None, home: str | None) -> str:
    """A share; ``not known`` where there is a home, but too few viewers in it to say so."""
    return "not known" if found is None and home else share(found)


def _home(reach: Reach) -> str:
    return ", ".join(part for part in (reach.home_country, reach.home_language) if part)


def _spread(reach: Reach) -> str:
    if reach.entropy_bits is None:
        return ""
    evenness = "" if reach.evenness is None else f", evenness {reach.evenness:.2f}"
    return f"{reach.entropy_bits:.2f} bits{evenness}"


def _hours_chart(name: str, caption: str, counts: Mapping[str, float]) -> Chart:
    whole = sum(counts.values()) or 1.0
    order = sorted(counts, key=lambda value: (-counts[value], value))[:SHOWN]
    rows = tuple(
        Row(value, (counts[value] / whole,), (share(counts[value] / whole), hours(counts[value])))
        for value in order
    )
    told = ", ".join(f"{row.label} {row.cells[0]}" for row in rows)
    return Chart(name, "bars", caption, ("", "", "share", "hours"), rows, f"{caption}: {told}.")


def _travels_chart(travels: tuple[Travel, ...]) -> Chart:
    caption = "Where it travels: who goes on to the end from episode 1, beside home"
    order = sorted(travels, key=lambda each: -(each.low or 0.0))
    rows = tuple(
        Row(
            f"{each.value} ({each.to}{'' if each.season is None else f', S{each.season}'})",
            (each.h1 or 0.0,),
            (
                share(each.h1) + ("" if each.low is None else f" (at least {share(each.low)})"),
                share(each.home)
                + ("" if each.home_high is None else f" (at most {share(each.home_high)})"),
                count(each.n),
            ),
        )
        for each in order
    )
    told = "; ".join(f"{row.label} {row.cells[0]}, home {row.cells[1]}" for row in rows)
    headings = ("to", "", "to the end", "at home", "viewers")
    return Chart("reach-travels", "bars", caption, headings, rows, f"{caption}: {told}.")


def voices_section(voices: Voices | None, least: int) -> Section | None:
    """What its creators' labels are given and make of it; None for a title without labels."""
    if voices is None or not voices.labels:
        return None
    shares = f"{share(voices.exposure)} of all starts, {share(voices.completion)} of completions"
    pairs = [("this title", shares)]
    pairs += [(f"breaks through as {it.label}", _breakthrough(it)) for it in voices.breakthrough]
    rows = tuple(_label_row(*each) for each in voices.by_label.items())
    told = "; ".join(f"{row.label} {row.cells[0]} of starts, {row.cells[1]}" for row in rows)
    caption = "Labels of its creators: all titles with the label"
    headings = ("label", "", "of all starts", "of all completions", "by starts", "to the end")
    chart = Chart("voices", "bars", caption, (*headings, "titles"), rows, f"{caption}: {told}.")
    few = [label for label in voices.labels if label not in voices.by_label]
    note = f"Withheld: {', '.join(few)}; titles with that label have fewer than {least} starters."
    return Section("New voices", tuple(pairs), (chart,), (note,) if few else ())


def _breakthrough(found: Breakthrough) -> str:
    at_least = "" if found.low is None else f" (at least {share(found.low)})"
    return (
        f"season {found.season}: {share(found.h1)}{at_least} go on to the end, "
        f"{share(found.typical)} in {count(found.peers)} comparable seasons"
    )


def _label_row(name: str, label: Label) -> Row:
    ratio = "-" if label.ratio is None else f"x {label.ratio:.2f}"
    shares = (share(label.exposure), share(label.completion), ratio, share(label.h1))
    return Row(name, (label.exposure or 0.0,), (*shares, count(label.titles)))
