"""hookpoint's own round: one worker, with names of its own, on the backlog that all share."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from consumers.connection import connect
from consumers.feed import Feed
from hookpoint.bench.measuring import LOOK_EVERY_S, Contender, Figures, measure
from hookpoint.demo.worker import running_worker
from hookpoint.processes import StackError
from hookpoint.topics import ensure_topics
from streams.keys import Keys
from streams.worker.catalogue_store import CatalogueStore, Change
from streams.worker.redis_store import RedisStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from config.settings import Settings
    from hookpoint.bench.backlog import Backlog

HOOKPOINT = "hookpoint worker"
TIMERS_WITHIN_S = 30.0


def settings_of_round(settings: Settings, own: str) -> Settings:
    """Group, keys and outputs of one round; it shares catalogue and events with all others."""
    inputs = {"events": settings.topics.events, "titles": settings.topics.titles}
    topics = {role: inputs.get(role, f"{own}-{role}") for role, _ in settings.topics}
    return settings.model_copy(
        update={
            "topics": settings.topics.model_copy(update=topics),
            "group": own,
            "key_prefix": f"{own}:",
        }
    )


def hookpoint_round(
    settings: Settings,
    backlog: Backlog,
    titles: Sequence[Mapping[str, Any]],
    told: Callable[[int], None],
) -> Figures:
    """One worker works off the whole backlog, with nothing known but the catalogue.

    Raises:
        StackError: the worker ended or came to a halt, or records were rejected.
    """
    ensure_topics(settings)
    asyncio.run(_know_titles(settings, titles))
    with closing(connect(settings)) as client:
        marks = _Marks(settings, client, backlog)
        started_s = time.monotonic()
        with running_worker(settings) as worker:
            contender = Contender(
                HOOKPOINT, worker.process.pid, started_s, worker.check, marks.absorbed
            )
            figures = measure(contender, backlog.events + backlog.ticks, told)
            timers_s = marks.timers_done_after(worker.check)
    check_rejects(settings)
    # The ticks end each partition, so they are all among what was seen.
    return replace(figures, events=figures.events - backlog.ticks, timers_s=timers_s)


async def _know_titles(settings: Settings, titles: Sequence[Mapping[str, Any]]) -> None:
    """Put the catalogue where the worker finds it: backlogs meet a service that has one."""
    store = RedisStore(settings)
    try:
        known = {str(title["title_id"]): Change(orjson.dumps(title)) for title in titles}
        await CatalogueStore(settings, store).put(known)
    finally:
        await store.close()


class _Marks:
    """How far a worker's marks are, asked for by name."""

    def __init__(self, settings: Settings, client: Any, backlog: Backlog) -> None:
        keys, group, topic = Keys(settings.key_prefix), settings.group, settings.topics.events
        self._client = client
        self._targets = backlog.last_offsets
        self._marks = {it: keys.mark(group, topic, it) for it in self._targets}
        self._dues = {it: keys.due(group, topic, it) for it in self._targets}

    def absorbed(self) -> int:
        """Records absorbed so far, ticks included."""
        with self._client.pipeline(transaction=False) as batch:
            for key in self._marks.values():
                batch.hget(key, "offset")
            offsets = batch.execute()
        return sum(
            min(int(offset), target) + 1
            for offset, target in zip(offsets, self._targets.values(), strict=True)
            if offset is not None
        )

    def timers_done_after(self, check: Callable[[], None]) -> float:
        """Wait until no timer is due by the time of its mark. Returns seconds."""
        begun = time.monotonic()
        while self._timers_due():
            check()
            if time.monotonic() - begun > TIMERS_WITHIN_S:
                raise StackError(f"timers were not done {TIMERS_WITHIN_S:.0f} s after the events")
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - begun

    def _timers_due(self) -> int:
        clocks = [self._client.hget(key, "clock_ms") for key in self._marks.values()]
        return sum(
            self._client.zcount(due, "-inf", clock)
            for due, clock in zip(self._dues.values(), clocks, strict=True)
        )


def check_rejects(settings: Settings) -> None:
    """Raise ``StackError`` if the worker has rejected anything: what benches send is valid."""
    with closing(Feed(settings, settings.topics.rejects)) as feed:
        rejected = sum(1 for _ in feed.whats_there())
    if rejected:
        raise StackError(f"the worker rejected {rejected:,} records of a valid stream")
