"""Fetches and seeks that a rebalance comes across: what is read stays without a gap.

Faust asks for records in a thread of its own and for up to a second. A rebalance may come and go
meanwhile, with a seek to the marks. What the broker then answers lies behind that seek, and while
the flow still stands nobody takes it: it has to be read again.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalStateError, OffsetOutOfRangeError
from faust.types import TP

from streams.worker.faust_app import faust_app
from streams.worker.transport import Consumer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

LONG_S = 20.0
SOON_S = 10.0
PATIENCE_S = 15.0


@asynccontextmanager
async def reading(settings, tp):
    """A consumer of one partition, its flow on, and the offsets that it hands out."""
    app = faust_app(settings)
    app.slice_max = 10
    handed = []

    async def take(message):
        handed.extend(record.offset for record in message.value.records)

    async def ignore(*_):
        """No group takes part."""

    consumer = Consumer(app.transport, take, ignore, ignore, loop=asyncio.get_running_loop())
    await consumer.start()
    try:
        thread = consumer._thread

        async def assign():
            thread._ensure_consumer().assign([tp])

        await thread.call_thread(assign)
        consumer._active_partitions = {tp}
        await look_up(consumer, {tp: 0})
        resume(consumer)
        yield consumer, handed
    finally:
        consumer.stop_flow()
        await consumer.stop()


async def look_up(consumer, positions):
    """Seek to where these marks say, as after every rebalance."""

    async def known(_assigned):
        return positions

    consumer.app.find_positions = known
    await consumer.perform_seek()


def resume(consumer):
    """As Faust does at the end of a rebalance."""
    consumer.app.flow_control.resume()
    consumer.resume_flow()


@asynccontextmanager
async def producing(settings, tp):
    """Sends so many records to the partition."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
    await producer.start()

    async def send(count):
        for number in range(count):
            await producer.send_and_wait(tp.topic, b"%d" % number, partition=tp.partition)

    try:
        yield send
    finally:
        await producer.stop()


async def fetch(consumer, within_s):
    async for _ in consumer.getmany(within_s):
        pytest.fail("handed out by way of Faust")


async def fetch_until(consumer, handed, offset):
    async with asyncio.timeout(PATIENCE_S):
        while not handed or handed[-1] < offset:
            await fetch(consumer, SOON_S)


@pytest.fixture
def tp(settings, make_topics):
    make_topics(settings)
    return TP(settings.topics.events, 0)


async def test_what_comes_after_the_seek_and_before_the_flow_is_on_is_read_again(settings, tp):
    async with reading(settings, tp) as (consumer, handed), producing(settings, tp) as send:
        await send(5)
        await fetch_until(consumer, handed, 4)
        handed.clear()
        straddling = asyncio.create_task(fetch(consumer, LONG_S))
        await asyncio.sleep(0.2)  # the thread waits for news by now
        consumer.stop_flow()
        await look_up(consumer, {tp: 3})
        await straddling
        assert handed == []
        resume(consumer)
        await send(2)
        await fetch_until(consumer, handed, 6)
        assert handed == [3, 4, 5, 6]


async def test_what_was_fetched_before_a_seek_is_not_handed_out_after_it(settings, tp):
    async with reading(settings, tp) as (consumer, handed), producing(settings, tp) as send:
        await send(5)
        await fetch_until(consumer, handed, 4)
        handed.clear()
        brought = asyncio.Event()
        release = asyncio.Event()
        waited = consumer._wait_next_records

        async def held_up(within_s):
            found = await waited(within_s)
            brought.set()
            await release.wait()
            return found

        consumer._wait_next_records = held_up
        straddling = asyncio.create_task(fetch(consumer, LONG_S))
        await send(2)
        await brought.wait()
        consumer.stop_flow()
        await look_up(consumer, {tp: 3})
        resume(consumer)
        release.set()
        await straddling
        consumer._wait_next_records = waited
        await fetch_until(consumer, handed, 6)
        assert handed == [3, 4, 5, 6]


async def test_nothing_is_read_between_an_assignment_and_its_seek(settings, tp):
    """Faust stops the flow only where partitions are revoked: not for a worker that had none."""
    async with reading(settings, tp) as (consumer, handed), producing(settings, tp) as send:
        await send(5)
        await consumer.on_partitions_revoked(set())
        await consumer.on_partitions_assigned({tp}, 2)
        consumer.resume_partitions({tp})  # Faust does so before it seeks
        early = asyncio.create_task(fetch(consumer, SOON_S))
        await asyncio.wait({early}, timeout=1.0)
        assert handed == [], "there is no lane for it yet, and where it lies is Kafka's word"
        await look_up(consumer, {tp: 3})
        resume(consumer)
        await early
        await fetch_until(consumer, handed, 4)
        assert handed == [3, 4]


@pytest.mark.parametrize("overtaken_by", ["revocation", "assignment", "another look"])
async def test_positions_that_were_overtaken_while_they_were_looked_up_start_no_flow(
    settings, tp, overtaken_by
):
    async with reading(settings, tp) as (consumer, handed), producing(settings, tp) as send:
        await send(5)
        asked, release = asyncio.Event(), asyncio.Event()

        async def slow(_assigned):
            asked.set()
            await release.wait()
            return {tp: 4}

        await consumer.on_partitions_revoked({tp})
        await consumer.on_partitions_assigned({tp}, 2)
        consumer.app.find_positions = slow
        first = asyncio.create_task(consumer.seek_to_committed())
        await asked.wait()
        if overtaken_by == "revocation":
            await consumer.on_partitions_revoked({tp})
        elif overtaken_by == "assignment":
            await consumer.on_partitions_assigned({tp}, 3)
        else:
            await look_up(consumer, {tp: 3})
        release.set()
        with pytest.raises(IllegalStateError):
            await first
        resume(consumer)
        if overtaken_by != "another look":
            assert not consumer.flow_active
            await look_up(consumer, {tp: 3})
            resume(consumer)
        consumer.resume_partitions({tp})
        await fetch_until(consumer, handed, 4)
        assert handed == [3, 4]


async def test_a_way_on_that_is_found_only_after_a_rebalance_is_not_taken(settings, tp):
    """The offset that was out of range for a moment lies beyond the mark: its slices were lost."""
    async with reading(settings, tp) as (consumer, handed), producing(settings, tp) as send:
        await send(5)
        await fetch_until(consumer, handed, 4)
        handed.clear()
        consumer.app.read_on = lambda _source, wanted, _first, _end: wanted
        looked_up, release = asyncio.Event(), asyncio.Event()
        highwaters = consumer._thread.highwaters

        async def slow(*tps):
            found = await highwaters(*tps)
            looked_up.set()
            await release.wait()
            return found

        fetcher = consumer._thread._ensure_consumer()._fetcher
        fetched, fetcher.fetched_records = fetcher.fetched_records, refuse(tp)
        consumer._thread.highwaters = slow
        finding = asyncio.create_task(fetch(consumer, SOON_S))
        await looked_up.wait()
        fetcher.fetched_records = fetched
        consumer.stop_flow()
        await look_up(consumer, {tp: 3})
        resume(consumer)
        release.set()
        await finding
        await fetch_until(consumer, handed, 4)
        assert handed == [3, 4]


def refuse(tp):
    """What aiokafka's fetcher does where the broker does not hold what comes next."""

    async def fetched_records(*_, **__):
        raise OffsetOutOfRangeError({tp: 5})

    return fetched_records
