"""The plots of the hooked signal, as SVG; needs the extra ``plots``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.metrics import precision_recall_curve

from hookpoint.evaluate.hooked_judge import KNOWN, OURS
from hookpoint.evaluate.hooked_rivals import HOOK, LOGISTIC, PILOT, THREE
from hookpoint.evaluate.plots import OURS as BLUE
from hookpoint.evaluate.plots import PENDING, RESOLVED, TRUE, new_axes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from hookpoint.evaluate.hooked_judge import Judged

COLOURS = {OURS: BLUE, KNOWN: TRUE, LOGISTIC: RESOLVED}
LONGEST_LEAD_D = 60
LARGEST_DOT, SMALLEST_DOT = 160.0, 6.0
_HOURS = 24.0


def draw(found: Sequence[Judged], folder: Path) -> list[Path]:
    """Write all plots into ``folder``; returns the files."""
    files = []
    for number, judged in enumerate(found, start=1):
        if not judged.rated:
            continue
        for name, figure in (
            ("reliability", _reliability(judged)),
            ("precision-recall", _precision_recall(judged)),
            ("lead", _lead(judged)),
        ):
            file = folder / f"hooked-{name}-{number}.svg"
            figure.savefig(file, metadata={"Date": None})
            files.append(file)
    return files


def _reliability(judged: Judged) -> Figure:
    figure, axes = new_axes(f"Said and come true: {judged.name} (area: cases)")
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    for rated in judged.rated:
        if rated.name in COLOURS:
            bins = rated.score.bins
            most = max(it.cases for it in bins)
            axes.scatter(
                [it.mean_p for it in bins], [it.share for it in bins], alpha=0.7,
                s=[max(SMALLEST_DOT, LARGEST_DOT * it.cases / most) for it in bins],
                color=COLOURS[rated.name], label=rated.name,
            )  # fmt: skip
    axes.set_xlabel("probability to finish, as said")
    axes.set_ylabel("share that finished")
    axes.legend(frameon=False, loc="upper left")
    return figure


def _precision_recall(judged: Judged) -> Figure:
    """Over all predictions; rules that say yes or no are points on it."""
    figure, axes = new_axes(f"Precision and recall of the predictions: {judged.name}")
    for name, colour in COLOURS.items():
        cases = judged.cases.get(name)
        if cases:
            precision, recall, _ = precision_recall_curve(
                [it.came for it in cases], [it.p for it in cases]
            )
            axes.plot(recall, precision, color=colour, label=name, linewidth=1.2)
    for name, marker in ((PILOT, "s"), (THREE, "^"), (HOOK, "o")):
        cases = judged.cases.get(name, ())
        surer = max((it.p for it in cases), default=0.0)
        yes = [it for it in cases if it.p == surer]
        came = sum(it.came for it in yes)
        if came:
            axes.plot([came / sum(it.came for it in cases)], [came / len(yes)], marker,
                      color=PENDING, label=name)  # fmt: skip
    axes.set_xlabel("recall: share of the predictions for finishers")
    axes.set_ylabel("precision")
    axes.legend(frameon=False, loc="lower left")
    return figure


def _lead(judged: Judged) -> Figure:
    figure, axes = new_axes(f"From the hooked signal to the end of the season: {judged.name}")
    leads = [min(hours / _HOURS, LONGEST_LEAD_D) for hours in judged.signals[0].warned.leads_h]
    axes.hist(leads, bins=LONGEST_LEAD_D, range=(0, LONGEST_LEAD_D), color=BLUE)
    axes.set_xlabel(f"days ({LONGEST_LEAD_D} and more are one)")
    axes.set_ylabel("viewers")
    return figure
