"""What all benches share: quiet logs, one line for what fails, figures to a file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rich.console import Console

Options = TypeVar("Options")
Result = TypeVar("Result")
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
PLAIN_WIDTH = 110


def measured(
    bench: Callable[[Options, Console], Result], options: Options
) -> tuple[Console, Result]:
    """Run ``bench``; exits with one line where it fails, or is interrupted."""
    from rich.console import Console  # noqa: PLC0415 - commands load what they need

    from config.logging import configure_logging  # noqa: PLC0415
    from config.settings import Settings  # noqa: PLC0415
    from hookpoint.processes import StackError  # noqa: PLC0415
    from hookpoint.stack import ends_on_signals  # noqa: PLC0415
    from hookpoint.topics import BrokerError  # noqa: PLC0415
    from producers.send import SendError  # noqa: PLC0415

    configure_logging(Settings().model_copy(update={"log_level": "ERROR"}))
    for client in ("aiokafka", "kafka"):
        logging.getLogger(client).setLevel(logging.ERROR)
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    try:
        with ends_on_signals():
            return console, bench(options, console)
    except (StackError, SendError, BrokerError) as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(EXIT_FAILED) from None
    except KeyboardInterrupt:
        typer.echo("Stopped; nothing is left running.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def write_json(target: Path | None, figures: Mapping[str, Any]) -> None:
    """Write figures to a file, if one is named. What never came (``inf``) becomes null."""
    import orjson  # noqa: PLC0415

    if target is not None:
        target.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
