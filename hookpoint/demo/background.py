"""What goes on behind the view: one thread sends, another reads what comes out."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from consumers.connection import connect
from consumers.feed import Feed
from consumers.records import Session, Signal, parse_session, parse_signal
from producers.pacing import Pace, send_paced
from producers.replay import TICK_AFTER_S
from producers.send import BulkSender
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config.settings import Settings
    from producers.send import Lane
    from producers.simulator import Audience

LATEST = 12
LOOK_FOR_S = 0.05


class _StoppedError(Exception):
    """The demo ends before everything was sent."""


class Background(threading.Thread):
    """A thread whose failure is raised where it is asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.failure: BaseException | None = None
        self.stopping = threading.Event()

    def run(self) -> None:
        """Work, and keep what goes wrong."""
        try:
            self.work()
        except _StoppedError:
            pass
        except BaseException as problem:  # noqa: BLE001 - raised by `check` in the main thread
            self.failure = problem

    def work(self) -> None:
        """What the thread does."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise what has stopped the thread, if anything has."""
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """Ask it to end, and wait a moment until it has."""
        self.stopping.set()
        self.join(10.0)


class Sending(Background):
    """Sends the audience's events and the last tick.

    ``handed_over`` counts events, ``time_s`` is the event time reached, ``targets`` are the last
    offsets that the broker confirmed, complete once the thread has ended.
    """

    def __init__(self, settings: Settings, audience: Audience, speed: float | None) -> None:
        super().__init__("sending")
        self.handed_over = 0
        self.time_s = audience.options.start_s
        self.targets: Mapping[Lane, int] = {}
        self._settings = settings
        self._audience = audience
        self._speed = speed

    def work(self) -> None:
        """Send everything and wait for the broker's word."""
        asyncio.run(self._send())

    async def _send(self) -> None:
        pace = Pace(self._speed, self._audience.options.start_s) if self._speed else None
        topic = self._settings.topics.events
        async with BulkSender(self._settings) as sender:
            await send_paced(sender, topic, self._audience.records(), pace, self._count)
            await sender.send_tick(self.time_s + TICK_AFTER_S)
        self.targets = {
            lane: offset for lane, offset in sender.sent.last_offsets.items() if lane.topic == topic
        }

    def _count(self, count: int, time_s: float) -> None:
        if self.stopping.is_set():
            raise _StoppedError
        self.handed_over += count
        self.time_s = time_s


class Reading(Background):
    """Reads signals and sessions, and how far the worker has come.

    ``signals`` by id, ``sessions`` by id at their highest revision, ``marks`` per partition: the
    last offset absorbed. ``quiet`` is set while nothing new has come for a moment.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__("reading")
        self.signals: dict[str, Signal] = {}
        self.sessions: dict[str, Session] = {}
        self.counts: Counter[str] = Counter()
        self.latest: deque[Signal] = deque(maxlen=LATEST)
        self.marks: dict[int, int] = {}
        self.rounds_without_news = 0
        self._settings = settings

    @property
    def processed(self) -> int:
        """Records of the events topic that the worker has absorbed."""
        return sum(offset + 1 for offset in list(self.marks.values()))

    def work(self) -> None:
        """Read until stopped."""
        topics = self._settings.topics
        with ExitStack() as held:
            signals = held.enter_context(closing(Feed(self._settings, topics.signals)))
            sessions = held.enter_context(closing(Feed(self._settings, topics.sessions)))
            client: Any = held.enter_context(closing(connect(self._settings)))
            while not self.stopping.is_set():
                self._read_marks(client)
                news = self._read_signals(signals) + self._read_sessions(sessions)
                self.rounds_without_news = 0 if news else self.rounds_without_news + 1

    def _read_marks(self, client: Any) -> None:
        settings = self._settings
        keys = Keys(settings.key_prefix)
        with client.pipeline(transaction=False) as batch:
            for partition in range(settings.partitions):
                batch.hget(keys.mark(settings.group, settings.topics.events, partition), "offset")
            for partition, offset in enumerate(batch.execute()):
                if offset is not None:
                    self.marks[partition] = int(offset)

    def _read_signals(self, feed: Feed) -> int:
        records = feed.fetch(LOOK_FOR_S)
        for record in records:
            signal = parse_signal(record)
            if signal.id not in self.signals:
                self.signals[signal.id] = signal
                self.counts[signal.type] += 1
                self.latest.append(signal)
        return len(records)

    def _read_sessions(self, feed: Feed) -> int:
        records = feed.fetch(LOOK_FOR_S)
        for record in records:
            session = parse_session(record)
            held = self.sessions.get(session.id)
            if held is None or session.revision > held.revision:
                self.sessions[session.id] = session
        return len(records)
