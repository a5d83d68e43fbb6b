"""Runs of workers over one and the same input, to be compared with each other."""

from __future__ import annotations

import uuid
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import redis
from faults.supervisor import SteppingWorker
from outcomes import Outcome, outcome
from players import a_crowd
from pydantic import SecretStr
from workers import (
    NEVER_IDLE_S,
    Ends,
    WorkerProcess,
    absorbed,
    marks,
    send_events,
    send_titles,
    settled,
)

from config.settings import Settings, TopicNames
from hookpoint.topics import ensure_topics
from producers.records import Record
from producers.simulator import Audience, AudienceOptions
from streams.keys import Keys
from streams.rules import Rules

if TYPE_CHECKING:
    from pathlib import Path

    from hookpoint.stack import Stack

OPTIONS = AudienceOptions(
    viewers=60, titles=12, weeks=1, seed=11, messy_share=0.4, late_share=0.1, keep_truth=False
)
PARTITIONS = 2
SESSION_TIMEOUT_S = 2.5
RULES = Rules(least_viewers=1)
"""Of so small an audience nothing would ever be said of a title."""
TICK_S = OPTIONS.end_s + 40 * 86_400.0
"""Past every timer: the last signals, the settling of tastes, the shrinking of progress."""
OUTAGE, OVER = "outage, waiting for it to end", "outage is over"
OWN = uuid.uuid4().hex[:10]
ROLES = ("sessions", "signals", "progress", "rejects")


CROWD, CROWDED, EVERY_S = 45, 4, 400.0
"""In the end so many new viewers begin each of so many series, one after the other: a burst."""


class Input(NamedTuple):
    """The records that every run reads: ids of sessions rest on where a record lies."""

    stack: Stack
    names: dict[str, str]
    """Topics of events and titles."""
    titles: Ends
    events: Ends


def settings_of(stack: Stack, names: dict[str, str], run: str, **more: Any) -> Settings:
    """The same input, and everything else of one's own."""
    outputs = {role: f"{run}-{role}-{OWN}" for role in ROLES}
    return Settings(
        kafka_bootstrap=stack.kafka_bootstrap,
        redis_url=SecretStr(stack.redis_url),
        topics=TopicNames(**names, **outputs),
        group=f"{run}-{OWN}",
        key_prefix=f"{run}:",
        session_timeout_s=SESSION_TIMEOUT_S,
        idle_after_s=NEVER_IDLE_S,
        rules=RULES,
        # Many slices, so that there are many places to die in.
        **{"partitions": PARTITIONS, "slice_max": 300, "outage_max_s": 60.0, **more},
    )


class Run:
    """One run over the input: its settings, its workers, and a look at how far it is."""

    def __init__(self, given: Input, folder: Path, name: str, **more: Any) -> None:
        stack = more.pop("stack", given.stack)
        self.settings = settings_of(stack, given.names, name, **more)
        self.given = given
        self.folder = folder
        self.workers = 0
        ensure_topics(self.settings)
        self.client = redis.Redis.from_url(stack.redis_url, decode_responses=True)

    def knows_titles(self) -> bool:
        """Whether the catalogue is in."""
        titles = self.settings.topics.titles
        return absorbed(self.client, self.settings, titles, self.given.titles)

    def worker(self) -> WorkerProcess:
        """Start one more."""
        return WorkerProcess(self.settings, self.folder, name=self._next_name())

    def stepping_worker(self) -> SteppingWorker:
        """Start one more, which takes commands."""
        return SteppingWorker(self.settings, self.folder, name=self._next_name())

    def _next_name(self) -> str:
        self.workers += 1
        return f"{self.settings.group}-{self.workers}"

    def progress(self) -> float:
        """The share of all events that marks have passed."""
        held = marks(self.client, self.settings, self.settings.topics.events)
        ends = self.given.events
        return sum(held.get(at, -1) + 1 for at in ends) / sum(end + 1 for end in ends.values())

    def done(self) -> bool:
        """Whether all events are in and all timers have fired; False while Redis is away."""
        return settled(self.client, self.settings, self.given.events)

    def finish(self, worker: WorkerProcess, within_s: float = 60.0) -> Outcome:
        """Wait for the end, stop the worker in order, and see what came of it."""
        worker.wait_for("the end of the events", self.done, within_s)
        code, _ = worker.stop()
        assert code == 0, worker.tail()
        return outcome(self.settings)


@cache
def records() -> list[Record]:
    """All events: an invented audience, and in the end a crowd."""
    audience = Audience(OPTIONS)
    series = [it["title_id"] for it in audience.catalogue() if it["kind"] == "series"]
    crowd = [
        Record(event["subject"].encode(), orjson.dumps(event), OPTIONS.end_s)
        for title in series[:CROWDED]
        for event in a_crowd(title, CROWD, OPTIONS.end_s, EVERY_S)
    ]
    return [*audience.records(), *crowd]


def give_input(stack: Stack, folder: Path) -> Input:
    """Send catalogue and events; a first run, ``first``, learns the catalogue."""
    audience = Audience(OPTIONS)
    names = {"events": f"playback-events-{OWN}", "titles": f"titles-{OWN}"}
    settings = settings_of(stack, names, "first")
    ensure_topics(settings)
    titles = send_titles(settings, audience.catalogue())
    # The catalogue alone at first: what is watched before its title is known counts for less,
    # and signals name the catalogue's version.
    first = Run(Input(stack, names, titles, {}), folder, "first")
    with first.worker() as worker:
        worker.wait_for("the catalogue", first.knows_titles)
        assert worker.stop()[0] == 0
    events = send_events(settings, records(), TICK_S)
    assert sum(events.values()) > 20_000
    return Input(stack, names, titles, events)


def with_catalogue(run: Run) -> Run:
    """Give a run the catalogue as the first worker learnt it, so that all name one version."""
    source = redis.Redis.from_url(run.given.stack.redis_url)
    raw = redis.Redis.from_url(run.settings.redis_url.get_secret_value())
    first, own = Keys("first:"), Keys(run.settings.key_prefix)
    with source, raw:
        for name in ("catalogue_facts", "catalogue_changes"):
            raw.restore(getattr(own, name)(), 0, source.dump(getattr(first, name)()))
    return run
