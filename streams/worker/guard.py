"""What the marks stand on: the topics and logs that they count the records of.

A mark says how far a log has been absorbed. Where the log is another one than it was, or no longer
holds what comes next, going on would skip or mix up records without a word. So the worker stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

import structlog
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from config.kafka import kafka_python_security
from config.topics import topic_specs
from streams.keys import Keys
from streams.worker.metrics import LOST
from streams.worker.publisher import BrokerAway
from streams.worker.store import StoreAway

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from config.settings import Settings
    from streams.worker.redis_store import RedisStore
    from streams.worker.store import Source

T = TypeVar("T")
log = structlog.get_logger()
LOOK_EVERY_S = 5.0
ANSWER_WITHIN_S = 5.0
GONE_AFTER_S = 10.0
"""A broker that has just come back may not know all of its topics for a moment."""
UNKNOWN_TOPIC = 3


class InputLost(Exception):
    """What comes next cannot be read, or is not what the marks count: a person must decide."""


class Guard:
    """Looks at the topics every few seconds, and judges offsets that a log does not hold."""

    def __init__(
        self, settings: Settings, store: RedisStore, tell: Callable[[InputLost], object]
    ) -> None:
        self._settings = settings
        self._store = store
        self._tell = tell
        self._keys = Keys(settings.key_prefix)
        names = settings.topics
        self._inputs = {
            names.events: "EVENTS",
            names.titles: "TITLES",
            names.progress: "PROGRESS",
        }
        if settings.demographics:
            self._inputs[names.viewers] = "VIEWERS"
        self._topics = [spec.name for spec in topic_specs(settings)]
        self._ids: dict[str, str] = {}
        self.missing: dict[str, float] = {}
        """Topics that the broker does not know, and since when (monotonic s)."""
        self._client: Any = None
        self._turn = asyncio.Lock()
        self._asking = threading.Lock()

    async def keep(self) -> None:
        """Look again and again; outages are left to those who need the servers.

        Raises:
            InputLost: a topic is gone, or is another one.
        """
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except (BrokerAway, StoreAway) as problem:
                log.debug("topics were not looked at", error=str(problem))

    async def look(self) -> None:
        """Look once; to be done before a position that comes from a mark is read from.

        Raises:
            InputLost: a topic is gone, or is another one.
            BrokerAway, StoreAway: they did not answer.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S * 2):
                    found = await _in_thread(self._describe)
            except (KafkaError, OSError, TimeoutError) as error:
                raise BrokerAway(f"{type(error).__name__}: {error}") from error
            self._check_presence(found)
            await self._check_identity(found)

    def _describe(self) -> dict[str, str | None]:
        """Ids of the topics that there are; None for one whose id the broker does not give."""
        if not self._asking.acquire(blocking=False):
            raise TimeoutError("the last question is not answered yet")
        try:
            return self._ask()
        except BaseException:
            self.close()
            raise
        finally:
            self._asking.release()

    def _ask(self) -> dict[str, str | None]:
        if self._client is None:
            self._client = KafkaAdminClient(
                bootstrap_servers=self._settings.kafka_bootstrap.split(","),
                client_id=f"{self._settings.group}-guard",
                bootstrap_timeout_ms=int(ANSWER_WITHIN_S * 1000),
                request_timeout_ms=int(ANSWER_WITHIN_S * 1000),
                **kafka_python_security(self._settings),
            )
        return {
            topic["name"]: _id(topic.get("topic_id"))
            for topic in self._client.describe_topics(self._topics)
            if topic["error_code"] != UNKNOWN_TOPIC
        }

    def _check_presence(self, found: Mapping[str, str | None]) -> None:
        now = time.monotonic()
        gone = [name for name in self._topics if name not in found]
        self.missing = {name: self.missing.get(name, now) for name in gone}
        for name in gone:
            if now - self.missing[name] >= GONE_AFTER_S:
                raise self._lost(f"topic {name} is gone. {self._remedy(name)}")

    async def _check_identity(self, found: Mapping[str, str | None]) -> None:
        for name in self._inputs:
            now_id = found.get(name)
            if now_id is None:
                continue
            if name not in self._ids:
                self._ids[name] = await self._remembered(name, now_id)
            if now_id != self._ids[name]:
                raise self._lost(
                    f"topic {name} is not the one that the marks are of: it was deleted and made "
                    f"again. {self._remedy(name)}"
                )

    async def _remembered(self, topic: str, topic_id: str) -> str:
        """The id under which the marks of this group were begun."""
        key = self._keys.topic_id(self._settings.group, topic)
        _, held = await self._store.ask([("SETNX", key, topic_id), ("GET", key)])
        return bytes(held or topic_id.encode()).decode()

    def _remedy(self, topic: str) -> str:
        if topic not in self._inputs:
            return "Make it again: `hookpoint topics`"
        return (
            "What has been absorbed is counted in offsets of the old one, so give the new one "
            f"another name (HOOKPOINT_TOPICS__{self._inputs[topic]}), or start from nothing with "
            "another HOOKPOINT_KEY_PREFIX"
        )

    def read_on(self, source: Source, wanted: int, first: int, end: int) -> int:
        """Where to read on, where the log does not hold the offset that comes next.

        Args:
            source: the partition.
            wanted: the offset that comes next.
            first: the first that the log holds.
            end: one after the last.

        Raises:
            InputLost: reading on would skip or mix up records, and the settings do not allow it.
        """
        name = f"{source[0]}/{source[1]}"
        log_range = f"its log holds {first} to {end - 1}" if end > first else "its log is empty"
        if wanted > end:
            raise self._lost(
                f"{name} was cut short: the mark is {wanted - 1}, and {log_range}. "
                f"{self._remedy(source[0])}"
            )
        if wanted >= first:
            return wanted
        lost = first - wanted
        if self._settings.on_lost_records == "stop":
            raise self._lost(
                f"{lost:,} records of {name} were deleted before they were read: the mark is "
                f"{wanted - 1}, and {log_range}. Retention is too short for how long nothing was "
                "read; HOOKPOINT_ON_LOST_RECORDS=skip goes on without them"
            )
        LOST.labels(name).inc(lost)
        log.error(
            "records were deleted before they were read, going on without them",
            partition=name,
            lost=lost,
            mark=wanted - 1,
            begins=first,
        )
        return first

    def _lost(self, text: str) -> InputLost:
        error = InputLost(text)
        self._tell(error)  # at once: it is on its way through libraries that have much to say
        return error

    def close(self) -> None:
        """Let go of the connection; nobody waits for it.

        Closing joins a thread of the client's without a limit, and while that still reads or
        connects the two get in each other's way.
        """
        client, self._client = self._client, None
        if client is not None:
            threading.Thread(target=self._end, args=(client,), name="guard", daemon=True).start()

    def _end(self, client: Any) -> None:
        with self._asking, contextlib.suppress(KafkaError, OSError):
            client.close()


async def _in_thread(call: Callable[[], T]) -> T:
    """The result of a call that blocks; unlike an executor's, it does not hold up the exit."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if answered.done():
            return
        if error is not None:
            answered.set_exception(error)
        else:
            answered.set_result(cast("T", result))

    def run() -> None:
        result, problem = None, None
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=run, name="guard", daemon=True).start()
    return await answered


def _id(topic_id: object) -> str | None:
    """As text; None where it is missing or all zeros."""
    text = str(topic_id or "")
    return text if text.strip("0-") else None
