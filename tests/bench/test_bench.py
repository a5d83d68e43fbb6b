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

pytestmark = [pytest.mark.integration, pytest.mark.slow]

QUIX = next(peer for peer in PEERS if peer.key == "quix")
NO_QUIX = QUIX.obstacle(Settings())

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))
SMALL = ("--events", "60000", "--viewers", "600", "--rounds", "1")


def environment(folder):
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    # Small slices, so that even a short stream is not done between two looks.
    return kept | {"TMPDIR": str(folder), "HOOKPOINT_SLICE_MAX": "200"}


@pytest.fixture
def env(tmp_path):
    return environment(tmp_path)


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


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One bench of all that can run here: what it printed, and what it wrote."""
    folder = tmp_path_factory.mktemp("bench")
    peers = ["hand", "faust", "streams", *(["quix"] if NO_QUIX is None else [])]
    chosen = [word for peer in peers for word in ("--against", peer)]
    done = subprocess.run(
        [HOOKPOINT, "bench", *SMALL, *chosen],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        check=False,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(lambda: processes_below(folder) == [])
    return done.stdout, folder / "bench-out"


@pytest.fixture(scope="module")
def figures(run):
    return orjson.loads((run[1] / "bench.json").read_bytes())


@pytest.mark.parametrize("contender", [HOOKPOINT_NAME, HAND_LOOP.name])
def test_hookpoint_and_the_hand_written_loop_are_both_right(figures, contender):
    (spot,) = figures["checks"][contender]
    assert spot["agrees"], spot
    assert spot["right"] == spot["viewers"] > 100


def test_each_contender_is_measured(figures):
    sent = figures["stream"]["events"]
    assert 0.7 * 60_000 < sent < 1.3 * 60_000
    assert {HOOKPOINT_NAME, HAND_LOOP.name} <= {it["contender"] for it in figures["rounds"]}
    for measured in figures["rounds"]:
        assert 0 < measured["events"] <= sent
        assert measured["cpu_s"] > 0
        assert measured["peak_rss_bytes"] > 20 * 1024 * 1024
        assert measured["events_per_second"] == measured["events"] / measured["wall_s"]
    assert all(it["ratio"] > 0 for it in figures["medians"])


def test_the_table_has_a_row_for_each_contender(run, figures):
    table = (run[1] / "bench.md").read_text()
    for it in figures["rounds"]:
        assert f"\n| {it['contender']} | 1 | " in table


def test_a_plain_agent_is_asked_for_what_it_took_and_its_errors_are_told(run, figures):
    assert "plain Faust agent: the answer is" in run[0]
    (spot,) = figures["checks"]["plain Faust agent"]
    assert 0 < spot["right"] < spot["viewers"]
    # What comes late moves the whole by little: it is nearly right, and wrong for many.
    assert spot["found_s"] == pytest.approx(spot["true_s"], rel=0.1)


@pytest.mark.skipif(NO_QUIX is not None, reason=f"Quix Streams: {NO_QUIX}")
def test_quix_streams_is_right(figures):
    (spot,) = figures["checks"]["Quix Streams"]
    assert spot["right"] == spot["viewers"] > 100


def test_kafka_streams_says_why_it_does_not_run_on_the_embedded_broker(figures):
    assert "Apache Kafka" in figures["not_run"]["Kafka Streams"]


def test_nothing_but_its_figures_is_left_where_it_ran(run):
    assert [it.name for it in run[1].parent.iterdir()] == ["bench-out"]


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
