"""What a latency run says: a table, Markdown, JSON, and a picture of latency against load."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from hookpoint.bench.drawing import save_svg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hookpoint.bench.latency import LatencyResult, LoadPoint
    from hookpoint.bench.quantiles import Spread

BAR_WIDTH = 60
LEAST_MS, MOST_MS = 1.0, 10_000.0
COLUMNS = ("load", "events/s", "from the event to", "p50 ms", "p90 ms", "p99 ms", "max ms", "n")
BARS_MS = {"Redis": 50.0, "signal": 80.0}
"""What p99 at half load must not exceed."""
HALF = 0.5


def outcomes(point: LoadPoint) -> Iterator[tuple[str, Spread]]:
    """What was timed, and how it came out."""
    yield "Redis", point.redis
    yield "session", point.session
    yield "signal", point.signal


def table(result: LatencyResult) -> Table:
    """Everything that was measured."""
    found = Table(title=title(result), title_justify="left")
    for name in COLUMNS:
        found.add_column(name, justify="left" if name == COLUMNS[2] else "right")
    for row in _rows(result):
        found.add_row(*row)
        if row[2] == "signal":
            found.add_section()
    return found


def title(result: LatencyResult) -> str:
    """What the figures hold for."""
    servers, options = result.facts["servers"], result.options
    backlog = f" ({result.backlog.per_second:,.0f} of a backlog)" if result.backlog else ""
    return (
        f"Latency; capacity {result.capacity:,.0f} events/s of a live stream{backlog}, "
        f"{options.viewers:,} viewers, "
        f"{options.seconds:g} s each; {servers['broker']}, {servers['redis']}"
    )


def _rows(result: LatencyResult) -> Iterator[tuple[str, ...]]:
    for point in result.points:
        for name, figures in outcomes(point):
            quantiles = (figures.p50_ms, figures.p90_ms, figures.p99_ms, figures.max_ms)
            yield (
                f"{point.share:.0%}",
                f"{point.rate:,.0f}",
                name,
                *(_ms(it) for it in quantiles),
                f"{figures.count:,}",
            )


def _ms(value: float) -> str:
    if math.isinf(value):
        return "never"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"  # noqa: PLR2004 - three digits


def notes(result: LatencyResult) -> Iterator[str]:
    """What must be said beside the figures."""
    for point in result.points:
        sender = point.punctuality
        verdict = "kept its schedule" if point.valid else "DID NOT KEEP ITS SCHEDULE: INVALID"
        yield (
            f"At {point.share:.0%} the sender {verdict} (p99 {_ms(sender.p99_ms)} ms, "
            f"max {_ms(sender.max_ms)} ms late); the worker used {point.worker_cores:.2f} of a "
            f"core, the machine was {point.busy:.0%} busy."
        )
        unseen = sum(figures.unseen for _, figures in outcomes(point))
        if unseen:
            yield f"At {point.share:.0%} {unseen:,} outcomes were not seen at all."
    for point in result.points:
        if point.share == HALF and point.valid:
            for name, figures in outcomes(point):
                if name in BARS_MS:
                    yield (
                        f"{name} at half load: p99 {_ms(figures.p99_ms)} ms, "
                        f"{'within' if figures.p99_ms <= BARS_MS[name] else 'ABOVE'} "
                        f"{BARS_MS[name]:.0f} ms."
                    )


def markdown(result: LatencyResult) -> str:
    """The same for a page of the docs."""
    rows = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    rows += ["| " + " | ".join(row) + " |" for row in _rows(result)]
    return "\n".join([title(result) + ".", "", *rows, "", *notes(result), ""])


def as_json(result: LatencyResult) -> dict[str, Any]:
    """Everything that another run on another machine would be compared by."""
    return {
        **result.facts,
        "options": asdict(result.options),
        "capacity_events_per_second": result.capacity,
        "backlog": asdict(result.backlog) if result.backlog else None,
        "points": [asdict(it) | {"valid": it.valid} for it in result.points],
        "notes": list(notes(result)),
    }


def save_picture(result: LatencyResult, target: Path) -> None:
    """Latency against load as an SVG; lengths are logarithmic."""
    save_svg(target, "hookpoint bench latency", _bars(result))


def _bars(result: LatencyResult) -> Iterator[Text]:
    yield Text(title(result))
    for number, (name, _) in enumerate(outcomes(result.points[0])):
        yield Text(f"\nevent -> {name}", style="bold")
        for point in result.points:
            figures = list(outcomes(point))[number][1]
            load = f"{point.share:4.0%} {point.rate:8,.0f}/s "
            yield (
                Text(load)
                .append_text(_bar(figures))
                .append(
                    f" {_ms(figures.p50_ms)} / {_ms(figures.p99_ms)} / {_ms(figures.max_ms)} ms"
                )
            )
    yield Text("\n█ p50  ▓ p90  ▒ p99  ░ max; 1 ms to 10 s, logarithmic", style="dim")


def _bar(figures: Spread) -> Text:
    bar, drawn = Text(), 0
    quantiles = (figures.p50_ms, figures.p90_ms, figures.p99_ms, figures.max_ms)
    for mark, style, value in zip(
        "█▓▒░", ("green", "green", "yellow", "red"), quantiles, strict=True
    ):
        length = round(BAR_WIDTH * share_of_width(value))
        bar.append(mark * max(0, length - drawn), style)
        drawn = max(drawn, length)
    return bar


def share_of_width(latency_ms: float) -> float:
    """Where a latency lies between 1 ms (0) and 10 s (1) on a logarithmic scale."""
    bounded = min(max(latency_ms, LEAST_MS), MOST_MS)
    return math.log(bounded / LEAST_MS) / math.log(MOST_MS / LEAST_MS)
