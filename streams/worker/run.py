"""Run one worker until it is told to stop; the exit code says whether it was."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from mode import Worker as ModeWorker
from redis.exceptions import RedisError

from config.logging import log_what_nobody_catches
from config.wrong import WrongSettingError
from streams.worker.publisher import BrokerAway
from streams.worker.store import StoreAway
from streams.worker.waiting import wait_for_servers
from streams.worker.watchdog import FAILED
from streams.worker.web import CannotServe

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from streams.worker.app import Worker

log = structlog.get_logger()
WRONG_SETTING = 2
"""Exit code: another start would end the same way."""


def run() -> None:
    """Start the app and block until SIGINT or SIGTERM, or until it fails."""
    faulthandler.enable()  # a crash of a library in C says where it was
    log_what_nobody_catches()
    from streams.worker.app import app, worker  # noqa: PLC0415 - its settings are read on import

    try:
        worker.supervision.start()
        asyncio.run(_until_told_to_stop(_wait(worker)))
        log.info("servers and topics are there, joining the group", group=worker.settings.group)
    except asyncio.CancelledError:
        sys.exit(0)
    except WrongSettingError as error:
        log.critical("worker cannot start", error=str(error))
        sys.exit(WRONG_SETTING)
    except (CannotServe, StoreAway, BrokerAway, RedisError, ValueError) as error:
        log.critical("worker cannot start", error=str(error))
        sys.exit(FAILED)
    process = ModeWorker(app, loglevel=None, override_logging=False, quiet=True, daemon=True)
    # Mode lets a second pass once everything has stopped, with nothing left to wait for.
    process._sentinel_task = partial(asyncio.sleep, 0)  # noqa: SLF001 - it has no setting for it
    code = 0
    try:
        process.execute_from_commandline()
    except SystemExit as stop:
        code = FAILED if stop.code else 0
    except BaseException:
        log.exception("worker failed")
        code = FAILED
    log.info("worker stopped", code=code)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # Threads of clients and of the watchers may still run: an interpreter that is taken down under
    # them has been seen to crash, and a crash is not the exit code that a supervisor is told of.
    os._exit(code)


async def _wait(worker: Worker) -> None:
    health = worker.supervision.health

    def tell(waits_for: str) -> None:
        health.starting = waits_for

    seen = asyncio.ensure_future(health.keep())
    try:
        await wait_for_servers(worker.settings, worker.patience, tell)
    finally:
        seen.cancel()


async def _until_told_to_stop(waiting: Coroutine[Any, Any, None]) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(waiting)

    def stop(*_: object) -> None:
        loop.call_soon_threadsafe(task.cancel)

    # A handler of the loop would leave the system's own behind: SIGTERM would kill until the app's
    # loop has one, and end with another code.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        await task
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
