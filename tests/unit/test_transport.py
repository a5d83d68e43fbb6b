"""How fetched records become slices, and what the transport relies on inside Faust and aiokafka.

The second half fails the day that an upgrade moves a private part: it says which, before a worker
loses or repeats records over it.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections import defaultdict
from importlib.metadata import entry_points, version
from types import SimpleNamespace

import aiokafka
import faust
import pytest
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher
from aiokafka.record.default_records import DefaultRecord
from aiokafka.record.legacy_records import LegacyRecord
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.utils.queues import FlowControlEvent

from streams.worker.fetching import (
    FLOWS_S,
    GATHER_BYTES,
    GATHER_MS,
    PARTIAL_FETCH_WAIT_MS,
    PromptFetcher,
    Room,
)
from streams.worker.slices import Slice, SliceSchema, slices
from streams.worker.transport import (
    FETCH_WAIT_MS,
    ROOM_WITHIN_S,
    SLICES_AHEAD,
    Consumer,
    ConsumerThread,
    Transport,
)

A, B, C = TP("events", 0), TP("events", 1), TP("titles", 0)


def records(first, last):
    return [SimpleNamespace(offset=offset) for offset in range(first, last + 1)]


def cut(fetched, most=3, start=None):
    found = slices(fetched, (start or {}).get, most)
    return [(tp, [record.offset for record in part]) for tp, part in found]


# -- slices ----------------------------------------------------------------------------------------
def test_a_partition_is_cut_into_slices_of_at_most_the_most_in_order():
    assert cut({A: records(0, 6)}) == [(A, [0, 1, 2]), (A, [3, 4, 5]), (A, [6])]


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3])]
)
def test_no_slice_is_empty_and_none_too_long(count, sizes):
    assert [len(part) for _, part in cut({A: records(10, 9 + count)})] == sizes


def test_partitions_take_turns_so_that_a_long_one_starves_nobody():
    found = cut({A: records(0, 8), B: records(0, 1), C: records(0, 3)})
    assert [tp for tp, _ in found] == [A, B, C, A, C, A]


def test_records_below_the_read_offset_are_skipped_and_the_rest_is_cut_from_there():
    assert cut({A: records(0, 6)}, start={A: 2}) == [(A, [2, 3, 4]), (A, [5, 6])]


def test_a_partition_whose_records_all_lie_below_gives_no_slice():
    assert cut({A: records(0, 4), B: records(5, 5)}, start={A: 5, B: 5}) == [(B, [5])]


def test_only_the_partition_that_was_sought_skips():
    assert cut({A: records(0, 1), B: records(0, 1)}, start={B: 1}) == [(A, [0, 1]), (B, [1])]


def test_gaps_that_compaction_or_transactions_left_do_not_matter():
    holes = [record for record in records(0, 9) if record.offset % 4 == 1]
    assert cut({A: holes}, most=2) == [(A, [1, 5]), (A, [9])]


def test_nothing_fetched_gives_nothing():
    assert cut({}) == cut({A: []}) == []


def test_every_record_comes_exactly_once():
    fetched = {A: records(3, 40), B: records(0, 7), C: records(100, 100)}
    found = [(tp, offset) for tp, part in cut(fetched, most=4) for offset in part]
    assert sorted(found) == sorted((tp, r.offset) for tp, part in fetched.items() for r in part)


def test_a_slice_knows_its_first_and_last_offset():
    part = Slice(A, records(5, 9))
    assert (part.first, part.last) == (5, 9)


def test_the_schema_hands_a_slice_on_as_it_is():
    schema = SliceSchema()
    message = SimpleNamespace(key=b"k", value=Slice(A, records(0, 1)))
    assert schema.loads_key(None, message) is None
    assert schema.loads_value(None, message) is message.value


# -- what is acked is what is committed ------------------------------------------------------------
def bare_consumer():
    consumer = object.__new__(Consumer)
    consumer._acked, consumer._acked_index = defaultdict(list), defaultdict(set)
    consumer._read_offset = defaultdict(lambda: None)
    return consumer


def test_acking_the_last_of_a_slice_commits_all_of_it():
    consumer = bare_consumer()
    consumer._acked[A].append(999)
    consumer._acked_index[A].add(999)
    assert consumer._new_offset(A) == 1000
    assert consumer._new_offset(A) is None
    assert not consumer._acked_index[A]


def test_of_several_slices_acked_since_the_last_commit_the_last_counts():
    consumer = bare_consumer()
    consumer._acked[A].extend([999, 1999])
    assert consumer._new_offset(A) == 2000


def test_what_was_not_acked_is_not_committed():
    assert bare_consumer()._new_offset(A) is None


def test_the_read_position_is_none_before_any_seek_and_a_number_after():
    consumer = bare_consumer()
    assert consumer._position_of(A) is None
    consumer._read_offset[A] = 7
    assert consumer._position_of(A) == 7


async def test_what_was_fetched_during_a_rebalance_is_put_back_without_a_look_at_the_marks():
    """One there met partitions that were just being taken away, and ended the worker."""
    consumer = bare_consumer()
    consumer.app = SimpleNamespace(consumer_generation_id=3, slice_max=10)
    consumer._stopped, consumer._crashed = asyncio.Event(), asyncio.Event()
    consumer.flow_active = False
    seeks, back = [], []

    async def fetch(_timeout):
        return {A: records(0, 3)}, {A}

    async def seek():
        seeks.append(1)

    async def put_back(records):
        back.append({tp: [it.offset for it in part] for tp, part in records.items()})

    consumer._thread = SimpleNamespace(is_overtaken=lambda: False, put_back=put_back)
    consumer._wait_next_records, consumer.perform_seek = fetch, seek
    assert [it async for it in consumer.getmany(1.0)] == []
    assert seeks == []
    assert back == [{A: [0, 1, 2, 3]}]


# -- how much is read ahead ------------------------------------------------------------------------
@pytest.fixture
def reading():
    """A consumer of two partitions, and what it asks its thread for: which of them, how long."""
    consumer = bare_consumer()
    consumer.app = SimpleNamespace(consumer_generation_id=3, slice_max=10)
    consumer.app.topics = SimpleNamespace(acks_enabled_for=lambda _topic: False)
    consumer._room = Room()
    consumer._stopped, consumer._crashed = asyncio.Event(), asyncio.Event()
    consumer.flow_active = True
    consumer._handed, consumer._behind, consumer._buffered_partitions = {}, {}, set()
    asked = []

    async def getmany(partitions, within_s):
        asked.append((partitions, within_s))
        return {}

    async def taken(message):
        messages.append(message)

    messages = []
    consumer._thread = SimpleNamespace(getmany=getmany, is_overtaken=lambda: False)
    consumer.callback = taken
    consumer.app.flow_control = FlowControlEvent()
    consumer.app.flow_control.resume()
    return SimpleNamespace(consumer=consumer, asked=asked, messages=messages)


async def handed_out(reading, tp, count):
    """The messages of ``count`` records of a partition, and those that are left to Faust."""

    async def fetch(_timeout):
        stamped = [SimpleNamespace(offset=n, timestamp=0, timestamp_type=0) for n in range(count)]
        return {tp: stamped}, {tp}

    reading.consumer._wait_next_records = fetch
    left = [message async for _, message in reading.consumer.getmany(1.0)]
    return reading.messages, left


async def test_slices_are_handed_to_the_streams_at_once_and_count_as_read(reading):
    messages, left = await handed_out(reading, A, 25)
    assert [len(message.value.records) for message in messages] == [10, 10, 5]
    assert left == []
    assert reading.consumer._read_offset[A] == 24


async def test_each_slice_says_behind_which_record_it_follows(reading):
    reading.consumer._behind = {A: -1}
    messages, _ = await handed_out(reading, A, 25)
    assert [message.value.behind for message in messages] == [-1, 9, 19]


@pytest.mark.parametrize(("sought", "behind"), [(False, 24), (True, -1)])
async def test_what_is_let_go_half_way_is_missed_by_the_next_slice_unless_a_seek_comes(
    reading, sought, behind
):
    consumer, take = reading.consumer, reading.consumer.callback

    async def rebalance_comes(message):
        await take(message)
        consumer.flow_active = False
        if sought:
            consumer._behind = {A: -1}
            consumer._thread.is_overtaken = lambda: True

    consumer._behind, consumer.callback = {A: -1}, rebalance_comes
    await handed_out(reading, A, 25)
    assert consumer._behind == {A: behind}


async def test_while_streams_are_held_up_handing_over_is_left_to_faust(reading):
    """It gives up at the next rebalance; waiting here would hold the rebalance up."""
    reading.consumer.app.flow_control.suspend()
    messages, left = await handed_out(reading, A, 5)
    assert messages == []
    assert [message.offset for message in left] == [4]


async def test_a_partition_with_two_long_slices_that_are_not_done_is_not_read_and_others_are(
    reading,
):
    await handed_out(reading, A, SLICES_AHEAD * 10)
    await reading.consumer._getmany({A, B}, 1.0)
    assert reading.asked == [({B}, ROOM_WITHIN_S)]


async def test_it_is_read_again_once_one_of_them_is_done(reading):
    (first, *_), _ = await handed_out(reading, A, SLICES_AHEAD * 10)
    reading.consumer.ack(first)
    await reading.consumer._getmany({A, B}, 1.0)
    assert reading.asked == [({A, B}, 1.0)]


async def test_where_no_partition_has_room_a_fetch_waits_for_it_and_asks_nothing(reading):
    (first, *_), _ = await handed_out(reading, A, SLICES_AHEAD * 10)
    waiting = asyncio.create_task(reading.consumer._getmany({A}, 60.0))
    await asyncio.sleep(0)
    reading.consumer.ack(first)
    assert await asyncio.wait_for(waiting, 1) == {}
    assert reading.asked == []


async def test_what_was_handed_out_before_a_rebalance_makes_no_room(reading):
    (first, *_), _ = await handed_out(reading, A, SLICES_AHEAD * 10)
    reading.consumer.app.consumer_generation_id += 1
    reading.consumer.ack(first)
    await reading.consumer._getmany({A, B}, 1.0)
    assert reading.asked == [({B}, ROOM_WITHIN_S)]


# -- how long a fetch may be held ------------------------------------------------------------------
async def test_only_a_fetch_for_every_partition_is_held_until_there_is_news(monkeypatch):
    monkeypatch.setattr(Fetcher, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Fetcher, "_get_actions_per_node", lambda self, _: self._fetch_max_wait_ms)
    prompt = PromptFetcher(fetch_max_wait_ms=FETCH_WAIT_MS)
    waits = []
    for untaken in ({}, {A: "records"}, {}):
        prompt._records = untaken
        waits.append(prompt._get_actions_per_node(None))
    assert waits == [FETCH_WAIT_MS, PARTIAL_FETCH_WAIT_MS, FETCH_WAIT_MS]


async def test_while_records_keep_coming_they_gather_at_the_broker_for_a_moment(monkeypatch):
    async def answer(self, *_):
        return self.has_news

    asked = "_fetch_max_wait_ms", "_fetch_min_bytes"
    monkeypatch.setattr(Fetcher, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(
        Fetcher, "_get_actions_per_node", lambda self, _: [getattr(self, it) for it in asked]
    )
    monkeypatch.setattr(Fetcher, "_proc_fetch_request", answer)
    prompt = PromptFetcher(fetch_max_wait_ms=FETCH_WAIT_MS)
    prompt._records = {}
    for prompt.has_news, wait_ms, least_bytes in (
        (False, FETCH_WAIT_MS, 1),
        (True, GATHER_MS, GATHER_BYTES),
        (False, GATHER_MS, GATHER_BYTES),
    ):
        await prompt._proc_fetch_request(None, 0, None)
        assert prompt._get_actions_per_node(None) == [wait_ms, least_bytes]
    prompt._news_at -= FLOWS_S
    assert prompt._get_actions_per_node(None) == [FETCH_WAIT_MS, 1]


# -- what this leans on ----------------------------------------------------------------------------
def parameters(of):
    return [name for name in inspect.signature(of).parameters if name != "self"]


PRIVATE_METHODS = [
    (FaustConsumer, "getmany", ["timeout"], inspect.isasyncgenfunction),
    (FaustConsumer, "_wait_next_records", ["timeout"], inspect.iscoroutinefunction),
    (FaustConsumer, "_new_offset", ["tp"], inspect.isfunction),
    (FaustConsumer, "_add_gap", ["tp", "offset_from", "offset_to"], inspect.iscoroutinefunction),
    (FaustConsumer, "perform_seek", [], inspect.iscoroutinefunction),
    (FaustConsumer, "stop_flow", [], inspect.isfunction),
    (FaustConsumer, "resume_flow", [], inspect.isfunction),
    (FaustConsumer, "ack", ["message"], inspect.isfunction),
    (
        driver.Consumer,
        "_getmany",
        ["active_partitions", "timeout"],
        inspect.iscoroutinefunction,
    ),
    (Fetcher, "_get_actions_per_node", ["assignment"], inspect.isfunction),
    (driver.Consumer, "_new_consumer_thread", [], inspect.isfunction),
    (driver.Consumer, "seek_to_committed", [], inspect.iscoroutinefunction),
    (driver.Consumer, "assignment", [], inspect.isfunction),
    (
        driver.AIOKafkaConsumerThread,
        "_create_worker_consumer",
        ["transport"],
        inspect.isfunction,
    ),
    (driver.AIOKafkaConsumerThread, "seek_wait", ["partitions"], inspect.iscoroutinefunction),
    (driver.AIOKafkaConsumerThread, "highwaters", ["partitions"], inspect.iscoroutinefunction),
    (
        driver.AIOKafkaConsumerThread,
        "earliest_offsets",
        ["partitions"],
        inspect.iscoroutinefunction,
    ),
]


def test_aiokafka_leaves_out_partitions_whose_records_are_not_taken_and_sends_one_fetch_at_a_time():
    actions = inspect.getsource(Fetcher._get_actions_per_node)
    assert "if tp in self._records:" in actions, "PromptFetcher knows a partial fetch by it"
    assert "elif node_id in self._in_flight:" in actions, "PromptFetcher may not be needed any more"
    told = r"FetchRequest\(\s*self\._fetch_max_wait_ms,\s*self\._fetch_min_bytes"
    assert re.search(told, actions), "the wait moved"
    assert inspect.iscoroutinefunction(Fetcher._proc_fetch_request)
    assert "backoff=self._prefetch_backoff" in inspect.getsource(Fetcher)
    started = inspect.getsource(aiokafka.AIOKafkaConsumer.start)
    assert "self._fetcher = Fetcher(" in started, "PromptFetcher is not what a consumer makes"
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in started


PARSED = {"offset", "timestamp", "timestamp_type", "key", "value", "headers"}


def test_aiokafka_hands_out_what_it_has_parsed_by_a_method_that_can_be_overridden():
    where = "aiokafka.consumer.fetcher.PartitionRecords"
    found = parameters(fetcher.PartitionRecords._consumer_record)
    assert found == ["tp", "record"], f"{where}._consumer_record takes {found} now"
    made = inspect.getsource(Fetcher)
    assert "partition_records = PartitionRecords(" in made, f"{where} is not what a fetcher makes"
    for parsed in (DefaultRecord, LegacyRecord):
        missing = PARSED - set(dir(parsed))
        assert not missing, f"{parsed.__name__} says no {missing} any more; the lanes read them"


@pytest.mark.parametrize(
    ("owner", "name", "expected", "kind"),
    PRIVATE_METHODS,
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_faust_has_the_method_that_the_transport_overrides_or_calls(owner, name, expected, kind):
    where = f"{owner.__module__}.{owner.__qualname__}.{name}"
    method = getattr(owner, name, None)
    assert method is not None, f"{where} is gone: read streams/worker/transport.py again"
    found = parameters(method)
    assert found == expected, f"{where} takes {found} now, the transport was written for {expected}"
    assert kind(method), f"{where} is no longer what {kind.__name__} tests for"


@pytest.mark.parametrize(
    ("name", "kept_in"),
    [
        ("_acked", "__init__"),
        ("_acked_index", "__init__"),
        ("_read_offset", "__init__"),
        ("_committed_offset", "__init__"),
        ("_buffered_partitions", "__init__"),
    ],
)
def test_faust_s_consumer_keeps_the_attribute_that_the_transport_reads(name, kept_in):
    source = inspect.getsource(getattr(FaustConsumer, kept_in))
    assert f"self.{name} = " in source, (
        f"Faust's Consumer no longer makes {name} when it is made; streams/worker/transport.py or "
        "the acks that it counts on live by it"
    )


def test_faust_s_consumer_has_a_flow_that_can_be_stopped():
    assert FaustConsumer.flow_active is True, "Consumer.flow_active is no class attribute any more"


LINES_RELIED_ON = [
    (
        FaustConsumer._drain_messages,
        r"if r_offset is None or offset >= r_offset:",
        "a message at the read offset itself must be let through, for a seek sets it to the next",
    ),
    (
        FaustConsumer._drain_messages,
        r"set_read_offset\(tp, offset\)",
        "the read offset must follow the last record of each slice",
    ),
    (
        FaustConsumer._drain_messages,
        r"callback\(message\), self\.suspend_flow\.wait\(\)\s*\)\s*set_read_offset",
        "getmany does itself what Faust does with a message: call back, then note how far it read",
    ),
    (
        FaustConsumer.ack,
        r"if committed is None or offset >= committed:",
        "an ack below the committed offset is ignored, above it kept",
    ),
    (
        FaustConsumer.perform_seek,
        r"await self\.seek_to_committed\(\)",
        "a seek after an assignment must come through our override",
    ),
    (
        Recovery._resume_streams,
        r"consumer\.perform_seek\(\)[\s\S]*consumer\.resume_flow\(\)",
        "every rebalance must end with a seek, before records flow again",
    ),
    (
        Recovery._resume_streams,
        r"consumer\.perform_seek\(\), timeout=self\.app\.conf\.broker_request_timeout",
        "the override of perform_seek must know how long Faust waits for it",
    ),
    (
        Recovery._restart_recovery.fun,
        r"signal_recovery_start[\s\S]*except IllegalStateError as exc:[^#]*continue",
        "a seek that fails for now must be tried again at the next signal",
    ),
    (
        driver.AIOKafkaConsumerThread._create_worker_consumer,
        r'isolation_level: str = "read_uncommitted"',
        "Faust hard-codes the isolation level; if it no longer does, set it the public way",
    ),
    (
        driver.AIOKafkaConsumerThread._seek_wait,
        r"self\.consumer\._read_offset\[tp\] = offset",
        "a seek must set the read offset, or records of before it get through",
    ),
    (
        driver.AIOKafkaConsumerThread.getmany,
        r"self\.call_thread\(\s*self\._fetch_records,",
        "it must be known which seeks a fetch has seen",
    ),
    (
        driver.AIOKafkaConsumerThread.seek_wait,
        r"self\.call_thread\(self\._seek_wait,",
        "seeks must be counted where fetches are",
    ),
]


@pytest.mark.parametrize(
    ("function", "line", "why"), LINES_RELIED_ON, ids=lambda it: getattr(it, "__name__", "")
)
def test_faust_still_does_what_the_transport_relies_on(function, line, why):
    assert re.search(line, inspect.getsource(function)), f"{function.__qualname__} changed: {why}"


def test_faust_calls_what_is_overridden():
    assert "getmany(timeout=" in inspect.getsource(FaustConsumer._drain_messages)
    assert "self._new_offset(" in inspect.getsource(FaustConsumer), "_new_offset is not called"
    made_by = inspect.getsource(driver.Consumer.__init__) + inspect.getsource(
        FaustConsumer.__init__
    )
    made_by += inspect.getsource(driver.ThreadDelegateConsumer)
    assert "self._new_consumer_thread()" in made_by, "_new_consumer_thread is not called"


def test_the_overrides_are_overrides_and_take_what_faust_gives():
    for name in (
        "getmany", "_getmany", "ack", "_new_offset", "_add_gap", "perform_seek",
        "seek_to_committed", "_new_consumer_thread", "resume_flow",
        "on_partitions_revoked", "on_partitions_assigned",
    ):  # fmt: skip
        ours, theirs = getattr(Consumer, name), getattr(driver.Consumer, name)
        assert ours is not theirs
        assert parameters(ours) == parameters(theirs), name
    thread = driver.AIOKafkaConsumerThread
    for name in ("_create_worker_consumer", "_seek_wait"):
        assert parameters(getattr(ConsumerThread, name)) == parameters(getattr(thread, name)), name
    assert "_fetch_records" in vars(thread)


async def test_records_of_aborted_transactions_are_not_read():
    """Faust asks for all records outside its own transactions; the thread must ask again."""
    app = faust.App("test", broker="kafka://127.0.0.1:1", store="memory://", loghandlers=[])
    app.transport = Transport(app.conf.broker_consumer, app)

    async def ignore(*_):
        """Faust wants callbacks; nothing is assigned here."""

    consumer = Consumer(app.transport, ignore, ignore, ignore, loop=asyncio.get_running_loop())
    thread = consumer._new_consumer_thread()
    assert isinstance(thread, ConsumerThread)
    made = thread._create_worker_consumer(app.transport)
    theirs = driver.AIOKafkaConsumerThread._create_worker_consumer(thread, app.transport)
    assert theirs._isolation_level == "read_uncommitted", "Faust no longer hard-codes it"
    assert made._isolation_level == "read_committed"
    assert made._fetch_max_wait_ms == FETCH_WAIT_MS
    assert theirs._fetch_max_wait_ms > FETCH_WAIT_MS, "Faust asks often enough by itself now"


def test_aiokafka_takes_the_isolation_level_when_it_starts_and_not_before():
    started = inspect.getsource(aiokafka.AIOKafkaConsumer.start)
    assert "isolation_level=self._isolation_level" in started, "setting it after the making is late"
    assert "isolation_level" in parameters(Fetcher.__init__)
    assert READ_COMMITTED == 1


def test_the_versions_are_those_that_were_read():
    assert version("faust-streaming") == "0.15.3", "read the transport against the new Faust first"
    assert re.match(r"0\.14\.", version("aiokafka")), "read the transport against the new aiokafka"


def test_the_transport_is_found_under_its_name():
    (found,) = (it for it in entry_points(group="faust.transports") if it.name == "slices")
    assert found.load() is Transport
    assert Transport.Consumer is Consumer
