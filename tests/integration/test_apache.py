"""Apache Kafka by Maven and Java: real nodes that die and come back, and nothing left behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml
from brokers import an_apache_kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from workers import wait_until

from config.settings import Settings
from config.topics import topic_specs
from hookpoint.apache import ApacheKafkaNode, Quorum
from hookpoint.kafka_jars import KAFKA_VERSION
from hookpoint.processes import PortTakenError
from hookpoint.topics import ensure_topics

ROOT = Path(__file__).parents[2]
EVENTS = "playback-events"
RECORDS = [f"record-{number}".encode() for number in range(100)]

# The first use may have to download it.
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def one():
    with an_apache_kafka() as running:
        yield running


@pytest.fixture(scope="module")
def three():
    with an_apache_kafka(nodes=3) as running:
        yield running


def create(kafka, **more):
    settings = Settings(kafka_bootstrap=kafka.bootstrap, partitions=1, **more)
    return {report.spec.name: report for report in ensure_topics(settings)}


def produce(kafka, values, topic=EVENTS):
    """Send and wait for the brokers' word on each."""
    producer = KafkaProducer(
        bootstrap_servers=kafka.bootstrap.split(","),
        acks="all",
        request_timeout_ms=5_000,
        delivery_timeout_ms=40_000,
    )
    try:
        sent = [producer.send(topic, value, partition=0) for value in values]
        producer.flush(60)
        for one in sent:
            one.get(60)
    finally:
        producer.close(5)


def consume(kafka, topic=EVENTS):
    """All values of partition 0."""
    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(
        bootstrap_servers=kafka.bootstrap.split(","), auto_offset_reset="earliest"
    )
    try:
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        found = []
        while consumer.position(partition) < end:
            for records in consumer.poll(500).values():
                found += [record.value for record in records]
        return found
    finally:
        consumer.close()


def partition_of(kafka, topic):
    """Leader and in-sync replicas of partition 0, as nodes that run tell it."""
    alive = [node.address for node in kafka.nodes if node.running]
    with KafkaAdminClient(bootstrap_servers=alive) as admin:
        (partition,) = admin.describe_topics([topic])[0]["partitions"]
    return partition["leader_id"], sorted(partition["isr_nodes"])


def is_alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


# -- one node --------------------------------------------------------------------------------------
def test_a_killed_node_comes_back_on_its_port_with_its_records(one):
    create(one)
    produce(one, RECORDS)
    (node,) = one.nodes
    before = (one.bootstrap, node.pid)
    node.kill()
    assert not node.running
    node.start()
    assert one.bootstrap == before[0]
    assert node.pid != before[1]
    assert consume(one) == RECORDS


def test_a_frozen_node_does_not_answer_until_it_goes_on(one):
    (node,) = one.nodes
    assert node.answers()
    node.pause()
    wait_until("silence", lambda: not node.answers())
    node.resume()
    wait_until("an answer", node.answers)


def test_another_clusters_node_on_the_port_is_not_taken_for_ours(one, tmp_path):
    (node,) = one.nodes
    stranger = ApacheKafkaNode(tmp_path, node.port, 1, Quorum("another", {1: 1}, {}))
    assert not stranger.answers()
    with pytest.raises(PortTakenError, match=f"port {node.port} on 127.0.0.1 is taken"):
        an_apache_kafka(port=node.port).start()


def test_a_folder_that_was_given_keeps_records_for_the_next_start(tmp_path):
    with an_apache_kafka(data_dir=tmp_path) as first:
        create(first)
        produce(first, RECORDS)
    with an_apache_kafka(data_dir=tmp_path) as second:
        assert consume(second) == RECORDS


def test_a_node_that_cannot_start_says_why():
    with pytest.raises(RuntimeError, match=r"log\.retention\.ms") as told:
        an_apache_kafka(options={"log.retention.ms": "for ever"}).start()
    assert len(str(told.value).splitlines()) <= 20


# -- three nodes -----------------------------------------------------------------------------------
@pytest.mark.parametrize("victim", ["the leader", "a follower"])
def test_the_loss_of_one_of_three_nodes_loses_no_confirmed_record(three, victim):
    topic = f"events-{victim.split()[1]}"
    create(three, replication=3, topics={"events": topic})
    produce(three, RECORDS, topic)
    leader, copies = partition_of(three, topic)
    assert copies == [1, 2, 3]
    lost = next(n for n in three.nodes if (n.node_id == leader) == (victim == "the leader"))
    lost.kill()
    produce(three, [b"while it was away"], topic)
    assert consume(three, topic) == [*RECORDS, b"while it was away"]
    lost.start()
    wait_until("all three to have it", lambda: partition_of(three, topic)[1] == [1, 2, 3])


def test_three_replicas_want_two_to_confirm_and_the_broker_is_told(three):
    found = create(three, replication=3, topics={"events": "told"})["told"]
    assert (found.state, found.replication) == ("created", 3)
    assert found.spec.config()["min.insync.replicas"] == "2"
    again = create(three, replication=3, topics={"events": "told"})["told"]
    assert (again.state, again.differences, again.unknown) == ("exists", (), ())


def test_a_topic_that_one_replica_alone_may_confirm_differs(three):
    create(three, topics={"events": "lax"})
    found = create(three, replication=3, topics={"events": "lax"})["lax"]
    assert found.differences == (
        "1 replica instead of 3",
        "min.insync.replicas is 1 instead of 2",
    )


@pytest.mark.parametrize("replication", [1, 2])
def test_fewer_than_three_replicas_leave_it_to_the_broker_who_confirms(replication):
    for spec in topic_specs(Settings(replication=replication)):
        assert "min.insync.replicas" not in spec.config()


# -- nothing is left, nothing listens outside ----------------------------------------------------
def test_all_nodes_listen_on_loopback_alone(three):
    for node in three.nodes:
        sockets = psutil.Process(node.pid).net_connections("inet")
        listening = {it.laddr.ip for it in sockets if it.status == psutil.CONN_LISTEN}
        assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_stopping_ends_all_nodes_in_order_and_removes_their_folder():
    kafka = an_apache_kafka(nodes=3)
    with kafka:
        pids = [node.pid for node in kafka.nodes]
        processes = [node._process for node in kafka.nodes]
        assert all(is_alive(pid) for pid in pids)
    assert not any(is_alive(pid) for pid in pids)
    assert {process.returncode for process in processes} == {128 + signal.SIGTERM}
    assert not kafka.data_dir.exists()


HOLDER = """
import sys
from hookpoint.apache import ApacheKafka
with ApacheKafka() as kafka:
    print(kafka.nodes[0].pid, kafka.data_dir, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_a_node_does_not_outlive_a_holder_that_is_killed_outright():
    an_apache_kafka()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        pid, folder = holder.stdout.readline().split()
        assert is_alive(int(pid))
        holder.kill()
    wait_until("its end", lambda: not is_alive(int(pid)))
    shutil.rmtree(folder, ignore_errors=True)


def test_the_version_is_the_one_of_the_container():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert f"<version>{KAFKA_VERSION}</version>" in (ROOT / "hookpoint/kafka-pom.xml").read_text()
