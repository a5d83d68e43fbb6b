"""The composition root: settings -> store -> lanes -> agents -> app. Nothing connects at import.

Run it with ``hookpoint worker``, or as any Faust app: ``faust -A streams.worker.app worker``.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any

import faust
import structlog
from faust.auth import SASLCredentials, SSLCredentials
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from config.kafka import kafka_ssl_context
from config.logging import configure_logging
from config.settings import Settings
from streams.viewing.context import Context
from streams.worker import metrics
from streams.worker.cache import Cache
from streams.worker.curves import Curves
from streams.worker.dispatch import Dispatcher
from streams.worker.lag import Lag
from streams.worker.lane import Shell
from streams.worker.outage import Patience
from streams.worker.publisher import Publisher
from streams.worker.redis_store import RedisStore
from streams.worker.store import NO_TIMERS, Mark
from streams.worker.titles import Snapshot, TitleStore, read_titles
from streams.worker.transport import SliceSchema, Transport
from streams.worker.waiting import wait_for_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streams.worker.lag import Position
    from streams.worker.store import Source

log = structlog.get_logger()
EVERY_S = 1.0
JOIN_WITHIN_S = 120.0
FETCH_BYTES = 4 * 1024 * 1024


class Worker:
    """Everything that one worker process holds, and what its agents do with it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = RedisStore(settings)
        self.publisher = Publisher(settings)
        self.titles = TitleStore(settings, self.store)
        self.snapshot = Snapshot(self.titles)
        self.patience = Patience(settings.outage_max_s)
        self.lag = Lag(settings, self._consumer_positions)
        self.consumer_of: Callable[[], Any] = lambda: None
        shell = Shell(
            settings,
            self.store,
            Cache(self.store, settings.rules, settings.cache_viewers),
            self.publisher,
            Curves(self.titles, self.snapshot),
            self.context,
            self.patience,
            self.lag.quiet_at,
            asyncio.Event(),
        )
        self._ready = shell.ready
        self.dispatcher = Dispatcher(shell)
        self._started = False

    async def _consumer_positions(self) -> Mapping[Source, Position]:
        consumer = self.consumer_of()
        return {} if consumer is None else await consumer.positions()

    def context(self) -> Context:
        """What decisions rest on right now."""
        return Context(self.snapshot.catalogue, self.settings.rules)

    async def start(self) -> None:
        """Connect, and learn the catalogue as it is. Safe to call again."""
        if self._started:
            return
        self._started = True
        metrics.serve(self.settings.metrics_host, self.settings.metrics_port)
        await self.publisher.start()
        await self.patience(self.snapshot.refresh)
        # The fold makes many short-lived objects and few cycles; full collections cost, and find
        # nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 50)

    async def await_catalogue(self) -> None:
        """Hold events back until the titles that were sent before them are known."""
        partitions = await self.patience(self.publisher.count, self.settings.topics.titles)
        known = await self.patience(wait_for_catalogue, self.settings, self.store, partitions)
        if not known:
            log.warning("titles are not read to their end, going on without waiting for the rest")
        await self.patience(self.snapshot.refresh)
        self._ready.set()

    async def stop(self) -> None:
        """Let everything go."""
        await self.dispatcher.stop()
        await self.lag.close()
        await self.publisher.stop()
        await self.store.close()

    async def positions(self, assigned: Iterable[TP]) -> dict[TP, int]:
        """Where to read on, for every assigned partition that has a mark."""
        await self.start()
        tps = [TP(tp.topic, tp.partition) for tp in assigned]
        events = [(tp.topic, tp.partition) for tp in tps if tp.topic == self.settings.topics.events]
        marks = await self.dispatcher.assign(events)
        others = [(tp.topic, tp.partition) for tp in tps if (tp.topic, tp.partition) not in events]
        marks |= await self.patience(self.store.marks, others)
        log.info("partitions assigned", events=len(events), titles=len(others))
        return {TP(*source): mark.offset + 1 for source, mark in marks.items()}

    async def absorb_titles(self, event: Any) -> None:
        """Take one slice of the ``titles`` topic into the catalogue."""
        await self.patience(self._put_titles, event.value)

    async def _put_titles(self, part: Any) -> None:
        titles, letters = read_titles(part.records, self.settings.max_value_bytes)
        await self.titles.put(titles)
        await self.publisher.publish((), letters)
        await self.store.move_mark(tuple(part.tp), Mark(part.last, 0), NO_TIMERS, 0)
        await self.snapshot.refresh()

    async def keep_catalogue(self) -> None:
        """Take in what other workers learn about titles, and say what was rejected."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.patience(self.snapshot.refresh)
            metrics.REJECT_LOG.flush()


def build(settings: Settings | None = None) -> faust.App:
    """A Faust app with its agents, not connected to anything yet."""
    settings = settings or Settings()
    worker = Worker(settings)
    app = _app(settings)
    app.find_positions = worker.positions
    app.slice_max = settings.slice_max
    events = app.topic(settings.topics.events, schema=SliceSchema())
    catalogue = app.topic(settings.topics.titles, schema=SliceSchema())

    async def viewers(stream: Any) -> None:
        """Hand slices of playback events to the lanes of their partitions."""
        async for event in stream.noack().events():
            await worker.dispatcher.submit(event)

    async def titles(stream: Any) -> None:
        """Take titles into the catalogue."""
        async for event in stream.noack().events():
            await worker.absorb_titles(event)
            event.ack()

    app.agent(events, name="viewers", supervisor_strategy=CrashingSupervisor)(viewers)
    app.agent(catalogue, name="titles", supervisor_strategy=CrashingSupervisor)(titles)
    _tend(app, worker)
    return app


def _tend(app: faust.App, worker: Worker) -> None:
    @app.task
    async def start() -> None:
        await worker.start()
        await worker.await_catalogue()
        await worker.keep_catalogue()

    @app.task
    async def look() -> None:
        worker.consumer_of = lambda: app.consumer
        await worker.lag.keep()

    @app.task
    async def watch() -> None:
        """A lane that fails while no slice arrives must end the worker just the same.

        So must a group that cannot be joined: its coordinator gives up without a word.
        """
        patience = time.monotonic() + JOIN_WITHIN_S
        while not app.should_stop:
            if not joined.is_set() and time.monotonic() > patience:
                await app.crash(TimeoutError(f"no place in the group after {JOIN_WITHIN_S:.0f} s"))
                return
            failed = worker.dispatcher.failed
            if failed is not None and failed.done():
                await app.crash(failed.exception())
                return
            await asyncio.sleep(0.2)

    joined = asyncio.Event()

    @app.on_partitions_assigned.connect
    async def assigned(*_: Any, **__: Any) -> None:
        """The group has told this worker what to do, be it nothing."""
        joined.set()

    @app.on_partitions_revoked.connect
    async def revoked(*_: Any, **__: Any) -> None:
        """Finish what is under way before others start on these partitions."""
        await worker.dispatcher.stop()

    stop = app.on_stop

    async def on_stop() -> None:
        await worker.dispatcher.stop()
        await stop()
        await worker.stop()

    app.on_stop = on_stop


def _app(settings: Settings) -> faust.App:
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
        stream_buffer_maxsize=4,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        store="memory://",
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


settings = Settings()
configure_logging(settings)
app = build(settings)
