"""``hookpoint bench`` on a small stream: real servers and contenders, shape and not speed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from config.settings import Settings
from hookpoint.bench.contenders import HOOKPOINT as HOOKPOINT_NAME
from hookpoint.bench.peer import HAND_LOOP, PEERS

pytestmark = pytest.mark.integration

PEER = {peer.key: peer for peer in PEERS}

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))
SMALL = ("--events", "40000", "--viewers", "300", "--rounds", "1")


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


@pytest.fixture
def bench(env, tmp_path):
    """Runs it in a folder of its own. Returns what it printed."""

    def run(*options):
        done = subprocess.run(
            [HOOKPOINT, "bench", *options],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            check=False,
            text=True,
            timeout=170,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        wait_for(lambda: processes_below(tmp_path) == [])
        return done.stdout

    return run


def test_hookpoint_and_the_hand_written_loop_are_both_right(bench, tmp_path):
    bench(*SMALL, "--against", "hand")
    figures = orjson.loads((tmp_path / "bench-out" / "bench.json").read_bytes())
    assert [it["contender"] for it in figures["rounds"]] == [HOOKPOINT_NAME, HAND_LOOP.name]
    sent = figures["stream"]["events"]
    assert 0.7 * 40_000 < sent < 1.3 * 40_000
    for measured in figures["rounds"]:
        assert 0 < measured["events"] <= sent
        assert measured["cpu_s"] > 0
        assert measured["peak_rss_bytes"] > 20 * 1024 * 1024
        assert measured["events_per_second"] == measured["events"] / measured["wall_s"]
    for contender in (HOOKPOINT_NAME, HAND_LOOP.name):
        (spot,) = figures["checks"][contender]
        assert spot["agrees"], spot
        assert spot["right"] == spot["viewers"] > 200
    assert figures["medians"][1]["ratio"] > 0
    table = (tmp_path / "bench-out" / "bench.md").read_text()
    assert f"| {HAND_LOOP.name} | 1 |" in table


def test_a_plain_agent_is_asked_for_what_it_took_and_its_errors_are_told(bench, tmp_path):
    printed = bench(*SMALL, "--against", "faust", "--json", str(tmp_path / "here.json"))
    assert "plain Faust agent: the answer is" in printed
    figures = orjson.loads((tmp_path / "here.json").read_bytes())
    (spot,) = figures["checks"]["plain Faust agent"]
    assert 0 < spot["right"] < spot["viewers"]
    # Late and lost reports move the whole by little: it is nearly right, and wrong for many.
    assert spot["found_s"] == pytest.approx(spot["true_s"], rel=0.1)


@pytest.mark.skipif(
    PEER["quix"].obstacle(Settings()) is not None,
    reason="Quix Streams has an environment of its own, which `make bench` makes",
)
def test_quix_streams_is_right(bench, tmp_path):
    bench(*SMALL, "--against", "quix")
    figures = orjson.loads((tmp_path / "bench-out" / "bench.json").read_bytes())
    (spot,) = figures["checks"]["Quix Streams"]
    assert spot["right"] == spot["viewers"] > 200


def test_kafka_streams_says_why_it_does_not_run_on_the_embedded_broker(bench):
    printed = bench(
        "--events", "20000", "--viewers", "100", "--rounds", "1", "--against", "streams"
    )
    assert "Kafka Streams: not run: it needs Apache Kafka as the broker" in printed


def test_a_peer_of_another_name_is_refused(env):
    refused = subprocess.run(
        [HOOKPOINT, "bench", "--against", "flink"], env=env, capture_output=True, check=False
    )
    assert refused.returncode == 2
    assert b"flink" in refused.stderr


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
