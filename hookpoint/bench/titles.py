"""``hookpoint bench titles``: what the titles agent carries, and how old its reports are."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from config.settings import Settings
from consumers.connection import connect
from hookpoint.bench.bars import progress
from hookpoint.bench.catalogue import know_titles
from hookpoint.bench.crowd import MOST_NAMES, catalogue_of
from hookpoint.bench.facts import facts
from hookpoint.bench.leftovers import remove_topics
from hookpoint.bench.marks import Marks
from hookpoint.bench.scale_work import Watch, cpu_s, renamed
from hookpoint.bench.tidy import remove_keys
from hookpoint.bench.titles_journeys import (
    Span,
    days_of,
    draw,
    spread_evenly,
    with_a_hit,
)
from hookpoint.bench.titles_load import Ages, Sender, steady_load
from hookpoint.bench.titles_memory import Memory, memory_of
from hookpoint.demo.worker import own_names, running_worker
from hookpoint.processes import StackError
from hookpoint.stack import running_stack
from hookpoint.topics import ensure_topics
from streams.audience.title import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from hookpoint.bench.scale_work import Work
    from hookpoint.bench.titles_journeys import Told
    from producers.simulator.catalogue import Title

VIEWERS = 1_000_000
"""Nobody begins a season twice."""
MONTH_DAYS, MONTH_COUNTRIES, MONTH_LANGUAGES, MONTH_EPISODES = 28, 30, 8, 10
EVERYTHING = 1 << 40
"""More records than the viewers of a span make."""


@dataclass(frozen=True, slots=True)
class TitlesOptions:
    """What one run measures."""

    records: int = 300_000
    """Of each backlog."""
    titles: tuple[int, ...] = (40, 400)
    days: float = 4.0
    """Event time that a backlog spans."""
    hit: float = 0.3
    """Share of all records that the hit show draws."""
    load: float = 0.3
    """Steady rate, as a share of the records per second with which the backlog was worked off."""
    rate: float | None = None
    """The same in records per second, for all."""
    seconds: float = 20.0
    month_viewers: int = 20_000
    """Of the one title whose memory is measured; 0 leaves that out."""
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Round:
    """One spread of records over titles. ``hit`` is the share of the first one, 0 for evenly."""

    titles: int
    hit: float
    work: Work
    rate: float
    """Records per second of the steady load."""
    worker_cores: float
    """Processor time of the worker per second of it."""
    ages: Ages

    @property
    def name(self) -> str:
        """In words."""
        return named(self.titles, self.hit)


@dataclass(frozen=True, slots=True)
class TitlesResult:
    """One whole run."""

    options: TitlesOptions
    facts: dict[str, Any]
    rounds: Sequence[Round]
    memory: Memory | None


def run_titles(options: TitlesOptions, console: Console) -> TitlesResult:
    """Measure backlogs, steady loads and memory.

    Raises:
        StackError: a server or the worker did not start, ended or came to a halt.
        BrokerError: the topics could not be made.
    """
    with running_stack(own_names(Settings(), "bench")) as found:
        if found.redis_cluster:
            raise StackError("a Redis Cluster has no one place that tells of changed keys")
        # Nobody here reads the events: a worker of the titles agent alone.
        settings = found.model_copy(update={"agents": frozenset({"titles", "catalogue"})})
        return _Bench(settings, options, console).run()


class _Bench:
    def __init__(self, settings: Settings, options: TitlesOptions, console: Console) -> None:
        self._settings = settings
        self._options = options
        self._console = console
        self._names = 0

    def run(self) -> TitlesResult:
        found, options = facts(self._settings), self._options
        rounds = [
            self._round(catalogue_of(count, options.seed), hit)
            for count in options.titles
            for hit in (0.0, options.hit)
        ]
        memory = self._month() if options.month_viewers else None
        return TitlesResult(options, found, rounds, memory)

    # -- parts -----------------------------------------------------------------------------------
    def _round(self, titles: Sequence[Title], hit: float) -> Round:
        options, count = self._options, len(titles)
        what = named(count, hit)
        shares = with_a_hit(count, hit) if hit else spread_evenly(count)
        span = _span(options.days)
        backlog = draw(titles, shares, options.records, span, options.seed)
        with self._known(titles, options.days) as settings, closing(connect(settings)) as client:
            sender, marks = self._sent(settings, backlog, what, client)
            with running_worker(settings) as worker:
                with self._progress(f"{what}: working it off", marks.goal) as told:
                    work = Watch(marks, client, [worker], told).run()
                rate = options.rate or options.load * work.per_second
                live = draw(titles, shares, int(rate * options.seconds), span, options.seed + 1)
                cpu_then, then = cpu_s(worker), time.monotonic()
                ages = steady_load(settings, sender, live, rate, titles[0].title_id)
                cores = (cpu_s(worker) - cpu_then) / (time.monotonic() - then)
                worker.check()
        self._console.print(
            f"{what}: {work.per_second:,.0f} records/s, {work.per_cpu_second:,.0f} per "
            f"CPU-second; reports at {rate:,.0f}/s: p99 {ages.others.p99_ms:,.0f} ms, "
            f"max {max(ages.others.max_ms, ages.hit.max_ms):,.0f} ms",
            highlight=False,
        )
        return Round(count, hit, work, rate, cores, ages)

    def _month(self) -> Memory:
        options, title = self._options, month_title(self._options.seed)
        span = replace(
            _span(MONTH_DAYS),
            viewers=options.month_viewers,
            countries=MONTH_COUNTRIES,
            languages=MONTH_LANGUAGES,
        )
        what = f"one title, {options.month_viewers:,} viewers in a month"
        everything = draw([title], [1.0], EVERYTHING, span, options.seed)
        with self._known([title], MONTH_DAYS) as settings, closing(connect(settings)) as client:
            _, marks = self._sent(settings, everything, what, client)
            with (
                self._progress(f"{what}: working it off", marks.goal) as told,
                running_worker(settings) as worker,
            ):
                Watch(marks, client, [worker], told).run()
            # It has made all reports that it owed when it ended.
            return memory_of(settings, title, len(everything), span)

    # -- steps -----------------------------------------------------------------------------------
    @contextmanager
    def _known(self, titles: Sequence[Title], days: float) -> Iterator[Settings]:
        """Names of one round, with its titles in the catalogue; all of it goes with it."""
        settings = self._next_names()
        try:
            ensure_topics(settings)
            know_titles(settings, [it.facts() for it in titles])
            yield settings
        finally:
            watched = days_of(_span(days + 1))
            remove_keys(settings, (), [it.title_id for it in titles], watched)
            remove_topics(settings, settings.group)

    def _sent(
        self, settings: Settings, told: Sequence[Told], what: str, client: Any
    ) -> tuple[Sender, Marks]:
        sender = Sender(settings)
        with self._progress(f"{what}: sending", len(told)) as done:
            sender.send(told, done)
        return sender, Marks(settings, client, sender.last_offsets, settings.topics.progress)

    def _progress(self, what: str, total: int) -> Any:
        return progress(self._console, what, total)

    def _next_names(self) -> Settings:
        self._names += 1
        return renamed(self._settings, self._names)


def named(titles: int, hit: float) -> str:
    """A round in words."""
    return f"{titles:,} titles" + (f", one draws {hit:.0%}" if hit else "")


def _span(days: float) -> Span:
    """Some days that end now."""
    now_ms = int(time.time() * 1000)
    return Span(now_ms - int(days * DAY_MS), now_ms, VIEWERS)


def month_title(seed: int) -> Title:
    """A series of one season of ten episodes."""
    return next(
        it for it in catalogue_of(MOST_NAMES, seed)
        if len(it.seasons) == 1 and len(it.seasons[0].runtimes_s) == MONTH_EPISODES
    )  # fmt: skip
