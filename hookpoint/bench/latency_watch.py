"""Seeing what comes of a probe the moment it is there: in Redis, and on Kafka.

**Redis tells by itself.** ``CLIENT TRACKING`` in broadcast mode names every key with the probes'
prefix that has changed, at the end of the turn in which Redis changed it, which is when others can
first read it. Polling would add up to its own period, and its round trips would be work for the
server that is measured; keyspace notifications would be sent for every key that a worker writes.
What was named is then read, so that only the value that is waited for counts.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import orjson
import redis
from aiokafka import AIOKafkaConsumer, TopicPartition

from config.kafka import aiokafka_security, redis_kwargs
from hookpoint.bench.latency_probes import PREFIX, TITLE, probe_number
from hookpoint.processes import StackError
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from config.settings import Settings

READ_EVERY_S = 0.2
"""How soon a watcher notices that it is to end."""
FETCH_WAIT_MS = 20
"""A broker that does not answer at once when there is news is asked again after this."""
READY_WITHIN_S = 20.0
CHANNEL = "__redis__:invalidate"
FIELD = f"{TITLE}:1:1"
COMPLETED = 3
"""Its place in a value of ``progress:{viewer}`` (docs/redis.md)."""


class Watch:
    """A thread that notes when each probe was first seen (monotonic seconds)."""

    def __init__(self, name: str) -> None:
        self.seen: dict[int, float] = {}
        self._ends = threading.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    def start(self) -> None:
        """Begin, and return once nothing can be missed.

        Raises:
            StackError: the server did not answer.
        """
        self._thread.start()
        if not self._ready.wait(READY_WITHIN_S):
            self.stop()
        self.check()

    def stop(self) -> None:
        """End."""
        self._ends.set()
        self._thread.join()

    def check(self) -> None:
        """Raise what has ended the thread, if anything has."""
        if self._failure is not None:
            raise StackError(f"{self._thread.name} ended: {self._failure!r}") from self._failure
        if not self._ready.is_set():
            raise StackError(f"{self._thread.name} was not ready in {READY_WITHIN_S:.0f} s")

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as problem:  # noqa: BLE001 - handed to whoever checks
            self._failure = problem
            self._ready.set()

    def _run(self) -> None:
        raise NotImplementedError


class RedisWatch(Watch):
    """Notes when ``progress:{viewer}`` of a probe said ``completed``."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("the watch over Redis")
        # Not ``Keys(...).viewer``: what is watched is where all the probes' keys begin.
        self._prefix = Keys(settings.key_prefix).viewer(PREFIX).progress.removesuffix("}")
        self._settings = settings

    def _run(self) -> None:
        url = self._settings.redis_url.get_secret_value()
        arguments: dict[str, Any] = {"protocol": 2, **redis_kwargs(self._settings)}
        client: Any = redis.Redis.from_url(url, **arguments)  # redis-py types little of this
        told, tracker = client.connection_pool.make_connection(), client.client()
        try:
            told.connect()
            told.send_command("CLIENT", "ID")
            number = told.read_response()
            told.send_command("SUBSCRIBE", CHANNEL)
            told.read_response()
            tracker.execute_command(
                "CLIENT", "TRACKING", "ON", "REDIRECT", number, "BCAST", "PREFIX", self._prefix
            )
            self._ready.set()
            while not self._ends.is_set():
                if told.can_read(READ_EVERY_S):
                    self._note(client, told.read_response(), time.monotonic())
        finally:
            tracker.close()
            told.disconnect()
            client.close()

    def _note(self, client: Any, message: Any, now: float) -> None:
        keys = message[2] or () if message[0] == b"message" else ()
        with client.pipeline(transaction=False) as batch:
            for key in keys:
                batch.hget(key, FIELD)
            values = batch.execute() if keys else []
        for key, value in zip(keys, values, strict=True):
            if value is not None and orjson.loads(value)[COMPLETED]:
                number = int(key.removeprefix(self._prefix.encode()).removesuffix(b"}"))
                self.seen.setdefault(number, now)


class KafkaWatch(Watch):
    """Notes when a plain consumer got the session and the signal of a probe's end.

    ``seen`` has the signals, ``sessions`` the sessions.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__("the watch over Kafka")
        self.sessions: dict[int, float] = {}
        self._settings = settings

    def _run(self) -> None:
        asyncio.run(self._consume())

    async def _consume(self) -> None:
        settings = self._settings
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap.split(","),
            fetch_max_wait_ms=FETCH_WAIT_MS,
            enable_auto_commit=False,
            isolation_level="read_committed",
            **aiokafka_security(settings),
        )
        await consumer.start()
        try:
            signals, sessions = settings.topics.signals, settings.topics.sessions
            consumer.assign(
                [
                    TopicPartition(topic, number)
                    for topic in (signals, sessions)
                    for number in range(settings.partitions)
                ]
            )
            await consumer.seek_to_end()
            for partition in consumer.assignment():
                await consumer.position(partition)
            self._ready.set()
            while not self._ends.is_set():
                fetched = await consumer.getmany(timeout_ms=int(READ_EVERY_S * 1000))
                now = time.monotonic()
                for partition, records in fetched.items():
                    note = self._signal if partition.topic == signals else self._session
                    self._take(records, note, now)
        finally:
            await consumer.stop()

    def _take(
        self, records: Iterable[Any], note: Callable[[int, bytes, float], None], now: float
    ) -> None:
        for record in records:
            number = probe_number(record.key.decode())
            if number is not None:
                note(number, record.value, now)

    def _signal(self, number: int, value: bytes, now: float) -> None:
        if orjson.loads(value)["type"] == "viewer.completed":
            self.seen.setdefault(number, now)

    def _session(self, number: int, value: bytes, now: float) -> None:
        if orjson.loads(value)["position_s"]:  # one that was closed by silence has 0
            self.sessions.setdefault(number, now)
