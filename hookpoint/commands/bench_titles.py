"""``hookpoint bench titles``: what the titles agent carries, and how old its reports are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def titles(  # noqa: PLR0913 - one argument per option
    *,
    records: Annotated[int, typer.Option(min=2_000, help="Of each backlog.")] = 300_000,
    count: Annotated[
        list[int] | None,
        typer.Option(
            "--titles",
            min=2,
            help="How many titles; several times for several.",
            show_default="40 and 400",
        ),
    ] = None,
    days: Annotated[float, typer.Option(min=0.1, max=28, help="Event time of a backlog.")] = 4.0,
    hit: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Share of all records of the hit show.")
    ] = 0.3,
    load: Annotated[
        float,
        typer.Option(min=0.01, max=1, help="Steady rate, as a share of that of the backlog."),
    ] = 0.3,
    rate: Annotated[
        float | None,
        typer.Option(min=10, help="The same in records per second.", show_default="by --load"),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Of the steady load.")] = 20.0,
    month_viewers: Annotated[
        int, typer.Option(min=0, help="Of the title whose memory is measured; 0: none.")
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same journeys.")] = 7,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
    markdown_out: Annotated[
        Path | None, typer.Option("--markdown", help="Write the table to this file.")
    ] = None,
) -> None:
    """Measure a worker of the titles agent alone: a backlog, steady reports, and memory.

    Each with records spread evenly over the titles, and with a hit show that draws much of them.
    """
    from hookpoint.bench.titles import TitlesOptions, run_titles  # noqa: PLC0415 - slow to load
    from hookpoint.bench.titles_report import as_json, markdown, tell  # noqa: PLC0415
    from hookpoint.commands._benching import measured, write_json  # noqa: PLC0415

    options = TitlesOptions(
        records=records,
        titles=tuple(sorted(count)) if count else TitlesOptions().titles,
        days=days,
        hit=hit,
        load=load,
        rate=rate,
        seconds=seconds,
        month_viewers=month_viewers,
        seed=seed,
    )
    console, result = measured(run_titles, options)
    tell(console, result)
    write_json(json_out, as_json(result))
    if markdown_out is not None:
        markdown_out.write_text(markdown(result), encoding="utf-8")
