"""What the Netflix demo shows: per profile what was watched, liked and hooked on."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from producers.netflix.agreement import Agreement, agreements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from consumers.profiles import Profile, Taste
    from producers.netflix.events import Import

RECENT = 10
MOST_WATCHED = 5
HOOKED = 8
NAMED = 5
BAR = 30
HOUR_S = 3600
MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the worker made of an import; public records, and profiles as read."""

    events: int
    rejects: int
    sessions: list[dict[str, Any]]
    signals: list[dict[str, Any]]
    profiles: dict[str, Profile]


def show_report(console: Console, imported: Import, outcome: Outcome) -> None:
    """Print the report."""
    names = {title["title_id"]: title["name"] for title in imported.titles()}
    sessions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for session in outcome.sessions:
        sessions[session["viewer"]].append(session)
    agreed = {it.viewer: it for it in agreements(imported.selection.playbacks, outcome.sessions)}
    for viewer in sorted(sessions):
        _show_viewer(console, viewer, sessions[viewer], names)
        _show_taste(console, outcome.profiles[viewer].taste)
        _show_hooked(console, viewer, outcome, names)
        if viewer in agreed:
            _show_agreement(console, agreed[viewer])
    _show_rows(console, imported, outcome)


def _show_viewer(
    console: Console, viewer: str, sessions: list[dict[str, Any]], names: dict[str, str]
) -> None:
    watched_s = sum(session["wall_s"] for session in sessions)
    console.rule(
        f"[bold]{_safe(viewer)}[/]  {watched_s / HOUR_S:,.1f} h, {len(sessions):,} playbacks"
    )
    by_title: Counter[str] = Counter()
    for session in sessions:
        by_title[session["title_id"]] += session["wall_s"]
    most = ", ".join(
        f"{_safe(names.get(title, title))} {seconds / HOUR_S:.1f} h"
        for title, seconds in by_title.most_common(MOST_WATCHED)
    )
    console.print(f"Most watched: {most}")
    table = Table("when (UTC)", "what", "watched", "left at", title="Latest", title_justify="left")
    for session in sessions[-RECENT:]:
        table.add_row(
            session["started_at"][:16].replace("T", " "),
            _safe(_what(session, names)),
            _clock(session["wall_s"]),
            _clock(session["position_s"]),
        )
    console.print(table)


def _what(session: dict[str, Any], names: dict[str, str]) -> str:
    title_id: str = session["title_id"]
    name = names.get(title_id, title_id)
    if session.get("season") is None:
        return name
    return f"{name} S{session['season']}:E{session['episode']}"


def _show_taste(console: Console, taste: Taste | None) -> None:
    lasting = taste.lasting if taste else {}
    shares = {
        f"{facet}:{value}": share
        for facet, values in lasting.items()
        for value, share in values.items()
    }
    if not shares:
        console.print("Taste: nothing yet. An export tells neither genres nor languages.")
        return
    table = Table.grid(padding=(0, 1))
    for field, share in sorted(shares.items(), key=lambda it: (-it[1], it[0])):
        table.add_row(_safe(field), f"[cyan]{'█' * round(share * BAR)}[/]", f"{share:.0%}")
    console.print("Taste:", table)


def _show_hooked(console: Console, viewer: str, outcome: Outcome, names: dict[str, str]) -> None:
    """Every season that ever hooked this viewer, the latest first, and how it stands now."""
    now = {(it.title_id, it.season): it.state for it in outcome.profiles[viewer].hooked}
    hooked_at: dict[tuple[str, int], str] = {}
    for signal in outcome.signals:
        data = signal["data"]
        if signal["type"] == "viewer.hooked" and data["viewer"] == viewer:
            hooked_at.setdefault((data["title_id"], data["season"]), signal["time"])
    if not hooked_at:
        console.print("Hooked: on nothing so far.")
        return
    console.print("Hooked on:")
    latest = sorted(hooked_at.items(), key=lambda it: it[1], reverse=True)
    for (title, season), when in latest[:HOOKED]:
        state = now.get((title, season), "retracted")
        name = _safe(names.get(title, title))
        console.print(f"  {when[:10]}  [bold]{name}[/], season {season} (now {_safe(state)})")
    if len(latest) > HOOKED:
        console.print(f"  ... and {len(latest) - HOOKED} more")


def _show_agreement(console: Console, agreement: Agreement) -> None:
    console.print(
        f"Against Netflix's own record of {agreement.playbacks:,} of these playbacks: "
        f"[bold]{agreement.close_share:.1%}[/] agree within 5 s or 5 %, "
        f"the total differs by {agreement.total_difference:+.2%}, "
        f"{agreement.bookmark_share:.1%} of last positions are within 5 s."
    )


def _show_rows(console: Console, imported: Import, outcome: Outcome) -> None:
    console.rule("[bold]The export[/]")
    for file, rows in imported.export.rows.items():
        console.print(f"{_safe(file)}: {rows:,} rows")
    console.print(f"{outcome.events:,} events sent, {outcome.rejects:,} rejected")
    left_out = [(_group(it.why), f"{it.title} ({it.why})") for it in imported.selection.left_out]
    _show_named(console, "left out", left_out)
    unreadable = [(it.field, f"{it.file}, line {it.line}: {it.why}") for it in imported.unreadable]
    _show_named(console, "unreadable", unreadable)


def _group(why: str) -> str:
    return why.partition(" (")[0]


def _show_named(console: Console, what: str, rows: Iterable[tuple[str, str]]) -> None:
    groups: dict[str, list[str]] = defaultdict(list)
    for group, name in rows:
        groups[group].append(name)
    for group, members in sorted(groups.items()):
        console.print(f"{len(members):,} {what}: {_safe(group)}")
        for name, times in Counter(members).most_common(NAMED):
            console.print(f"    {_safe(name)}" + (f" x {times}" if times > 1 else ""))
        if len(set(members)) > NAMED:
            console.print(f"    ... and {len(set(members)) - NAMED} more (all of them with --json)")


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, rest = divmod(whole, HOUR_S)
    return f"{hours}:{rest // MINUTE_S:02}:{rest % MINUTE_S:02}"


def _safe(text: str) -> str:
    """Names may hold square brackets, which rich would take for markup."""
    return text.replace("[", r"\[")
