"""The plots of an evaluation of retention, as SVG; needs the extra ``plots``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hookpoint.evaluate.retention import Reading
    from hookpoint.evaluate.run import Evaluation, Judged

OURS, TRUE, RESOLVED, PENDING = "#0b6e99", "#222222", "#d9730d", "#ad1a72"
SIZE_IN = (6.4, 3.4)
mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "hookpoint", "font.size": 9})


def draw(found: Evaluation, folder: Path) -> list[Path]:
    """Write all plots into ``folder``; returns the files."""
    plots: list[tuple[str, Figure]] = [("days", _days(found.days)), ("coverage", _coverage(found))]
    if launch := found.of("launch"):
        plots.append(("launch", _launch(launch)))
    files = []
    for name, figure in plots:
        file = folder / f"retention-{name}.svg"
        figure.savefig(file, metadata={"Date": None})
        files.append(file)
    return files


def new_axes(title: str) -> tuple[Figure, Any]:
    """An empty figure with a heading."""
    figure = Figure(figsize=SIZE_IN, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e5e5")
    return figure, axes


def _launch(judged: Judged) -> Figure:
    title = "Seven days after a launch: who goes on within seven days (mean of runs)"
    figure, axes = new_axes(title)
    steps = judged.steps
    ks = [it.k for it in steps]
    true = [it.since_launch for it in steps]
    axes.plot(ks, true, color=TRUE, label="truth")
    for name, colour, errors in (
        ("ours", OURS, [it.within_launch for it in steps]),
        ("resolved only", RESOLVED, [it.resolved_only for it in steps]),
        ("pending as gone", PENDING, [it.pending_gone for it in steps]),
    ):
        axes.plot(ks, [t + e for t, e in zip(true, errors, strict=True)], "o--", color=colour,
                  label=name, linewidth=1, markersize=4)  # fmt: skip
    axes.set_xlabel("episode k")
    axes.set_ylabel("share that goes on")
    axes.set_ylim(0.4, 1.02)
    axes.legend(frameon=False, loc="lower left")
    return figure


def _days(days: Sequence[Reading]) -> Figure:
    figure, axes = new_axes("One show, day by day: who goes on from episode 1")
    at = range(1, len(days) + 1)
    axes.fill_between(at, [it.low for it in days], [it.high for it in days], color=OURS, alpha=0.25,
                      linewidth=0)  # fmt: skip
    axes.plot(at, [it.estimate for it in days], color=OURS, label="ours, 95 % interval")
    axes.plot(at, [it.beside.true for it in days], color=TRUE, linewidth=1, label="truth so far")
    axes.plot(at, [it.beside.resolved_only for it in days], "--", color=RESOLVED,
              label="resolved only")  # fmt: skip
    axes.plot(at, [it.beside.pending_gone for it in days], "--", color=PENDING,
              label="pending as gone")  # fmt: skip
    axes.set_xlabel("days since the launch")
    axes.set_ylabel("share that goes on")
    axes.legend(frameon=False)
    return figure


def _coverage(found: Evaluation) -> Figure:
    figure, axes = new_axes("How often the 95 % interval holds the truth, by episode")
    axes.axhspan(0.90, 0.99, color="#e7f3ec", zorder=0)
    for number, judged in enumerate(found.judged):
        for shift, colour, figures in (
            (-0.12, OURS, judged.judged(judged.steps)),
            (0.12, RESOLVED, judged.judged(judged.ahead)),
        ):
            covered = [it.covered for it in figures]
            name = {OURS: "c_k", RESOLVED: "H_k"}[colour] if not number else None
            axes.plot([number + shift] * len(covered), covered, "o", color=colour, markersize=3,
                      alpha=0.7, label=name)  # fmt: skip
    names = [it.scenario.name for it in found.judged]
    axes.set_xticks(range(len(names)), names, rotation=20)
    axes.set_ylabel(f"covered, of {found.options.runs} runs")
    axes.legend(frameon=False, loc="lower left")
    return figure
