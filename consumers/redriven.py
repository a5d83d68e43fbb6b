"""Which dead letters were sent again, kept in Redis, and a lock so that one process sends them.

A dead letter is known by the place of its source record. Bits, not ids: where a whole topic of bad
records was sent again, five million ids would take half a gigabyte; a bit each takes a megabyte.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import LockNotOwnedError, RedisError

from streams.keys import tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from config.settings import Settings
    from consumers.records import Place

REMEMBER_S = 45 * 86_400
"""Dead letters are kept for 30 days, and a broker drops them up to a week later."""
CHUNK = 8192
"""Offsets per key: a lone bit takes no more than 1 KiB."""
SPARE_S = 60.0


class LockedError(Exception):
    """Another process sends dead letters again, or one was killed a moment ago."""


class Redriven:
    """What was sent again, in Redis; each bit lives for 45 days after its key's last addition.

    Raises:
        redis.RedisError: from every method, if Redis is away.
    """

    def __init__(self, client: Any, settings: Settings) -> None:
        self._client = client
        self._prefix = settings.key_prefix
        # The longest that a batch may wait for the broker, and then some.
        self.locked_s = settings.io_timeout_s + SPARE_S
        self._lock = client.lock(
            f"{self._prefix}redriving:{tag(settings.topics.events)}", self.locked_s, blocking=False
        )

    def known(self, places: Sequence[Place]) -> set[Place]:
        """Those of ``places`` that were sent again before; one round trip."""
        if not places:
            return set()
        asked = self._client.pipeline(transaction=False)
        for place in places:
            asked.getbit(*self._bit(place))
        return {at for at, bit in zip(places, asked.execute(), strict=True) if bit}

    def add(self, places: Iterable[Place]) -> None:
        """Remember ``places``; one round trip per source partition, each all or nothing."""
        partitions = defaultdict(list)
        for place in places:
            partitions[place[:2]].append(self._bit(place))
        for bits in partitions.values():
            batch = self._client.pipeline(transaction=True)
            for key, bit in bits:
                batch.setbit(key, bit, 1)
            for key in {key for key, _ in bits}:
                batch.expire(key, REMEMBER_S)
            batch.execute()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else sends meanwhile, as long as ``still_alone`` is called before each batch.

        Raises:
            LockedError: somebody else does.
        """
        if not self._lock.acquire():
            raise LockedError(
                "dead letters are being sent again by another process "
                f"(if that was killed, try again in {self.locked_s:.0f} s)"
            )
        try:
            yield
        finally:
            with suppress(RedisError):  # it expires by itself
                self._lock.release()

    def still_alone(self) -> None:
        """Make sure of it for as long as one batch may take.

        Raises:
            LockedError: this process was held up for so long that another took over.
        """
        try:
            self._lock.reacquire()
        except LockNotOwnedError as error:
            raise LockedError(
                "this process was held up, and another may send dead letters again by now"
            ) from error

    def _bit(self, place: Place) -> tuple[str, int]:
        """Key and bit. Keys of a partition share a tag, so that one transaction holds them all."""
        chunk, bit = divmod(place.offset, CHUNK)
        return f"{self._prefix}redriven:{tag(f'{place.topic}:{place.partition}')}:{chunk}", bit
