"""``hookpoint bench`` on a small stream: real servers, both contenders, shape and not speed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

pytestmark = pytest.mark.integration

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))
SMALL = ("--events", "40000", "--viewers", "300", "--rounds", "1", "--plain-rounds", "1")


@pytest.fixture
def env(tmp_path):
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    # Small slices, so that even a short stream is not done between two looks.
    return kept | {"TMPDIR": str(tmp_path), "HOOKPOINT_SLICE_MAX": "200"}


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


def wait_for(condition):
    patience = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.05)


def test_a_bench_measures_both_contenders_and_finds_the_answer_right(env, tmp_path):
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [HOOKPOINT, "bench", *SMALL, "--json", str(out)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The answer is right" in done.stdout
    assert "times the plain agent per CPU-second" in done.stdout
    figures = orjson.loads(out.read_bytes())
    assert [it["contender"] for it in figures["rounds"]] == [
        "hookpoint worker",
        "plain Faust agent",
    ]
    sent = figures["stream"]["events"]
    assert 0.7 * 40_000 < sent < 1.3 * 40_000
    for measured in figures["rounds"]:
        assert 0 < measured["events"] <= sent
        assert 0 < measured["cpu_s"] < 2 * measured["wall_s"]
        assert measured["peak_rss_bytes"] > 20 * 1024 * 1024
        assert measured["events_per_second"] == measured["events"] / measured["wall_s"]
    check = figures["check"]
    assert check["viewers"] == 200
    assert check["right"] == check["episodes"] > 200
    assert figures["ratio_per_cpu_second"] > 0
    wait_for(lambda: processes_below(tmp_path) == [])


def test_a_bench_that_is_interrupted_leaves_nothing_running(env, tmp_path):
    with subprocess.Popen(
        [HOOKPOINT, "bench", *SMALL], env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if "on the broker" in line:
                break
        # The bench itself, broker, Redis and the worker that is measured.
        wait_for(lambda: len(processes_below(tmp_path)) >= 4)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    wait_for(lambda: processes_below(tmp_path) == [])
    assert list(tmp_path.glob("hookpoint-*")) == []
