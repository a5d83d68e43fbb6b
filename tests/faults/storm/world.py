"""What a storm rages over: brokers, Redis, the links to them, workers; and how far it is."""

from __future__ import annotations

import copy
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import orjson
import redis
from faults.proxy import Proxy
from faults.supervisor import Supervisor
from outcomes import open_redis
from pydantic import SecretStr
from workers import NEVER_IDLE_S, REDIS_AWAY, Ends, absorbed, marks, settled, titles_settled

from config.settings import Agent, Settings, TopicNames
from hookpoint.apache import ApacheKafka
from hookpoint.servers import RedisServer
from hookpoint.topics import ensure_topics
from streams.keys import Keys
from streams.rules import Rules

if TYPE_CHECKING:
    from pathlib import Path

PARTITIONS = 6
NODES = 3
SESSION_TIMEOUT_S = 3.0
IO_TIMEOUT_S = 4.0
OUTAGE_MAX_S = 60.0
SLICE_MAX = 400
"""Small, so that there are many places to die in."""
VIEWERS: frozenset[Agent] = frozenset({"viewers", "catalogue"})
TITLES: frozenset[Agent] = frozenset({"titles", "catalogue"})
"""Viewers' signals are compared byte for byte, and rest on curves: these are made by hand, where
the titles agent would put its own. So it runs beside, under a prefix of its own."""
OWN_ROLES = ("sessions", "signals", "progress", "rejects")
RULES = Rules(least_viewers=1)
"""Of so small an audience little would ever be said of a title."""
STARTS_FAST = ("-XX:TieredStopAtLevel=1",)
KEPT = {"appendonly": "yes", "appendfsync": "always", "auto-aof-rewrite-percentage": "0"}


class Brokers:
    """Three nodes of Apache Kafka, each behind a proxy that clients are told of."""

    def __init__(self, folder: Path) -> None:
        self.kafka = ApacheKafka(NODES, data_dir=folder)
        self.proxies = [Proxy(node.port) for node in self.kafka.nodes]
        for node, proxy in zip(self.kafka.nodes, self.proxies, strict=True):
            node.advertised_port = proxy.port
            node.java_options = STARTS_FAST
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for proxy in self.proxies:
                opening.enter_context(proxy)
            opening.enter_context(self.kafka)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def bootstrap(self) -> str:
        """Where clients begin."""
        return ",".join(proxy.address for proxy in self.proxies)

    def kill_all(self) -> None:
        """A power cut."""
        for node in self.kafka.nodes:
            node.kill()

    def start_all(self) -> None:
        """All at once: none of them answers alone."""
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(lambda node: node.start(), self.kafka.nodes))


class Run:
    """One run over the events: its settings, and how far it is.

    Args:
        bootstrap: Kafka.
        redis_url: Redis, or one node of a cluster.
        name: goes into everything that the run owns.
        more: settings.
    """

    def __init__(self, bootstrap: str, redis_url: str, name: str, **more: Any) -> None:
        outputs = {role: f"{name}-{role}" for role in OWN_ROLES}
        self.settings = Settings(
            kafka_bootstrap=bootstrap,
            redis_url=SecretStr(redis_url),
            topics=TopicNames(**outputs),
            agents=VIEWERS,
            partitions=PARTITIONS,
            replication=NODES,
            group=name,
            key_prefix=f"{name}:",
            session_timeout_s=SESSION_TIMEOUT_S,
            idle_after_s=NEVER_IDLE_S,
            io_timeout_s=IO_TIMEOUT_S,
            outage_max_s=OUTAGE_MAX_S,
            **more,
        )
        ensure_topics(self.settings)

    def of_titles(self) -> Run:
        """The same topics, for workers that do the titles of this run."""
        name, beside = f"{self.settings.group}-titles", copy.copy(self)
        own = {"agents": TITLES, "group": name, "key_prefix": f"{name}:", "rules": RULES}
        beside.settings = self.settings.model_copy(update=own)
        return beside

    def look(self, redis_url: str | None = None) -> Any:
        """A Redis client, which may go another way than the workers do."""
        if redis_url is None:
            return open_redis(self.settings)
        return redis.Redis.from_url(redis_url, socket_timeout=2.0)

    def marks(self, client: Any) -> Ends:
        """Last absorbed offset per partition; empty while Redis does not answer."""
        topics = self.settings.topics
        topic = topics.progress if "titles" in self.settings.agents else topics.events
        try:
            return marks(client, self.settings, topic)
        except REDIS_AWAY:
            return {}

    def has_titles(self, client: Any, ends: Ends) -> bool:
        """Whether the catalogue is in."""
        return absorbed(client, self.settings, self.settings.topics.titles, ends)

    def is_through(self, client: Any, ends: Ends) -> bool:
        """Whether all events are in and all timers have fired."""
        return settled(client, self.settings, ends)

    def has_heard_all(self, client: Any) -> bool:
        """Whether all that there is of title-progress by now is in."""
        return titles_settled(client, self.settings)

    def give_curves(self, client: Any, titles: list[dict[str, Any]]) -> int:
        """Put hand-made audience curves in for every other series. Returns how many."""
        keys, count = Keys(self.settings.key_prefix), 0
        for title in titles[::2]:
            for season in title.get("seasons", ()):
                episodes = len(season["episodes"])
                if episodes > 1:
                    field = f"curve:{season['season']}"
                    client.hset(keys.engagement(title["title_id"]), field, a_curve(episodes))
                    count += 1
        return count


