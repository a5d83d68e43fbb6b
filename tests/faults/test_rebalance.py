"""Partitions that change hands while a server is away."""

from __future__ import annotations

import pytest
import redis
from brokers import a_stack
from outcomes import outcome
from players import a_run
from service import DAY_S, LONG_AGO_S
from title_counts import titles_in
from workers import WorkerProcess, own_settings, sending, settled, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.timeout(170)]

REQUEST_S = 8.0
"""What Faust gives a seek with the settings below: five seconds more than the session timeout."""
ASSIGNED = "partitions assigned"
HALF = '{"events":2,"progress":2,"titles":2,"viewers":0,"event":"partitions assigned"'


def test_a_redis_that_is_away_for_longer_than_a_rebalance_may_take_is_waited_for(tmp_path):
    with a_stack() as stack:
        settings = own_settings(stack, io_timeout_s=2.0)
        client = redis.Redis.from_url(stack.redis_url, socket_timeout=1)
        with client, sending(settings) as sender:
            first = WorkerProcess(settings, tmp_path, name="first")
            second = WorkerProcess(settings, tmp_path, name="second")
            with first, second:
                for worker in (first, second):
                    worker.wait_until_ready()
                wait_until(
                    "both to have their share", lambda: first.said(HALF) and second.said(HALF)
                )
                stack.redis.pause()
                second.kill()
                before = first.said(ASSIGNED)
                first.wait_for(
                    "Faust's patience to run out several times",
                    lambda: first.said("positions are not known yet") >= 2,
                    4 * REQUEST_S,
                )
                assert first.said(ASSIGNED) == before
                stack.redis.resume()
                sender.events(
                    [event for day in range(3) for event in a_run("fan", LONG_AGO_S + day * DAY_S)]
                )
                ends = sender.ends[settings.topics.events]
                first.wait_for("the events", lambda: settled(client, settings, ends), 2 * REQUEST_S)
                assert first.stop()[0] == 0, first.tail()
            (season,) = titles_in(client, settings)["dark"].engagement.seasons.values()
            assert season.began == 1
            assert season.episodes[1].sessions == len(outcome(settings).sessions)
