"""A client of the Redis that the settings name, single or Cluster, for readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import ExponentialBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from config.kafka import redis_kwargs

if TYPE_CHECKING:
    from config.settings import Settings

RETRIES = 3
TIMEOUT_S = 5.0


def connect(settings: Settings, *, decode: bool = True) -> redis.Redis | RedisCluster:
    """A client that decodes answers to text; bytes that are not UTF-8 become U+FFFD.

    Without ``decode`` it leaves them as they are, as a viewer's private state wants it.

    A single server is not contacted until the first command; a Cluster is asked for its nodes.
    Each command gives up after 5 seconds and is tried four times before it raises.

    Raises:
        redis.RedisError: a Cluster does not answer.
        ValueError: the URL is none.
    """
    arguments: dict[str, Any] = {
        "decode_responses": decode,
        "encoding_errors": "replace",
        "socket_connect_timeout": TIMEOUT_S,
        "socket_timeout": TIMEOUT_S,
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), RETRIES),
        **redis_kwargs(settings),
    }
    url = settings.redis_url.get_secret_value()
    if settings.redis_cluster:
        return RedisCluster.from_url(url, **arguments)
    return redis.Redis.from_url(url, **arguments)
