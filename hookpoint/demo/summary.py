"""The end of the demo: found beside true, in words and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from hookpoint.demo.findings import (
        Completions,
        Curves,
        HookPoints,
        Hooks,
        Tastes,
        WatchTime,
    )


def summary_table(  # noqa: PLR0913 - one argument per comparison
    *,
    watch: WatchTime,
    completed: Completions,
    hooks: Hooks,
    watched: Tastes,
    given: Tastes,
    curves: Curves,
    points: HookPoints,
) -> Table:
    """All comparisons as one table."""
    table = Table(title="Found beside the truth that the simulator kept", title_justify="left")
    table.add_column("what")
    table.add_column("found", justify="right")
    table.add_column("true", justify="right")
    table.add_column("so")
    _watch_time(table, watch)
    _seasons(table, completed, hooks)
    _taste(table, "favourite, as watched", watched, "what they truly watched")
    _taste(table, "favourite, as made", given, "the taste that they were made with")
    if curves.compared:
        error = f"mean error {_number(curves.mean_error)}"
        table.add_row(
            "share who go on",
            f"{curves.compared:,}",
            "",
            f"{error}, where 50 viewers or more are behind it",
        )
    table.add_row(
        "hook points of seasons",
        f"{points.found:,}",
        f"{points.true:,}",
        f"{points.same} of {points.both} at the true episode, {points.close} at most one off",
    )
    return table


def _taste(table: Table, what: str, tastes: Tastes, beside: str) -> None:
    table.add_row(
        what,
        f"{tastes.same_favourite:,}",
        f"{tastes.compared:,}",
        f"{_share(tastes.same_favourite, tastes.compared)} the same genre; "
        f"correlation {_number(tastes.correlation)} with {beside}",
    )


def _watch_time(table: Table, watch: WatchTime) -> None:
    table.add_row(
        "playbacks",
        f"{watch.found:,}",
        f"{watch.playbacks:,}",
        f"{_share(watch.close, watch.found)} right to the second, worst {watch.worst_s:,.1f} s off",
    )
    table.add_row(
        "hours watched",
        f"{watch.found_h:,.1f}",
        f"{watch.reported_h:,.1f}",
        f"{watch.true_h:,.1f} with what dying players never reported",
    )


def _seasons(table: Table, completed: Completions, hooks: Hooks) -> None:
    table.add_row(
        "seasons finished",
        f"{completed.found:,}",
        f"{completed.true:,}",
        f"{completed.both:,} the same",
    )
    table.add_row(
        "hooked, then finished",
        f"{hooks.hooked - hooks.undecided:,}",
        f"{hooks.finished:,}",
        f"precision {_percent(hooks.precision)} (of all with two episodes "
        f"{_percent(hooks.base_rate)} finish); {hooks.undecided:,} more still watching",
    )
    lead = "" if hooks.lead_h is None else f", {hooks.lead_h:,.0f} h and {hooks.left:g} episodes"
    table.add_row(
        "finished, foreseen",
        f"{hooks.foreseen:,}",
        f"{hooks.finished_in_all:,}",
        f"recall {_percent(hooks.recall)}{lead and lead + ' ahead (medians)'}",
    )


def _share(part: int, whole: int) -> str:
    return _percent(part / whole if whole else None)


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
