"""``hookpoint up`` and ``hookpoint topics``: somewhere to run, and the topics to run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from hookpoint.commands._servers import fail, log_for_people, stay, stop_asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.settings import Settings
    from hookpoint.stack import Stack
    from hookpoint.topics import TopicReport

EXIT_DIFFERS = 3
PIPE_WIDTH = 120

Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.", show_default="a free one")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(up)
    app.command()(topics)


def up(kafka_port: Port = None, redis_port: Port = None) -> None:
    """Run a broker and a Redis here until Ctrl-C; nothing is kept after that."""
    from config.settings import Settings  # noqa: PLC0415  commands load what they need
    from hookpoint.stack import Stack, StackError  # noqa: PLC0415

    settings = Settings()
    log_for_people(settings)
    try:
        with Stack(kafka_port=kafka_port, redis_port=redis_port) as stack, stop_asked() as asked:
            _announce(stack, _ensure(stack.pointed_at(settings)))
            stay(stack, asked)
    except StackError as problem:
        fail(str(problem))
    typer.echo("Stopped Kafka and Redis.")


def topics(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array instead.")] = False,
) -> None:
    """Create the topics that are missing; exit code 3 if an existing one differs."""
    from config.settings import Settings  # noqa: PLC0415  commands load what they need

    settings = Settings()
    log_for_people(settings)
    reports = _ensure(settings)
    if as_json:
        typer.echo(orjson.dumps([_as_record(report) for report in reports]))
    else:
        _print_table(reports)
    if any(report.state == "differs" for report in reports):
        raise typer.Exit(EXIT_DIFFERS)


def _ensure(settings: Settings) -> list[TopicReport]:
    from hookpoint.topics import BrokerError, ensure_topics  # noqa: PLC0415  slow to import

    try:
        return ensure_topics(settings)
    except (BrokerError, ValueError) as problem:
        fail(str(problem))


def _announce(stack: Stack, reports: Sequence[TopicReport]) -> None:
    typer.echo(f"Kafka  {stack.kafka_bootstrap}  ({len(reports)} topics, in memory)")
    typer.echo(f"Redis  {stack.redis_url}")
    typer.echo("\nIn another terminal:\n")
    for name, value in stack.env().items():
        typer.echo(f"export {name}={value}")
    typer.echo("\nCtrl-C stops both.")


def _as_record(report: TopicReport) -> dict[str, object]:
    spec = report.spec
    return {
        "topic": spec.name,
        "key": spec.key,
        "partitions": report.partitions,
        "replication": report.replication,
        "retention_ms": spec.retention_ms,
        "compacted": spec.compacted,
        "state": report.state,
        "differences": report.differences,
        "not_reported": report.unknown,
    }


def _print_table(reports: Sequence[TopicReport]) -> None:
    from hookpoint.topics import kept  # noqa: PLC0415  slow to import

    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    table = Table(box=None)
    for heading in ("topic", "key", "partitions", "kept", "state"):
        # Names differ at their ends: cut short they would all look alike.
        table.add_column(heading, overflow="fold")
    for report in reports:
        spec = report.spec
        table.add_row(spec.name, spec.key, str(report.partitions), kept(spec), report.state)
    console.print(table)
    for report in reports:
        for difference in report.differences:
            typer.echo(f"{report.spec.name} differs: {difference} (left as it is)")
        if report.unknown:
            names = ", ".join(report.unknown)
            typer.echo(f"{report.spec.name}: {names} not reported by this broker")
