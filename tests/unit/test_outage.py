"""What is waited out, for how long, and what is not."""

from __future__ import annotations

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from streams.worker import outage
from streams.worker.outage import KAFKA, REDIS, TOPICS, Patience
from streams.worker.publisher import BrokerAway, TopicsMissing
from streams.worker.store import Fenced, StoreAway


class Flaky:
    """Raises what it is given, one by one, then answers."""

    def __init__(self, *problems) -> None:
        self.problems = list(problems)
        self.calls = 0

    async def __call__(self, *arguments):
        self.calls += 1
        if self.problems:
            raise self.problems.pop(0)
        return arguments


@pytest.mark.parametrize("problem", [StoreAway("gone"), BrokerAway("gone")])
async def test_an_outage_is_waited_out_and_the_call_made_again(problem):
    call = Flaky(problem, problem)
    assert await Patience(30)(call, 1, 2) == (1, 2)
    assert call.calls == 3


@pytest.mark.parametrize("problem", [Fenced("late"), ValueError("a bug"), KeyError("a bug")])
async def test_a_fence_or_a_bug_is_raised_at_once(problem):
    call = Flaky(problem)
    with pytest.raises(type(problem)):
        await Patience(30)(call)
    assert call.calls == 1


async def test_an_outage_that_outlasts_patience_is_raised():
    began = time.monotonic()
    with pytest.raises(StoreAway):
        await Patience(0.3)(Flaky(*[StoreAway("gone")] * 1000))
    assert time.monotonic() - began < 0.3 + outage.LONGEST_PAUSE_S


async def test_each_outage_is_said_once_and_so_is_its_end():
    patience = Patience(30)
    with capture_logs() as lines:
        await patience(Flaky(*[StoreAway("gone")] * 3))
        await patience(Flaky())
        await patience(Flaky(BrokerAway("gone too")))
    said = [line["event"] for line in lines]
    assert said == ["outage, waiting for it to end", "outage is over, going on"] * 2
    assert lines[0]["error"] == "gone"


# -- several lanes at once -------------------------------------------------------------------------
OVER, OUTAGE = "outage is over, going on", "outage, waiting for it to end"


class Server:
    """Fails until it is mended; a call per lane."""

    def __init__(self, problem) -> None:
        self.problem = problem
        self.mended = False

    async def call(self):
        if not self.mended:
            raise self.problem


async def some_tries():
    await asyncio.sleep(0.3)


def said(lines):
    return [(line["event"], line["server"]) for line in lines]


async def test_an_outage_that_many_lanes_meet_is_said_once_and_over_when_the_last_has_succeeded():
    patience, redis = Patience(30), Server(StoreAway("gone"))
    slow = Server(StoreAway("still gone for me"))
    with capture_logs() as lines:
        quick = [asyncio.create_task(patience(redis.call)) for _ in range(5)]
        last = asyncio.create_task(patience(slow.call))
        await some_tries()
        redis.mended = True
        await asyncio.gather(*quick)
        assert said(lines) == [(OUTAGE, REDIS)], "one lane still fails"
        assert set(patience.outages) == {REDIS}
        slow.mended = True
        await last
    assert said(lines) == [(OUTAGE, REDIS), (OVER, REDIS)]
    assert not patience.outages


async def test_a_call_that_succeeds_elsewhere_does_not_end_the_outage_of_another_server():
    patience, kafka = Patience(30), Server(BrokerAway("gone"))
    with capture_logs() as lines:
        waits = asyncio.create_task(patience(kafka.call))
        await some_tries()
        await patience(Flaky())
        assert said(lines) == [(OUTAGE, KAFKA)]
        kafka.mended = True
        await waits
    assert said(lines) == [(OUTAGE, KAFKA), (OVER, KAFKA)]


async def test_two_servers_have_an_outage_each():
    patience = Patience(30)
    redis, kafka = Server(StoreAway("no redis")), Server(BrokerAway("no kafka"))
    with capture_logs() as lines:
        waits = [asyncio.create_task(patience(it.call)) for it in (redis, kafka)]
        await some_tries()
        assert {name: it.problem for name, it in patience.outages.items()} == {
            REDIS: "no redis",
            KAFKA: "no kafka",
        }
        kafka.mended = redis.mended = True
        await asyncio.gather(*waits)
    assert sorted(said(lines)) == sorted((w, s) for w in (OUTAGE, OVER) for s in (REDIS, KAFKA))


async def test_a_call_that_gets_as_far_as_kafka_shows_that_redis_is_back():
    patience = Patience(30)
    with capture_logs() as lines:
        await patience(Flaky(StoreAway("gone"), BrokerAway("gone too")))
    assert said(lines) == [(OUTAGE, REDIS), (OVER, REDIS), (OUTAGE, KAFKA), (OVER, KAFKA)]


async def test_topics_that_are_missing_are_waited_for_and_kafka_is_not_said_to_be_away():
    patience = Patience(30)
    with capture_logs() as lines:
        await patience(
            Flaky(BrokerAway("gone"), TopicsMissing("no topic x: run `hookpoint topics`"))
        )
    assert said(lines) == [
        (OUTAGE, KAFKA),
        (OVER, KAFKA),
        ("topics are missing, waiting for them", TOPICS),
        ("topics are there, going on", TOPICS),
    ]
    assert lines[2]["error"] == "no topic x: run `hookpoint topics`"


async def test_a_call_that_fails_on_redis_does_not_show_that_kafka_is_back():
    patience = Patience(30)
    with capture_logs() as lines:
        await patience(Flaky(BrokerAway("gone"), StoreAway("gone too")))
    assert said(lines)[:2] == [(OUTAGE, KAFKA), (OUTAGE, REDIS)]
    assert sorted(said(lines)[2:]) == [(OVER, KAFKA), (OVER, REDIS)]


async def test_nobody_is_told_that_an_outage_is_over_when_a_lane_is_only_stopped():
    patience, redis = Patience(30), Server(StoreAway("gone"))
    with capture_logs() as lines:
        waits = asyncio.create_task(patience(redis.call))
        await some_tries()
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
    assert [event for event, _ in said(lines)] == [
        OUTAGE,
        "nobody waits for the outage to end any more",
    ]
    assert not patience.outages
