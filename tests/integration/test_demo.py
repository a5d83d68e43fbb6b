"""``hookpoint demo``: real broker, Redis and worker, started and ended by the command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from terminal import on_a_terminal

pytestmark = pytest.mark.integration

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))
SMALL = ("--viewers", "30", "--weeks", "1", "--seconds", "0")


@pytest.fixture
def env(tmp_path):
    """The stack's and the worker's folders go here, so that a test sees what is left of them."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    return kept | {"TMPDIR": str(tmp_path)}


def processes_below(folder):
    """Ids of the processes that run in, or with arguments from, ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = f"{(process / 'cwd').readlink()} {(process / 'environ').read_bytes()!r}"
        except OSError:
            continue
        if str(folder) in where and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def test_the_demo_finds_every_second_that_was_reported(env, tmp_path):
    done = subprocess.run(
        [HOOKPOINT, "demo", *SMALL],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    playbacks = re.search(r"│ playbacks +│ +([\d,]+) │ +([\d,]+) │ 100\.0% right", done.stdout)
    assert playbacks, done.stdout
    assert playbacks[1] == playbacks[2] != "0"
    hours = re.search(r"│ hours watched +│ +([\d,.]+) │ +([\d,.]+) │", done.stdout)
    assert hours[1] == hours[2]
    assert processes_below(tmp_path) == []


def test_the_demo_draws_its_view_on_a_terminal(env, tmp_path):
    done = on_a_terminal([HOOKPOINT, "demo", *SMALL], env, tmp_path)
    assert done.returncode == 0, done.text
    drawn, compared = done.text.split("Found beside the truth", 1)
    assert "who got hooked, and why" in drawn
    assert re.search(r"processed [1-9]", drawn)
    assert "100.0% right" in compared


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_leaves_nothing_running(env, tmp_path, how):
    with subprocess.Popen(
        [HOOKPOINT, "demo", "--viewers", "30", "--weeks", "1", "--seconds", "60"],
        env=env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout:
            if "processed" in line:
                break
        assert len(processes_below(tmp_path)) > 2  # the demo, broker, Redis, worker
        process.send_signal(how)
        assert process.wait(60) not in (0, 1)
    patience = time.monotonic() + 5
    while (left := processes_below(tmp_path)) and time.monotonic() < patience:
        time.sleep(0.05)  # the kernel is still reaping
    assert left == []
    assert list(tmp_path.glob("hookpoint-*")) == []
