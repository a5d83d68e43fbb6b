"""A report in a terminal."""

from __future__ import annotations

import math
import sys
from itertools import groupby
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hookpoint.commands._tables import (
    BAR_CELLS,
    PLAIN_WIDTH,
    Column,
    bar,
    cell,
    output,
    print_line,
    safe,
)
from hookpoint.title_report.words import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from hookpoint.title_report.model import Chart, Report, Row

SPARKS = "▁▂▃▄▅▆▇█"
PLAIN_SPARKS = "_.:-=+*#"
SURE, LIKELY, POSSIBLE = "█▓░"
PLAIN_SURE, PLAIN_LIKELY, PLAIN_POSSIBLE = "#=-"
LONGEST_LABEL = 30
NARROW = 4
"""Headings of a chart that has room beside another on a terminal."""
SHORT, WIDE = 30, 90
"""Cells of a value that has room beside another, on a terminal of that many."""
INDENT = (0, 0, 0, 2)
MARKED, PLAIN = "bold magenta", ""


def print_report(report: Report) -> None:
    """Print all of it on standard output; side by side what fits there on a terminal."""
    console = output()
    console.print(Text.assemble((safe(report.heading), "bold"), f"  {report.as_of}"))
    for section in report.sections:
        console.print()
        console.print(cell(section.heading, "bold cyan"))
        _print_pairs(console, section.pairs)
        _print_charts(console, [chart for chart in section.charts if chart.rows])
        for note in section.notes:
            console.print(Padding(cell(note, "italic"), INDENT, expand=False))


def _print_pairs(console: Console, pairs: Sequence[tuple[str, str]]) -> None:
    widest = max((cell(value).cell_len for _, value in pairs), default=0)
    is_short = console.is_terminal and widest <= SHORT and console.width >= WIDE
    half = -(-len(pairs) // 2) if is_short else len(pairs)
    grid = Table.grid(padding=(0, 2))
    for place in range(half):
        row = [pairs[place], *pairs[place + half : place + half + 1]]
        grid.add_row(*(it for name, value in row for it in (cell(name, "dim"), cell(value))))
    if pairs:
        console.print(Padding(grid, INDENT, expand=False))


def _print_charts(console: Console, charts: Sequence[Chart]) -> None:
    for is_narrow, group in groupby(charts, key=lambda it: len(it.headings) <= NARROW):
        if is_narrow and console.is_terminal:
            console.print()
            console.print(Columns([Padding(_table(it), (0, 2, 1, 0)) for it in group]))
        else:
            for chart in group:
                console.print()
                _print_chart(console, chart)


def _print_chart(console: Console, chart: Chart) -> None:
    table, unbounded = _table(chart), console.options.update(width=PLAIN_WIDTH)
    if console.measure(table, options=unbounded).maximum <= console.width:
        console.print(table)
        return
    # Line by line, so that nothing is cut.
    rows = [[cell(text, "bold") for text in chart.headings], *_cells(chart)]
    widths = [max(each.cell_len for each in column) for column in zip(*rows, strict=True)]
    columns = [Column(*it) for it in zip(chart.headings, widths, strict=True)]
    console.print(cell(chart.caption, "bold"))
    for row in rows:
        print_line(columns, row)


def _table(chart: Chart) -> Table:
    caption = Text.assemble((safe(chart.caption), "bold"), (_legend(chart), "dim"))
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", title=caption,
        title_justify="left", title_style="",
    )  # fmt: skip
    for heading in chart.headings:
        table.add_column(heading, no_wrap=True)
    for row in _cells(chart):
        table.add_row(*row)
    return table


def _legend(chart: Chart) -> str:
    if chart.shape == "bounds":
        signs = zip(_bounds_signs(), ("at least", "estimate", "at most"), strict=True)
        return f"  ({', '.join(f'{sign} {what}' for sign, what in signs)})"
    return f"  (tallest: {_most(chart) * 100:.1f} %)" if chart.shape == "profile" else ""


def _most(chart: Chart) -> float:
    return max((max(row.values, default=0.0) for row in chart.rows), default=0.0)


def _cells(chart: Chart) -> list[list[Text]]:
    most, rows = _most(chart), []
    for row in chart.rows:
        style = MARKED if row.is_marked else PLAIN
        drawn = Text(_drawn(chart, row, most), style or "cyan")
        label = cell(safe(row.label, LONGEST_LABEL), style)
        rows.append([label, drawn, *(cell(text, style) for text in row.cells)])
    return rows


def _drawn(chart: Chart, row: Row, most: float) -> str:
    if any(map(math.isnan, row.values[:1])):
        return NOTHING
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
