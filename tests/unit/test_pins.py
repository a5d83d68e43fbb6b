"""What the worker relies on in Faust, aiokafka and redis-py besides the transport's own part.

Each test fails the day that an upgrade moves a part, and says which, and who leans on it.
tests/unit/test_transport.py has what streams/worker/transport.py leans on, and
tests/integration/test_redis_pins.py how redis-py behaves on real servers.
"""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version

import aiokafka
import faust
import mode
import pytest
import redis.asyncio
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError
from aiokafka.producer.message_accumulator import BatchBuilder
from faust import tables
from faust.app.base import BootStrategy
from faust.tables import recovery
from faust.transport.consumer import ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from redis.asyncio.cluster import ClusterPipeline, NodesManager
from redis.asyncio.connection import AbstractConnection, Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from config.settings import Settings
from streams.worker.faust_app import faust_app
from streams.worker.publisher import BATCH_BYTES
from streams.worker.redis_pipeline import pack_commands
from streams.worker.slices import SliceSchema

SETTINGS = Settings(_env_file=None)
APP, LAG, PUBLISHER = "streams/worker/faust_app.py", "streams/worker/lag.py", "publisher.py"
TRANSPORT, REDIS = "streams/worker/transport.py", "streams/worker/redis_client.py"
COMPOSED = "streams/worker/app.py"


def where(owner, name):
    return f"{getattr(owner, '__module__', '')}.{getattr(owner, '__qualname__', owner)}.{name}"


# -- names -----------------------------------------------------------------------------------------
TAKES = [
    (aiokafka.AIOKafkaProducer, "create_batch", [], PUBLISHER),
    (aiokafka.AIOKafkaProducer, "send_batch", ["batch", "topic", "partition"], PUBLISHER),
    (aiokafka.AIOKafkaProducer, "partitions_for", ["topic"], PUBLISHER),
    (BatchBuilder, "append", ["timestamp", "key", "value", "headers"], PUBLISHER),
    (aiokafka.AIOKafkaConsumer, "end_offsets", ["partitions"], LAG),
    (aiokafka.AIOKafkaConsumer, "position", ["partition"], TRANSPORT),
    (driver.AIOKafkaConsumerThread, "_ensure_consumer", [], TRANSPORT),
    (driver.AIOKafkaConsumerThread, "on_thread_stop", [], TRANSPORT),
    (driver.AIOKafkaConsumerThread, "_commit", ["offsets"], TRANSPORT),
    (driver.AIOKafkaConsumerThread, "call_thread", ["fun", "args", "kwargs"], TRANSPORT),
    (faust.App, "_create_directories", [], APP),
    (faust.App, "crash", ["reason"], COMPOSED),
    (faust.Stream, "noack", [], COMPOSED),
    (faust.Stream, "events", [], COMPOSED),
    (faust.Event, "ack", [], COMPOSED),
    (AbstractConnection, "on_connect", [], REDIS),
    (AbstractConnection, "pack_commands", ["commands"], REDIS),
    (AbstractConnection, "send_command", ["args", "kwargs"], REDIS),
    (redis.asyncio.RedisCluster, "initialize", [], REDIS),
    (redis.asyncio.RedisCluster, "get_primaries", [], REDIS),
    (redis.asyncio.RedisCluster, "aclose", [], REDIS),
    (ClusterPipeline, "execute_command", ["args", "kwargs"], REDIS),
]


@pytest.mark.parametrize(
    ("owner", "name", "expected", "used_in"),
    TAKES,
    ids=lambda it: it if isinstance(it, str) and "/" not in it else "",
)
def test_a_method_that_we_call_takes_what_we_give(owner, name, expected, used_in):
    method = getattr(owner, name, None)
    assert method is not None, f"{where(owner, name)} is gone; {used_in} uses it"
    found = [it for it in inspect.signature(method).parameters if it != "self"]
    optional = [it for it in found if it not in expected]
    assert found[: len(expected)] == expected, f"{where(owner, name)} takes {found}; see {used_in}"
    for name_of_more in optional:
        more = inspect.signature(method).parameters[name_of_more]
        variadic = more.kind in (more.VAR_POSITIONAL, more.VAR_KEYWORD)
        assert variadic or more.default is not more.empty, (
            f"{where(owner, name)} also needs {name_of_more} now; see {used_in}"
        )


