"""A fetch that began before a rebalance and ends after its seek: what it brings is not skipped.

Faust asks for records in a thread of its own and for up to a second. A rebalance may come and go
meanwhile, with a seek to the marks. What the broker then answers lies behind that seek, and while
the flow still stands nobody takes it: it has to be read again.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
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
        await thread.seek_wait({tp: 0})
        app.flow_control.resume()
        consumer.resume_flow()
        yield consumer, handed
    finally:
        consumer.stop_flow()
        await consumer.stop()


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
        await consumer._thread.seek_wait({tp: 3})
        await straddling
        assert handed == []
        consumer.resume_flow()
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
        await consumer._thread.seek_wait({tp: 3})
        consumer.resume_flow()
        release.set()
        await straddling
        consumer._wait_next_records = waited
        await fetch_until(consumer, handed, 6)
        assert handed == [3, 4, 5, 6]
