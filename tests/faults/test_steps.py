"""A worker that dies or freezes precisely between two of its steps."""

from __future__ import annotations

import signal

import psutil
import pytest
from outcomes import assert_equal
from workers import wait_until

from streams.worker.run import FAILED

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(400),
]

STEPS = {
    "claim": 1, "write": 3, "publish": 2, "mark": 4, "timer": 2, "handle": 3,
    "title-claim": 1, "title-write": 3, "title-mark": 4, "title-handle": 3,
}  # fmt: skip
"""After which step, and after how many times; see ``stepping_worker``."""


def dies_after(run, step, count):
    with run.stepping_worker() as worker:
        worker.tell(f"kill {step} {count}")
        wait_until(f"its death after {step}", lambda: not worker.running, 60)
        assert worker.process.returncode == -signal.SIGKILL, worker.tail()
        assert not run.done(), "the events were through before"


def test_workers_that_die_after_each_step_in_turn_lose_and_double_nothing(start, quiet):
    run = start("steps")
    for step, count in STEPS.items():
        dies_after(run, step, count)
    with run.worker() as worker:
        assert_equal(run.finish(worker), quiet)


def test_a_worker_that_dies_after_publishing_what_it_decided_of_titles_doubles_nothing(
    start, quiet
):
    """That is at the very end of the events: after other steps there may be nothing left of it."""
    run = start("steps-of-titles")
    dies_after(run, "title-publish", 1)
    with run.worker() as worker:
        assert_equal(run.finish(worker), quiet)


@pytest.mark.parametrize("step", ["write", "publish", "title-write", "title-publish"])
def test_a_worker_that_freezes_after_a_step_is_fenced_when_it_wakes(start, quiet, step):
    """It has its decision in hand: the next thing that it does is for nothing, or known already."""
    run = start(f"frozen-{step}")
    with run.stepping_worker() as zombie:
        zombie.wait_for("a tenth of the events", lambda: run.progress() > 0.1)
        zombie.tell(f"freeze {step} 1")
        process = psutil.Process(zombie.process.pid)
        wait_until("it to freeze", lambda: process.status() == psutil.STATUS_STOPPED)
        assert not run.done(), "frozen too late to be a zombie"
        with run.worker() as heir:
            heir.wait_for("the end of the events", run.done, 60)
            zombie.resume()
            wait_until("the zombie to end", lambda: not zombie.running)
            assert zombie.process.returncode == FAILED
            assert zombie.said("Fenced: "), zombie.tail()
            assert_equal(run.finish(heir), quiet)
