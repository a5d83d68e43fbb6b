"""Records on their way out: where they go, in what order, in what batches, with what headers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from kafka.partitioner import murmur2

from config.settings import Settings
from streams.signals import PROGRESS, SESSIONS, SIGNALS, Out, lineage_order, viewer_hash
from streams.worker.decoding import KEPT_BYTES, DeadLetter
from streams.worker.publisher import (
    BATCH_BYTES,
    PRODUCERS,
    BrokerAway,
    Publisher,
    Record,
    batches_of,
    murmur,
)

SETTINGS = Settings(_env_file=None)


def an_out(offset=7, **more):
    fields = {"due_ms": 0, "rank": 0, "topic": SESSIONS, "key": "v", "body": "{}"}
    return Out(source="events/3", offset=offset, **(fields | more))


@pytest.mark.parametrize("key", [b"", b"v", b"viewer-7", "zoë".encode(), b"\xff" * 100])
def test_keys_are_hashed_as_kafka_does_it(key):
    assert murmur(key) == murmur2(key) & 0x7FFFFFFF


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        (SESSIONS, SETTINGS.topics.sessions),
        (SIGNALS, SETTINGS.topics.signals),
        (PROGRESS, SETTINGS.topics.progress),
    ],
)
def test_each_kind_goes_to_its_topic_under_its_key_with_its_lineage(kind, topic):
    record = Publisher(SETTINGS).record("v", an_out(topic=kind, key="dark", body='{"a":1}'))
    assert record[:3] == (topic, b"dark", b'{"a":1}')
    assert dict(record.headers)["lineage"] == b"events/3/7/0/0/0"
    assert ("content-type" in dict(record.headers)) == (kind == SIGNALS)


def test_what_a_timer_made_says_so_in_its_lineage():
    headers = dict(Publisher(SETTINGS).record("v", an_out(due_ms=99, rank=2)).headers)
    assert headers["lineage"] == f"events/3/7/99/{viewer_hash('v')}/2".encode()


def test_records_go_out_by_offset_then_timers_by_their_time_then_by_rank():
    outs = [
        ("v", an_out(8)), ("v", an_out(7, due_ms=50)), ("v", an_out(7, rank=1)),
        ("v", an_out(7, due_ms=20)), ("v", an_out(7)),
    ]  # fmt: skip
    found = [
        (o.offset, o.due_ms, o.rank) for _, o in sorted(outs, key=lambda it: lineage_order(*it))
    ]
    assert found == [(7, 0, 0), (7, 0, 1), (7, 20, 0), (7, 50, 0), (8, 0, 0)]


def test_viewers_whose_timers_fall_together_keep_one_order_in_every_worker():
    here = [(name, an_out(due_ms=5)) for name in "abcdefgh"]
    there = [(name, an_out(due_ms=5)) for name in "hgfedcba"]
    in_order = [sorted(outs, key=lambda it: lineage_order(*it)) for outs in (here, there)]
    assert in_order[0] == in_order[1]


def a_letter(**more):
    fields = {
        "topic": "events", "partition": 3, "offset": 7, "key": b"v", "value": b"{", "size": 1,
        "reason": "not_json", "field": "value", "detail": "why \ud800",
    }  # fmt: skip
    return DeadLetter(**(fields | more))


def test_a_dead_letter_says_where_it_came_from_and_why():
    record = Publisher(SETTINGS).letter(a_letter())
    assert record[:3] == (SETTINGS.topics.rejects, b"events/3/7", b"{")
    assert dict(record.headers) == {
        "topic": b"events", "partition": b"3", "offset": b"7", "key": b"v", "size": b"1",
        "reason": b"not_json", "field": b"value", "detail": b"why ?",
    }  # fmt: skip


def test_a_dead_letter_without_a_key_has_no_such_header():
    assert "key" not in dict(Publisher(SETTINGS).letter(a_letter(key=None)).headers)


def test_a_dead_letter_carries_the_headers_of_its_record_in_one_of_its_own():
    letter = Publisher(SETTINGS).letter(a_letter(headers=(("reason", b"theirs"),)))
    assert dict(letter.headers)["headers"] == b'[["reason","theirs"]]'
    assert dict(letter.headers)["reason"] == b"not_json"


@pytest.fixture
async def producer():
    """Not started: making batches needs no broker."""
    found = AIOKafkaProducer(
        bootstrap_servers="127.0.0.1:1", max_batch_size=BATCH_BYTES, enable_idempotence=False
    )
    yield found
    await found.stop()


def counts(batches):
    return [batch.record_count() for batch in batches]


async def test_a_slice_fits_one_batch_if_it_can(producer):
    records = [Record("t", b"k", b"x" * 300, []) for _ in range(1000)]
    assert counts(batches_of(producer, records)) == [1000]


async def test_more_than_a_batch_holds_goes_into_several_and_nothing_is_left_out(producer):
    letters = [a_letter(value=b"x" * KEPT_BYTES) for _ in range(100)]
    batches = batches_of(producer, [Publisher(SETTINGS).letter(letter) for letter in letters])
    assert sum(counts(batches)) == 100
    assert len(batches) == 8
    assert all(batch.size() <= BATCH_BYTES for batch in batches)


async def test_a_record_larger_than_a_batch_is_not_left_out_in_silence(producer):
    small, large = Record("t", b"k", b"s", []), Record("t", b"k", b"x" * (BATCH_BYTES + 1), [])
    for records in ([large], [small, large, small]):
        assert sum(counts(batches_of(producer, records))) == len(records)


class SlowProducer:
    """A producer whose broker answers when it is told."""

    def __init__(self) -> None:
        self.batches = 0
        self.answers: list[asyncio.Future[None]] = []

    def create_batch(self):
        return SimpleNamespace(append=lambda **_: object())

    async def send_batch(self, _batch, _topic, partition):
        assert partition == 0
        self.batches += 1
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]

    async def stop(self) -> None:
        """Nothing to let go of."""


@pytest.fixture
def slow():
    publisher = Publisher(SETTINGS)
    publisher._producers = [SlowProducer() for _ in range(PRODUCERS)]
    publisher._partitions = {SETTINGS.topics.rejects: 1}
    return publisher


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_one_lane_sends_does_not_wait_for_the_answer_to_what_another_sent(slow):
    lanes = [asyncio.create_task(slow.publish((), [a_letter()])) for _ in range(PRODUCERS)]
    await turns()
    assert [it.batches for it in slow._producers] == [1] * PRODUCERS
    for producer in slow._producers:
        producer.answers[0].set_result(None)
    await asyncio.gather(*lanes)


async def test_the_producer_that_fewest_wait_for_is_the_next_also_after_one_has_failed(slow):
    lanes = [asyncio.create_task(slow.publish((), [a_letter()])) for _ in range(PRODUCERS)]
    await turns()
    free = slow._producers[1]
    free.answers[0].set_exception(KafkaError())
    with pytest.raises(BrokerAway):
        await lanes[1]
    another = asyncio.create_task(slow.publish((), [a_letter()]))
    await turns()
    assert free.batches == 2
    for task in (*lanes, another):
        task.cancel()
