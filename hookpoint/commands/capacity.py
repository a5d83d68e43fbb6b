"""``hookpoint capacity``: what a service of any size needs, from measured figures."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hookpoint.bench.capacity import Assumptions, Measured, Plan

EXIT_USAGE = 2
COLUMNS = (
    "viewers", "watching", "events/s", "workers", "watching per worker", "partitions",
    "Redis GB", "shards", "Kafka MB/s", "disk TB", "brokers", "workers' MB/s", "fills up first",
)  # fmt: skip
WIDTH = 170


def register(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(capacity)


def capacity(  # noqa: PLR0913 - one argument per option
    *,
    measured: Annotated[
        Path,
        typer.Option(
            exists=True, dir_okay=False, help="What `hookpoint bench scale --json` wrote."
        ),
    ],
    viewers: Annotated[
        list[int] | None,
        typer.Option(min=1, help="A size; several times for several.", show_default="1k to 300M"),
    ] = None,
    watching: Annotated[
        float, typer.Option(min=0.001, max=1, help="Share of viewers who watch at the peak.")
    ] = 0.10,
    hours: Annotated[
        float, typer.Option(min=0.01, max=24, help="Watched by a viewer on a day.")
    ] = 1.5,
    heartbeat: Annotated[
        float, typer.Option(min=1, help="Seconds between a player's reports.")
    ] = 45.0,
    bytes_per_viewer: Annotated[
        float | None,
        typer.Option(min=1, help="In Redis.", show_default="as measured"),
    ] = None,
    markdown: Annotated[bool, typer.Option(help="As a page of the docs has it.")] = False,
) -> None:
    """Count what services of several sizes need, and what fills up first."""
    import orjson  # noqa: PLC0415 - commands load what they need

    from hookpoint.bench.capacity import (  # noqa: PLC0415
        SIZES,
        Assumptions,
        Measured,
        NotMeasured,
        plan,
    )

    assumed = Assumptions(watching_share=watching, hours_per_day=hours, heartbeat_s=heartbeat)
    try:
        found = Measured.read(orjson.loads(measured.read_bytes()))
    except (NotMeasured, ValueError, KeyError) as problem:
        typer.echo(f"{measured}: {problem}", err=True)
        raise typer.Exit(EXIT_USAGE) from None
    if bytes_per_viewer is not None:
        from dataclasses import replace  # noqa: PLC0415

        found = replace(found, redis_bytes_per_viewer=bytes_per_viewer)
    plans = [plan(size, found, assumed) for size in viewers or SIZES]
    if markdown:
        typer.echo("\n".join(_markdown(found, assumed, plans)))
    else:
        _print(found, assumed, plans)


def _markdown(measured: Measured, assumed: Assumptions, plans: list[Plan]) -> Iterator[str]:
    yield "| measured, per | |"
    yield "|---|---|"
    yield from (f"| {name} | {value} |" for name, value in _measured(measured))
    yield ""
    yield "| assumed | |"
    yield "|---|---|"
    yield from (f"| {name} | {value} |" for name, value in _assumed(assumed))
    yield ""
    yield "| " + " | ".join(COLUMNS) + " |"
    yield "|" + "---|" * len(COLUMNS)
    for it in plans:
        yield "| " + " | ".join(_row(it)) + " |"


def _print(measured: Measured, assumed: Assumptions, plans: list[Plan]) -> None:
    from rich.console import Console  # noqa: PLC0415 - commands load what they need
    from rich.table import Table  # noqa: PLC0415

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    for name, value in (*_measured(measured), *_assumed(assumed)):
        console.print(f"{name}: {value}", highlight=False)
    table = Table()
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == COLUMNS[-1] else "right")
    for it in plans:
        table.add_row(*_row(it))
    console.print(table)


def _measured(measured: Measured) -> list[tuple[str, str]]:
    return [
        ("events per CPU-second of a worker", f"{measured.events_per_cpu_s:,.0f}"),
        ("Redis CPU per event, µs", f"{1e6 * measured.redis_cpu_s_per_event:,.1f}"),
        ("Redis network per event, bytes", f"{measured.redis_bytes_per_event:,.0f}"),
        ("event, bytes", f"{measured.event_bytes:,.0f}"),
        ("published per event, bytes", f"{measured.out_bytes_per_event:,.0f}"),
        ("Redis memory per viewer, bytes", f"{measured.redis_bytes_per_viewer:,.0f}"),
    ]


def _assumed(assumed: Assumptions) -> list[tuple[str, str]]:
    return [
        (field.name.replace("_", " "), f"{getattr(assumed, field.name):,g}")
        for field in fields(assumed)
    ]


def _row(it: Plan) -> list[str]:
    first, second = it.limits[:2]
    return [
        f"{it.viewers:,}",
        f"{it.watching:,.0f}",
        f"{it.peak_per_s:,.0f}",
        f"{it.workers:,}",
        f"{it.watching_per_worker:,.0f}",
        f"{it.partitions:,}",
        f"{it.redis_bytes / 1e9:,.2f}",
        f"{it.redis_shards:,}",
        f"{it.kafka_bytes_per_s / 1e6:,.2f}",
        f"{it.kafka_disk_bytes / 1e12:,.2f}",
        f"{it.brokers:,}",
        f"{it.network_bytes_per_s / 1e6:,.2f}",
        f"{first.name} ({first.units:,.2g}), then {second.name} ({second.units:,.2g})",
    ]
