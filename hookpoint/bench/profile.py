"""``hookpoint bench profile`` from start to end: one worker at work, looked into from outside."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.settings import Settings
from consumers.connection import connect
from hookpoint.bench.backlog import BenchOptions, audience_of, send_backlog
from hookpoint.bench.bars import progress
from hookpoint.bench.catalogue import know_titles
from hookpoint.bench.contenders import check_rejects
from hookpoint.bench.crowd import CrowdOptions, catalogue_of, viewer_name
from hookpoint.bench.facts import facts
from hookpoint.bench.latency_capacity import MOST_BEHIND_S, PROBES_PER_S
from hookpoint.bench.latency_load import TITLES
from hookpoint.bench.latency_probes import FACTS, probe_name
from hookpoint.bench.latency_sender import running_sender
from hookpoint.bench.leftovers import remove_topics
from hookpoint.bench.marks import Marks
from hookpoint.bench.measuring import (
    LOOK_EVERY_S,
    READY_WITHIN_S,
    STALLED_AFTER_S,
    STEADY,
    STEADY_AT_LEAST,
)
from hookpoint.bench.profile_figures import Profile
from hookpoint.bench.profile_span import Meter, between
from hookpoint.bench.profile_spy import OPEN_PROGRAM, check_leave, running_spy
from hookpoint.bench.profile_stages import read_samples
from hookpoint.bench.reference import Reference
from hookpoint.bench.scale_work import renamed
from hookpoint.bench.tidy import remove_keys
from hookpoint.demo.worker import environment, own_names, running_process
from hookpoint.processes import StackError
from hookpoint.stack import running_stack
from hookpoint.topics import ensure_topics
from streams.audience.title import DAY_MS, day_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import Console

    from hookpoint.demo.worker import RunningWorker

BACKLOG, LIVE = "backlog", "live"
PARTS = (BACKLOG, LIVE)
HEARTBEAT_S = 45.0
DRAIN_WITHIN_S = 120.0
ENDLESS = 1 << 62
"""An offset beyond any that is sent."""


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """What one run measures."""

    parts: tuple[str, ...] = PARTS
    events: int = 500_000
    """About how many the backlog has."""
    viewers: int = 4_000
    """Of the backlog."""
    crowd: int = 20_000
    """Viewers of the live stream; all of them watch."""
    rate: float = 4_000.0
    """Events of the live stream per second."""
    seconds: float = 25.0
    """For how long it is looked at."""
    warm_s: float = 5.0
    """For how long it is sent before that."""
    seed: int = 7


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """One whole run."""

    options: ProfileOptions
    facts: dict[str, Any]
    profiles: Sequence[Profile]


def run_profile(options: ProfileOptions, console: Console) -> ProfileResult:
    """Look into a worker on a backlog, and into one on a live stream.

    Raises:
        MayNotLook: the system does not allow it.
        StackError: py-spy, a server, the worker or the sender did not start, ended or halted.
        SendError: the broker refused.
        BrokerError: the topics could not be made.
    """
    check_leave()
    with running_stack(own_names(Settings(), "bench")) as settings:
        if settings.redis_cluster:
            raise StackError("bench profile looks at one Redis, not at a Cluster")
        found = facts(settings)
        profiles = []
        for number, part in enumerate(options.parts):
            own = renamed(settings, number)
            profile = _PROFILED[part](own, options, console)
            told = f"{part}: {profile.us_per_event:,.1f} µs of the worker per event"
            console.print(told, highlight=False)
            profiles.append(profile)
        return ProfileResult(options, found, profiles)


# -- the two parts ---------------------------------------------------------------------------------
def _of_backlog(settings: Settings, options: ProfileOptions, console: Console) -> Profile:
    audience = audience_of(BenchOptions(options.events, options.viewers, options.seed))
    titles, lived = audience.catalogue(), audience.options
    with _names(settings, titles, (lived.start_s, lived.end_s)) as viewers:
        reference = Reference(settings.partitions, options.viewers, 0, options.seed)
        with progress(console, "sending the backlog", options.events) as told:
            backlog = send_backlog(settings, audience, reference, told)
        viewers.extend(audience.truth().taste)
        with (
            closing(connect(settings)) as client,
            progress(console, "working it off", backlog.events) as told,
            _open_worker(settings) as worker,
        ):
            watch = _Watch(Marks(settings, client, backlog.last_offsets), worker, client, told)
            watch.reach(STEADY[0])
            return watch.profile(BACKLOG, lambda: watch.reach(STEADY[1]))


def _of_live(settings: Settings, options: ProfileOptions, console: Console) -> Profile:
    crowd = CrowdOptions(options.crowd, options.crowd, options.seed)
    titles = [*(it.facts() for it in catalogue_of(TITLES, options.seed)), FACTS]
    lasts_s = options.warm_s + options.seconds
    command = {
        "rate": options.rate, "warm_s": options.warm_s, "measure_s": options.seconds,
        "probes_per_s": PROBES_PER_S,
    }  # fmt: skip
    with (
        _names(settings, titles, (time.time() - HEARTBEAT_S, time.time() + lasts_s)) as viewers,
        running_sender(settings, crowd) as sender,
        closing(connect(settings)) as client,
    ):
        viewers.extend(map(viewer_name, range(options.crowd)))
        viewers.extend(map(probe_name, range(int(lasts_s * PROBES_PER_S) + 2)))
        # Everybody is known before anything is looked at.
        sender.begin(do="backlog", events=options.crowd, spread_s=HEARTBEAT_S)
        marks = Marks(settings, client, _sent(sender.answer()))
        with (
            _open_worker(settings) as worker,
            progress(console, "following the live stream", None) as told,
        ):
            marks.wait(worker.check, DRAIN_WITHIN_S)
            watch = _Watch(marks, worker, client, told)
            # What comes now has no last offset yet.
            marks.last_offsets = dict.fromkeys(range(settings.partitions), ENDLESS)
            sender.begin(do="load", **command)
            watch.rest(options.warm_s)
            profile = watch.profile(LIVE, lambda: watch.rest(options.seconds))
            said = sender.answer()
            marks.last_offsets = _sent(said)
            behind = marks.goal - marks.absorbed()
            return profile.of_live_stream(
                late_ms=said["punctuality"]["p99_ms"],
                kept_up=behind <= options.rate * MOST_BEHIND_S,
            )


_PROFILED: dict[str, Callable[[Settings, ProfileOptions, Console], Profile]] = {
    BACKLOG: _of_backlog,
    LIVE: _of_live,
}


@contextmanager
def _names(
    settings: Settings, titles: Sequence[Mapping[str, Any]], span_s: tuple[float, float]
) -> Iterator[list[str]]:
    """Topics and a catalogue of one part; they go with it, as do the keys of whoever watched.

    Servers of our own go themselves. On others nothing may be left.

    Yields:
        A list for the names of all viewers.
    """
    viewers: list[str] = []
    try:
        ensure_topics(settings)
        know_titles(settings, titles)
        yield viewers
    finally:
        configured = Settings().model_fields_set
        if "redis_url" in configured:
            first, last = (int(it * 1000) for it in span_s)
            days = [day_of(at) for at in range(first, last + DAY_MS, DAY_MS)]
            remove_keys(settings, viewers, [str(it["title_id"]) for it in titles], days)
        if "kafka_bootstrap" in configured:
            remove_topics(settings, settings.group)


@contextmanager
def _open_worker(settings: Settings) -> Iterator[RunningWorker]:
    """A worker that may be looked into; what it rejects fails the run."""
    with running_process([*OPEN_PROGRAM, "worker"], environment(settings)) as worker:
        yield worker
    check_rejects(settings)


def _sent(answer: Mapping[str, Any]) -> dict[int, int]:
    """By partition, the offset that a sender says is the last."""
    last_offsets = answer["last_offsets"]
    return {int(partition): last for partition, last in last_offsets.items() if last >= 0}


class _Watch:
    """Follows a worker, and looks into it for a while."""

    def __init__(
        self, marks: Marks, worker: RunningWorker, client: Any, told: Callable[[int], None]
    ) -> None:
        self._marks = marks
        self._worker = worker
        self._told = told
        self._meter = Meter(worker.process.pid, client, marks.absorbed)
        self._checks = [worker.check]

    def reach(self, share: float) -> None:
        """Return once that share of all has been absorbed (0..1).

        Raises:
            StackError: something ended, or the worker never began or came to a halt.
        """
        last, moved = self._marks.absorbed(), time.monotonic()
        while last < share * self._marks.goal:
            self._look(LOOK_EVERY_S)
            absorbed, now = self._marks.absorbed(), time.monotonic()
            self._told(absorbed)
            if absorbed > last:
                last, moved = absorbed, now
            elif now - moved > (STALLED_AFTER_S if last else READY_WITHIN_S):
                raise StackError(f"the worker halted at {last:,} events")

    def rest(self, seconds: float) -> None:
        """Return after some seconds.

        Raises:
            StackError: something ended meanwhile.
        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._look(min(left, LOOK_EVERY_S))

    def _look(self, seconds: float) -> None:
        time.sleep(seconds)
        for check in self._checks:
            check()

    def profile(self, part: str, until: Callable[[], None]) -> Profile:
        """Look into the worker until ``until`` returns.

        Raises:
            StackError: py-spy did not work, or there was nothing to see.
        """
        pid = self._worker.process.pid
        with (
            tempfile.TemporaryDirectory(prefix="hookpoint-") as folder,
            running_spy(pid, Path(folder)) as spy,
        ):
            spy.await_begin()
            self._checks.append(spy.check)
            first = self._meter.read()
            until()
            last = self._meter.read()
            recording = spy.end()
            self._checks.remove(spy.check)
        samples = read_samples(recording.raw)
        if last.absorbed <= first.absorbed or not samples.total:
            raise StackError(f"the {part} was over before anything was seen: it is too short")
        steady = part == LIVE or self._is_steady(last.absorbed - first.absorbed)
        return Profile(part, between(first, last), samples, recording.unreadable, steady)

    def _is_steady(self, events: int) -> bool:
        return events >= STEADY_AT_LEAST * self._marks.goal
