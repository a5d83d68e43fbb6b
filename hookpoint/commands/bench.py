"""``hookpoint bench``: how fast it is on this machine."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


bench_app = typer.Typer(help="Measure how fast it is on this machine.")


def register(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.add_typer(bench_app, name="bench")


@bench_app.callback(invoke_without_command=True)
def bench(  # noqa: PLR0913 - one argument per option
    ctx: typer.Context,
    *,
    events: Annotated[int, typer.Option(min=1000, help="About how many events.")] = 600_000,
    viewers: Annotated[int, typer.Option(min=1)] = 4_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same stream.")] = 7,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Rounds of hookpoint.")] = 3,
    plain_rounds: Annotated[
        int, typer.Option(min=0, max=20, help="Rounds of a plain Faust agent, in between.")
    ] = 2,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
) -> None:
    """Measure one worker on a backlog, beside a plain per-event Faust agent.

    Exit code 1 says that a contender failed or that the answer was wrong.
    """
    if ctx.invoked_subcommand is not None:
        return
    import orjson  # noqa: PLC0415  commands load what they need
    from rich.console import Console  # noqa: PLC0415

    from config.logging import configure_logging  # noqa: PLC0415
    from config.settings import Settings  # noqa: PLC0415
    from hookpoint.bench.backlog import BenchOptions  # noqa: PLC0415
    from hookpoint.bench.report import as_json, tell  # noqa: PLC0415
    from hookpoint.bench.run import PLAIN_WIDTH, run_bench  # noqa: PLC0415
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
    options = BenchOptions(events, viewers, seed, rounds, min(plain_rounds, rounds))
    try:
        with ends_on_signals():
            result = run_bench(options, console)
    except (StackError, SendError, BrokerError) as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(EXIT_FAILED) from None
    except KeyboardInterrupt:
        typer.echo("Stopped; nothing is left running.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    tell(console, result)
    if json_out is not None:
        json_out.write_bytes(orjson.dumps(as_json(result), option=orjson.OPT_INDENT_2))
    if not result.check.agrees:
        raise typer.Exit(EXIT_FAILED)
