"""A running worker, someone who sends to it, and a reader of what it writes."""

from __future__ import annotations

import itertools
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
import redis
from players import A_SEASON
from workers import (
    Ends,
    Sender,
    WorkerProcess,
    absorbed,
    own_settings,
    read_topic,
    sending,
    settled,
)

from producers.send import tick
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from config.settings import Settings
    from hookpoint.stack import Stack

DAY_S = 86_400.0
HOUR_S = 3_600.0
LONG_AGO_S = (time.time() // DAY_S - 300) * DAY_S + 20 * HOUR_S
Raw = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


class Service:
    """What a test does to a running worker, and what it sees of it."""

    def __init__(
        self, settings: Settings, client: redis.Redis, sender: Sender, worker: WorkerProcess
    ) -> None:
        self.settings = settings
        self.client = client
        self.sender = sender
        self.worker = worker
        self.keys = Keys(settings.key_prefix)
        self._times = itertools.count(LONG_AGO_S, 3 * DAY_S)

    def another_time(self) -> float:
        """20:00, three days after the last test's: the time of a stream only moves on."""
        return float(next(self._times))

    def take_in(self) -> None:
        """Wait until all that was sent is absorbed and all timers due by then have fired."""
        ends: Ends = self.sender.ends[self.settings.topics.events]
        self.worker.wait_for("the events", lambda: settled(self.client, self.settings, ends))

    def report(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Send events and let them be taken in."""
        self.sender.events(events)
        self.take_in()

    def tick(self, time_s: float) -> None:
        """Move the time of every partition on."""
        self.sender.to_every_partition(tick(time_s))
        self.take_in()

    def titles(self, records: Iterable[Raw]) -> None:
        """Send titles and let them be taken in."""
        topic = self.settings.topics.titles
        self.sender.send(topic, records)
        ends = self.sender.ends[topic]
        self.worker.wait_for("titles", lambda: absorbed(self.client, self.settings, topic, ends))

    def records_of(self, viewer: str, topic: str) -> list[dict[str, Any]]:
        """What a topic says of a viewer."""
        found = read_topic(self.settings, topic)
        return [orjson.loads(it.value or b"") for it in found if it.key == viewer.encode()]

    def sessions(self, viewer: str) -> list[dict[str, Any]]:
        """A viewer's sessions."""
        return self.records_of(viewer, self.settings.topics.sessions)

    def signals(self, viewer: str) -> list[dict[str, Any]]:
        """A viewer's signals."""
        return self.records_of(viewer, self.settings.topics.signals)

    def hash(self, kind: str, viewer: str) -> dict[str, str]:
        """A viewer's hash: state, taste, progress or hooked."""
        found: Any = self.client.hgetall(getattr(self.keys.viewer(viewer), kind))
        return dict(found)


def a_title(title_id: str, **more: Any) -> Raw:
    """A season of six episodes as a record."""
    return title_id.encode(), orjson.dumps(A_SEASON | {"title_id": title_id} | more), []


@contextmanager
def running_service(
    stack: Stack, folder: Path, command: tuple[str, ...] | None = None, **more: Any
) -> Iterator[Service]:
    """A worker that knows the title ``dark``; at the end it must stop in order and in time."""
    settings = own_settings(stack, **more)
    client = redis.Redis.from_url(stack.redis_url, decode_responses=True)
    options: dict[str, Any] = {"command": command} if command else {}
    with (
        client,
        sending(settings) as sender,
        WorkerProcess(settings, folder, **options) as worker,
    ):
        found = Service(settings, client, sender, worker)
        found.titles([a_title("dark")])
        yield found
        assert worker.stop()[0] == 0, worker.tail()
        assert not worker.said("Traceback"), worker.tail()
