"""The ``hookpoint`` command: one subcommand per thing that people do."""

from __future__ import annotations

import typer

from hookpoint.commands import bench, demo, look, replay, stack, worker

app = typer.Typer(
    name="hookpoint",
    help="Who is hooked, on what, and where: from play and pause events, while people watch.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for module in (stack, worker, replay, demo, look, bench):
    module.register(app)


def main() -> None:
    """Entry point of the ``hookpoint`` script."""
    app()
