"""``hookpoint rejects --redrive``: what people see while dead letters are sent again."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn
from rich.text import Text

from consumers.connection import connect
from consumers.mended import BadLineError, Mended, read_mended
from consumers.redrive import (
    Courier,
    CourierError,
    Judge,
    LockedError,
    Redrive,
    Redriven,
    Wish,
    stream_clock,
)
from hookpoint.commands._rejects import (
    print_chosen,
    reject_json,
    summary,
    tell_hints,
    tell_lines,
)
from hookpoint.commands._tables import print_json, say
from hookpoint.stack import ends_on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Task

    from config.settings import Settings
    from consumers.courier import Parcel
    from consumers.records import Place, Reject
    from consumers.redrive import Report
    from consumers.rejects import Choice, RejectReader

STDIN = "-"
CHOSEN_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for on the command line; ``mended`` is a file of mended dead letters."""

    mended: str | None
    limit: int | None
    dry_run: bool
    as_json: bool


def send_again(settings: Settings, reader: RejectReader, choice: Choice, order: Order) -> None:
    """Send dead letters again, or say what would be sent.

    Raises:
        typer.BadParameter: the file of mended ones cannot be used; nothing is sent.
        typer.Exit: Kafka is away, or another process sends as well.
        ReaderError, redis.RedisError: Kafka or Redis is away.
    """
    mended = None if order.mended is None else _read(order.mended)
    picked: list[Reject] = []

    def pick(reject: Reject, _: Parcel) -> None:
        if order.dry_run and order.as_json:
            print_json(reject_json(reject))
        elif order.dry_run and len(picked) < CHOSEN_SHOWN:
            picked.append(reject)

    client = connect(settings)
    with client, Courier(settings, settings.topics.events) as courier:
        judge = Judge(settings, courier, stream_clock(client, settings), choice.reasons)
        wish = Wish(mended, order.limit, order.dry_run)
        run = Redrive(judge, courier, Redriven(client, settings), wish, chosen=pick)
        with _told_if_broken_off(run), ends_on_signals(), _bar(run.report):
            run.run(filter(choice.takes, reader.whats_there()))
    _tell(run.report, order, picked)


def _read(name: str) -> dict[Place, Mended]:
    try:
        if name == STDIN:
            return read_mended(sys.stdin.buffer)
        with Path(name).open("rb") as lines:
            return read_mended(lines)
    except (OSError, BadLineError) as error:
        raise typer.BadParameter(f"{name}: {error}", param_hint="--mended") from error


@contextmanager
def _told_if_broken_off(run: Redrive) -> Iterator[None]:
    try:
        yield
    except (CourierError, LockedError) as error:
        _tell_sent(run.report)
        say(f"hookpoint: {error}")
        raise typer.Exit(1) from error
    except BaseException:
        _tell_sent(run.report)
        raise


def _tell_sent(report: Report) -> None:
    if report.sent:
        say(f"broken off: {summary(report, dry_run=False)}")


class _Counts(ProgressColumn):
    """What was done so far; read whenever the bar is drawn."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report

    def render(self, task: Task) -> Text:  # noqa: ARG002  # there is one task, without an end
        """One line."""
        return Text(f"{self._report.read:,} looked at, {self._report.sent:,} sent again")


@contextmanager
def _bar(report: Report) -> Iterator[None]:
    console = Console(stderr=True)
    columns = (SpinnerColumn(), _Counts(report))
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        bar.add_task("", total=None)
        yield


def _tell(report: Report, order: Order, picked: list[Reject]) -> None:
    print_chosen(picked)
    if order.mended is not None:
        tell_lines(order.mended, report.wrong_lines)
    said = summary(report, dry_run=order.dry_run)
    if order.as_json and not order.dry_run:
        print_json({"sent": report.sent, "left": dict(report.left)})
    elif order.as_json:
        say(said)  # standard output has the dead letters, to be edited and handed to --mended
    else:
        sys.stdout.write(said + "\n")
    tell_hints(report.left)
