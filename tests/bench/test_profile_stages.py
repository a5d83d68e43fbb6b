"""Stacks as py-spy writes them are sorted into the stages of a worker's work, and none is lost."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from hookpoint.bench.profile_stages import RULES, Stage, read_samples, stage_of

TURN = [
    "BaseEventLoop.run_forever (asyncio/base_events.py)",
    "BaseEventLoop._run_once (asyncio/base_events.py)",
]
STARTED = [
    "<module> (<string>)",
    "main (hookpoint/cli.py)",
    "Typer.__call__ (typer/main.py)",
    "worker (hookpoint/commands/worker.py)",
    "run (streams/worker/run.py)",
    "Worker.execute_from_commandline (mode/worker.py)",
    "BaseEventLoop.run_until_complete (asyncio/base_events.py)",
    *TURN,
]
"""How each stack of the main thread begins,"""
CONSUMER = [
    "Thread._bootstrap (threading.py)",
    "Thread._bootstrap_inner (threading.py)",
    "WorkerThread.run (mode/threads.py)",
    "ServiceThread._start_thread (mode/threads.py)",
    *TURN,
]
"""and of the one in which Faust consumes."""
TURNING = [*STARTED, "Handle._run (asyncio/events.py)"]
CONSUMING = [*CONSUMER, "Handle._run (asyncio/events.py)"]
WORK = [*TURNING, "Dispatcher._work (streams/worker/dispatch.py)"]
TITLES = [*WORK, "AudienceLane.handle (streams/worker/audience_lanes.py)"]
LANE = [*WORK, "Lane.handle (streams/worker/lane.py)", "Lane._take (streams/worker/lane.py)"]
GROUP = [
    *LANE,
    "GroupCommit.absorb (streams/worker/group_commit.py)",
    "insist (streams/worker/attempts.py)",
    "Patience.__call__ (streams/worker/outage.py)",
    "GroupCommit._attempt (streams/worker/group_commit.py)",
]
FOLDING = [
    *GROUP,
    "GroupCommit._attempt.<locals>.<listcomp> (streams/worker/group_commit.py)",
    "GroupCommit._fold (streams/worker/group_commit.py)",
]
WRITING = [*GROUP, "write (streams/worker/group_commit.py)"]
ASK = [
    "RedisClient.ask (streams/worker/redis_client.py)",
    "RedisClient._execute (streams/worker/redis_client.py)",
    "exchange (streams/worker/redis_pipeline.py)",
]

STACKS = {
    "records are parsed": (
        [
            *CONSUMING,
            "AIOKafkaConsumerThread._fetch_records (faust/transport/drivers/aiokafka.py)",
            "Fetcher.fetched_records (aiokafka/consumer/fetcher.py)",
            "PartitionRecords._unpack_records (aiokafka/consumer/fetcher.py)",
            "LeanRecords._consumer_record (streams/worker/fetching.py)",
        ],
        Stage.FETCH,
    ),
    "the consumer's connection reads": (
        [
            *CONSUMING,
            "AIOKafkaConnection._read (aiokafka/conn.py)",
            "StreamReader.readexactly (asyncio/streams.py)",
        ],
        Stage.FETCH,
    ),
    "the consumer's loop turns": ([*CONSUMER], Stage.FETCH),
    "slices are handed out": (
        [
            *TURNING,
            "Fetcher._fetcher (faust/transport/consumer.py)",
            "Consumer._drain_messages (faust/transport/consumer.py)",
            "Consumer.getmany (streams/worker/transport.py)",
        ],
        Stage.FETCH,
    ),
    "an event is decoded": (
        [
            *LANE,
            "Lane._decode (streams/worker/lane.py)",
            "decode_slice (streams/worker/decoding.py)",
            "decode (streams/decoder.py)",
            "decode_plain (streams/decoder.py)",
        ],
        Stage.DECODE,
    ),
    "an event is decoded with care": (
        [
            *LANE,
            "Lane._decode (streams/worker/lane.py)",
            "decode_slice (streams/worker/decoding.py)",
            "decode (streams/decoder.py)",
            "decode_carefully (streams/contract.py)",
        ],
        Stage.DECODE,
    ),
    "the fold, compiled": ([*FOLDING], Stage.FOLD),
    "the fold, interpreted": (
        [
            *FOLDING,
            "Viewer.absorb_all (streams/viewing/viewer.py)",
            "Playback.add (streams/viewing/playback.py)",
        ],
        Stage.FOLD,
    ),
    "timers are fired": (
        [
            *LANE,
            "Lane._fire (streams/worker/lane.py)",
            "insist (streams/worker/attempts.py)",
            "Lane._attempt_timers (streams/worker/lane.py)",
        ],
        Stage.FOLD,
    ),
    "what timers did is written": (
        [
            *LANE,
            "Lane._fire (streams/worker/lane.py)",
            "Lane._attempt_timers (streams/worker/lane.py)",
            "write (streams/worker/group_commit.py)",
        ],
        Stage.BYTES,
    ),
    "state as bytes, compiled": (
        [*WRITING, "write.<locals>.<listcomp> (streams/worker/group_commit.py)"],
        Stage.BYTES,
    ),
    "state as bytes, interpreted": (
        [*WRITING, "write_of (streams/viewing/public.py)", "dump (streams/viewing/wire.py)"],
        Stage.BYTES,
    ),
    "state is sent to Redis": (
        [
            *WRITING,
            "RedisStore.write (streams/worker/redis_store.py)",
            "RedisClient.run (streams/worker/redis_client.py)",
            *ASK,
            "StreamWriter.write (asyncio/streams.py)",
            "_SelectorSocketTransport.write (asyncio/selector_events.py)",
        ],
        Stage.REDIS,
    ),
    "a stored viewer is read": (
        [
            *GROUP,
            "Cache.borrowed (streams/worker/cache.py)",
            "Cache.get (streams/worker/cache.py)",
            "Cache._load (streams/worker/cache.py)",
            "load (streams/viewing/wire.py)",
        ],
        Stage.VIEWERS,
    ),
    "a stored viewer is asked for": (
        [
            *GROUP,
            "Cache.get (streams/worker/cache.py)",
            "Cache._load (streams/worker/cache.py)",
            "RedisStore.load (streams/worker/redis_store.py)",
            *ASK,
        ],
        Stage.REDIS,
    ),
    "curves are read": (
        [
            *GROUP,
            "Curves.refresh (streams/worker/curves.py)",
            "parse_curves (streams/worker/catalogue_store.py)",
        ],
        Stage.LOOKUP,
    ),
    "a signal is published": (
        [
            *GROUP,
            "Publisher.publish (streams/worker/publisher.py)",
            "batches_of (streams/worker/publisher.py)",
            "BatchBuilder.append (aiokafka/producer/message_accumulator.py)",
        ],
        Stage.PUBLISH,
    ),
    "a producer sends": (
        [
            *TURNING,
            "Sender._sender_routine (aiokafka/producer/sender.py)",
            "AIOKafkaClient.send (aiokafka/client.py)",
        ],
        Stage.PUBLISH,
    ),
    "timers are indexed": (
        [
            *GROUP,
            "GroupCommit._move (streams/worker/group_commit.py)",
            "GroupCommit._move.<locals>.<listcomp> (streams/worker/group_commit.py)",
            "Lane.change (streams/worker/lane.py)",
            "Lane._next_look (streams/worker/lane.py)",
        ],
        Stage.MARKS,
    ),
    "a mark is sent to Redis": (
        [
            *GROUP,
            "GroupCommit._move (streams/worker/group_commit.py)",
            "RedisStore.move_marks (streams/worker/redis_store.py)",
            *ASK,
        ],
        Stage.REDIS,
    ),
    "a title counts": (
        [
            *TITLES,
            "AudienceLane._take_on (streams/worker/audience_lanes.py)",
            "TitleAudience.absorb (streams/audience/title.py)",
        ],
        Stage.TITLES,
    ),
    "a title is written": (
        [*TITLES, "RedisAudienceStore.write (streams/worker/audience_store.py)", *ASK],
        Stage.TITLES,
    ),
    "a slice is counted": ([*LANE, "Counter.inc (prometheus_client/metrics.py)"], Stage.UPKEEP),
    "the watchdog looks": (
        [
            "Thread._bootstrap (threading.py)",
            "Thread._bootstrap_inner (threading.py)",
            "Thread.run (threading.py)",
            "Watchdog._keep_looking (streams/worker/watchdog.py)",
        ],
        Stage.UPKEEP,
    ),
    "a lane goes on": ([*LANE], Stage.WORKER),
    "Faust hands an agent a slice": (
        [
            *TURNING,
            "Agent._execute_actor (faust/agents/agent.py)",
            "agents.<locals>.viewers (streams/worker/agents.py)",
            "Stream.events (faust/streams.py)",
        ],
        Stage.LOOP,
    ),
    "the main loop turns": ([*STARTED], Stage.LOOP),
    "the main loop reads a socket": (
        [
            *TURNING,
            "_SelectorSocketTransport._read_ready__data_received (asyncio/selector_events.py)",
        ],
        Stage.LOOP,
    ),
    "the main loop looks for news": (
        [*STARTED, "EpollSelector.select (selectors.py)"],
        Stage.SELECT,
    ),
    "the consumer's loop looks for news": (
        [*CONSUMER, "EpollSelector.select (selectors.py)"],
        Stage.SELECT,
    ),
    "somebody else's thread": (
        ["Thread._bootstrap (threading.py)", "work (elsewhere/work.py)"],
        Stage.OTHER,
    ),
    "nothing could be read": ([], Stage.OTHER),
}


@pytest.mark.parametrize(("stack", "stage"), STACKS.values(), ids=STACKS)
def test_a_stack_belongs_to_the_stage_it_shows(stack, stage):
    assert stage_of(";".join(stack)) is stage


def test_line_numbers_change_nothing():
    assert stage_of(";".join(FOLDING).replace(".py)", ".py:17)")) is Stage.FOLD


def test_a_function_of_the_same_name_elsewhere_is_not_meant():
    assert stage_of(";".join([*TURNING, "write (asyncio/streams.py)"])) is Stage.LOOP


def test_stages_add_up_to_all_samples():
    raw = "".join(f"{';'.join(stack)} {n}\n" for n, (stack, _) in enumerate(STACKS.values(), 1))
    found = read_samples(raw)
    assert set(found.by_stage) == set(Stage)
    assert found.total == sum(range(1, len(STACKS) + 1))
    assert found.by_stage[Stage.OTHER] == 2 * len(STACKS) - 1  # the last two


def test_a_stack_that_lost_its_beginning_is_sorted_by_the_rest_and_counted():
    writing, asking, folding = WRITING[-1], ";".join(ASK), ";".join(FOLDING)
    found = read_samples(f"{writing} 3\n{asking} 4\n 5\n{folding} 6\n")
    assert found.torn == 12
    assert found.by_stage[Stage.BYTES] == 3
    assert found.by_stage[Stage.REDIS] == 4
    assert found.by_stage[Stage.OTHER] == 5
    assert found.by_stage[Stage.FOLD] == 6


def test_no_samples_are_none():
    assert read_samples("").total == 0


KNOWN = sorted({known for _, frames in RULES for known in frames})


@pytest.mark.parametrize("known", KNOWN)
def test_what_the_table_names_is_there(known):
    """What was renamed would fall to another stage, and nobody would notice."""
    file, _, function = known.partition(":")
    package, _, rest = file.partition("/")
    where = Path(importlib.import_module(package.removesuffix(".py")).__file__)
    path = where.parent / rest if rest else where
    assert path.exists()
    if function:
        assert re.search(rf"def {function.rpartition('.')[2]}\b", path.read_text())
