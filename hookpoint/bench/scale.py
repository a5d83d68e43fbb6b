"""``hookpoint bench scale``: what grows with viewers, history, titles and workers."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from config.settings import Settings
from hookpoint.bench.bars import progress
from hookpoint.bench.catalogue import know_titles
from hookpoint.bench.crowd import Crowd, CrowdOptions, catalogue_of, viewer_name
from hookpoint.bench.facts import facts
from hookpoint.bench.leftovers import remove_topics
from hookpoint.bench.scale_population import (
    Anatomy,
    Likeness,
    anatomy,
    audience_behind,
    likenesses,
    populate,
    used_memory,
    viewers_of,
)
from hookpoint.bench.scale_work import Work, records_out, renamed, send, work_off
from hookpoint.bench.tidy import remove_keys
from hookpoint.demo.worker import own_names
from hookpoint.processes import StackError
from hookpoint.stack import running_stack
from hookpoint.topics import ensure_topics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from hookpoint.bench.scale_work import Stream

Part = Literal["viewers", "watching", "workers", "history", "titles"]
PARTS: tuple[Part, ...] = ("viewers", "watching", "workers", "history", "titles")
MONTH_WEEKS = 30 / 7
TITLES = 40
SAMPLE = 300
LEAST_SLICE, VIEWERS_PER_RECORD = 20, 20
"""Of the slices in which simulated viewers live: some minutes of the stream each."""
CROWD_HEARTBEAT_S = 45.0


@dataclass(frozen=True, slots=True)
class ScaleOptions:
    """What one run measures."""

    parts: tuple[Part, ...] = PARTS
    viewers: tuple[int, ...] = (10_000, 100_000)
    events: int = 600_000
    """Of each point."""
    watching: int = 10_000
    """How many watch at once, at every point: what one worker's share of a service would be."""
    crowds: tuple[int, ...] = (10_000, 50_000, 200_000)
    """How many watch at once where that is varied; past the cache, every event is a read."""
    workers: tuple[int, ...] = (1, 2, 4)
    titles: tuple[int, ...] = (40, 1_000, 10_000)
    weeks: tuple[float, ...] = (1.0, 26.0)
    month_viewers: int = 2_000
    """Simulated viewers who live through a month; all others are their likes."""
    history_viewers: int = 100
    """The same for the lengths of history."""
    heartbeat_s: float = 45.0
    """Of their players. Settled state does not depend on it, the time to simulate does."""
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Month:
    """What viewers take in Redis after a month."""

    viewers: int
    events: int
    work: Work
    anatomy: Anatomy
    redis_bytes_per_viewer: float
    """By the difference of Redis' used memory: everything, timers and tables of names too."""
    stream_bytes: int
    out: dict[str, dict[str, int]]
    """Records and bytes that were published, by topic."""


@dataclass(frozen=True, slots=True)
class Point:
    """One round of the crowd. ``at`` is the number that the part varies."""

    part: Part
    at: float
    work: Work
    redis_bytes_per_viewer: float | None = None
    """Of the whole population, before the round."""


@dataclass(frozen=True, slots=True)
class ScaleResult:
    """One whole run."""

    options: ScaleOptions
    facts: dict[str, Any]
    month: Month | None
    points: Sequence[Point]

    def of(self, part: Part) -> list[Point]:
        """The points of one part."""
        return [it for it in self.points if it.part == part]


def run_scale(options: ScaleOptions, console: Console) -> ScaleResult:
    """Measure each part of ``options``.

    Raises:
        StackError: a server or a worker did not start, ended or came to a halt.
        SendError: the broker refused.
        BrokerError: the topics could not be made.
    """
    with running_stack(own_names(Settings(), "bench")) as settings:
        if settings.redis_cluster:
            raise StackError("bench scale measures one Redis, not a Cluster")
        return _Bench(settings, options, console).run()


