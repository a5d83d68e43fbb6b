"""Where a live partition goes quiet, its time goes on, if the broker says that it is quiet."""

from __future__ import annotations

import time

import pytest
import redis
from players import an_event
from workers import WorkerProcess, own_settings, sending, wait_until

from hookpoint.stack import Stack
from streams.keys import Keys

pytestmark = pytest.mark.integration

AHEAD_S = 3.0
"""Far more than it takes from a look at the broker to the next move of the clock."""


def test_stream_time_goes_on_in_a_quiet_partition_and_stands_still_while_kafka_is_away(tmp_path):
    with Stack() as stack:
        settings = own_settings(stack, idle_after_s=0.5, partitions=1, session_timeout_s=10.0)
        mark = Keys(settings.key_prefix).mark(settings.group, settings.topics.events, 0)
        client = redis.Redis.from_url(stack.redis_url, decode_responses=True)

        def clock_s() -> float:
            return float(client.hget(mark, "clock_ms") or 0) / 1000

        with client, sending(settings) as sender, WorkerProcess(settings, tmp_path) as worker:
            sent_at = time.time()
            sender.events([an_event("ann", "started", sent_at, 0)])
            worker.wait_for("time to go on", lambda: clock_s() > sent_at + AHEAD_S)
            stack.kafka.pause()
            paused_at = time.time()
            try:
                worker.wait_for("the outage", lambda: worker.said("Kafka does not answer"))
                assert time.time() > paused_at + AHEAD_S, "noticed too soon to tell"
                assert clock_s() < paused_at + AHEAD_S / 2
            finally:
                stack.kafka.resume()
            wait_until("time to go on again", lambda: clock_s() > paused_at + AHEAD_S, 60)
            assert worker.running, worker.tail()
