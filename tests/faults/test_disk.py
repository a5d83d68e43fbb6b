"""A broker whose disk is full: it halts, workers wait, give up, and go on once there is room."""

from __future__ import annotations

import resource

import pytest
from brokers import an_apache_kafka
from faults.runs import OPTIONS, TICK_S, Run, records, with_catalogue
from outcomes import assert_equal
from workers import send_events, send_titles, wait_until

from hookpoint.stack import Existing, Stack
from producers.simulator import Audience
from streams.worker.run import FAILED

# The first use of Apache Kafka may have to download it.
pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.timeout(300)]

NO_ROOM = 256 * 1024
"""No file may grow beyond this many bytes: an append fails as it does on a full disk."""
PATIENCE_S = 8.0


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_a_worker_outlasts_a_broker_s_full_disk_or_ends_with_a_word_and_nothing_is_lost(
    given, quiet, tmp_path
):
    with (
        an_apache_kafka() as kafka,
        Stack(existing=Existing(kafka.bootstrap, given.stack.redis_url)) as stack,
    ):
        limits = {"outage_max_s": PATIENCE_S, "io_timeout_s": 2.0}
        run = with_catalogue(Run(given, tmp_path, "disk", stack=stack, **limits))
        (node,) = kafka.nodes
        send_titles(run.settings, Audience(OPTIONS).catalogue())
        assert send_events(run.settings, records(), TICK_S) == given.events
        with run.worker() as worker:
            worker.wait_for("some events", lambda: run.progress() > 0.2)
            resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (NO_ROOM, NO_ROOM))
            wait_until("the broker to halt", lambda: not node.running)
            assert "File too large" in node.log_file.read_text(), node.log_tail()
            progress = run.progress()
            assert progress < 1
            wait_until("the worker to give up", lambda: not worker.running, 5 * PATIENCE_S)
            assert worker.process.returncode == FAILED
            assert worker.said('"error":"BrokerAway: '), worker.tail()
        assert run.progress() == progress, "no mark moves for what was not published"
        node.start()
        with run.worker() as worker:
            assert_equal(run.finish(worker), quiet)
