"""The charts of a report as SVG, drawn by matplotlib: for a page, light or dark."""

from __future__ import annotations

import html
import io
import logging
import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure

from hookpoint.commands._tables import safe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hookpoint.title_report.model import Chart, Row

INK = "#010203"
"""Stands for the colour of the page's text, which matplotlib cannot know."""
ACCENT, SECOND, MARK = "#3b82c4", "#8a8f98", "#d9480f"
"""Seen on white as well as on black."""
WIDTH_IN = 7.2
LONGEST_LABEL = 28
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    # A title may be called `$x`.
    "text.parse_math": False,
}

# It tells of fonts that it does not find; the page's reader has them, not this machine.
logging.getLogger("matplotlib").setLevel(logging.ERROR)


def svg(chart: Chart) -> str:
    """``chart`` as an ``<svg>`` element without scripts, styles of its own or references."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": chart.name}):
        figure = Figure(figsize=(WIDTH_IN, _height_in(chart)), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        {"bounds": _bounds, "bars": _bars, "profile": _profile}[chart.shape](axes, chart)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(file.getvalue(), chart)


def _height_in(chart: Chart) -> float:
    return 3.2 if chart.shape == "bounds" else 0.8 + 0.28 * len(chart.rows)


def _bounds(axes: Axes, chart: Chart) -> None:
    places = range(len(chart.rows))
    series = ((0, ACCENT, "o", "go on to the next episode"), (1, SECOND, "s", "go on to the end"))
    for which, colour, marker, label in series:
        axes.errorbar(
            places,
            [row.values[which] for row in chart.rows],
            yerr=_error_bars(chart.rows, which),
            color=colour,
            marker=marker,
            markersize=4,
            capsize=3,
            label=label,
        )
    if chart.line is not None:
        axes.axhline(chart.line, color=INK, alpha=0.4, linestyle=":", linewidth=1)
    for place, row in enumerate(chart.rows):
        if row.is_marked:
            axes.axvline(place, color=MARK, linewidth=1.5, label="hook point", zorder=0)
    axes.set_xticks(places, [_label(row.label) for row in chart.rows])
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share * 100:.0f} %")
    axes.set_xlabel("last episode watched")
    axes.legend(frameon=False)


def _error_bars(rows: tuple[Row, ...], which: int) -> tuple[list[float], list[float]]:
    down, up = [], []
    for row in rows:
        value, bounds = row.values[which], row.bounds[which]
        low, high = bounds if bounds is not None else (value, value)
        down.append(max(0.0, value - low))
        up.append(max(0.0, high - value))
    return down, up


def _bars(axes: Axes, chart: Chart) -> None:
    places = range(len(chart.rows))
    axes.barh(places, [row.values[0] for row in chart.rows], color=ACCENT, height=0.7)
    axes.set_yticks(places, [_label(row.label) for row in chart.rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share * 100:.0f} %")


def _profile(axes: Axes, chart: Chart) -> None:
    rows = [row for row in chart.rows if row.values]
    if not rows:
        return
    bins = max(len(row.values) for row in rows)
    cells = [[*row.values, *[0.0] * (bins - len(row.values))] for row in rows]
    shades = ListedColormap([(*to_rgb(ACCENT), step / 255) for step in range(256)])
    edges = [100 * place / bins for place in range(bins + 1)]
    axes.pcolormesh(edges, list(range(len(rows) + 1)), cells, cmap=shades, vmin=0)
    axes.set_yticks([place + 0.5 for place in range(len(rows))], [_label(r.label) for r in rows])
    axes.invert_yaxis()
    axes.set_xlabel("share of the runtime, %")
    axes.set_ylabel(chart.headings[0])


def _label(text: str) -> str:
    return safe(text, LONGEST_LABEL)


def _inline(document: str, chart: Chart) -> str:
    """Only the element, with ids that are its own, in the colour of the page's text."""
    element = document[document.index("<svg") :]
    # Its style is in the page, once.
    element = re.sub(r"<(metadata|style)\b.*?</\1>", "", element, flags=re.DOTALL)
    element = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{chart.name}-", element)
    element = element.replace(INK, "currentColor")
    alt = html.escape(safe(chart.alt, limit=4000))
    return element.replace("<svg", f'<svg role="img" aria-label="{alt}"', 1)
