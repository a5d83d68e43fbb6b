"""``hookpoint worker``: run the stream processor."""

from __future__ import annotations

import os
import signal

import typer


def register(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(worker)


def worker() -> None:
    """Run one worker: events in, profiles and signals out. Start more to share the partitions.

    Where things are comes from HOOKPOINT_* variables (or a .env file), among them
    HOOKPOINT_KAFKA_BOOTSTRAP and HOOKPOINT_REDIS_URL. Ctrl-C or SIGTERM stops it cleanly.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)  # until there is something to stop
    from streams.worker.run import run  # noqa: PLC0415 - Faust takes a second to import

    run()


def _leave(*_: object) -> None:
    # An exception would be lost where the interpreter was at garbage or in a callback of C.
    os._exit(0)
