"""``hookpoint bench profile``: where a worker's time goes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")]
Page = Annotated[Path | None, typer.Option("--markdown", help="Write the tables to this file.")]
Picture = Annotated[Path | None, typer.Option("--svg", help="Draw what each stage takes.")]


class Part(StrEnum):
    """What one may ask for alone."""

    BACKLOG = "backlog"
    LIVE = "live"


def profile(  # noqa: PLR0913 - one argument per option
    *,
    only: Annotated[Part | None, typer.Option(help="Only this part.", show_default="both")] = None,
    events: Annotated[
        int, typer.Option(min=1000, help="About how many events the backlog has.")
    ] = 500_000,
    viewers: Annotated[int, typer.Option(min=1, help="Of the backlog.")] = 4_000,
    crowd: Annotated[
        int, typer.Option(min=100, help="Viewers of the live stream; all of them watch.")
    ] = 20_000,
    rate: Annotated[float, typer.Option(min=10, help="Live events per second.")] = 4_000.0,
    seconds: Annotated[float, typer.Option(min=1, help="Of the live stream.")] = 25.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds before those.")] = 5.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same stream.")] = 7,
    json_out: Output = None,
    markdown_out: Page = None,
    svg: Picture = None,
) -> None:
    """Tell what each stage of the work takes: decoding, the fold, Redis, Lua, waiting, ...

    A worker works off a backlog, and another follows a live stream, in which nearly each event is
    of another viewer. py-spy looks into them 200 times a second. Exit code 1 says that something
    failed, or that the worker did not keep up with the live stream.
    """
    from hookpoint.bench.profile import PARTS, ProfileOptions, run_profile  # noqa: PLC0415
    from hookpoint.bench.profile_report import (  # noqa: PLC0415 - slow to load
        as_json,
        markdown,
        save_picture,
        tell,
    )
    from hookpoint.commands._benching import EXIT_FAILED, measured, write_json  # noqa: PLC0415

    options = ProfileOptions(
        parts=(only.value,) if only else PARTS,
        events=events,
        viewers=viewers,
        crowd=crowd,
        rate=rate,
        seconds=seconds,
        warm_s=warm_up,
        seed=seed,
    )
    console, result = measured(run_profile, options)
    tell(console, result)
    write_json(json_out, as_json(result))
    if markdown_out is not None:
        markdown_out.write_text(markdown(result), encoding="utf-8")
    if svg is not None:
        save_picture(result, svg)
    if not all(it.kept_up for it in result.profiles):
        raise typer.Exit(EXIT_FAILED)
