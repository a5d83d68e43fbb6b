"""A worker as a process: how it is started, watched, joined by others and stopped."""

from __future__ import annotations

import signal
import urllib.request
from pathlib import Path

import orjson
import pytest
from players import a_run, watched
from ports import a_port
from prometheus_client.parser import text_string_to_metric_families
from service import HOUR_S, running_service
from workers import (
    BIN,
    STOP_WITHIN_S,
    WorkerProcess,
    absorbed,
    marks,
    own_settings,
    read_topic,
    send_events,
    send_titles,
    settled,
)

from producers.simulator import Audience, AudienceOptions

pytestmark = pytest.mark.integration

FAUST = (str(BIN / "faust"), "-A", "streams.worker.app", "worker")
BUSY = AudienceOptions(viewers=150, titles=12, weeks=1.5, seed=3, keep_truth=False)
LISTENS = "0A"


def listens_on(pid: int) -> set[tuple[str, int]]:
    """Addresses (dotted, or raw hex for IPv6) and ports that a process listens on."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        target = str(entry.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and fields[9] in inodes:
                address, port = fields[1].split(":")
                if table == "tcp":
                    address = ".".join(str(b) for b in reversed(bytes.fromhex(address)))
                found.add((address, int(port, 16)))
    return found


def test_the_faust_command_runs_the_same_worker_and_opens_no_port(stack, tmp_path):
    with running_service(stack, tmp_path, command=FAUST) as service:
        began = service.another_time()
        service.report(a_run("by-faust", began))
        (session,) = service.sessions("by-faust")
        assert session["coverage_s"] == 2500
        assert orjson.loads(service.hash("progress", "by-faust")["dark:1:1"])[3] is True
        assert listens_on(service.worker.process.pid) == set()


def test_metrics_are_served_on_loopback_alone_and_count_what_was_done(stack, tmp_path):
    port = a_port()
    with running_service(stack, tmp_path, web_port=port) as service:
        began = service.another_time()
        events = watched("measured", "dark", 1, began)
        service.report([*events, *events])
        service.sender.send(service.settings.topics.events, [(b"v", b"{}", [])])
        service.take_in()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        values = {
            (it.name, *sorted(it.labels.items())): it.value
            for family in text_string_to_metric_families(text)
            for it in family.samples
        }
        assert values["hookpoint_events_total",] == 4
        assert values["hookpoint_partitions",] == 4
        assert values["hookpoint_titles",] == 1
        assert values["hookpoint_rejects_total", ("reason", "envelope")] == 1
        assert values["hookpoint_slices_total",] >= 1
        assert listens_on(service.worker.process.pid) == {("127.0.0.1", port)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda it: it.name)
def test_a_busy_worker_that_is_told_to_stop_ends_in_order_and_in_time(
    stack, tmp_path, redis_client, number
):
    settings = own_settings(stack, slice_max=200)
    topic = settings.topics.events
    ends = send_events(settings, Audience(BUSY).records())
    with WorkerProcess(settings, tmp_path) as worker:
        worker.wait_for("some events", lambda: marks(redis_client, settings, topic))
        worker.process.send_signal(number)
        assert worker.process.wait(STOP_WITHIN_S) == 0, worker.tail()
        assert not worker.said("Traceback"), worker.tail()
        assert not absorbed(redis_client, settings, topic, ends), "it was not busy any more"


def test_two_workers_share_the_partitions_and_hand_them_over_without_a_loss(
    stack, tmp_path, redis_client
):
    """One starts, one joins, the first leaves: every playback is there once, whoever saw it."""
    settings = own_settings(stack, slice_max=300)
    audience = Audience(AudienceOptions(viewers=60, titles=6, weeks=1, seed=3, messy_share=0))
    records = list(audience.records())
    third = len(records) // 3
    titles = send_titles(settings, audience.catalogue())
    ends = send_events(settings, records[:third])

    def taken_in() -> bool:
        return settled(redis_client, settings, ends)

    with WorkerProcess(settings, tmp_path, name="first") as first:
        first.wait_for("titles", lambda: absorbed(
            redis_client, settings, settings.topics.titles, titles))  # fmt: skip
        with WorkerProcess(settings, tmp_path, name="second") as second:
            ends = send_events(settings, records[third : 2 * third])
            second.wait_for("half of it", lambda: (shares(first), shares(second)) == (2, 2))
            assert first.running
            second.wait_for("two thirds", taken_in)
            assert first.stop()[0] == 0
            ends = send_events(settings, records[2 * third :], audience.options.end_s + HOUR_S * 9)
            second.wait_for("all", lambda: shares(second) == 4 and taken_in())
            assert second.stop()[0] == 0
        for worker in (first, second):
            assert not worker.said("Traceback"), worker.tail()
    latest = {}
    for record in read_topic(settings, settings.topics.sessions):
        body = orjson.loads(record.value)
        held = latest.setdefault(body["id"], body)
        assert body == held or body["revision"] != held["revision"], "one revision, two bodies"
        latest[body["id"]] = max(held, body, key=lambda it: it["revision"])
    found = sorted((it["playback_id"], round(it["wall_s"])) for it in latest.values())
    truth = sorted((it.playback_id, round(it.reported_wall_s)) for it in audience.truth().playbacks)
    assert [name for name, _ in found] == [name for name, _ in truth]
    off = [(a, b) for a, b in zip(found, truth, strict=True) if abs(a[1] - b[1]) > 2]
    assert off == []


def shares(worker: WorkerProcess) -> int:
    """How many partitions of the events a worker was given last; 0 before that."""
    lines = [line for line in worker.log.splitlines() if "partitions assigned" in line]
    return orjson.loads(lines[-1])["events"] if lines else 0


def test_a_worker_leaves_nothing_in_the_folder_that_it_was_started_in(stack, tmp_path):
    with running_service(stack, tmp_path) as service:
        service.report(watched("tidy", "dark", 1, service.another_time()))
    assert [it.name for it in tmp_path.iterdir()] == ["worker.log"]
