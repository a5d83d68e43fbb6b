"""Populations with viewing behind them: some live through it, any number more are their likes.

What a viewer's keys hold after a month does not depend on how many others there are. So some
thousand simulated viewers live through their weeks by way of a worker, and each other viewer of a
larger population gets the keys (and the timer) of one of them, byte for byte, under a name of
their own.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import redis

from config.kafka import redis_kwargs
from hookpoint.bench.crowd import viewer_name
from hookpoint.bench.tidy import chunks
from hookpoint.processes import StackError
from producers.send import partition_of
from producers.simulator import Audience, AudienceOptions
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from config.settings import Settings

WEEK_S = 7 * 86400.0
AT_ONCE = 500
PUT_OFF_MS = 86_400_000
SETTLE_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
PUBLIC = ("taste", "progress", "hooked")
PARTS = ("state", *PUBLIC)
STATE_FIELDS = ("version", "live", "rest", "sums", "out", "beats")


class Likeness(NamedTuple):
    """One viewer's keys as ``DUMP`` gives them, and when their next timer is due (epoch ms)."""

    dumps: dict[str, bytes]
    due_ms: float | None


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """One of the keys of a viewer, on average over a sample, with viewers who lack it as 0."""

    bytes: float
    """As ``MEMORY USAGE`` has it, key name and all."""
    fields: float
    value_bytes: float
    """Of the fields' values alone."""
    name_bytes: float
    """Of the fields' names alone."""
    encodings: dict[str, float]
    """Share of the viewers by how Redis encodes it."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What a viewer takes in Redis, by a sample."""

    sample: int
    keys: dict[str, KeyFigures]
    state_bytes: dict[str, float]
    """Of each field of ``state:{viewer}``."""

    @property
    def public(self) -> float:
        """Bytes of the keys that are a contract."""
        return sum(self.keys[part].bytes for part in PUBLIC)

    @property
    def private(self) -> float:
        """Bytes of ``state:{viewer}``."""
        return self.keys["state"].bytes


def raw_client(settings: Settings) -> Any:
    """A client that leaves answers as they are."""
    arguments: dict[str, Any] = {"protocol": 2, **redis_kwargs(settings)}
    return redis.Redis.from_url(settings.redis_url.get_secret_value(), **arguments)


def audience_behind(viewers: int, weeks: float, heartbeat_s: float, seed: int) -> Audience:
    """Viewers whose ``weeks`` of viewing end about now."""
    start_s = time.time() - weeks * WEEK_S
    options = AudienceOptions(
        viewers=viewers,
        weeks=weeks,
        heartbeat_s=heartbeat_s,
        seed=seed,
        start_s=start_s,
        keep_truth=False,
    )
    return Audience(options)


def likenesses(settings: Settings, viewers: Iterable[str]) -> list[Likeness]:
    """What Redis holds of ``viewers``."""
    keys, found = Keys(settings.key_prefix), []
    due = [
        keys.due(settings.group, settings.topics.events, partition)
        for partition in range(settings.partitions)
    ]
    with closing(raw_client(settings)) as client:
        for some in chunks(viewers, AT_ONCE):
            with client.pipeline(transaction=False) as batch:
                for viewer in some:
                    for name in _names(keys, viewer).values():
                        batch.dump(name)
                    place = partition_of(viewer.encode(), settings.partitions)
                    batch.zscore(due[place], viewer)
                answers = iter(batch.execute())
            for _ in some:
                *dumps, due_ms = islice(answers, len(PARTS) + 1)
                dumped = {p: d for p, d in zip(PARTS, dumps, strict=True) if d is not None}
                if dumped:
                    found.append(Likeness(dumped, due_ms))
    return found


def populate(
    settings: Settings, count: int, likes: Sequence[Likeness], told: Callable[[int], None]
) -> None:
    """Give ``count`` viewers of a crowd (``viewer_name``) the keys of ``likes``, by turns.

    Their timers are put off by a day. A service has timers in proportion to its events; here a
    million bystanders' would be most of the work of the few who watch.
    """
    keys, ttl_ms = Keys(settings.key_prefix), settings.viewer_ttl_s * 1000
    due = [
        keys.due(settings.group, settings.topics.events, partition)
        for partition in range(settings.partitions)
    ]
    done = 0
    with closing(raw_client(settings)) as client:
        for some in chunks(zip(range(count), cycle(likes), strict=False), AT_ONCE):
            with client.pipeline(transaction=False) as batch:
                for number, like in some:
                    viewer = viewer_name(number)
                    names = _names(keys, viewer)
                    for part, dump in like.dumps.items():
                        batch.restore(names[part], ttl_ms, dump)
                    if like.due_ms is not None:
                        place = partition_of(viewer.encode(), settings.partitions)
                        batch.zadd(due[place], {viewer: like.due_ms + PUT_OFF_MS})
                batch.execute()
            done += len(some)
            told(done)


def anatomy(settings: Settings, viewers: Sequence[str]) -> Anatomy:
    """Look at every key of a sample of viewers."""
    keys = Keys(settings.key_prefix)
    with closing(raw_client(settings)) as client:
        found = {
            part: [_look(client, _names(keys, viewer)[part]) for viewer in viewers]
            for part in PARTS
        }
    count = len(viewers)
    state = {
        name: sum(fields.get(name.encode(), 0) for _, _, fields in found["state"]) / count
        for name in STATE_FIELDS
    }
    return Anatomy(count, {part: _mean(them) for part, them in found.items()}, state)


def used_memory(settings: Settings) -> int:
    """Bytes that Redis has allocated, once it has let go of what was removed before.

    Raises:
        StackError: it does not come to an end with that.
    """
    patience = time.monotonic() + SETTLE_WITHIN_S
    with closing(raw_client(settings)) as client:
        while client.info("memory")["lazyfree_pending_objects"]:
            if time.monotonic() > patience:
                raise StackError("Redis is still letting go of keys that were removed")
            time.sleep(LOOK_EVERY_S)
        return int(client.info("memory")["used_memory"])


Look = tuple[int, str, dict[bytes, int]]
"""Bytes of a key, its encoding, and the length of each field's value."""


def _look(client: Any, name: str) -> Look:
    size = client.memory_usage(name, samples=0)
    if size is None:
        return 0, "none", {}
    encoding = client.object("ENCODING", name).decode()
    return size, encoding, {field: len(value) for field, value in client.hgetall(name).items()}


def _mean(looks: Sequence[Look]) -> KeyFigures:
    count = len(looks)
    encodings: dict[str, float] = {}
    for _, encoding, _ in looks:
        encodings[encoding] = encodings.get(encoding, 0.0) + 1 / count
    return KeyFigures(
        bytes=sum(size for size, _, _ in looks) / count,
        fields=sum(len(fields) for _, _, fields in looks) / count,
        value_bytes=sum(sum(fields.values()) for _, _, fields in looks) / count,
        name_bytes=sum(sum(map(len, fields)) for _, _, fields in looks) / count,
        encodings=encodings,
    )


def _names(keys: Keys, viewer: str) -> dict[str, str]:
    of_viewer = keys.viewer(viewer)
    return {part: getattr(of_viewer, part) for part in PARTS}


def viewers_of(audience: Audience) -> Iterator[str]:
    """Names of the simulator's viewers."""
    count = audience.options.viewers
    width = len(str(count))
    return (f"viewer-{number:0{width}d}" for number in range(1, count + 1))
