"""A worker that is told to stop before it has begun ends at once, and in order."""

from __future__ import annotations

import signal
import sys

import pytest
from workers import STOP_WITHIN_S, WorkerProcess, own_settings

pytestmark = pytest.mark.integration

# Python prints what is raised while garbage goes, and goes on as if nothing had been raised.
WHERE_NOTHING_CAN_BE_RAISED = """
import os, signal, sys

class Garbage:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})

class AsTheAppIsSought:
    def find_spec(self, name, *_):
        if name == "streams.worker.app":
            Garbage()

sys.meta_path.insert(0, AsTheAppIsSought())
from hookpoint.cli import app
app(["worker"])
"""
BETWEEN_TWO_LOOPS = """
import os, signal
import mode

class Told(mode.Worker):
    def __init__(self, *args, **options):
        os.kill(os.getpid(), signal.{name})
        super().__init__(*args, **options)

mode.Worker = Told
from hookpoint.cli import app
app(["worker"])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda it: it.name)
@pytest.mark.parametrize(
    "script", [WHERE_NOTHING_CAN_BE_RAISED, BETWEEN_TWO_LOOPS], ids=["importing", "servers found"]
)
def test_a_worker_that_is_told_to_stop_before_it_has_begun_ends(stack, tmp_path, script, number):
    command = (sys.executable, "-c", script.format(name=number.name))
    with WorkerProcess(own_settings(stack), tmp_path, command=command) as worker:
        assert worker.process.wait(STOP_WITHIN_S) == 0, worker.tail()
        assert not worker.said("Traceback"), worker.tail()
        assert not worker.said("worker starts"), worker.tail()
