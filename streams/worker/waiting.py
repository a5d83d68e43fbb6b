"""Before a worker starts: wait until Kafka, its topics and Redis are there, and say what is not."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from config.kafka import aiokafka_security, kafka_problem
from config.topics import topic_specs
from config.wrong import refused_by_redis
from streams.worker.publisher import BrokerAway, TopicsMissing
from streams.worker.redis_store import RedisStore
from streams.worker.store import StoreAway

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings
    from streams.worker.outage import Patience
    from streams.worker.store import Mark, Source

CATALOGUE_STALLED_S = 10.0


async def wait_for_servers(
    settings: Settings, patience: Patience, tell: Callable[[str], object]
) -> None:
    """Return once everything that a worker needs answers.

    Args:
        settings: where things are.
        patience: waits.
        tell: called with what is waited for.

    Raises:
        StoreAway, BrokerAway: they did not within ``outage_max_s``.
        WrongSettingError: Redis answers, and refuses who we are or which database we want.
    """
    aiokafka = logging.getLogger("aiokafka")
    level = aiokafka.level
    aiokafka.setLevel(logging.CRITICAL)  # it says every attempt, we say every change
    try:
        tell("the start waits for Kafka and its topics")
        await patience(_topics, settings)
        tell("the start waits for Redis")
        await patience(_redis, settings)
    finally:
        aiokafka.setLevel(level)
    tell("the worker is starting")


async def wait_for_catalogue(settings: Settings, store: RedisStore, partitions: int) -> bool:
    """Return once the workers have read all titles that were sent before now.

    Events that are decided without their title say nothing of taste or of a season.

    Args:
        settings: where things are.
        store: where the workers' marks are.
        partitions: of the ``titles`` topic.

    Returns:
        Whether they have; False if reading has not moved on for a while.
    """
    ends = await _title_ends(settings, partitions)
    seen: dict[Source, Mark] = {}
    moved = time.monotonic()
    while time.monotonic() - moved < CATALOGUE_STALLED_S:
        marks = await store.marks(ends)
        if all(source in marks and marks[source].offset >= end - 1 for source, end in ends.items()):
            return True
        if marks != seen:
            seen, moved = marks, time.monotonic()
        await asyncio.sleep(0.1)
    return False


async def _title_ends(settings: Settings, partitions: int) -> dict[Source, int]:
    topic = settings.topics.titles
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap.split(","), **aiokafka_security(settings)
    )
    try:
        await consumer.start()
        ends = await consumer.end_offsets([TopicPartition(topic, p) for p in range(partitions)])
    except (KafkaError, OSError) as error:
        problem = kafka_problem(settings, error)
        raise BrokerAway(f"Kafka at {settings.kafka_bootstrap}: {problem}") from error
    finally:
        await consumer.stop()
    return {(tp.topic, tp.partition): end for tp, end in ends.items() if end > 0}


async def _topics(settings: Settings) -> None:
    hosts = settings.kafka_bootstrap
    admin = AIOKafkaAdminClient(bootstrap_servers=hosts.split(","), **aiokafka_security(settings))
    try:
        await admin.start()
        found = set(await admin.list_topics())
    except (KafkaError, OSError) as error:
        raise BrokerAway(f"Kafka at {hosts}: {kafka_problem(settings, error)}") from error
    finally:
        await admin.close()
    missing = [spec.name for spec in topic_specs(settings) if spec.name not in found]
    if missing:
        raise TopicsMissing(f"no topic {', '.join(missing)} at {hosts}: run `hookpoint topics`")


async def _redis(settings: Settings) -> None:
    store = RedisStore(settings)
    try:
        await store.load(["-"])
    except (RedisError, StoreAway) as error:
        wrong = refused_by_redis(error)
        if wrong is None:
            raise
        raise wrong from error
    finally:
        await store.close()
