"""A folder of an Apache Kafka node: one process at a time, and the port that it had before."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from hookpoint.apache import ApacheKafka, ApacheKafkaNode, Quorum
from hookpoint.kafka_folder import PROPERTIES, FolderLock
from hookpoint.processes import LOOPBACK, StackError, free_port

HOLDER = """
import sys
from pathlib import Path
from hookpoint.kafka_folder import FolderLock
lock = FolderLock(Path(sys.argv[1]))
lock.hold()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Another process that holds a folder until the test ends."""
    holders = []

    def hold(folder):
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        holders.append(holder)
        assert holder.stdout.readline() == "held\n"
        return holder

    yield hold
    for holder in holders:
        holder.communicate()


def listening_before(folder, port):
    folder.mkdir(parents=True)
    (folder / PROPERTIES).write_text(
        f"a=b\nlisteners=PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://x:1\n"
    )


class TestOneAtATime:
    def test_a_folder_that_another_process_has_is_refused_in_a_line_that_names_both(
        self, tmp_path, hold
    ):
        holder = hold(tmp_path)
        with pytest.raises(StackError) as refused:
            FolderLock(tmp_path).hold()
        assert str(refused.value) == (
            f"{tmp_path} is in use: process {holder.pid} runs Kafka there"
        )

    def test_it_is_free_again_once_it_is_released_or_its_holder_is_killed(self, tmp_path, hold):
        holder = hold(tmp_path)
        holder.kill()
        holder.wait()
        mine, other = FolderLock(tmp_path), FolderLock(tmp_path)
        mine.hold()
        mine.hold()
        with pytest.raises(StackError, match=str(os.getpid())):
            other.hold()
        mine.release()
        mine.release()
        other.hold()
        other.release()

    def test_a_node_that_is_refused_leaves_the_settings_of_the_running_one_alone(
        self, tmp_path, hold
    ):
        holder = hold(tmp_path)
        (tmp_path / PROPERTIES).write_text("of the running one")
        node = ApacheKafkaNode(tmp_path, free_port(), 1, Quorum("id", {1: free_port()}, {}))
        with pytest.raises(StackError, match=f"process {holder.pid} "):
            node.start()
        assert (tmp_path / PROPERTIES).read_text() == "of the running one"

    @pytest.mark.parametrize("number", [1, 3])
    def test_a_cluster_of_three_takes_all_its_folders_or_none(self, tmp_path, hold, number):
        holder = hold(tmp_path / f"node-{number}-of-3")
        with pytest.raises(
            StackError, match=f"node-{number}-of-3 is in use: process {holder.pid} "
        ):
            ApacheKafka(3, data_dir=tmp_path).start()
        for other in {1, 2, 3} - {number}:
            lock = FolderLock(tmp_path / f"node-{other}-of-3")
            lock.hold()
            lock.release()


class TestPorts:
    def test_a_folder_keeps_its_ports(self, tmp_path):
        ports = [free_port(), free_port(), free_port()]
        for i, port in enumerate(ports, start=1):
            listening_before(tmp_path / f"node-{i}-of-3", port)
        assert [node.port for node in ApacheKafka(3, data_dir=tmp_path).nodes] == ports

    def test_a_port_that_is_asked_for_goes_before_that_of_the_folder(self, tmp_path):
        listening_before(tmp_path / "node-1-of-1", free_port())
        wanted = free_port()
        assert ApacheKafka(port=wanted, data_dir=tmp_path).nodes[0].port == wanted

    def test_a_port_that_is_taken_by_now_is_changed_and_that_is_said(self, tmp_path, monkeypatch):
        monkeypatch.setenv(
            "HOOKPOINT_KAFKA_JARS", str(tmp_path)
        )  # no jar is there: the start ends here
        with socket.socket() as other:
            other.bind((LOOPBACK, 0))
            other.listen()
            taken = other.getsockname()[1]
            listening_before(tmp_path / "node-1-of-1", taken)
            said = []
            kafka = ApacheKafka(data_dir=tmp_path, tell=said.append)
            assert kafka.nodes[0].port != taken
            with pytest.raises(StackError, match="no Apache Kafka"):
                kafka.start()
        folder = tmp_path / "node-1-of-1"
        assert said == [f"port {taken} of {folder} is taken now; it gets {kafka.nodes[0].port}"]
