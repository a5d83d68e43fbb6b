"""A process that is being started when Ctrl-C comes is not lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from hookpoint.demo import worker as demo_worker
from hookpoint.processes import undisturbed

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def exits_in_order():
    """SIGTERM as the commands take it: an exception."""

    def leave(number, _frame):
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    yield leave
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("exits_in_order")
@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_process_whose_start_is_interrupted_is_ended(number, raised, monkeypatch):
    started = []

    class InterruptedPopen(subprocess.Popen):
        """The signal comes when the process is there and the caller does not have it yet."""

        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            started.append(self)
            os.kill(os.getpid(), number)

    monkeypatch.setattr(demo_worker.subprocess, "Popen", InterruptedPopen)
    with pytest.raises(raised), demo_worker.running_process(SLEEPS, {}):
        pytest.fail("it went on")
    (process,) = started
    assert process.poll() == -signal.SIGTERM


def test_signals_that_come_meanwhile_are_raised_at_the_end_of_the_block():
    seen = []

    def interrupted():
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("went on")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert seen == ["went on"]


def test_the_handlers_of_before_are_back(exits_in_order):
    before = signal.getsignal(signal.SIGINT)
    with undisturbed():
        assert signal.getsignal(signal.SIGTERM) is not exits_in_order
    assert signal.getsignal(signal.SIGTERM) is exits_in_order
    assert signal.getsignal(signal.SIGINT) is before


def test_a_child_ignores_what_its_parent_ignores():
    script = "import signal; print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with undisturbed():
            told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert told.stdout == b"True\n"


def test_outside_the_main_thread_nothing_is_held():
    handlers = []

    def look():
        with undisturbed():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
