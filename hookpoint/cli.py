"""The ``hookpoint`` command: one subcommand per thing that people do."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from hookpoint.commands import (
    bench,
    capacity,
    demo,
    kafka,
    look,
    rejects,
    replay,
    stack,
    viewer,
    worker,
)

app = typer.Typer(
    name="hookpoint",
    help="Who is hooked, on what, and where: from play and pause events, while people watch.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for module in (stack, kafka, worker, replay, demo, look, viewer, rejects, bench, capacity):
    module.register(app)


EXIT_USAGE = 2


def main() -> None:
    """Entry point of the ``hookpoint`` script."""
    try:
        app()
    except ValidationError as error:  # a setting that cannot be right: say which, without a trace
        for problem in error.errors():
            name = "__".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"HOOKPOINT_{name}: {problem['msg']}", err=True)
        sys.exit(EXIT_USAGE)
    except SettingsError as error:
        typer.echo(f"hookpoint: {error}", err=True)
        sys.exit(EXIT_USAGE)
