"""Workers as child processes, and what they leave behind, for tests that need the real thing.

Nothing here sleeps for a fixed time: a test says what it waits for, and gets the worker's log if
that does not come.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson
import redis
from brokers import SESSION_TIMEOUT_S
from kafka import KafkaProducer
from pydantic import BaseModel, SecretStr

from config.settings import Settings, TopicNames
from consumers.feed import Feed, ReaderError
from hookpoint.processes import freeze
from hookpoint.topics import ensure_topics
from producers.lanes import Lane
from producers.send import BulkSender, partition_of
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from consumers.records import RawRecord
    from hookpoint.stack import Stack
    from producers.records import Record

BIN = Path(sys.executable).parent
HOOKPOINT = (str(BIN / "hookpoint"), "worker")
FAUST = (str(BIN / "faust"), "-A", "streams.worker.app", "worker", "--without-web")
NEVER_IDLE_S = 86_400.0
"""Keeps the wall clock out of a stream whose events lie in the past anyway."""
LOG_LINES = 40
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0
POLL_S = 0.05

REDIS_AWAY = (redis.RedisError, redis.exceptions.RedisClusterException)
Ends = dict[int, int]
"""Highest offset per partition of a topic."""


def wait_until(what: str, condition: Callable[[], Any], within_s: float = 30.0) -> Any:
    """The first true value of ``condition``.

    Raises:
        AssertionError: naming ``what``, if none came in time.
    """
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within_s:g} s")
        time.sleep(POLL_S)


def own_settings(stack: Stack, **more: Any) -> Settings:
    """As the ``settings`` fixture, for workers that several tests share."""
    own = uuid.uuid4().hex[:10]
    names = {role: f"{field.default}-{own}" for role, field in TopicNames.model_fields.items()}
    chosen: dict[str, Any] = {
        "kafka_bootstrap": stack.kafka_bootstrap,
        "redis_url": SecretStr(stack.redis_url),
        "topics": TopicNames(**names),
        "partitions": 4,
        "group": f"hookpoint-{own}",
        "key_prefix": f"test-{own}:",
        "session_timeout_s": SESSION_TIMEOUT_S,
        "idle_after_s": NEVER_IDLE_S,
    }
    settings = Settings(**(chosen | more))
    ensure_topics(settings)
    return settings


# -- the process -----------------------------------------------------------------------------------
def environment(settings: Settings, **more: str) -> dict[str, str]:
    """Variables that make a worker run on ``settings``, and nothing else of ours."""
    used = settings.model_copy(update={"log_format": "json"})
    if "web_port" not in settings.model_fields_set:  # workers of tests run side by side
        used = used.model_copy(update={"web_port": 0})
    chosen = dict(_variables("HOOKPOINT_", used))
    outside = {name: text for name, text in os.environ.items() if not name.startswith("HOOKPOINT_")}
    return outside | chosen | more


def _variables(prefix: str, model: BaseModel) -> Iterator[tuple[str, str]]:
    for name, value in model:
        if isinstance(value, BaseModel):
            yield from _variables(f"{prefix}{name.upper()}__", value)
        elif isinstance(value, SecretStr):
            yield prefix + name.upper(), value.get_secret_value()
        elif is_dataclass(value):
            yield prefix + name.upper(), orjson.dumps(value).decode()
        elif isinstance(value, frozenset):
            yield prefix + name.upper(), ",".join(sorted(value))
        elif value is not None:
            yield prefix + name.upper(), str(value)


class WorkerProcess:
    """One worker. Killed at the end of its ``with`` block if it still runs."""

    stdin: int = subprocess.DEVNULL

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        name: str = "worker",
        command: tuple[str, ...] = HOOKPOINT,
        **variables: str,
    ) -> None:
        self.log_file = folder / f"{name}.log"
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=environment(settings, **variables),
                cwd=folder,  # no .env file of the repository's
                stdin=self.stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def log(self) -> str:
        """All that it has printed."""
        return self.log_file.read_text(errors="replace")

    def said(self, words: str) -> int:
        """How often ``words`` are in its log."""
        return self.log.count(words)

    def wait_for(self, what: str, condition: Callable[[], Any], within_s: float = 30.0) -> Any:
        """As ``wait_until``; fails at once if the worker ends, and shows its log."""

        def alive_and_true() -> Any:
            if not self.running:
                raise AssertionError(f"the worker ended ({self.process.returncode})")
            return condition()

        try:
            return wait_until(what, alive_and_true, within_s)
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{self.tail()}") from None

    def wait_until_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Wait until it has been given its partitions."""
        self.wait_for("partitions", lambda: self.said("partitions assigned"), within_s)

    def tail(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.splitlines()[-LOG_LINES:])

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Freeze it, with all its connections open."""
        freeze(self.process)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self, within_s: float = STOP_WITHIN_S) -> tuple[int, float]:
        """Ask it to end (SIGTERM). Returns its exit code and how long it took, in seconds."""
        began = time.monotonic()
        self.process.terminate()
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # it then says where every thread stands
            self.process.wait()
            raise AssertionError(
                f"still there {within_s:g} s after SIGTERM\n{self.tail()}"
            ) from None
        return code, time.monotonic() - began


# -- sending ---------------------------------------------------------------------------------------
class Sender:
    """Hand-made records, confirmed one by one; ``ends`` has the last offset per partition."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = KafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap.split(","),
            enable_idempotence=False,  # the embedded broker does not know how to number producers
            max_request_size=12_000_000,
            linger_ms=5,
        )
        self.ends: dict[str, Ends] = {}

    def send(
        self,
        topic: str,
        records: Iterable[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]],
    ) -> list[tuple[int, int]]:
        """Send (key, value, headers) to the key's partition. Returns partition and offset each."""
        count = self._settings.partitions
        sent = [
            self._producer.send(
                topic,
                key=key,
                value=value,
                headers=headers,
                partition=partition_of(key, count) if key else 0,
            )
            for key, value, headers in records
        ]
        self._producer.flush(30)
        places = [(found.partition, found.offset) for found in (it.get(10) for it in sent)]
        self.note(topic, places)
        return places

    def events(self, events: Iterable[Mapping[str, Any]]) -> list[tuple[int, int]]:
        """Send structured events, keyed by their subject."""
        return self.send(
            self._settings.topics.events,
            [(event["subject"].encode(), orjson.dumps(event), []) for event in events],
        )

    def titles(self, titles: Iterable[Mapping[str, Any]]) -> None:
        """Send the catalogue."""
        self.send(
            self._settings.topics.titles,
            [(title["title_id"].encode(), orjson.dumps(title), []) for title in titles],
        )

    def to_every_partition(self, value: bytes) -> None:
        """One event record without a key per partition."""
        topic = self._settings.topics.events
        sent = [
            self._producer.send(topic, value=value, partition=number)
            for number in range(self._settings.partitions)
        ]
        self._producer.flush(30)
        self.note(topic, [(found.partition, found.offset) for found in (it.get(10) for it in sent)])

    def note(self, topic: str, places: Iterable[tuple[int, int]]) -> None:
        """Remember the highest offsets."""
        ends = self.ends.setdefault(topic, {})
        for partition, offset in places:
            ends[partition] = max(offset, ends.get(partition, -1))

    def close(self) -> None:
        """Let the connection go."""
        self._producer.close()


