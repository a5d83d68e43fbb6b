"""``hookpoint bench`` of latency, scale and titles, tiny, on real servers: shape, not speed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))


@pytest.fixture
def bench(tmp_path):
    """Runs a bench on servers of its own; returns its exit code, what it said and its figures."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    env = kept | {"TMPDIR": str(tmp_path)}

    def run(*arguments):
        out = tmp_path / "figures.json"
        done = subprocess.run(
            [HOOKPOINT, "bench", *arguments, "--json", str(out)],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            check=False,
            text=True,
            timeout=160,
        )
        assert out.exists(), done.stdout + done.stderr
        return done.returncode, done.stdout, orjson.loads(out.read_bytes())

    return run


def test_latency_is_told_for_each_load_and_every_outcome(bench, tmp_path):
    picture, page = tmp_path / "latency.svg", tmp_path / "latency.md"
    code, said, figures = bench(
        *("latency", "--capacity", "400", "--load", "0.5", "--load", "1", "--viewers", "200"),
        *("--seconds", "4", "--warm-up", "3", "--svg", str(picture), "--markdown", str(page)),
    )
    assert [point["rate"] for point in figures["points"]] == [200.0, 400.0]
    for point in figures["points"]:
        for outcome in ("redis", "session", "signal"):
            found = point[outcome]
            assert found["count"] >= 8
            assert found["unseen"] == 0
            assert 0 < found["p50_ms"] <= found["p90_ms"] <= found["p99_ms"] <= found["max_ms"]
        # What is on Kafka was written to Redis before; both watches are a little late themselves.
        assert point["redis"]["p50_ms"] < point["signal"]["p50_ms"] + 20
        assert point["punctuality"]["count"] >= 4 * point["rate"]
    # A machine with other work may not let the sender keep its schedule; then it must say so.
    assert code == (0 if all(point["valid"] for point in figures["points"]) else 1)
    assert ("INVALID" in said) == (code == 1)
    assert picture.read_text().startswith("<svg")
    assert page.read_text().count("| signal |") == 2


def test_scale_tells_what_an_event_and_a_viewer_cost(bench, tmp_path):
    page = tmp_path / "scale.md"
    code, _, figures = bench(
        *("scale", "--only", "viewers", "--only", "workers", "--viewers", "300"),
        *("--viewers", "600", "--watching", "200", "--events", "20000", "--month-viewers", "10"),
        *("--heartbeat", "300", "--workers", "2", "--markdown", str(page)),
    )
    assert code == 0
    points = {(it["part"], it["at"]): it for it in figures["points"]}
    assert set(points) == {
        ("viewers", 300), ("viewers", 600), ("workers", 2),
    }  # fmt: skip
    for point in points.values():
        assert point["work"]["events"] == 20_000
        assert point["work"]["cpu_s"] > 0
        assert point["work"]["peak_rss_bytes"] > 20 * 2**20
    month, anatomy = figures["month"], figures["month"]["anatomy"]
    assert set(anatomy["keys"]) == {"state", "taste", "progress", "hooked"}
    by_key = sum(key["bytes"] for key in anatomy["keys"].values())
    assert by_key == pytest.approx(month["public_bytes"] + month["private_bytes"])
    # Names, expiries and timers come on top of what the keys say of themselves.
    for point in ("viewers", 300), ("viewers", 600):
        assert by_key < points[point]["redis_bytes_per_viewer"] < 2 * by_key
    assert month["stream_bytes"] / month["events"] > 200
    assert "| state: live |" in page.read_text()

    counted = subprocess.run(
        [HOOKPOINT, "capacity", "--measured", str(tmp_path / "figures.json")],
        capture_output=True, check=True, text=True, timeout=60,
    )  # fmt: skip
    assert "300,000,000" in counted.stdout


def test_titles_are_told_with_how_old_their_reports_were(bench, tmp_path):
    page = tmp_path / "titles.md"
    code, said, figures = bench(
        *("titles", "--records", "6000", "--titles", "8", "--rate", "300", "--seconds", "4"),
        *("--month-viewers", "100", "--markdown", str(page)),
    )
    assert code == 0
    evenly, with_a_hit = figures["rounds"]
    assert (evenly["hit"], with_a_hit["hit"]) == (0, 0.3)
    for it in figures["rounds"]:
        assert it["work"]["events"] == pytest.approx(6_000, abs=10)
        assert it["per_cpu_second"] > 0
        ages = it["ages"]
        assert ages["hit"]["count"] + ages["others"]["count"] == pytest.approx(1_200, abs=10)
        for part in ages["hit"], ages["others"]:
            assert part["unseen"] == 0
            assert 0 < part["p50_ms"] <= part["p99_ms"] <= part["max_ms"]
    assert with_a_hit["ages"]["hit"]["count"] == pytest.approx(360, abs=5)
    memory = figures["memory"]
    assert memory["records"] > 500
    assert memory["in_memory"] > memory["audience_bytes"] > 500
    assert memory["viewers_bytes"] > 0
    assert "of the records per second" in " ".join(said.split())
    assert page.read_text().count("| 8 titles") == 2
