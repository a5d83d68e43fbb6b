"""Before a worker starts: wait until Kafka, its topics and Redis are there, and say what is not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from config.kafka import aiokafka_security
from config.topics import topic_specs
from streams.worker.outage import Patience
from streams.worker.publisher import BrokerAway
from streams.worker.redis_store import RedisStore

if TYPE_CHECKING:
    from config.settings import Settings


async def wait_for_servers(settings: Settings) -> None:
    """Return once everything that a worker needs answers.

    Raises:
        StoreAway, BrokerAway: they did not within ``outage_max_s``.
    """
    patience = Patience(settings.outage_max_s)
    aiokafka = logging.getLogger("aiokafka")
    level = aiokafka.level
    aiokafka.setLevel(logging.CRITICAL)  # it says every attempt, we say every change
    try:
        await patience(_topics, settings)
        await patience(_redis, settings)
    finally:
        aiokafka.setLevel(level)


async def _topics(settings: Settings) -> None:
    hosts = settings.kafka_bootstrap
    admin = AIOKafkaAdminClient(bootstrap_servers=hosts.split(","), **aiokafka_security(settings))
    try:
        await admin.start()
        found = set(await admin.list_topics())
    except (KafkaError, OSError) as error:
        raise BrokerAway(f"Kafka at {hosts}: {error}") from error
    finally:
        await admin.close()
    missing = [spec.name for spec in topic_specs(settings) if spec.name not in found]
    if missing:
        raise BrokerAway(f"no topic {', '.join(missing)} at {hosts}: run `hookpoint topics`")


async def _redis(settings: Settings) -> None:
    store = RedisStore(settings)
    try:
        await store.load(["-"])
    finally:
        await store.close()