def send_titles(settings: Settings, titles: list[dict[str, Any]]) -> Ends:
    """The catalogue, in bulk. Returns the highest offsets."""

    async def run() -> Ends:
        async with BulkSender(settings) as sender:
            await sender.send_titles(titles)
        return _ends(sender, settings.topics.titles)

    return asyncio.run(run())


def send_events(settings: Settings, records: Iterable[Record], tick_s: float | None = None) -> Ends:
    """Events in bulk, and a final tick to every partition. Returns the highest offsets."""

    async def run() -> Ends:
        async with BulkSender(settings) as sender:
            await sender.send(settings.topics.events, records)
            await sender.flush()
            if tick_s is not None:
                await sender.send_tick(tick_s)
        return _ends(sender, settings.topics.events)

    return asyncio.run(run())


def _ends(sender: BulkSender, topic: str) -> Ends:
    found: dict[Lane, int] = sender.sent.last_offsets
    return {lane.partition: offset for lane, offset in found.items() if lane.topic == topic}


# -- what came out ---------------------------------------------------------------------------------
def marks(client: redis.Redis, settings: Settings, topic: str) -> Ends:
    """Last absorbed offset per partition; partitions without a mark are left out."""
    keys = Keys(settings.key_prefix)
    found: Ends = {}
    for number in range(settings.partitions):
        offset: Any = client.hget(keys.mark(settings.group, topic, number), "offset")
        if offset is not None:
            found[number] = int(offset)
    return found


def absorbed(client: redis.Redis, settings: Settings, topic: str, ends: Ends) -> bool:
    """Whether the marks have reached ``ends``; False while Redis does not answer."""
    try:
        held = marks(client, settings, topic)
    except REDIS_AWAY:
        return False
    return all(held.get(partition, -1) >= offset for partition, offset in ends.items())


def settled(client: redis.Redis, settings: Settings, ends: Ends) -> bool:
    """Whether a run over the events up to ``ends`` is over; False while a server is away.

    All are absorbed, every timer due by then has fired, and titles have taken in what follows.
    """
    return _events_settled(client, settings, ends) and titles_settled(client, settings)


def _events_settled(client: redis.Redis, settings: Settings, ends: Ends) -> bool:
    topic, keys = settings.topics.events, Keys(settings.key_prefix)
    if not absorbed(client, settings, topic, ends):
        return False
    try:
        for partition in ends:
            clock: Any = client.hget(keys.mark(settings.group, topic, partition), "clock_ms")
            if client.zcount(keys.due(settings.group, topic, partition), "-inf", clock):
                return False
    except REDIS_AWAY:
        return False
    return True


def titles_settled(client: redis.Redis, settings: Settings) -> bool:
    """Whether the marks of title-progress have reached the last record there is by now."""
    if "titles" not in settings.agents:
        return True
    topic = settings.topics.progress
    try:
        feed = Feed(settings, topic)
        try:
            beyond = feed.ends()
        finally:
            feed.close()
    except ReaderError:
        return False
    return absorbed(client, settings, topic, {at: end - 1 for at, end in beyond.items() if end})


def read_topic(settings: Settings, topic: str) -> list[RawRecord]:
    """Everything that lies in a topic, oldest first within each partition."""
    feed = Feed(settings, topic)
    try:
        return list(feed.whats_there())
    finally:
        feed.close()


@contextmanager
def sending(settings: Settings) -> Iterator[Sender]:
    """A ``Sender`` that is closed again."""
    sender = Sender(settings)
    try:
        yield sender
    finally:
        sender.close()
