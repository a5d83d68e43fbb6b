"""``hookpoint viewer``: all that is kept of a viewer, handed out or erased (docs/privacy.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hookpoint.commands._writing import can_be_written
from hookpoint.commands.look import AsJsonLines, Viewer, _utf8, clear_errors

commands = typer.Typer(
    name="viewer", help="All that is kept of a viewer: export, erase.", no_args_is_help=True
)


def _regular(path: Path | None) -> Path | None:
    """A file that may be put in the place of what is there."""
    if path is not None and path.exists() and not path.is_file():
        raise typer.BadParameter(f"{path} is no file")
    return can_be_written(path)


def export(
    viewer: Viewer,
    topics: Annotated[
        bool,
        typer.Option("--topics", help="Also the records on Kafka; reads every topic to its end."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="A file (mode 0600) instead of standard output.", callback=_regular),
    ] = None,
) -> None:
    """One JSON document: profile, what it is worked out from and, if asked for, every record."""
    from hookpoint.commands._viewer_data import hand_out  # noqa: PLC0415  # imports Kafka

    with clear_errors() as settings:
        hand_out(settings, viewer, topics=topics, out=out)


def erase(
    viewer: Annotated[
        str | None, typer.Argument(help="The viewer's id.", callback=_utf8, show_default=False)
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Viewer ids, one a line, instead of VIEWER; - is stdin."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJsonLines = False,
) -> None:
    """Delete what Redis holds, for good. Workers may run; what was sent before never comes back.

    Exit code 0 also for a viewer of whom nothing is known; 1 if Redis or Kafka is away, or if
    you say no. What they declared is withdrawn on Kafka; the rest there goes with its retention.
    """
    from hookpoint.commands._viewer_data import erase_all, read_ids  # noqa: PLC0415  # see above

    if (viewer is None) == (file is None):
        raise typer.BadParameter("name one viewer, or a --file of them")
    viewers = [viewer] if viewer is not None else read_ids(str(file))
    with clear_errors() as settings:
        erase_all(settings, viewers, agreed=yes, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    commands.command(epilog="Example: hookpoint viewer export viewer-7 --topics")(export)
    commands.command(epilog="Example: hookpoint viewer erase --file ids.txt --yes")(erase)
    app.add_typer(commands)
