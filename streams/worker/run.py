"""Run one worker until it is told to stop; the exit code says whether it was."""

from __future__ import annotations

import contextlib
import sys

import structlog
import uvloop
from mode import Worker as ModeWorker

log = structlog.get_logger()
FAILED = 70
"""Exit code (EX_SOFTWARE) of a worker that crashed or was fenced; a supervisor restarts it."""


def run() -> None:
    """Start the app and block until SIGINT or SIGTERM, or until it fails."""
    uvloop.install()
    from streams.worker.app import app  # noqa: PLC0415 - needs the event loop just chosen

    process = ModeWorker(app, loglevel=None, override_logging=False, quiet=True, daemon=True)
    code = 0
    try:
        process.execute_from_commandline()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else FAILED
    except BaseException:
        log.exception("worker failed")
        code = FAILED
    with contextlib.suppress(ValueError):
        sys.stdout.flush()
    sys.exit(code)