@pytest.mark.parametrize(
    ("method", "name", "used_in"),
    [
        (AbstractConnection.read_response, "disable_decoding", REDIS),
        (redis.asyncio.Redis.__init__, "redis_connect_func", REDIS),
        (redis.asyncio.Redis.__init__, "retry", REDIS),
        (redis.asyncio.RedisCluster.__init__, "retry", REDIS),
        (NodesManager.get_node_from_slot, "slot", REDIS),
        (ClusterPipeline.execute, "raise_on_error", REDIS),
        (aiokafka.AIOKafkaConsumer.__init__, "isolation_level", LAG),
        (aiokafka.AIOKafkaProducer.__init__, "max_batch_size", PUBLISHER),
        (aiokafka.AIOKafkaProducer.__init__, "max_request_size", PUBLISHER),
    ],
    ids=lambda it: it if isinstance(it, str) and "/" not in it else "",
)
def test_an_argument_that_we_give_by_name_has_that_name(method, name, used_in):
    assert name in inspect.signature(method).parameters, (
        f"{method.__qualname__} takes no {name} any more; {used_in} gives it"
    )


@pytest.mark.parametrize("name", ["host", "port"])
def test_a_redis_connection_says_whom_it_is_to(name):
    assert hasattr(Connection(), name), f"redis-py's connection has no {name}; {REDIS} tells by it"


def test_an_app_has_what_the_composition_root_hangs_on_to():
    app = faust_app(SETTINGS)
    for name in (
        "on_partitions_assigned", "on_partitions_revoked", "on_stop", "should_stop", "task",
        "consumer_generation_id", "crash_reason", "transport", "agent", "topic",
    ):  # fmt: skip
        assert hasattr(app, name), f"faust.App has no {name} any more; {COMPOSED} uses it"


def test_the_schema_takes_what_faust_gives_a_schema():
    for name in ("loads_key", "loads_value"):
        theirs = list(inspect.signature(getattr(faust.Schema, name)).parameters.values())
        positional = [it.name for it in theirs if it.kind is it.POSITIONAL_OR_KEYWORD]
        assert positional == ["self", "app", "message"], f"Schema.{name} takes {positional} now"
        ours = inspect.signature(getattr(SliceSchema, name)).parameters.values()
        assert any(it.kind is it.VAR_KEYWORD for it in ours), f"{TRANSPORT}: {name} must take more"


# -- lines -----------------------------------------------------------------------------------------
LINES = [
    (
        aiokafka.AIOKafkaConsumer.start,
        r"fetch_max_wait_ms=self\._fetch_max_wait_ms",
        f"the wait that {TRANSPORT} sets after the making is taken when the consumer starts",
    ),
    (
        Fetcher,
        r"OffsetOutOfRangeError\(\{tp: fetch_offset\}\)",
        f"{TRANSPORT} reads the offsets that are out of range from the error's first argument",
    ),
    (
        Fetcher,
        r"NoOffsetForPartitionError\(tp\)",
        f"{TRANSPORT} lets a partition wait that was not sought yet",
    ),
    (
        ThreadDelegateConsumer.__init__,
        r"self\._thread = self\._new_consumer_thread\(\)",
        f"{TRANSPORT} calls its own thread as Consumer._thread",
    ),
    (
        driver.AIOKafkaConsumerThread._highwaters,
        r"consumer\.end_offsets\(partitions\)",
        f"{TRANSPORT} takes highwaters for the end of a log",
    ),
    (
        tables.TableManager.on_start,
        r"sleep\(1\.0\)\s+if .+:\s+await \S+_update_channels\(\)\s+await \S+recovery\.start\(\)\n$",
        f"{APP} does the same without the sleep",
    ),
    (
        mode.Worker._sentinel_task,
        r"await asyncio\.sleep\(1\.0\)\n$",
        "streams/worker/run.py ends without this second, which does nothing else",
    ),
    (
        faust.App.on_first_start,
        r"self\._create_directories\(\)",
        f"{APP} takes this method away, for the folder may be read-only",
    ),
    (
        BootStrategy._should_enable_web,
        r"if self\.enable_web is None:",
        f"{APP} sets enable_web, or the faust command opens a port on all interfaces",
    ),
    (
        recovery.Recovery,
        r"consumer\.perform_seek\(\), timeout=self\.app\.conf\.broker_request_timeout",
        f"a seek may take as long as broker_request_timeout; {TRANSPORT} gives up before that",
    ),
    (
        recovery.Recovery,
        r"except IllegalStateError as exc:[\s\S]{0,200}continue",
        f"an IllegalStateError makes Faust wait for another start; {TRANSPORT} raises it",
    ),
    (
        recovery.Recovery,
        r"self\.wait_for_stopped\(\s*self\.signal_recovery_start",
        f"a start is signalled by signal_recovery_start; {TRANSPORT} sets it",
    ),
]


