"""What an evaluation of retention says: tables for people and the docs, JSON for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

from hookpoint.evaluate.run import CLOSE
from hookpoint.evaluate.scenarios import DAY_S

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from hookpoint.evaluate.run import Evaluation, Figures, Judged

ENOUGH_S = 6 * DAY_S
"""Of the launch's seven days, what an episode must have been watched for to be held to the bar."""
NAIVE_BAR = 0.10
COVERED = (0.90, 0.99)
NO_LIFT = 0.02


class Page(NamedTuple):
    """One table."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Verdict(NamedTuple):
    """One bar, and whether it is met."""

    met: bool
    text: str


def pages(found: Evaluation) -> Iterator[Page]:
    """All tables."""
    if launch := found.of("launch"):
        yield _launch(launch, found.options.runs)
    yield _coverage(found)
    yield _hooks(found)


def _launch(launch: Judged, runs: int) -> Page:
    rows = [
        (
            f"{it.k}",
            f"{it.n:,.0f}",
            f"{it.horizon_s / DAY_S:.1f}",
            f"{it.since_launch:.3f}",
            f"{it.within_launch:+.3f}",
            f"{it.close:.0%}",
            f"{it.resolved_only:+.3f}",
            f"{it.pending_gone:+.3f}",
        )
        for it in launch.steps
    ]
    columns = (
        "episode k", "viewers", "watched for (days)", "true share within 7 days", "ours",
        f"within {CLOSE}", "resolved only", "pending as gone",
    )  # fmt: skip
    title = f"Seven days after a launch: mean error of c_k over {runs} runs"
    return Page(title, columns, rows)


def _coverage(found: Evaluation) -> Page:
    rows = []
    for it in found.judged:
        for name, figures in (("c_k", it.judged(it.steps)), ("H_k", it.judged(it.ahead))):
            if figures:
                rows.append((it.scenario.name if name == "c_k" else "", name, *_span(figures)))
    columns = (
        "scenario", "of", "k", "largest mean error", "covered, mean", "least", "most",
        "spread / told", "resolved only", "pending as gone",
    )  # fmt: skip
    title = (
        "Mean error and coverage of the 95 % interval, against the truth within the time watched; "
        "the naive against the time since the launch (largest mean error)"
    )
    return Page(title, columns, rows)


def _span(figures: Sequence[Figures]) -> tuple[str, ...]:
    covered = [it.covered for it in figures]
    ratio = sum(it.spread / it.told for it in figures) / len(figures)
    return (
        f"{figures[0].k}..{figures[-1].k}",
        f"{max((it.error for it in figures), key=abs):+.4f}",
        f"{sum(covered) / len(covered):.1%}",
        f"{min(covered):.1%}",
        f"{max(covered):.1%}",
        f"{ratio:.2f}",
        f"{max((it.resolved_only for it in figures), key=abs):+.3f}",
        f"{max((it.pending_gone for it in figures), key=abs):+.3f}",
    )


def _hooks(found: Evaluation) -> Page:
    rows = [
        (
            it.scenario.name,
            _episode(it.hook_seen),
            _episode(it.hook_ever),
            _counts(it.hooks),
            f"{it.early / found.options.runs:.1%}",
            _counts(it.hooks_resolved_only),
            _counts(it.hooks_pending_gone),
            f"{it.signals:.1f}",
            "" if it.lift is None else f"{it.lift:+.3f}",
        )
        for it in found.judged
    ]
    columns = (
        "scenario", "true k* so far", "ever", "ours (runs)", "too early", "resolved only",
        "pending as gone", "signals per run", "lift",
    )  # fmt: skip
    return Page("Hook point at the look, as episode x runs", columns, rows)


def _episode(k: int | None) -> str:
    return "none" if k is None else str(k)


def _counts(counts: Counter[int | None]) -> str:
    return ", ".join(f"{_episode(k)} x {n}" for k, n in counts.most_common(3))


def verdicts(found: Evaluation) -> Iterator[Verdict]:
    """The bars, and whether they are met."""
    if launch := found.of("launch"):
        held = [it for it in launch.steps if it.horizon_s >= ENOUGH_S]
        ours = max(abs(it.within_launch) for it in held)
        naive = min(min(abs(it.resolved_only), abs(it.pending_gone)) for it in held)
        ks = f"k = {held[0].k}..{held[-1].k}, watched for {ENOUGH_S / DAY_S:.0f} days or more"
        yield Verdict(ours <= CLOSE, f"launch, {ks}: mean error at most {ours:.4f} (bar {CLOSE})")
        yield Verdict(
            naive > NAIVE_BAR, f"launch, {ks}: either naive way is off by {naive:.3f} at least"
        )
    for it in found.judged:
        for name, figures in (("c_k", it.judged(it.steps)), ("H_k", it.judged(it.ahead))):
            if figures:
                yield _covered(f"{it.scenario.name}, {name}", figures)
        if len(set(it.scenario.steps)) == 1:
            lift = max(it.lifts, key=abs)
            text = f"{it.scenario.name}: mean lift at any k at most {abs(lift):.4f} (bar {NO_LIFT})"
            yield Verdict(abs(lift) <= NO_LIFT, text)


def _covered(name: str, figures: Sequence[Figures]) -> Verdict:
    low, high = COVERED
    shares = [it.covered for it in figures]
    text = f"{name}: 95 % intervals cover {min(shares):.1%} to {max(shares):.1%} (bar 90 to 99 %)"
    return Verdict(min(shares) >= low and max(shares) <= high, text)


def notes(found: Evaluation) -> list[str]:
    """The verdicts, a line each, those not met first."""
    told = sorted(verdicts(found), key=lambda it: it.met)
    return [("met: " if it.met else "NOT MET: ") + it.text for it in told]


def tell(console: Console, found: Evaluation) -> None:
    """Everything, for people."""
    for page in pages(found):
        table = Table(title=page.title, title_justify="left")
        for number, column in enumerate(page.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in page.rows:
            table.add_row(*row)
        console.print(table)
    for note in notes(found):
        console.print(note, highlight=False)


def markdown(found: Evaluation) -> str:
    """The same for a page of the docs."""
    options = found.options
    lines = [f"{options.runs} runs of each scenario, seed {options.seed}."]
    for page in pages(found):
        lines += ["", page.title + ":", "", "| " + " | ".join(page.columns) + " |"]
        lines += ["|" + "---|" * len(page.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in page.rows]
    return "\n".join([*lines, "", *(f"- {it}" for it in notes(found)), ""])


def as_json(found: Evaluation) -> dict[str, Any]:
    """Every figure."""
    return {
        "runs": found.options.runs,
        "seed": found.options.seed,
        "scenarios": [_scenario(it) for it in found.judged],
        "days": [it._asdict() | {"beside": it.beside._asdict()} for it in found.days],
        "bars": [it._asdict() for it in verdicts(found)],
    }


def _scenario(judged: Judged) -> dict[str, Any]:
    counted = ("hooks", "hooks_resolved_only", "hooks_pending_gone")
    return {
        "scenario": asdict(judged.scenario),
        "steps": [it._asdict() for it in judged.steps],
        "ahead": [it._asdict() for it in judged.ahead],
        **{it: {_episode(k): n for k, n in getattr(judged, it).items()} for it in counted},
        "hook_seen": judged.hook_seen,
        "hook_ever": judged.hook_ever,
        "early": judged.early,
        "signals": judged.signals,
        "lift": judged.lift,
        "lifts": judged.lifts,
    }
