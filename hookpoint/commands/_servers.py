"""What commands that run servers share: a quiet log, one line on failure, and an orderly end."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

    from config.settings import Settings
    from hookpoint.stack import Servers

EXIT_FAILED = 1
LOOK_EVERY_S = 0.5


def log_for_people(settings: Settings) -> None:
    """Log as ``settings`` say, without the dozen lines of a client that looks for a broker."""
    from config.logging import configure_logging  # noqa: PLC0415  commands load what they need

    configure_logging(settings)
    if settings.log_level != "DEBUG":
        # The command prints one line of its own.
        client = logging.getLogger("kafka")
        client.addHandler(logging.NullHandler())
        client.propagate = False


def fail(message: str) -> NoReturn:
    """Say why, and end with exit code 1."""
    typer.echo(message, err=True)
    raise typer.Exit(EXIT_FAILED)


@contextmanager
def handling(
    handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals
) -> Iterator[None]:
    """Have ``handler`` take these signals, and those of before again at the end."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def stop_asked() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set."""
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    with handling(ask, signal.SIGINT, signal.SIGTERM):
        yield asked


def stay(servers: Servers, asked: threading.Event) -> None:
    """Wait until ``asked``.

    Raises:
        StackError: one of the servers ended by itself.
    """
    while not asked.wait(LOOK_EVERY_S):
        look(servers)


def look(servers: Servers) -> None:
    """See whether all servers still run.

    Raises:
        StackError: one of them ended by itself.
    """
    from hookpoint.processes import EMPTY_LOG, StackError  # noqa: PLC0415  as above

    for server in servers.servers():
        if not server.running:
            others = [it.name for it in servers.servers() if it is not server and it.running]
            log = server.log_tail()
            lines = [_told(server.name, server.how_it_ended(), others)]
            raise StackError("\n".join(lines if log == EMPTY_LOG else [*lines, log]))


def _told(name: str, how: str, others: Iterable[str]) -> str:
    """``Kafka was ended by SIGKILL; Redis is stopped with it``."""
    also = {
        "the other nodes are" if other == name else f"{other.capitalize()} is" for other in others
    }
    return f"{name.capitalize()} {how}" + "".join(f"; {it} stopped with it" for it in sorted(also))
