"""What ``hookpoint bench titles`` says: a table for people and the docs, JSON for others."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from hookpoint.bench.quantiles import Spread
    from hookpoint.bench.titles import Round, TitlesResult

KIB = 1024
RATE_BAR = 50_000.0
"""Records per CPU-second."""
AGE_BAR_MS = 2_000.0
MEMORY_BAR = 200_000
"""Bytes of a title-season in a worker's memory."""
COLUMNS = (
    "titles", "records/s", "per CPU-s", "peak MiB", "Redis CPU-s per million", "steady/s", "cores",
    "age p50 ms", "p99", "max", "of the hit: p50", "p99", "max",
)  # fmt: skip


def rows(result: TitlesResult) -> Iterator[tuple[str, ...]]:
    """One per round, as ``COLUMNS`` name them."""
    for it in result.rounds:
        work = it.work
        yield (
            it.name,
            f"{work.per_second:,.0f}",
            f"{work.per_cpu_second:,.0f}",
            f"{work.peak_rss_bytes / KIB**2:,.0f}",
            f"{1e6 * work.redis_cpu_s / work.events:.2f}",
            f"{it.rate:,.0f}",
            f"{it.worker_cores:.2f}",
            *_ages(it.ages.others),
            *(_ages(it.ages.hit) if it.hit else ("", "", "")),
        )


def _ages(spread: Spread) -> tuple[str, str, str]:
    return f"{spread.p50_ms:,.0f}", f"{spread.p99_ms:,.0f}", f"{spread.max_ms:,.0f}"


def notes(result: TitlesResult) -> Iterator[str]:
    """The bars of this bench, and where they stand."""
    for it in result.rounds:
        rate, oldest = it.work.per_cpu_second, max(it.ages.hit.max_ms, it.ages.others.max_ms)
        yield (
            f"{it.name}: {rate:,.0f} records per CPU-second, {_verdict(rate >= RATE_BAR)} "
            f"{RATE_BAR:,.0f}; the oldest report was {oldest:,.0f} ms old at {it.rate:,.0f} "
            f"records/s, {_verdict(oldest <= AGE_BAR_MS)} {AGE_BAR_MS:,.0f} (the sender was up to "
            f"{it.ages.lateness.max_ms:,.0f} ms late itself)."
        )
    yield from _hits(result)
    if (found := result.memory) is not None:
        yield (
            f"A season with {found.viewers:,} viewers in {found.countries} countries and "
            f"{found.languages} languages over four weeks ({found.records:,} records): "
            f"{found.in_memory:,} bytes in a worker's memory, "
            f"{_verdict(found.in_memory <= MEMORY_BAR)} {MEMORY_BAR:,}; in Redis "
            f"{found.audience_bytes:,} of counts, {found.engagement_bytes:,} of report and "
            f"{found.viewers_bytes:,} of who watched it on each day."
        )


def _hits(result: TitlesResult) -> Iterator[str]:
    evenly = {it.titles: it for it in result.rounds if not it.hit}
    for it in result.rounds:
        beside: Round | None = evenly.get(it.titles) if it.hit else None
        if beside is not None:
            ratio = it.work.per_second / beside.work.per_second
            of_cpu = it.work.per_cpu_second / beside.work.per_cpu_second
            yield (
                f"{it.name}, over the same records spread evenly: {ratio:.2f} of the records per "
                f"second, {of_cpu:.2f} per CPU-second; reports of the other titles at p99 "
                f"{it.ages.others.p99_ms:,.0f} ms instead of {beside.ages.others.p99_ms:,.0f}."
            )


def _verdict(met: bool) -> str:
    return "within" if met else "NOT within"


def tell(console: Console, result: TitlesResult) -> None:
    """Everything that was measured, for people."""
    table = Table(title=_title(result), title_justify="left")
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if number else "left")
    for row in rows(result):
        table.add_row(*row)
    console.print(table)
    for note in notes(result):
        console.print(note, highlight=False)


def _title(result: TitlesResult) -> str:
    options = result.options
    return (
        f"{options.records:,} records of {options.days:g} days worked off, then "
        f"{options.seconds:g} s of a steady load"
    )


def markdown(result: TitlesResult) -> str:
    """The same for a page of the docs."""
    servers, machine = result.facts["servers"], result.facts["machine"]
    on = f"{servers['broker']}, {servers['redis']}, {machine['cores']} cores"
    lines = [
        f"{_title(result)}; {on}, load average {machine['load_before']:.1f} before.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows(result)]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(result)), ""])


def as_json(result: TitlesResult) -> dict[str, Any]:
    """Everything that another run is compared by."""
    memory = result.memory
    return {
        **result.facts,
        "options": asdict(result.options),
        "rounds": [
            asdict(it) | {"name": it.name, "per_cpu_second": it.work.per_cpu_second}
            for it in result.rounds
        ],
        "memory": asdict(memory) | {"in_memory": memory.in_memory} if memory else None,
        "notes": list(notes(result)),
    }
