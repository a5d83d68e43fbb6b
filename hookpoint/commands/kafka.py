"""``hookpoint kafka``: Apache Kafka itself, by Maven and Java, for as long as it is wanted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hookpoint.commands._servers import fail, handling, log_for_people, look, stay, stop_asked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from hookpoint.apache import ApacheKafka

EXIT_CANNOT = 1
EXIT_NOT_FOUND = 127
EXIT_SIGNALLED = 128


def register(app: typer.Typer) -> None:
    """Add this module's command to ``app``."""
    # What follows COMMAND is its own, options and all.
    app.command(context_settings={"allow_interspersed_args": False})(kafka)


def kafka(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND",
            help="Run this on the broker, stop the broker after it, and pass its exit code on.",
            show_default=False,
        ),
    ] = None,
    *,
    nodes: Annotated[int, typer.Option(help="1, or 3 of which one may be lost.")] = 1,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Of the first node, on 127.0.0.1.",
            show_default="that of the folder, or a free one",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Where its log and records go and stay.",
            show_default="one that goes with it",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether it can be had here; exit code 0 or 1.")
    ] = False,
) -> None:
    """Run Apache Kafka here until Ctrl-C, or for one command; Maven fetches it the first time."""
    from config.settings import Settings  # noqa: PLC0415  commands load what they need
    from hookpoint.apache import ApacheKafka  # noqa: PLC0415
    from hookpoint.processes import StackError  # noqa: PLC0415

    if check:
        _check()
        return
    if command and shutil.which(command[0]) is None:
        _say(f"{command[0]}: command not found")
        raise typer.Exit(EXIT_NOT_FOUND)
    log_for_people(Settings())
    try:
        cluster = ApacheKafka(nodes, port=port, data_dir=folder, tell=_say)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint="--nodes") from None
    try:
        with cluster:
            if command:
                code = _run(command, cluster)
                look(cluster)
                raise typer.Exit(code)
            with stop_asked() as asked:
                _announce(cluster)
                stay(cluster, asked)
    except StackError as problem:
        fail(str(problem))
    _say("Stopped Apache Kafka.")


def _check() -> None:
    from hookpoint.kafka_jars import KAFKA_VERSION, obstacle  # noqa: PLC0415  as above

    problem = obstacle()
    if problem:
        typer.echo(problem)
        raise typer.Exit(EXIT_CANNOT)
    typer.echo(f"Apache Kafka {KAFKA_VERSION} can be had here.")


def _say(line: str) -> None:
    # Standard output belongs to COMMAND.
    typer.echo(line, err=True)


def _announce(cluster: ApacheKafka) -> None:
    typer.echo(f"Kafka  {cluster.bootstrap}  ({cluster.title})")
    for node in cluster.nodes:
        typer.echo(f"Log    {node.log_file}")
    typer.echo("\nIn another terminal:\n")
    for name, value in cluster.env().items():
        typer.echo(f"export {name}={value}")
    typer.echo("\nCtrl-C stops it.")


def _run(command: Sequence[str], cluster: ApacheKafka) -> int:
    """The exit code of ``command``, as a shell would give it."""
    _say(f"{cluster.title} on {cluster.bootstrap}")
    env = os.environ | cluster.env() | cluster.test_env()
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        # The command decides when to end: the broker goes after it, never before.
        if process is None:
            early.append(number)
        elif number != signal.SIGINT:  # Ctrl-C reaches the whole process group by itself
            process.send_signal(number)

    with handling(pass_on, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = subprocess.Popen(command, env=env)  # noqa: S603  it is the caller's to choose
        for number in early:
            process.send_signal(number)
        code = process.wait()
    return code if code >= 0 else EXIT_SIGNALLED - code
