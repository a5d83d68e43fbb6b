"""Faust, set up for a worker that keeps its own positions, state and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust
from faust.auth import SASLCredentials, SSLCredentials
from faust.tables import TableManager

from config.kafka import kafka_ssl_context
from streams.worker.transport import Transport

if TYPE_CHECKING:
    from config.settings import Settings

FETCH_BYTES = 2 * 1024 * 1024
"""Of one partition in one fetch. A slice of a backlog is what a fetch brings; in a longer one, more
events of a viewer go into one write."""


class NoTables(TableManager):
    """Faust's own, without the second in which it waits for tables to be declared."""

    async def on_start(self) -> None:
        """Let the consumer subscribe at once."""
        await self._update_channels()
        await self.recovery.start()


NoTables.logger = (
    TableManager.logger
)  # a subclass logs by its own module's name, as if it were ours


def faust_app(settings: Settings) -> faust.App:
    """An app without agents, not connected to anything yet."""
    hosts = settings.kafka_bootstrap.split(",")
    app = faust.App(
        settings.group,
        broker=";".join(f"kafka://{host.strip()}" for host in hosts),
        broker_credentials=_credentials(settings),
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        broker_request_timeout=max(settings.io_timeout_s, settings.session_timeout_s + 5),
        broker_max_poll_records=None,
        broker_commit_interval=2.0,
        # Positions come from the marks. One that the broker does not have must stop the worker.
        consumer_auto_offset_reset="none",
        consumer_max_fetch_size=FETCH_BYTES,
        # Slices. How much is read ahead is for the transport to say, partition by partition; this
        # one bound for all of them would let a slow one hold up the others.
        stream_buffer_maxsize=4096,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        store="memory://",
        TableManager=NoTables,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        web_enabled=False,
        env_prefix="HOOKPOINT_FAUST_",
        loghandlers=[],
    )
    app.transport = Transport(app.conf.broker_consumer, app)
    # The faust command opens a web server on all interfaces, whatever `web_enabled` says.
    app.boot_strategy.enable_web = False
    # They are for tables, of which there are none; the folder may be read-only.
    app._create_directories = lambda: None  # noqa: SLF001 - Faust has no setting for it
    return app


def _credentials(settings: Settings) -> Any:
    kafka = settings.kafka
    if kafka.protocol == "PLAINTEXT":
        return None
    context = kafka_ssl_context(kafka) if kafka.protocol.endswith("SSL") else None
    if kafka.protocol == "SSL":
        return SSLCredentials(context)
    password = kafka.password.get_secret_value() if kafka.password else None
    return SASLCredentials(
        username=kafka.username,
        password=password,
        ssl_context=context,
        mechanism=kafka.mechanism,
    )
