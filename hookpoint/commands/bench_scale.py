"""``hookpoint bench scale``: what grows with viewers, history, titles and workers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Part(StrEnum):
    """What one may ask for alone."""

    VIEWERS = "viewers"
    WATCHING = "watching"
    WORKERS = "workers"
    HISTORY = "history"
    TITLES = "titles"


def scale(  # noqa: PLR0913 - one argument per option
    *,
    only: Annotated[
        list[Part] | None,
        typer.Option(help="Only this part; several times for several.", show_default="all"),
    ] = None,
    viewers: Annotated[
        list[int] | None,
        typer.Option(min=100, help="A population.", show_default="10,000 and 100,000"),
    ] = None,
    events: Annotated[int, typer.Option(min=5_000, help="Events of each point.")] = 600_000,
    watching: Annotated[int, typer.Option(min=100, help="How many watch at once.")] = 10_000,
    crowd: Annotated[
        list[int] | None,
        typer.Option(min=100, help="The same where it is varied.", show_default="10k, 50k, 200k"),
    ] = None,
    workers: Annotated[
        list[int] | None,
        typer.Option(min=1, max=64, help="Workers at once.", show_default="1, 2, 4"),
    ] = None,
    month_viewers: Annotated[
        int, typer.Option(min=10, help="Simulated viewers who live through a month.")
    ] = 2_000,
    history_viewers: Annotated[
        int, typer.Option(min=5, help="The same for one week and for half a year.")
    ] = 100,
    heartbeat: Annotated[
        float, typer.Option(min=15, help="Seconds between reports of their players.")
    ] = 45.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same lives.")] = 7,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
    markdown_out: Annotated[
        Path | None, typer.Option("--markdown", help="Write the tables to this file.")
    ] = None,
) -> None:
    """Measure what an event and a viewer cost, with ever more viewers, history, titles, workers.

    A million viewers take minutes to fill Redis with: ask with --viewers 10000 --viewers 1000000.
    """
    from hookpoint.bench.scale import PARTS, ScaleOptions, run_scale  # noqa: PLC0415 - slow to load
    from hookpoint.bench.scale_report import as_json, markdown, tell  # noqa: PLC0415
    from hookpoint.commands._benching import measured, write_json  # noqa: PLC0415

    options = ScaleOptions(
        parts=tuple(it for it in PARTS if it in only) if only else PARTS,
        viewers=tuple(sorted(viewers)) if viewers else ScaleOptions().viewers,
        events=events,
        watching=watching,
        crowds=tuple(sorted(crowd)) if crowd else ScaleOptions().crowds,
        workers=tuple(sorted(workers)) if workers else ScaleOptions().workers,
        month_viewers=month_viewers,
        history_viewers=history_viewers,
        heartbeat_s=heartbeat,
        seed=seed,
    )
    console, result = measured(run_scale, options)
    tell(console, result)
    write_json(json_out, as_json(result))
    if markdown_out is not None:
        markdown_out.write_text(markdown(result), encoding="utf-8")
