"""A report in a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.text import Text

from hookpoint.commands._tables import BAR_CELLS, Column, bar, cell, output, print_table, safe

if TYPE_CHECKING:
    from hookpoint.title_report.model import Chart, Report, Row, Section

SPARKS = "▁▂▃▄▅▆▇█"
PLAIN_SPARKS = "_.:-=+*#"
SURE, LIKELY, POSSIBLE = "█▓░"
PLAIN_SURE, PLAIN_LIKELY, PLAIN_POSSIBLE = "#=-"
DRAWN_WIDTH = {"bounds": BAR_CELLS, "bars": BAR_CELLS, "profile": 20}
LONGEST_LABEL = 30
MARKED, PLAIN = "bold magenta", ""


def print_report(report: Report) -> None:
    """Print all of it on standard output."""
    console = output()
    console.print(Text.assemble((safe(report.heading), "bold"), f"  {report.as_of}"))
    for section in report.sections:
        _print_section(section)


def _print_section(section: Section) -> None:
    console = output()
    console.print()
    console.print(cell(section.heading, "bold cyan"))
    widest = max((len(name) for name, _ in section.pairs), default=0)
    for name, value in section.pairs:
        # Names are ours but for those of voices.
        console.print(Text.assemble("  ", (safe(name).ljust(widest), "dim"), "  ", safe(value)))
    for chart in section.charts:
        if chart.rows:
            console.print()
            _print_chart(chart)
    for note in section.notes:
        console.print(cell(f"  {note}", "italic"))


def _print_chart(chart: Chart) -> None:
    columns = [
        Column(chart.headings[0], 8, most=LONGEST_LABEL),
        Column(chart.headings[1], DRAWN_WIDTH[chart.shape]),
        *(Column(heading, 8) for heading in chart.headings[2:]),
    ]
    most = max((max(row.values, default=0.0) for row in chart.rows), default=0.0)
    rows = []
    for row in chart.rows:
        style = MARKED if row.is_marked else PLAIN
        drawn = Text(_drawn(chart, row, most), style or "cyan")
        rows.append([cell(row.label, style), drawn, *(cell(text, style) for text in row.cells)])
    print_table(columns, rows, title=chart.caption)
    if chart.shape == "bounds":
        signs = _bounds_signs()
        told = ("at least", "the estimate", "at most")
        legend = ", ".join(f"{sign} {what}" for sign, what in zip(signs, told, strict=True))
        output().print(cell(f"  {legend}", "dim"))
    elif chart.shape == "profile":
        output().print(cell(f"  tallest: {most * 100:.1f} % of starters", "dim"))


def _drawn(chart: Chart, row: Row, most: float) -> str:
    if chart.shape == "profile":
        return sparks(row.values, most)
    if chart.shape == "bounds" and row.bounds and row.bounds[0] is not None:
        low, high = row.bounds[0]
        return bounds_bar(low, row.values[0], high)
    return bar(row.values[0])


def sparks(values: tuple[float, ...], most: float) -> str:
    """A character per value, the taller the nearer it is to ``most``."""
    signs = SPARKS if _is_utf8() else PLAIN_SPARKS
    top = len(signs) - 1
    return "".join(signs[round(min(1.0, value / most) * top) if most else 0] for value in values)


def bounds_bar(low: float, value: float, high: float) -> str:
    """A bar whose signs change at the lower bound and the value, and that ends at the upper one."""
    ends = [round(min(1.0, max(0.0, each)) * BAR_CELLS) for each in (low, value, high)]
    sure, likely, possible = _bounds_signs()
    return (
        sure * ends[0] + likely * max(0, ends[1] - ends[0]) + possible * max(0, ends[2] - ends[1])
    )


def _bounds_signs() -> tuple[str, str, str]:
    if _is_utf8():
        return SURE, LIKELY, POSSIBLE
    return PLAIN_SURE, PLAIN_LIKELY, PLAIN_POSSIBLE


def _is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
