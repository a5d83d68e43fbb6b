"""The composition root: settings -> store -> lanes -> agents -> app. Nothing connects at import.

Run it with ``hookpoint worker``, or as any Faust app: ``faust -A streams.worker.app worker``.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import faust
import structlog
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from config.logging import configure_logging
from config.settings import Settings
from config.wrong import unknown_variables
from streams.audience.title import Surroundings
from streams.viewing.context import Context
from streams.worker import garbage, metrics
from streams.worker.agents import agents
from streams.worker.audience_lanes import AudienceLanes, Audiences
from streams.worker.audience_store import RedisAudienceStore
from streams.worker.cache import Cache
from streams.worker.catalogue_store import CatalogueStore, Snapshot
from streams.worker.core import CORE
from streams.worker.curves import Curves
from streams.worker.declared_store import Declarations, DeclaredInput, RedisDeclared
from streams.worker.dispatch import Dispatcher, ViewerLanes
from streams.worker.faust_app import faust_app
from streams.worker.lag import Lag
from streams.worker.lane import Shell
from streams.worker.outage import Patience
from streams.worker.peers import Peers
from streams.worker.publisher import Publisher
from streams.worker.rankings import Rankings
from streams.worker.redis_store import RedisStore
from streams.worker.side_lanes import SideLanes
from streams.worker.slices import SliceSchema
from streams.worker.supervision import Supervision
from streams.worker.waiting import wait_for_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streams.worker.lag import Position
    from streams.worker.store import Mark, Source
    from streams.worker.watchdog import Works

log = structlog.get_logger()
EVERY_S = 1.0
LOOK_EVERY_S = 0.2
SWITCH_INTERVAL_S = 0.0005


class Worker:
    """Everything that one worker process holds, and what its agents do with it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = RedisStore(settings)
        self.publisher = Publisher(settings)
        titles = CatalogueStore(settings, self.store)
        self.snapshot = Snapshot(titles)
        self.catalogue = SideLanes(settings, self.store, self.publisher, titles)
        self.patience = Patience(settings.outage_max_s)
        self.lag = Lag(settings, self._consumer_positions)
        self.consumer_of: Callable[[], Any] = lambda: None
        said = RedisDeclared(settings, self.store)
        looks = Declarations(said) if settings.demographics else None
        cache = Cache(
            self.store,
            settings.rules,
            settings.cache_viewers,
            most_whole=settings.cache_whole_viewers,
            declarations=looks,
        )
        self.declared = SideLanes(settings, self.store, self.publisher, DeclaredInput(said, cache))
        self.store.on_boot = cache.clear
        shell = Shell(
            settings,
            self.store,
            cache,
            self.publisher,
            Curves(titles, self.snapshot),
            self.context,
            self.patience,
            self.lag.quiet_at,
            asyncio.Event(),
        )
        self._ready = shell.ready
        self.viewers = Dispatcher(ViewerLanes(shell))
        audiences = RedisAudienceStore(settings, self.store)
        self.peers = Peers(audiences)
        self.rankings = Rankings(settings, self.store)
        shared = Audiences(
            settings, self.store, audiences, self.publisher, self.surroundings, self.patience
        )
        self.titles = Dispatcher(AudienceLanes(shared, shell.ready))
        self.supervision = Supervision(settings, self.patience, self.lag, self.store, self._works)
        self.guard = self.supervision.guard
        self._started = False

    async def _consumer_positions(self) -> Mapping[Source, Position]:
        consumer = self.consumer_of()
        return {} if consumer is None else await consumer.positions()

    def _works(self) -> Mapping[Source, Works]:
        lanes = (self.viewers, self.titles, self.catalogue, self.declared)
        return {source: lane for kind in lanes for source, lane in kind.lanes.items()}

    def context(self) -> Context:
        """What decisions rest on right now."""
        return Context(self.snapshot.catalogue, self.settings.rules)

    def surroundings(self) -> Surroundings:
        """What a title's decisions rest on right now."""
        return Surroundings(self.snapshot.catalogue, self.settings.rules, self.peers.table)

    async def start(self) -> None:
        """Connect, and learn the catalogue as it is. Safe to call again."""
        if self._started:
            return
        self._started = True
        log.info("worker starts", group=self.settings.group, core=CORE)
        self.supervision.start()
        await self.publisher.start()
        await self.patience(self.snapshot.refresh)
        await self.patience(self.peers.refresh)
        self.supervision.health.starting = ""
        garbage.look_at_the_young_alone()
        # The thread that fetches would else wait 5 ms for its turn, at every step of a fetch.
        sys.setswitchinterval(SWITCH_INTERVAL_S)

    async def await_catalogue(self) -> None:
        """Hold events back until the titles that were sent before them are known."""
        partitions = await self.patience(self.publisher.count, self.settings.topics.titles)
        known = await self.patience(wait_for_catalogue, self.settings, self.store, partitions)
        if not known:
            log.warning("titles are not read to their end, going on without waiting for the rest")
        await self.patience(self.snapshot.refresh)
        self._ready.set()
        self.supervision.health.knows_catalogue = True

    async def stop(self) -> None:
        """Let everything go."""
        await self.stop_lanes()
        await self.lag.close()
        await self.publisher.stop()
        await self.store.close()
        self.guard.close()

    async def positions(self, assigned: Iterable[TP]) -> dict[TP, int]:
        """Where to read on, for every assigned partition that has a mark."""
        await self.start()
        await self.patience(self.guard.look)
        topics = self.settings.topics
        sources: dict[str, list[Source]] = {name: [] for _, name in topics}
        for tp in assigned:
            sources[tp.topic].append((tp.topic, tp.partition))
        side_inputs: dict[str, SideLanes[Any]] = {
            topics.titles: self.catalogue,
            topics.viewers: self.declared,
        }
        marks = await self.viewers.assign(sources[topics.events])
        marks |= await self.titles.assign(sources[topics.progress])
        read: dict[Source, Mark] = {}
        for name, lanes in side_inputs.items():
            found = await self.patience(self.store.marks, sources[name])
            lanes.assign(sources[name], found)
            read |= found
        self.supervision.health.has_place = True
        log.info(
            "partitions assigned",
            events=len(sources[topics.events]),
            progress=len(sources[topics.progress]),
            titles=len(sources[topics.titles]),
            viewers=len(sources[topics.viewers]),
        )
        return {TP(*source): mark.offset + 1 for source, mark in (marks | read).items()}

    async def stop_lanes(self) -> None:
        """Let all lanes finish what they have begun, within a bounded time."""
        await asyncio.gather(self.viewers.stop(), self.titles.stop())

    async def leave_partitions(self) -> None:
        """Finish what is under way before others start on these partitions."""
        self.supervision.health.has_place = False
        for lanes in (self.catalogue, self.declared):
            lanes.assign((), {})
        await self.stop_lanes()

    async def absorb_titles(self, event: Any) -> None:
        """Take one slice of the ``titles`` topic into the catalogue."""
        await self.patience(self.catalogue.absorb, event.value)
        await self.patience(self.snapshot.refresh)

    async def keep_catalogue(self) -> None:
        """Take in what other workers learn about titles, and say what was rejected."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.patience(self.snapshot.refresh)
            await self.patience(self.peers.refresh)
            if "titles" in self.settings.agents:
                await self.patience(self.rankings.sweep_now_and_then)
            metrics.REJECT_LOG.flush()


def build(worker: Worker) -> faust.App:
    """A Faust app with its agents, not connected to anything yet."""
    settings = worker.settings
    app = faust_app(settings)
    app.find_positions = worker.positions
    app.read_on = worker.guard.read_on
    app.slice_max = settings.slice_max
    for name, (part, topic, agent) in agents(worker).items():
        if part in settings.agents:
            channel = app.topic(topic, schema=SliceSchema())
            app.agent(channel, name=name, supervisor_strategy=CrashingSupervisor)(agent)
    _tend(app, worker)
    _follow_the_group(app, worker)
    _end_in_order(app, worker)
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
    async def guard() -> None:
        await worker.guard.keep()

    @app.task
    async def tidy() -> None:
        await garbage.look_at_all()

    @app.task
    async def be_seen() -> None:
        await worker.supervision.health.keep()

    @app.task
    async def watch() -> None:
        """What ends the worker must do so even while no slice arrives that would meet it."""
        while not app.should_stop:
            error = worker.supervision.fatal(worker.viewers.failed, worker.titles.failed)
            if error is not None:
                await app.crash(error)
                return
            await asyncio.sleep(LOOK_EVERY_S)


def _follow_the_group(app: faust.App, worker: Worker) -> None:
    @app.on_partitions_assigned.connect
    async def assigned(_: faust.App, partitions: set[TP], **__: Any) -> None:
        """No positions are asked for where the group has no partition left for this worker."""
        if not partitions:
            worker.supervision.health.has_place = True

    @app.on_partitions_revoked.connect
    async def revoked(*_: Any, **__: Any) -> None:
        await worker.leave_partitions()


def _end_in_order(app: faust.App, worker: Worker) -> None:
    stop = app.on_stop

    async def on_stop() -> None:
        worker.supervision.stop(app.crash_reason)
        await worker.stop_lanes()
        await stop()
        await worker.stop()

    app.on_stop = on_stop


settings = Settings()
configure_logging(settings)
for line in unknown_variables():
    log.warning(line)
worker = Worker(settings)
app = build(worker)
