"""What ``hookpoint taste`` and ``hookpoint progress`` show of one profile."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from consumers.profiles import ProfileReader
from hookpoint.commands._tables import (
    LONGEST_NAME,
    Column,
    bar,
    cell,
    clock,
    moment,
    output,
    percent,
    print_json,
    print_table,
    safe,
    say,
    state_cell,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config.settings import Settings
    from consumers.profiles import HookedOn, Profile, Progress, Taste

FACETS = ("genre", "theme", "creator", "language", "country", "original", "hour")
NOTICEABLE = 0.02
"""A smaller difference between now and lasting is no trend worth an arrow."""
HOUR_BAND = 4
UNKNOWN = "unknown viewer (`hookpoint sessions --limit 5` names some who have watched)"

TASTE_COLUMNS = (
    Column("", 8),
    Column("", 24, most=LONGEST_NAME),
    Column("", 24),
    Column("lasting", 7, right=True),
    Column("now", 7, right=True),
    Column("", 1),
)
PROGRESS_COLUMNS = (
    Column("title", 24, most=LONGEST_NAME),
    Column("season", 6, right=True),
    Column("episode", 7, right=True),
    Column("position", 8, right=True),
    Column("covered", 7, right=True),
    Column("completed", 9),
    Column("last seen (UTC)", 19),
)
HOOKED_COLUMNS = (
    Column("title", 24, most=LONGEST_NAME),
    Column("season", 6, right=True),
    Column("state", 10),
    Column("p", 5, right=True),
    Column("done", 8),
    Column("basis", 8),
    Column("since (UTC)", 19),
)


def show_taste(settings: Settings, viewer: str, *, by_now: bool, top: int, as_json: bool) -> None:
    """Print the taste of ``viewer``, ``top`` values per facet; exit code 1 if there is none.

    Raises:
        redis.RedisError: Redis is away.
    """
    with ProfileReader(settings) as reader:
        found = reader.taste(viewer)
        known = found is not None or reader.profile(viewer).known
    if found is None:
        what = "nothing is known about their taste yet" if known else UNKNOWN
        say(f"hookpoint: viewer {viewer}: {what}")
        raise typer.Exit(1)
    if as_json:
        print_json(asdict(found) | {"diversity": found.diversity})
        return
    console = output()
    head = f"{safe(viewer)}, {_hours(found.watched_s)} watched"
    if found.updated_at is not None:
        head += f", last change {moment(found.updated_at)} UTC"
    console.print(Text(head, style="bold"))
    rows = _taste_rows(found, by_now=by_now, top=top)
    if rows:
        print_table(TASTE_COLUMNS, rows)
        if "genre" in found.diversity:
            genres = 2 ** found.diversity["genre"]
            console.print(f"as diverse as {genres:.1f} genres in equal parts")
    else:
        console.print("nothing of it says anything about taste yet")


def _taste_rows(found: Taste, *, by_now: bool, top: int) -> list[list[Text]]:
    lead = found.now if by_now else found.lasting
    facets = {*found.lasting, *found.now}
    order = [facet for facet in FACETS if facet in facets] + sorted(facets - set(FACETS))
    rows = []
    for facet in order:
        lasting, now, leads = (each.get(facet, {}) for each in (found.lasting, found.now, lead))
        values = sorted({*lasting, *now}, key=lambda value: (-leads.get(value, 0), value))
        for place, value in enumerate(values[:top]):
            label = facet if place == 0 else ""
            shares = (leads.get(value, 0.0), lasting.get(value), now.get(value))
            rows.append(_taste_row(label, _spelt(facet, value), *shares))
    return rows


def _taste_row(
    facet: str, value: str, share: float, lasting: float | None, now: float | None
) -> list[Text]:
    trend = Text("")
    if now is not None and lasting is not None and abs(now - lasting) >= NOTICEABLE:
        trend = Text("▲", "green") if now > lasting else Text("▼", "red")
    shares = (cell(percent(lasting)), cell(percent(now)))
    return [cell(facet, "bold cyan"), cell(value), Text(bar(share), "cyan"), *shares, trend]


def show_progress(settings: Settings, viewer: str, *, as_json: bool) -> None:
    """Print how far ``viewer`` is, by the catalogue's names; exit code 1 if they are unknown.

    Raises:
        redis.RedisError: Redis is away.
    """
    with ProfileReader(settings) as reader:
        found = reader.profile(viewer)
        titles = [each.title_id for each in found.progress]
        names = reader.names(titles + [each.title_id for each in found.hooked])
    if not found.known:
        say(f"hookpoint: viewer {viewer}: {UNKNOWN}")
        raise typer.Exit(1)
    if as_json:
        print_json(_progress_json(found, names))
        return
    if found.progress:
        rows = [_progress_row(each, names) for each in found.progress]
        print_table(PROGRESS_COLUMNS, rows, title=f"{viewer}: progress")
    else:
        output().print(Text(f"{safe(viewer)} is known, but has not got anywhere yet"))
    if found.hooked:
        output().print()
        rows = [_hooked_row(each, names) for each in found.hooked]
        print_table(HOOKED_COLUMNS, rows, title=f"{viewer}: hooked")


def _progress_row(each: Progress, names: Mapping[str, str]) -> list[Text]:
    episode = f"all {each.episodes}" if each.episodes is not None else each.episode
    return [
        cell(names.get(each.title_id, each.title_id)),
        cell(each.season),
        cell(episode),
        cell(clock(each.position_s)),
        cell(percent(each.covered)),
        cell("yes" if each.completed else "", "green"),
        cell(moment(each.seen_at)),
    ]


def _hooked_row(each: HookedOn, names: Mapping[str, str]) -> list[Text]:
    return [
        cell(names.get(each.title_id, each.title_id)),
        cell(each.season),
        state_cell(each.state),
        cell(percent(each.p)),
        cell(f"{each.k} of {'?' if each.of is None else each.of}"),
        cell(each.basis),
        cell(moment(each.since)),
    ]


def _progress_json(found: Profile, names: Mapping[str, str]) -> dict[str, Any]:
    progress = [
        {**asdict(each), "name": names.get(each.title_id), "covered": each.covered}
        for each in found.progress
    ]
    hooked = [{**asdict(each), "name": names.get(each.title_id)} for each in found.hooked]
    return {"viewer": found.viewer, "progress": progress, "hooked": hooked}


def _spelt(facet: str, value: str) -> str:
    if facet == "hour" and value.isdigit():
        return f"{int(value):02d}:00-{int(value) + HOUR_BAND - 1:02d}:59"
    if facet == "original":
        return {"true": "yes", "false": "no"}.get(value, value)
    return value


def _hours(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004  # an hour
