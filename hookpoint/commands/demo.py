"""``hookpoint demo``: the whole thing on this machine, in a minute or two."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from hookpoint.commands._writing import can_be_written

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(demo)


def demo(  # noqa: PLR0913 - one argument per option
    *,
    viewers: Annotated[int, typer.Option(min=1)] = 600,
    titles: Annotated[int, typer.Option(min=1, max=400)] = 36,
    weeks: Annotated[float, typer.Option(min=0.1, help="Weeks of event time.")] = 4.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same audience.")] = 7,
    seconds: Annotated[
        float,
        typer.Option(min=0.0, help="Spread the weeks over so many seconds; 0 is full speed."),
    ] = 30.0,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Save the last view and the comparison as an SVG.", callback=can_be_written
        ),
    ] = None,
    netflix_export: Annotated[
        Path | None, typer.Option(help="Your own Netflix export instead of an invented audience.")
    ] = None,
    json_out: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="With --netflix-export: the result as JSON.",
            callback=can_be_written,
        ),
    ] = None,
) -> None:
    """Run broker, Redis and a worker, stream an audience through, and compare with the truth."""
    from config.logging import configure_logging  # noqa: PLC0415  commands load what they need
    from config.settings import Settings  # noqa: PLC0415
    from hookpoint.processes import StackError  # noqa: PLC0415
    from hookpoint.stack import ends_on_signals  # noqa: PLC0415
    from producers.send import SendError  # noqa: PLC0415

    if json_out is not None and netflix_export is None:
        raise typer.BadParameter("--json goes with --netflix-export")
    if picture is not None and netflix_export is not None:
        raise typer.BadParameter("--picture goes with an invented audience")
    # Quiet unless something is wrong: the picture is the message.
    configure_logging(Settings().model_copy(update={"log_level": "ERROR"}))
    for client in ("aiokafka", "kafka"):
        logging.getLogger(client).setLevel(logging.ERROR)
    try:
        with ends_on_signals():
            if netflix_export is not None:
                _netflix(netflix_export, json_out)
            else:
                options = (viewers, titles, weeks, seed)
                _audience(options, seconds, picture)
    except (StackError, SendError) as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(EXIT_FAILED) from None
    except KeyboardInterrupt:
        typer.echo("Stopped; nothing is left running.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _audience(size: tuple[int, int, float, int], seconds: float, picture: Path | None) -> None:
    from hookpoint.demo.run import run_demo  # noqa: PLC0415  commands load what they need
    from producers.simulator import MOST, AudienceOptions  # noqa: PLC0415

    viewers, titles, weeks, seed = size
    options = AudienceOptions(
        viewers=viewers, titles=titles, weeks=weeks, seed=seed, declared_share=MOST
    )
    run_demo(options, seconds or None, picture)


def _netflix(directory: Path, json_out: Path | None) -> None:
    from hookpoint.netflix_demo import run_netflix_demo  # noqa: PLC0415  commands load what they need
    from producers.netflix.reading import ExportError  # noqa: PLC0415

    try:
        run_netflix_demo(directory, json_out)
    except ExportError as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(EXIT_FAILED) from None
