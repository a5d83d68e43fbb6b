"""The embedded stack: a Kafka-protocol broker and Redis, started and stopped with this process."""

from __future__ import annotations

import signal
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import SecretStr
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from config.settings import KafkaSecurity
from hookpoint.servers import KafkaServer, RedisServer, Server, StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType, TracebackType

    import redis

    from config.settings import Settings

__all__ = [
    "Existing",
    "RedisCluster",
    "Servers",
    "Stack",
    "StackError",
    "ends_on_signals",
    "running_stack",
]

CLUSTER_NODES = 3
CLUSTER_SLOTS = 16_384
CLUSTER_READY_WITHIN_S = 20.0


class Servers:
    """Servers that share a folder, a start and an end."""

    def __init__(self, data_dir: Path | None) -> None:
        self._temporary = None
        if data_dir is None:
            self._temporary = tempfile.TemporaryDirectory(
                prefix="hookpoint-", ignore_cleanup_errors=True
            )
            data_dir = Path(self._temporary.name)
        self.data_dir = data_dir
        self._signals = ExitStack()

    def servers(self) -> list[Server]:
        """Those that it runs itself."""
        raise NotImplementedError

    def start(self) -> None:
        """Start every server and wait until all answer.

        Raises:
            StackError: a binary is missing, a port is taken, or a server died; none is left.
        """
        self._signals.enter_context(ends_on_signals())
        try:
            self._start_servers()
            self._prepare()
        except BaseException:
            self.stop()
            raise

    def _start_servers(self) -> None:
        for server in self.servers():
            server.start()

    def _prepare(self) -> None:
        """What is to be done once all servers answer."""

    def _stop_servers(self) -> None:
        for server in self.servers():
            server.stop()

    def stop(self) -> None:
        """End every server; a folder that was made for them goes too."""
        self._stop_servers()
        if self._temporary is not None:
            self._temporary.cleanup()
        self._signals.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@dataclass(frozen=True, slots=True)
class Existing:
    """Addresses of servers that run already; None where there is none."""

    kafka_bootstrap: str | None = None
    redis_url: str | None = None


class Stack(Servers):
    """A broker and a Redis on loopback; a context manager, or ``start`` and ``stop``.

    A stack starts once. Its two servers (``kafka``, ``redis``) can be killed, paused and restarted
    on their ports as often as you like; the broker's records do not survive that.

    Args:
        kafka_port: None takes a free port.
        redis_port: None takes a free port.
        redis_options: directives of redis.conf by name; ``{"appendonly": "yes"}`` keeps every
            write over a kill and restart.
        data_dir: where logs and data go and stay; None makes a folder that goes with the stack.
        existing: servers that run already, to be used instead of embedded ones.
    """

    def __init__(
        self,
        *,
        kafka_port: int | None = None,
        redis_port: int | None = None,
        redis_options: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
        existing: Existing | None = None,
    ) -> None:
        super().__init__(data_dir)
        self._existing = existing or Existing()
        self.kafka = KafkaServer(self.data_dir / "kafka", kafka_port)
        self.redis = RedisServer(self.data_dir / "redis", redis_port, redis_options)

    def servers(self) -> list[Server]:
        """The servers that this stack runs itself."""
        own: list[Server] = []
        if self._existing.kafka_bootstrap is None:
            own.append(self.kafka)
        if self._existing.redis_url is None:
            own.append(self.redis)
        return own

    @property
    def kafka_bootstrap(self) -> str:
        """``host:port`` of the broker."""
        return self._existing.kafka_bootstrap or self.kafka.address

    @property
    def redis_url(self) -> str:
        """``redis://`` address."""
        return self._existing.redis_url or self.redis.url

    def pointed_at(self, settings: Settings) -> Settings:
        """``settings`` with this stack's addresses.

        Embedded servers know neither TLS, SASL nor cluster mode, so what is set of that is dropped.
        """
        update: dict[str, object] = {
            "kafka_bootstrap": self.kafka_bootstrap,
            "redis_url": SecretStr(self.redis_url),
        }
        if self._existing.kafka_bootstrap is None:
            update["kafka"] = KafkaSecurity()
        if self._existing.redis_url is None:
            update["redis_cluster"] = False
        return settings.model_copy(update=update)

    def env(self) -> dict[str, str]:
        """Variables that point any hookpoint command at this stack."""
        return {
            "HOOKPOINT_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "HOOKPOINT_REDIS_URL": self.redis_url,
        }


