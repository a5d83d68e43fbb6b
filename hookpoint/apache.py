"""Apache Kafka itself as child processes on loopback, where Maven and Java 17 are at hand.

    with ApacheKafka(nodes=3) as kafka:
        kafka.nodes[0].kill()          # the other two carry on
        kafka.nodes[0].start()         # the same port, the same records

KRaft, every node broker and controller at once. How it differs from the embedded broker stands in
docs/brokers.md.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from hookpoint.kafka_folder import PROPERTIES, FolderLock, cluster_id, ports_again
from hookpoint.kafka_jars import KAFKA_VERSION, fetch, jars_folder, java, run
from hookpoint.processes import LOOPBACK, Server, StackError, free_port
from hookpoint.stack import Servers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

FORMATTED_WITHIN_S = 90.0
END_AGAIN_S = 0.2
NODES_ALLOWED = (1, 3)


def broker_settings(nodes: int) -> dict[str, str]:
    """What every node is set to, by Kafka's own names, for a cluster of so many.

    A small broker that starts fast, loses nothing that it confirmed, and forms groups at once.
    """
    return {
        # `hookpoint topics` makes the topics; a misspelt name must fail instead of making another.
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": str(nodes),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": str(nodes),
        "transaction.state.log.min.isr": str(nodes - nodes // 2),
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        # Tests kill workers and wait for their session to end; Kafka's own minimum is 6 s.
        "group.min.session.timeout.ms": "1000",
        # A killed node loses its partitions, and may come back, after this time; 9 s by default.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # As large as the embedded broker takes: whether a worker wants it is the worker's to say.
        "message.max.bytes": str(16 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        # The cleaner of compacted topics takes this much heap at once, 128 MB by default.
        "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
        "log.cleaner.backoff.ms": "1000",
        "log.segment.delete.delay.ms": "1000",
    }


@dataclass(frozen=True, slots=True)
class Quorum:
    """What all nodes of a cluster must agree on; ``voters`` are controller ports by node id."""

    cluster_id: str
    voters: Mapping[int, int]
    options: Mapping[str, str]


class ApacheKafkaNode(Server):
    """One broker and controller. Its records outlive a kill, like those of any Kafka."""

    name = "kafka"
    ready_within_s = 90.0
    stopped_within_s = 20.0

    def __init__(self, folder: Path, port: int, node_id: int, quorum: Quorum) -> None:
        super().__init__(folder, port)
        self.node_id = node_id
        self.advertised_port = port
        """Where clients and other nodes are told to find it; set it before ``start`` to put a proxy
        in between."""
        self.java_options: Sequence[str] = ()
        """More arguments for its Java."""
        self.lock = FolderLock(self.folder)
        """Held from before a start until the node has ended."""
        self._quorum = quorum

    @property
    def data(self) -> Path:
        """The folder with its records."""
        return self.folder / "data"

    @property
    def _properties(self) -> Path:
        return self.folder / PROPERTIES

    def start(self) -> None:
        """See ``Server.start``; a node without data is formatted first.

        Raises:
            StackError: as there, and if another process runs a node in this folder.
        """
        self.lock.hold()
        try:
            if not self.running:
                self._configure()
                if not (self.data / "meta.properties").exists():
                    self._format()
            super().start()
        except BaseException:
            self.lock.release()
            raise

    def stop(self) -> None:
        """See ``Server.stop``."""
        super().stop()
        self.lock.release()

    def kill(self) -> None:
        """See ``Server.kill``."""
        super().kill()
        self.lock.release()

    def command(self) -> Sequence[str]:
        """See ``Server.command``."""
        java_options = (*HEAP, *self.java_options)
        return [*_java_command(java_options), "kafka.Kafka", str(self._properties)]

    def answers(self) -> bool:
        """Whether this node serves our own cluster, and counts as alive in it."""
        from kafka.admin import KafkaAdminClient  # noqa: PLC0415  slow to import, rarely needed
        from kafka.errors import KafkaError  # noqa: PLC0415

        try:
            with KafkaAdminClient(
                bootstrap_servers=self.address, bootstrap_timeout_ms=2000, request_timeout_ms=2000
            ) as admin:
                found = admin.describe_cluster()
        except KafkaError:
            return False
        alive = {(broker["broker_id"], broker["port"]) for broker in found["brokers"]}
        ours = (self.node_id, self.advertised_port)
        return found["cluster_id"] == self._quorum.cluster_id and ours in alive

    def _configure(self) -> None:
        ports = self._quorum.voters
        controller = ports[self.node_id]
        lines = broker_settings(len(ports)) | {
            "process.roles": "broker,controller",
            "node.id": str(self.node_id),
            "controller.quorum.voters": ",".join(
                f"{number}@{LOOPBACK}:{port}" for number, port in ports.items()
            ),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{self.advertised_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.data),
            **self._quorum.options,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self._properties.write_text("".join(f"{name}={text}\n" for name, text in lines.items()))
        with as_file(files("hookpoint") / "kafka-log4j2.properties") as packaged:
            shutil.copyfile(packaged, self.folder / "log4j2.properties")

    def _format(self) -> None:
        done = run(
            [
                *_java_command(("-Xmx128m", "-XX:TieredStopAtLevel=1")),
                *("kafka.tools.StorageTool", "format"),
                f"--cluster-id={self._quorum.cluster_id}",
                f"--config={self._properties}",
            ],
            self.folder,
            FORMATTED_WITHIN_S,
        )
        if done.returncode:
            # The cause of a trace is its last line that names no place in the code.
            said = [line for line in done.stdout.splitlines() if line and not line[0].isspace()]
            why = said[-1] if said else f"exit code {done.returncode}"
            raise StackError(f"Apache Kafka did not format {self.data}: {why}")


class ApacheKafka(Servers):
    """A cluster of one or three nodes; a context manager, or ``start`` and ``stop``.

    With three, one may be lost: internal topics are kept three times, and a topic made with
    replication 3 outlives any single node.

    Args:
        nodes: 1 or 3.
        port: of the first node; None takes the one that it had in ``data_dir``, or a free one.
        data_dir: where logs and data go and stay, per node; None makes a folder that goes with
            the cluster.
        options: more settings of every node, by Kafka's own names.
        tell: called with a line for people when the jars have to be downloaded, or a port that
            the folder remembers is taken.

    Raises:
        ValueError: another number of nodes.
    """

    def __init__(
        self,
        nodes: int = 1,
        *,
        port: int | None = None,
        data_dir: Path | None = None,
        options: Mapping[str, str] | None = None,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        if nodes not in NODES_ALLOWED:
            raise ValueError(f"Apache Kafka runs here on 1 or 3 nodes, not on {nodes}")
        super().__init__(data_dir)
        self._tell = tell
        folders = {i: self.data_dir / f"node-{i}-of-{nodes}" for i in range(1, nodes + 1)}
        kept, self._moved = ports_again(folders, port)
        ports = _distinct_ports(2 * nodes, taken=kept.values())
        quorum = Quorum(
            cluster_id=cluster_id(folders[1]),
            voters={i: ports.pop() for i in folders},
            options=dict(options or {}),
        )
        self.nodes = [
            ApacheKafkaNode(folder, kept.get(i) or ports.pop(), i, quorum)
            for i, folder in folders.items()
        ]

    @property
    def bootstrap(self) -> str:
        """``host:port`` of all nodes, with commas between."""
        return ",".join(node.address for node in self.nodes)

    @property
    def title(self) -> str:
        """What it is, for people."""
        nodes = "1 node" if len(self.nodes) == 1 else f"{len(self.nodes)} nodes"
        return f"Apache Kafka {KAFKA_VERSION}, {nodes}"

    def env(self) -> dict[str, str]:
        """Variables that point any hookpoint command at this cluster."""
        found = {"HOOKPOINT_KAFKA_BOOTSTRAP": self.bootstrap}
        if len(self.nodes) > 1:
            found["HOOKPOINT_REPLICATION"] = str(len(self.nodes))
        return found

    def test_env(self) -> dict[str, str]:
        """Variables that point the tests at this cluster, and say what it is."""
        return {
            "HOOKPOINT_TEST_KAFKA_BOOTSTRAP": self.bootstrap,
            "HOOKPOINT_TEST_KAFKA_NAME": self.title,
        }

    def servers(self) -> list[Server]:
        """The nodes."""
        return list(self.nodes)

    def _start_servers(self) -> None:
        # One after the other and before all else: of two clusters that start, one gets them all.
        for node in self.nodes:
            node.lock.hold()
        for i, before in self._moved.items():
            if self._tell:
                node = self.nodes[i - 1]
                self._tell(f"port {before} of {node.folder} is taken now; it gets {node.port}")
        fetch(self._tell)
        # Together: a node of three answers only once it has found another.
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            started = [pool.submit(node.start) for node in self.nodes]
            try:
                for one in started:
                    one.result()
            except BaseException:
                while wait(started, timeout=END_AGAIN_S).not_done:
                    for node in self.nodes:  # which ends what the others wait for
                        node.kill()
                raise

    def _stop_servers(self) -> None:
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(ApacheKafkaNode.stop, self.nodes))


def _java_command(options: Sequence[str]) -> list[str]:
    return [
        java(),
        *options,
        "-Djava.awt.headless=true",
        "-Dlog4j2.configurationFile=log4j2.properties",
        "-cp",
        f"{jars_folder()}/*",
    ]


def _distinct_ports(count: int, taken: Collection[int]) -> list[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports |= {free_port()}.difference(taken)
    return list(ports)
