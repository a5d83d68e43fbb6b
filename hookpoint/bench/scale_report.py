"""What a scale run says: tables for people and the docs, JSON for ``hookpoint capacity``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from hookpoint.bench.scale import Month, Part, Point, ScaleResult

MIB = 2**20
BYTES_BAR = 1500.0
"""Redis per viewer with a month of viewing, all keys."""
COST_BAR = 1.2
"""Processor time per event at the most viewers, over that at the fewest."""
NAMES: dict[Part, str] = {
    "viewers": "viewers",
    "watching": "watching at once",
    "workers": "workers",
    "history": "weeks behind each viewer",
    "titles": "titles",
}
FORMAT = 1


class Page(NamedTuple):
    """One table, for a terminal or a page."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def pages(result: ScaleResult) -> Iterator[Page]:
    """All tables of a run."""
    for part, name in NAMES.items():
        if points := result.of(part):
            yield _points(name, points, result)
    if result.month:
        yield _bytes(result.month)


def _points(name: str, points: Sequence[Point], result: ScaleResult) -> Page:
    options = result.options
    base = points[0].work.cpu_s_per_million
    rows = [
        (
            f"{point.at:,g}",
            f"{point.work.per_second:,.0f}",
            f"{point.work.per_cpu_second:,.0f}",
            f"{point.work.cpu_s_per_million:.1f}",
            f"{point.work.cpu_s_per_million / base:.2f}",
            f"{point.work.peak_rss_bytes / MIB:,.0f}",
            f"{1e6 * point.work.redis_cpu_s / point.work.events:.1f}",
            "" if point.redis_bytes_per_viewer is None else f"{point.redis_bytes_per_viewer:,.0f}",
        )
        for point in points
    ]
    columns = (
        name, "events/s", "per CPU-s", "CPU-s per million", "of the first", "peak MiB",
        "Redis CPU-s per million", "Redis bytes per viewer",
    )  # fmt: skip
    what = f"{options.events:,} events each"
    if points[0].part != "watching":
        what += f", {options.watching:,} watching at once"
    return Page(f"By {name}: {what}", columns, rows)


def _bytes(month: Month) -> Page:
    found = month.anatomy
    rows = [
        (
            part,
            f"{figures.bytes:,.0f}",
            f"{figures.fields:.1f}",
            f"{figures.name_bytes:,.0f}",
            f"{figures.value_bytes:,.0f}",
            ", ".join(f"{name} {share:.0%}" for name, share in sorted(figures.encodings.items())),
        )
        for part, figures in found.keys.items()
    ]
    rows += [
        ("state: " + name, f"{size:,.0f}", "", "", "", "")
        for name, size in found.state_bytes.items()
    ]
    rows += [
        ("public keys", f"{found.public:,.0f}", "", "", "", ""),
        ("private keys", f"{found.private:,.0f}", "", "", "", ""),
        ("all, by used memory", f"{month.redis_bytes_per_viewer:,.0f}", "", "", "", ""),
    ]
    title = (
        f"Bytes in Redis per viewer after a month, by MEMORY USAGE of {found.sample} of "
        f"{month.viewers:,} viewers ({month.events / month.viewers:,.0f} events each)"
    )
    return Page(title, ("key", "bytes", "fields", "in names", "in values", "encoding"), rows)


def notes(result: ScaleResult) -> Iterator[str]:
    """The bars of this bench, and where they stand."""
    points = result.of("viewers")
    if len(points) > 1:
        ratio = points[-1].work.cpu_s_per_million / points[0].work.cpu_s_per_million
        yield (
            f"Processor time per event at {points[-1].at:,g} viewers over that at "
            f"{points[0].at:,g}: {ratio:.2f}, {_verdict(ratio, COST_BAR)} {COST_BAR}."
        )
    if points and points[-1].redis_bytes_per_viewer is not None:
        found = points[-1].redis_bytes_per_viewer
        yield (
            f"Redis at {points[-1].at:,g} viewers with a month of viewing: {found:,.0f} bytes per "
            f"viewer, {_verdict(found, BYTES_BAR)} {BYTES_BAR:,.0f}."
        )


def _verdict(found: float, bar: float) -> str:
    return "within" if found <= bar else "ABOVE"


def tell(console: Console, result: ScaleResult) -> None:
    """Everything that was measured, for people."""
    for page in pages(result):
        table = Table(title=page.title, title_justify="left")
        for number, column in enumerate(page.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in page.rows:
            table.add_row(*row)
        console.print(table)
    for note in notes(result):
        console.print(note, highlight=False)


def markdown(result: ScaleResult) -> str:
    """The same for a page of the docs."""
    servers = result.facts["servers"]
    lines = [f"{servers['broker']}, {servers['redis']}, {result.facts['machine']['cores']} cores."]
    for page in pages(result):
        lines += ["", page.title + ":", "", "| " + " | ".join(page.columns) + " |"]
        lines += ["|" + "---|" * len(page.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in page.rows]
    return "\n".join([*lines, "", *notes(result), ""])


def as_json(result: ScaleResult) -> dict[str, Any]:
    """Everything that ``hookpoint capacity`` counts with, and what another run is compared by."""
    month = result.month
    return {
        "format": FORMAT,
        **result.facts,
        "options": asdict(result.options),
        "month": asdict(month)
        | {
            "public_bytes": month.anatomy.public,
            "private_bytes": month.anatomy.private,
        }
        if month
        else None,
        "points": [
            asdict(it) | {"cpu_s_per_million": it.work.cpu_s_per_million} for it in result.points
        ],
        "notes": list(notes(result)),
    }
