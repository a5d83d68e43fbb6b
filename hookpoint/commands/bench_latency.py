"""``hookpoint bench latency``: how soon an event can be read, at rising load."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")]
Page = Annotated[Path | None, typer.Option("--markdown", help="Write the table to this file.")]
Picture = Annotated[Path | None, typer.Option("--svg", help="Draw latency against load.")]


def latency(  # noqa: PLR0913 - one argument per option
    *,
    load: Annotated[
        list[float] | None,
        typer.Option(
            min=0.01,
            max=1.5,
            help="Share of the capacity; several times for several.",
            show_default="0.2, 0.5 and 0.9",
        ),
    ] = None,
    capacity: Annotated[
        float | None,
        typer.Option(
            min=1, help="Events per second.", show_default="the most that is kept up with"
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Measured seconds of each load.")] = 30.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds before those.")] = 5.0,
    viewers: Annotated[int, typer.Option(min=100, help="All of them watch.")] = 20_000,
    backlog: Annotated[
        int, typer.Option(min=1000, help="Events that are worked off before.")
    ] = 200_000,
    probes: Annotated[float, typer.Option(min=0.5, max=500, help="Timed events a second.")] = 50.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same crowd.")] = 7,
    json_out: Output = None,
    markdown_out: Page = None,
    svg: Picture = None,
) -> None:
    """Time events into Redis and onto Kafka while a crowd watches, at rising load.

    Each event is sent at its instant whatever comes of those before it, and timed from that
    instant. Exit code 1 says that something failed, or that a sender could not keep its schedule.
    """
    from hookpoint.bench.latency import LatencyOptions, run_latency  # noqa: PLC0415 - slow to load
    from hookpoint.bench.latency_report import (  # noqa: PLC0415
        as_json,
        markdown,
        notes,
        save_picture,
        table,
    )
    from hookpoint.commands._benching import EXIT_FAILED, measured, write_json  # noqa: PLC0415

    options = LatencyOptions(
        shares=tuple(sorted(load)) if load else LatencyOptions().shares,
        capacity=capacity,
        seconds=seconds,
        warm_s=warm_up,
        probes_per_s=probes,
        viewers=viewers,
        backlog=backlog,
        seed=seed,
    )
    console, result = measured(run_latency, options)
    console.print(table(result))
    for note in notes(result):
        console.print(note, highlight=False)
    write_json(json_out, as_json(result))
    if markdown_out is not None:
        markdown_out.write_text(markdown(result), encoding="utf-8")
    if svg is not None:
        save_picture(result, svg)
    if not all(point.valid for point in result.points):
        raise typer.Exit(EXIT_FAILED)