class RedisCluster(Servers):
    """Three Redis nodes in cluster mode, each with a third of the slots and no replica.

    Args:
        redis_options: directives of redis.conf for every node, by name.
        data_dir: where logs and data go and stay; None makes a folder that goes with the cluster.
    """

    def __init__(
        self, *, redis_options: Mapping[str, str] | None = None, data_dir: Path | None = None
    ) -> None:
        super().__init__(data_dir)
        options = {"cluster-enabled": "yes", "cluster-node-timeout": "2000"}
        options.update(redis_options or {})
        self.nodes = [
            RedisServer(self.data_dir / f"node-{number}", options=options)
            for number in range(CLUSTER_NODES)
        ]

    def servers(self) -> list[Server]:
        """The three nodes."""
        return list(self.nodes)

    @property
    def redis_url(self) -> str:
        """``redis://`` address of the first node; clients learn the others from it."""
        return self.nodes[0].url

    def env(self) -> dict[str, str]:
        """Variables that point any hookpoint command at this cluster."""
        return {"HOOKPOINT_REDIS_URL": self.redis_url, "HOOKPOINT_REDIS_CLUSTER": "true"}

    def _prepare(self) -> None:
        """Introduce the nodes to each other and share out the slots."""
        share = -(-CLUSTER_SLOTS // CLUSTER_NODES)
        for number, node in enumerate(self.nodes):
            slots = range(number * share, min((number + 1) * share, CLUSTER_SLOTS))
            with _client(node) as client:
                client.execute_command("CLUSTER", "ADDSLOTS", *slots)
                # Distinct epochs, or the nodes first have to settle whose view of slots is newer.
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                if number:
                    first = self.nodes[0]
                    client.execute_command("CLUSTER", "MEET", *first.address.split(":"))
        self.wait_until_ok()

    def wait_until_ok(self) -> None:
        """Wait until every node that runs sees all slots served and knows all nodes.

        Raises:
            StackError: they did not agree within 20 seconds.
        """
        retrying = Retrying(
            stop=stop_after_delay(CLUSTER_READY_WITHIN_S),
            wait=wait_fixed(0.05),
            retry=retry_if_result(lambda agreed: not agreed),
            retry_error_callback=lambda _: False,
        )
        if not retrying(lambda: all(_in_cluster(node) for node in self.nodes if node.running)):
            raise StackError(
                f"the Redis nodes did not form a cluster within {CLUSTER_READY_WITHIN_S:.0f} s\n"
                + self.nodes[0].log_tail()
            )


def _client(node: RedisServer) -> redis.Redis:
    import redis  # noqa: PLC0415  slow to import, rarely needed

    return redis.Redis.from_url(node.url, decode_responses=True, socket_timeout=5)


def _in_cluster(node: RedisServer) -> bool:
    with _client(node) as client:
        info = client.execute_command("CLUSTER INFO")
    if not isinstance(info, dict):
        info = dict(line.split(":", 1) for line in str(info).split())
    return (
        info["cluster_state"] == "ok"
        and int(info["cluster_known_nodes"]) == CLUSTER_NODES
        and int(info["cluster_slots_ok"]) == CLUSTER_SLOTS
    )


@contextmanager
def ends_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an orderly exit, where the process has no handler of its own.

    Without it they end the process on the spot, before any ``finally``. Signals belong to the
    main thread; elsewhere this does nothing.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, _exit_in_order)
    try:
        yield
    finally:
        for number, handler in before.items():
            # Someone else (an event loop, a worker) may have taken the signal over since.
            if signal.getsignal(number) is _exit_in_order:
                signal.signal(number, handler)


def _exit_in_order(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def running_stack(settings: Settings) -> Iterator[Settings]:
    """Settings with servers behind them: those that are configured, embedded ones for the rest.

    A server counts as configured if its address comes from anywhere but the default: the
    environment, a ``.env`` file or an argument.

    Yields:
        ``settings`` with the addresses filled in.

    Raises:
        StackError: an embedded server cannot start.
    """
    configured = settings.model_fields_set
    existing = Existing(
        kafka_bootstrap=settings.kafka_bootstrap if "kafka_bootstrap" in configured else None,
        redis_url=settings.redis_url.get_secret_value() if "redis_url" in configured else None,
    )
    with Stack(existing=existing) as stack:
        yield stack.pointed_at(settings)
