"""A worker that a signal makes ill, to see what becomes of it: ``python tests/ailing.py``.

The worker is the real one, in a process of its own; only the illness is brought in.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, str(Path(__file__).resolve()))
LOOP_STANDS_STILL = signal.SIGRTMIN
LANES_HANG = signal.SIGRTMIN + 1
NOTHING_IS_FETCHED = signal.SIGRTMIN + 2
FOR_S = 600.0


def _stand_still(*_: Any) -> None:
    time.sleep(FOR_S)


def _hang(*_: Any) -> None:
    from streams.worker.app import worker  # noqa: PLC0415  read in the worker alone

    async def never(*_: Any) -> None:
        await asyncio.sleep(FOR_S)

    worker.publisher.publish = never  # type: ignore[method-assign]


def _fetch_nothing(*_: Any) -> None:
    from streams.worker.app import app  # noqa: PLC0415  read in the worker alone

    consumer = app.consumer._thread._consumer
    consumer.pause(*consumer.assignment())


if __name__ == "__main__":
    from streams.worker.run import run

    signal.signal(LOOP_STANDS_STILL, _stand_still)
    signal.signal(LANES_HANG, _hang)
    signal.signal(NOTHING_IS_FETCHED, _fetch_nothing)
    run()