def a_curve(episodes: int) -> bytes:
    """A season that most viewers finish, and later ones surely."""
    left = episodes - 1
    c = [min(0.98, 0.8 + 0.05 * j) for j in range(left)]
    return orjson.dumps(
        {
            "version": "hand-made",
            "episodes": episodes,
            "c": c,
            "low": [share - 0.06 for share in c],
            "n": [400] * left,
            "gap_s": [0, 3600, 86400, 3 * 86400, 28 * 86400],
            "gap_cdf": [0, 0.3, 0.7, 0.9, 1],
        }
    )


class World:
    """All that faults of the first scenario may be done to."""

    def __init__(self, brokers: Brokers, folder: Path, name: str) -> None:
        self.brokers = brokers
        self.redis = RedisServer(folder / "redis", options=KEPT)
        self.redis_link = Proxy(self.redis.port)
        self.folder = folder
        self.kafka_turn, self.redis_turn, self.link_turn = (threading.Lock() for _ in range(3))
        """Faults of one kind of server come one after the other."""
        self._name = name
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self.redis.start()
            opening.callback(self.redis.stop)
            opening.enter_context(self.redis_link)
            url = f"redis://{self.redis_link.address}/0"
            self.run = Run(self.brokers.bootstrap, url, self._name, slice_max=SLICE_MAX)
            self.client = opening.enter_context(self.run.look(self.redis.url))
            self.workers = opening.enter_context(
                Supervisor(self.run.settings, self.folder, lambda: self.run.marks(self.client))
            )
            self.beside = copy.copy(self)
            """The same world, as faults of the workers that do titles see it."""
            titles = self.beside.run = self.run.of_titles()
            self.beside.workers = opening.enter_context(
                Supervisor(titles.settings, self.folder, lambda: titles.marks(self.client))
            )
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def check(self) -> None:
        """Raise what has broken the run, if anything has."""
        self.workers.check()
        self.beside.workers.check()

    def tails(self) -> str:
        """The ends of all logs."""
        return f"{self.workers.tails()}\n\n{self.beside.workers.tails()}"

    def tokens(self) -> dict[int, bytes]:
        """Who has claimed each partition."""
        keys, settings = Keys(self.run.settings.key_prefix), self.run.settings
        names = [keys.mark(settings.group, settings.topics.events, p) for p in range(PARTITIONS)]
        return {p: self.client.hget(name, "token") or b"" for p, name in enumerate(names)}

    def copy_log(self, to: Path) -> None:
        """Take a copy of Redis's append-only files as they are now."""
        for path in self.redis.folder.glob("appendonly*"):
            copy = shutil.copytree if path.is_dir() else shutil.copyfile
            copy(path, to / path.name)

    def bring_back_log(self, copied: Path) -> None:
        """Put such a copy in the place of what a Redis that is not running has."""
        for path in self.redis.folder.glob("appendonly*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        for path in copied.iterdir():
            copy = shutil.copytree if path.is_dir() else shutil.copyfile
            copy(path, self.redis.folder / path.name)

    def wait(self, seconds: float) -> None:
        """How long a fault lasts is part of the schedule, so here time is what is waited for."""
        time.sleep(seconds)
