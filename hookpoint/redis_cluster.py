"""A Redis Cluster on loopback, started and stopped with this process.

with RedisCluster(replicas=1) as cluster:
    cluster.nodes[0].kill()        # its replica takes over within a few seconds
    cluster.nodes[0].start()       # comes back as a replica
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from hookpoint.servers import RedisServer, Server, StackError
from hookpoint.stack import Servers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import redis

SHARDS = 3
SLOTS = 16_384
NODE_TIMEOUT_MS = 2000
"""After this time without an answer a node counts as lost, and a replica takes its place."""
AGREED_WITHIN_S = 20.0


class RedisCluster(Servers):
    """Redis nodes in cluster mode: three primaries, each with a third of the slots.

    ``nodes`` are the three that begin as primaries, then the replicas in the same order.

    Args:
        replicas: of each primary.
        redis_options: directives of redis.conf for every node, by name.
        data_dir: where logs and data go and stay; None makes a folder that goes with the cluster.
    """

    def __init__(
        self,
        replicas: int = 0,
        *,
        redis_options: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
    ) -> None:
        super().__init__(data_dir)
        options = {"cluster-enabled": "yes", "cluster-node-timeout": str(NODE_TIMEOUT_MS)}
        options.update(redis_options or {})
        self.nodes = [
            RedisServer(self.data_dir / f"node-{number}", options=options)
            for number in range(SHARDS * (1 + replicas))
        ]

    def servers(self) -> list[Server]:
        """All nodes."""
        return list(self.nodes)

    @property
    def redis_url(self) -> str:
        """``redis://`` address of the first node that runs; clients learn the others from it."""
        return next((node for node in self.nodes if node.running), self.nodes[0]).url

    def env(self) -> dict[str, str]:
        """Variables that point any hookpoint command at this cluster."""
        return {"HOOKPOINT_REDIS_URL": self.redis_url, "HOOKPOINT_REDIS_CLUSTER": "true"}

    def is_primary(self, node: RedisServer) -> bool:
        """Whether ``node`` runs and, as far as it knows, serves slots."""
        return node.running and _follows(node) is None

    def replica_of(self, primary: RedisServer) -> RedisServer | None:
        """A node that runs and follows ``primary``, by what it says itself; None if none does."""
        for node in self.nodes:
            if node.running and _follows(node) == primary.port:
                return node
        return None

    def _prepare(self) -> None:
        """Introduce the nodes to each other and share out the slots."""
        primaries = self.nodes[:SHARDS]
        share = -(-SLOTS // SHARDS)
        for number, node in enumerate(self.nodes):
            with _client(node) as client:
                if node in primaries:
                    slots = range(number * share, min((number + 1) * share, SLOTS))
                    client.execute_command("CLUSTER", "ADDSLOTS", *slots)
                # Distinct epochs, or the nodes first have to settle whose view of slots is newer.
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                if number:
                    first = self.nodes[0]
                    client.execute_command("CLUSTER", "MEET", *first.address.split(":"))
        self.wait_until_ok()
        for number, node in enumerate(self.nodes[SHARDS:]):
            with _client(primaries[number % SHARDS]) as client:
                primary_id = client.execute_command("CLUSTER", "MYID")
            with _client(node) as client:
                client.execute_command("CLUSTER", "REPLICATE", primary_id)
        self.wait_until_ok()

    def wait_until_ok(self) -> None:
        """Wait until every node that runs sees all slots served, and replicas have caught up.

        Raises:
            StackError: they did not within 20 seconds.
        """
        if not _soon(lambda: all(self._is_in(node) for node in self.nodes if node.running)):
            raise StackError(
                f"the Redis nodes did not form a cluster within {AGREED_WITHIN_S:.0f} s\n"
                + self.nodes[0].log_tail()
            )

    def _is_in(self, node: RedisServer) -> bool:
        with _client(node) as client:
            info = client.execute_command("CLUSTER INFO")
        link = _replication(node).get("master_link_status", "up")
        if not isinstance(info, dict):
            info = dict(line.split(":", 1) for line in str(info).split())
        return (
            link == "up"
            and info["cluster_state"] == "ok"
            and int(info["cluster_known_nodes"]) == len(self.nodes)
            and int(info["cluster_slots_ok"]) == SLOTS
        )


def _soon(condition: Callable[[], bool]) -> bool:
    retrying = Retrying(
        stop=stop_after_delay(AGREED_WITHIN_S),
        wait=wait_fixed(0.05),
        retry=retry_if_result(lambda agreed: not agreed),
        retry_error_callback=lambda _: False,
    )
    return retrying(condition)


def _client(node: RedisServer) -> redis.Redis:
    import redis  # noqa: PLC0415  slow to import, rarely needed

    return redis.Redis.from_url(node.url, decode_responses=True, socket_timeout=5)


def _replication(node: RedisServer) -> dict[str, Any]:
    with _client(node) as client:
        found = client.info("replication")
    assert isinstance(found, dict)  # noqa: S101  the stubs also cover the async client
    return found


def _follows(node: RedisServer) -> int | None:
    """The port of the primary that ``node`` is a replica of; None for a primary."""
    found = _replication(node)
    return int(found["master_port"]) if found["role"] == "slave" else None
