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

from config.settings import KafkaSecurity
from hookpoint.servers import KafkaServer, RedisServer, Server, StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType, TracebackType

    from config.settings import Settings

__all__ = [
    "Existing",
    "Servers",
    "Stack",
    "StackError",
    "ends_on_signals",
    "running_stack",
]


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
