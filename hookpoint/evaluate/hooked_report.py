"""What the evaluation of the hooked signal says: tables for people, JSON for programs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from rich.table import Table

from hookpoint.evaluate.hooked_judge import KNOWN, RELIABLE_WITHIN
from hookpoint.evaluate.hooked_scores import ENOUGH
from hookpoint.evaluate.retention_report import Page, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from hookpoint.evaluate.hooked_audience import Crowd
    from hookpoint.evaluate.hooked_judge import Judged, Signal
    from hookpoint.evaluate.hooked_scores import Difference, Score

NONE = "none"
Z95 = 1.96


def tell(console: Console, crowd: Crowd, found: Sequence[Judged]) -> None:
    """Print all tables, and whether the bars are met."""
    for judged in found:
        console.rule(heading(judged))
        console.print(summary(crowd, judged), highlight=False)
        for page in pages(judged):
            table = Table(title=page.title, title_justify="left")
            for number, column in enumerate(page.columns):
                table.add_column(column, justify="right" if number else "left")
            for row in page.rows:
                table.add_row(*row)
            console.print(table)
    for verdict in verdicts(found):
        style = "green" if verdict.met else "red"
        console.print(f"{'met ' if verdict.met else 'MISSED'}  {verdict.text}", style=style)


def markdown(crowd: Crowd, found: Sequence[Judged]) -> str:
    """The same for a page of the docs."""
    lines = ["# How good the hooked signal is", ""]
    for judged in found:
        lines += [f"## {heading(judged)}", "", summary(crowd, judged), ""]
        for page in pages(judged):
            lines += [f"**{page.title}**", "", _row(page.columns)]
            lines += ["|---|" + "---:|" * (len(page.columns) - 1)]
            lines += [_row(row) for row in page.rows] + [""]
    lines += ["## Bars", ""]
    lines += [f"- {'met' if it.met else '**missed**'}: {it.text}" for it in verdicts(found)]
    return "\n".join([*lines, ""])


def as_json(crowd: Crowd, found: Sequence[Judged]) -> dict[str, Any]:
    """All figures; every single prediction and lead is left out."""
    found = [
        replace(judged, signals=tuple(map(_without_leads, judged.signals))) for judged in found
    ]
    told = [
        {
            name: value
            for name, value in asdict(replace(judged, cases={})).items()
            if name != "cases"
        }
        | {"beats_all": judged.beats_all, "reliable": judged.reliable}
        for judged in found
    ]
    bars = [{"met": it.met, "bar": it.text} for it in verdicts(found)]
    return {"crowd": asdict(crowd), "audiences": told, "bars": bars}


def _without_leads(signal: Signal) -> Signal:
    return replace(signal, warned=replace(signal.warned, leads_h=()))


def heading(judged: Judged) -> str:
    """Which audience it is."""
    return judged.name[0].upper() + judged.name[1:]


def summary(crowd: Crowd, judged: Judged) -> str:
    """What was done, in a sentence or two."""
    share = judged.without_curve / judged.predictions if judged.predictions else 0.0
    return (
        f"{judged.viewers:,} viewers, one season each out of {crowd.titles}, arriving over "
        f"{crowd.weeks:g} weeks (seed {crowd.seed}): {judged.events:,} events. The "
        f"{judged.judged:,} viewers of the second half are judged, after each of "
        f"{judged.predictions:,} completed episodes; {share:.0%} of those had no curve yet with "
        f"enough viewers behind it, and are left out of the probabilities."
    )


def pages(judged: Judged) -> Iterator[Page]:
    """All tables of one audience."""
    yield _probabilities(judged)
    yield _reliability(judged)
    yield _signals(judged)
    yield _groups(judged)


def verdicts(found: Sequence[Judged]) -> Iterator[Verdict]:
    """The bars, audience by audience."""
    for judged in found:
        if not judged.rated:
            yield Verdict(met=False, text=f"{judged.name}: no prediction had a curve")
            continue
        others = [it for it in judged.rated if it.behind and it.name != KNOWN]
        best = min(others, key=lambda it: it.score.brier)
        yield Verdict(
            judged.beats_all,
            f"{judged.name}: Brier score {judged.rated[0].score.brier:.4f}, the best rival's "
            f"({best.name}) {best.score.brier:.4f}",
        )
        gap = judged.rated[0].score.worst_gap
        yield Verdict(
            judged.reliable,
            f"{judged.name}: the worst bin of {ENOUGH} cases or more is off by {_signed(gap)}, "
            f"{RELIABLE_WITHIN} is allowed",
        )


def _probabilities(judged: Judged) -> Page:
    rows = [
        (
            it.name,
            f"{it.score.brier:.4f}",
            _number(it.score.skill),
            _behind(it.behind),
            f"{it.score.mean_p:.3f}",
            _signed(it.score.worst_gap),
        )
        for it in judged.rated
    ]
    cases = judged.rated[0].score if judged.rated else None
    told = f"{cases.cases:,} cases, {cases.share:.1%} finish" if cases else "no case"
    columns = ("what", "Brier", "skill", "behind the rule (95 %)", "mean p", "worst bin")
    return Page(f"The probability to finish the season ({told})", columns, rows)


def _reliability(judged: Judged) -> Page:
    rows: list[tuple[str, ...]] = []
    for rated in judged.rated[:2]:
        rows += [
            (
                rated.name,
                f"{it.low:.1f}",
                f"{it.cases:,}",
                f"{it.mean_p:.3f}",
                f"{it.share:.3f}",
                f"{it.gap:+.3f}",
            )
            for it in rated.score.bins
        ]
    columns = ("what", "p from", "cases", "mean p", "finish", "off by")
    return Page("Reliability in ten bins", columns, rows)


def _signals(judged: Judged) -> Page:
    rows = []
    for it in judged.signals:
        warned, interval = it.warned, it.warned.precision_95
        rows.append(
            (
                it.name,
                f"{warned.said:,}",
                _percent(warned.precision),
                f"{interval[0]:.0%} to {interval[1]:.0%}" if interval else NONE,
                _percent(warned.recall),
                NONE if warned.lead_episodes is None else f"{warned.lead_episodes:g}",
                NONE if warned.lead_h is None else f"{warned.lead_h:,.0f}",
                NONE if it.retracted is None else f"{it.retracted:,}",
            )
        )
    columns = (
        "signal, first of a journey", "sent", "precision", "95 %", "recall", "episodes left",
        "hours left", "retracted",
    )  # fmt: skip
    return Page("Who will finish (median lead of those foreseen)", columns, rows)


def _groups(judged: Judged) -> Page:
    rows = []
    for group in judged.groups:
        for name, score in (("learned", group.learned), ("known", group.known)):
            if score is not None:
                rows.append((group.name, name, *_scored(score)))
    columns = ("where", "curve", "cases", "mean p", "finish", "Brier", "skill", "worst bin")
    return Page("The rule in particular places", columns, rows)


def _scored(score: Score) -> tuple[str, ...]:
    return (
        f"{score.cases:,}",
        f"{score.mean_p:.3f}",
        f"{score.share:.3f}",
        f"{score.brier:.4f}",
        _number(score.skill),
        _signed(score.worst_gap),
    )


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.strip() for cell in cells) + " |"


def _behind(behind: Difference | None) -> str:
    return NONE if behind is None else f"{behind.mean:+.4f} ± {Z95 * behind.error:.4f}"


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return NONE if value is None else f"{value:+.3f}"