class _Bench:
    def __init__(self, settings: Settings, options: ScaleOptions, console: Console) -> None:
        self._settings = settings
        self._options = options
        self._console = console
        self._rounds = 0
        self._points: list[Point] = []
        self._month: Month | None = None
        self._likes: list[Likeness] = []

    def run(self) -> ScaleResult:
        found, parts = facts(self._settings), self._options.parts
        for part, measure in (
            ("viewers", self._viewers),
            ("watching", self._watching),
            ("workers", self._workers),
            ("history", self._history),
            ("titles", self._titles),
        ):
            if part in parts:
                measure()
        return ScaleResult(self._options, found, self._month, self._points)

    # -- parts -----------------------------------------------------------------------------------
    def _viewers(self) -> None:
        for viewers in self._options.viewers:
            self._round("viewers", viewers, viewers=viewers, likes=self._after_a_month())

    def _watching(self) -> None:
        for crowd in self._options.crowds:
            likes = self._after_a_month()
            self._round("watching", crowd, viewers=crowd, watching=crowd, likes=likes)

    def _workers(self) -> None:
        for workers in self._options.workers:
            self._round("workers", workers, workers=workers)

    def _history(self) -> None:
        options = self._options
        for weeks in options.weeks:
            _, likes = self._live(options.history_viewers, weeks)
            self._round("history", weeks, likes=likes)

    def _titles(self) -> None:
        for titles in self._options.titles:
            self._round("titles", titles, titles=titles)

    # -- steps -----------------------------------------------------------------------------------
    def _after_a_month(self) -> list[Likeness]:
        """Viewers with a month behind them, made once."""
        if self._month is None:
            self._month, self._likes = self._live(self._options.month_viewers, MONTH_WEEKS)
        return self._likes

    def _live(self, viewers: int, weeks: float) -> tuple[Month, list[Likeness]]:
        """Let simulated viewers live through some weeks that end now."""
        options, settings = self._options, self._next_names()
        # A viewer's outbox holds what their last slice said. In a backlog that would be days.
        slice_max = max(LEAST_SLICE, viewers // VIEWERS_PER_RECORD)
        settings = settings.model_copy(update={"slice_max": slice_max})
        audience = audience_behind(viewers, weeks, options.heartbeat_s, options.seed)
        ensure_topics(settings)
        know_titles(settings, audience.catalogue())
        names, what = list(viewers_of(audience)), f"{weeks:.1f} weeks of {viewers:,} viewers"
        try:
            now = time.time()
            records = (it for it in audience.records() if it.time_s < now)
            with self._progress(f"{what}: sending", None) as told:
                stream = send(settings, records, told)
            before = used_memory(settings)
            work = self._work(settings, stream, what, 1)
            likes = likenesses(settings, names)
            if not likes:
                raise StackError("nobody has watched anything: give them more weeks")
            rng = random.Random(options.seed)
            month = Month(
                viewers=viewers,
                events=stream.records,
                work=work,
                anatomy=anatomy(settings, rng.sample(names, min(SAMPLE, viewers))),
                redis_bytes_per_viewer=(used_memory(settings) - before) / len(likes),
                stream_bytes=stream.bytes,
                out=records_out(settings),
            )
        finally:
            self._tidy(settings, names, [it["title_id"] for it in audience.catalogue()])
        return month, likes

    def _round(  # noqa: PLR0913 - what the parts vary
        self,
        part: Part,
        at: float,
        *,
        viewers: int | None = None,
        watching: int | None = None,
        titles: int = TITLES,
        workers: int = 1,
        likes: Sequence[Likeness] = (),
    ) -> None:
        options, settings = self._options, self._next_names()
        count = viewers or options.viewers[0]
        seats = min(watching or options.watching, count)
        catalogue = catalogue_of(titles, options.seed)
        ensure_topics(settings)
        know_titles(settings, [it.facts() for it in catalogue])
        what = f"{part} {at:,g}"
        try:
            per_viewer = self._populate(settings, count, likes, what) if likes else None
            crowd = Crowd(CrowdOptions(count, seats, options.seed, settings.group), catalogue)
            every_s = CROWD_HEARTBEAT_S / seats
            # It ends about now, so that nothing is from the future.
            records = crowd.records(time.time() - options.events * every_s, every_s, options.events)
            with self._progress(f"{what}: sending", options.events) as told:
                stream = send(settings, records, told)
            work = self._work(settings, stream, what, workers)
        finally:
            self._tidy(settings, map(viewer_name, range(count)), [it.title_id for it in catalogue])
        self._points.append(Point(part, at, work, per_viewer))
        self._console.print(
            f"{what}: {work.per_second:,.0f} events/s, {work.per_cpu_second:,.0f} per CPU-second, "
            f"{work.peak_rss_bytes / 2**20:,.0f} MiB",
            highlight=False,
        )

    def _populate(
        self, settings: Settings, count: int, likes: Sequence[Likeness], what: str
    ) -> float:
        before = used_memory(settings)
        with self._progress(f"{what}: filling Redis", count) as told:
            populate(settings, count, likes, told)
        return (used_memory(settings) - before) / count

    def _work(self, settings: Settings, stream: Stream, what: str, workers: int) -> Work:
        with self._progress(f"{what}: working it off", stream.records) as told:
            return work_off(settings, stream, workers, told)

    def _progress(self, what: str, total: int | None) -> Any:
        return progress(self._console, what, total)

    def _next_names(self) -> Settings:
        """Topics, group and keys of the next round."""
        self._rounds += 1
        return renamed(self._settings, self._rounds)

    def _tidy(self, settings: Settings, viewers: Any, titles: Sequence[str]) -> None:
        remove_keys(settings, viewers, titles)
        remove_topics(settings, settings.group)
