"""``hookpoint bench profile``, tiny, on real servers and a real py-spy: shape, not speed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from hookpoint.bench.profile_spy import MayNotLook, check_leave
from hookpoint.bench.profile_stages import Stage

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))
TINY = (
    "--events", "60000", "--viewers", "600", "--crowd", "200", "--rate", "300", "--seconds", "3",
    "--warm-up", "1",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _permitted():
    """Where the system lets nobody look into a process there is nothing to try."""
    try:
        check_leave()
    except MayNotLook as why:
        pytest.skip(str(why))


def environment(folder):
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    # Small slices, so that even a short stream is not done between two looks.
    return kept | {"TMPDIR": str(folder), "HOOKPOINT_SLICE_MAX": "200"}


def processes_below(folder):
    """Ids of the processes that run with ``folder`` in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in where and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def wait_for(condition, seconds=20):
    patience = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.05)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One profile of a backlog and of a live stream: what it printed, and where it wrote."""
    folder = tmp_path_factory.mktemp("profile")
    outputs = ("--json", "profile.json", "--markdown", "profile.md", "--svg", "profile.svg")
    done = subprocess.run(
        [HOOKPOINT, "bench", "profile", *TINY, *outputs],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        check=False,
        text=True,
        timeout=160,
    )
    assert (folder / "profile.json").exists(), done.stdout + done.stderr
    wait_for(lambda: processes_below(folder) == [])
    return done.returncode, done.stdout, folder


@pytest.fixture(scope="module")
def figures(run):
    return orjson.loads((run[2] / "profile.json").read_bytes())


def test_both_parts_are_told_stage_by_stage(figures):
    assert [it["part"] for it in figures["profiles"]] == ["backlog", "live"]
    for it in figures["profiles"]:
        stages = {stage["stage"]: stage for stage in it["stages"]}
        assert set(stages) == {stage.value for stage in Stage}
        assert it["events"] > 300
        assert it["samples"] == sum(stage["samples"] for stage in stages.values()) > 10
        whole = sum(stage["us_per_event"] for stage in stages.values())
        assert (
            whole
            == pytest.approx(it["us_per_event"])
            == pytest.approx(1e6 * it["cpu_s"] / it["events"])
        )
        assert it["redis"]["scripts_us_per_event"] > 0
        assert it["redis"]["commands"]["evalsha"]["calls_per_event"] > 0
        assert stages["other"]["share"] < 0.2


def test_a_worker_that_does_not_keep_up_makes_the_exit_code(run, figures):
    """On a machine that is busy with other tests it may be so."""
    live = figures["profiles"][1]
    assert live["events"] == pytest.approx(900, rel=0.5)
    assert run[0] == (0 if live["kept_up"] else 1)


def test_a_worker_on_a_backlog_is_found_at_what_it_does_most(figures):
    found = {it["stage"]: it["samples"] for it in figures["profiles"][0]["stages"]}
    for stage in Stage.DECODE, Stage.FOLD, Stage.FETCH:
        assert found[stage.value] > 0


def test_it_is_said_written_and_drawn(run):
    _, said, folder = run
    assert said.count("the fold") == 2
    assert "waiting at least" in said
    page = (folder / "profile.md").read_text()
    assert page.count("| the fold |") == 2
    drawn = (folder / "profile.svg").read_text().replace("&#160;", " ")
    assert drawn.count("the fold") == 2


def test_nothing_but_its_figures_is_left_where_it_ran(run):
    left = sorted(it.name for it in run[2].iterdir())
    assert left == ["profile.json", "profile.md", "profile.svg"]


def test_a_profile_that_is_interrupted_leaves_nothing_running(tmp_path):
    py_spy = shutil.which("py-spy", path=Path(sys.executable).parent)
    with subprocess.Popen(
        [HOOKPOINT, "bench", "profile", *TINY, "--only", "live", "--seconds", "60"],
        env=environment(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(lambda: any(is_recording(pid, py_spy) for pid in processes_below(tmp_path)), 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert "nothing is left running" in process.stderr.read()
    wait_for(lambda: processes_below(tmp_path) == [])
    assert list(tmp_path.iterdir()) == []


def is_recording(pid, py_spy):
    """Whether a process is a py-spy that records."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[:2] == [os.fsencode(py_spy), b"record"]
