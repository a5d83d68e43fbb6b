"""The arithmetic of capacity, on numbers that one can follow by hand."""

from __future__ import annotations

import orjson
import pytest
from typer.testing import CliRunner

from hookpoint.bench.capacity import Assumptions, Measured, NotMeasured, events_per_hour, plan
from hookpoint.cli import app

ASSUMED = Assumptions(
    watching_share=0.1,
    hours_per_day=2.0,
    heartbeat_s=45.0,
    other_events_per_hour=10.0,
    worker_load=0.5,
    redis_load=0.5,
    shard_bytes=10e9,
    broker_bytes_per_s=20e6,
    replication=3,
    retention_days=7.0,
    node_bytes_per_s=100e6,
)
MEASURED = Measured(
    events_per_cpu_s=25_000,
    redis_cpu_s_per_event=10e-6,
    redis_bytes_per_event=1500,
    event_bytes=300,
    out_bytes_per_event=100,
    redis_bytes_per_viewer=2000,
)


def test_an_hour_of_watching_is_its_heartbeats_and_a_few_more():
    assert events_per_hour(ASSUMED) == 90


def test_a_million_viewers():
    found = plan(1_000_000, MEASURED, ASSUMED)
    assert found.watching == 100_000
    assert found.peak_per_s == 2500
    assert found.worker_cores == pytest.approx(0.1)
    assert found.workers == 1
    assert found.partitions == 8
    assert found.redis_bytes == 2e9
    assert found.redis_shards == 1
    assert found.kafka_bytes_per_s == 2500 * 400 * 3
    # 180 million events a day of 400 bytes, three copies, seven days
    assert found.kafka_disk_bytes == pytest.approx(180e6 * 400 * 3 * 7)
    assert found.network_bytes_per_s == 2500 * 1900


def test_the_largest_service():
    found = plan(300_000_000, MEASURED, ASSUMED)
    assert found.peak_per_s == 750_000
    assert found.workers == 60  # 30 cores, half used
    assert found.partitions == 128  # two a worker at least, in powers of two
    assert found.redis_shards == 60  # 600 GB
    assert found.brokers == 45  # 900 MB/s
    assert found.watching_per_worker == 500_000


def test_what_fills_up_first_leads():
    limits = plan(300_000_000, MEASURED, ASSUMED).limits
    assert limits[0].units == max(it.units for it in limits)
    by_name = {it.name: it.units for it in limits}
    assert by_name["Redis memory"] == pytest.approx(60)
    assert by_name["Redis core"] == pytest.approx(15)  # 7.5 cores, half used
    assert by_name["network of workers"] == pytest.approx(14.25)


def test_shards_follow_the_core_where_memory_is_small():
    busy = Measured(25_000, 100e-6, 1500, 300, 100, 10)
    assert plan(10_000_000, busy, ASSUMED).redis_shards == 5
    assert plan(10_000_000, MEASURED, ASSUMED).redis_shards == 2


@pytest.fixture
def figures():
    """As ``bench scale --json`` has them, as far as the model reads them."""

    def point(part, at, cpu_s, per_viewer):
        work = {
            "events": 1000,
            "cpu_s": cpu_s,
            "redis_cpu_s": 0.01,
            "redis_bytes_in": 900_000,
            "redis_bytes_out": 100_000,
        }
        return {"part": part, "at": at, "work": work, "redis_bytes_per_viewer": per_viewer}

    return {
        "format": 1,
        "month": {
            "events": 1000,
            "stream_bytes": 300_000,
            "out": {"sessions": {"bytes": 30_000}, "progress": {"bytes": 20_000}},
        },
        "points": [
            point("viewers", 10_000, 0.05, 2100.0),
            point("viewers", 1_000_000, 0.04, 2000.0),
            point("watching", 50_000, 0.1, 2300.0),
            point("workers", 4, 9.0, None),
        ],
    }


def test_the_dearest_event_and_the_largest_population_are_counted_with(figures):
    found = Measured.read(figures)
    assert found.events_per_cpu_s == 10_000
    assert found.redis_bytes_per_viewer == 2000
    assert found.redis_cpu_s_per_event == pytest.approx(10e-6)
    assert found.redis_bytes_per_event == 1000
    assert found.event_bytes == 300
    assert found.out_bytes_per_event == 50


@pytest.mark.parametrize("lacking", ["format", "month", "points"])
def test_a_file_that_lacks_a_part_is_refused(figures, lacking):
    del figures[lacking]
    with pytest.raises(NotMeasured):
        Measured.read(figures)


def test_the_command_counts_with_the_file(figures, tmp_path):
    measured = tmp_path / "scale.json"
    measured.write_bytes(orjson.dumps(figures))
    done = CliRunner().invoke(
        app, ["capacity", "--measured", str(measured), "--viewers", "1000000", "--markdown"]
    )
    assert done.exit_code == 0, done.output
    # 100,000 watch, 84 events an hour each
    assert "| 1,000,000 | 100,000 | 2,333 | 1 |" in done.output


def test_the_command_refuses_another_file(tmp_path):
    other = tmp_path / "other.json"
    other.write_text("{}")
    done = CliRunner().invoke(app, ["capacity", "--measured", str(other)])
    assert done.exit_code == 2
    assert "not a run of" in done.output