@pytest.mark.parametrize(
    ("holder", "line", "why"), LINES, ids=lambda it: getattr(it, "__name__", "")
)
def test_the_library_still_does_what_we_rely_on(holder, line, why):
    assert re.search(line, inspect.getsource(holder)), f"{holder.__qualname__} changed: {why}"


def test_a_position_that_is_not_known_yet_is_an_illegal_state_to_faust_as_well():
    assert recovery.IllegalStateError is IllegalStateError, f"see {TRANSPORT}: perform_seek"


def test_an_offset_out_of_range_is_an_error_of_kafka_s_with_what_was_wanted_first():
    tp = aiokafka.TopicPartition("events", 3)
    error = OffsetOutOfRangeError({tp: 7})
    assert isinstance(error, KafkaError)
    assert error.args[0] == {tp: 7}


# -- settings --------------------------------------------------------------------------------------
def test_faust_knows_every_setting_that_it_is_given():
    """It takes any keyword, and a name that it does not know would change nothing, silently."""
    given = set(re.findall(r"^        (\w+)=", inspect.getsource(faust_app), re.MULTILINE))
    assert "stream_wait_empty" in given
    known = set(faust.Settings.SETTINGS) | {"loghandlers", "env_prefix"}
    assert given <= known, f"Faust has no {sorted(given - known)} any more; {APP} sets it"


def test_faust_goes_by_the_settings_that_exactness_rests_on():
    conf = faust_app(SETTINGS).conf
    assert conf.consumer_auto_offset_reset == "none", "a lost position would be made up"
    assert conf.stream_wait_empty is False, "a stuck agent would hang a rebalance"
    assert conf.topic_disable_leader is True
    assert conf.topic_allow_declare is False
    assert conf.processing_guarantee != "exactly_once"


# -- batches ---------------------------------------------------------------------------------------
async def a_batch():
    """As the publisher makes it; nothing is connected to."""
    made = aiokafka.AIOKafkaProducer(
        bootstrap_servers="127.0.0.1:1",
        acks="all",
        max_batch_size=BATCH_BYTES,
        max_request_size=4 * BATCH_BYTES,
    )
    return made.create_batch()


def room_for(batch, size):
    return batch.append(timestamp=None, key=b"k", value=b"x" * size, headers=[("a", b"b")])


async def test_a_full_batch_takes_no_record_more_and_says_so_with_none():
    batch = await a_batch()
    count = 0
    while room_for(batch, 10_000) is not None:
        count += 1
        assert count < 1000, f"a batch never fills up; {PUBLISHER} waits for None"
    assert 80 < count < 91
    assert batch.record_count() == count, "what was refused is in the batch all the same"


async def test_an_empty_batch_takes_a_record_of_any_size():
    assert room_for(await a_batch(), 2 * BATCH_BYTES) is not None, (
        f"{PUBLISHER} puts a record that did not fit into a new batch and asks no further"
    )


# -- redis-py --------------------------------------------------------------------------------------
def test_no_retries_are_none():
    assert Retry(NoBackoff(), 0).get_retries() == 0, f"{REDIS} must know what it repeats"


def test_a_cluster_client_has_arguments_for_its_connections_that_can_be_added_to():
    client = redis.asyncio.RedisCluster(host="127.0.0.1", port=1)
    assert isinstance(client.connection_kwargs, dict), f"{REDIS} adds redis_connect_func to it"
    assert client.connection_kwargs is client.nodes_manager.connection_kwargs, (
        f"nodes that are found later must be connected to with what {REDIS} has added"
    )


def test_the_versions_are_those_that_were_read():
    assert re.match(r"[78]\.", version("redis")), f"read {REDIS} against the new redis-py first"


def test_pipelines_are_packed_by_hiredis_into_the_bytes_that_redis_py_makes():
    many = [
        ("EVALSHA", "a" * 40, 2, b"state:{v}", "mark", 3, b"\x00\r\n", "", "ü", -1, 400 * 86_400),
        ("SET", "k", b"x" * 100_000),
        ("PING",),
    ]
    theirs = Connection().pack_commands(many)
    assert b"".join(pack_commands(iter(many))) == b"".join(theirs)
