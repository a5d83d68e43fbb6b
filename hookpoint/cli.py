"""The ``hookpoint`` command: one subcommand per thing that people do."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from config.wrong import WrongSettingError, unknown_variables, wrong_settings
from hookpoint.commands import (
    bench,
    capacity,
    demo,
    evaluate,
    kafka,
    look,
    rejects,
    replay,
    stack,
    title,
    viewer,
    worker,
)

app = typer.Typer(
    name="hookpoint",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for module in (
    stack, kafka, worker, replay, demo, look, title, viewer, rejects, bench, capacity, evaluate,
):  # fmt: skip
    module.register(app)


EXIT_USAGE = 2


@app.callback()
def before_any_command(context: typer.Context) -> None:
    """Who is hooked, on what, and where: from play and pause events, while people watch."""
    if context.invoked_subcommand != "worker":  # which says it in its log
        for line in unknown_variables():
            typer.echo(f"hookpoint: {line}", err=True)


def main() -> None:
    """Entry point of the ``hookpoint`` script."""
    try:
        app()
    except (ValidationError, SettingsError) as error:
        for line in wrong_settings(error):
            typer.echo(line, err=True)
        sys.exit(EXIT_USAGE)
    except WrongSettingError as error:
        typer.echo(str(error), err=True)
        sys.exit(EXIT_USAGE)
