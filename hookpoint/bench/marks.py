"""How far workers are, asked from outside by the marks of their partitions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hookpoint.processes import StackError
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from config.settings import Settings

LOOK_EVERY_S = 0.1


class Marks:
    """The marks of a topic, up to the offsets that were sent last.

    Args:
        settings: whose group and keys.
        client: of ``consumers.connection.connect``.
        last_offsets: per partition; it may grow while more is sent.
        topic: that of the events if none is named.
    """

    def __init__(
        self, settings: Settings, client: Any, last_offsets: Mapping[int, int], topic: str = ""
    ) -> None:
        self._keys = Keys(settings.key_prefix)
        self._of = (settings.group, topic or settings.topics.events)
        self._client = client
        self.last_offsets = dict(last_offsets)

    @property
    def goal(self) -> int:
        """Records that were sent."""
        return sum(offset + 1 for offset in self.last_offsets.values())

    def claimed(self) -> bool:
        """Whether workers have taken all partitions; they read nothing before."""
        with self._client.pipeline(transaction=False) as batch:
            for partition in self.last_offsets:
                batch.hexists(self._keys.mark(*self._of, partition), "token")
            return all(batch.execute())

    def absorbed(self) -> int:
        """Records absorbed so far, of those that were sent."""
        with self._client.pipeline(transaction=False) as batch:
            for partition in self.last_offsets:
                batch.hget(self._keys.mark(*self._of, partition), "offset")
            offsets = batch.execute()
        return sum(
            min(int(offset), last) + 1
            for offset, last in zip(offsets, self.last_offsets.values(), strict=True)
            if offset is not None
        )

    def wait(self, check: Callable[[], None], longest_s: float) -> float:
        """Wait until everything is absorbed; returns for how many seconds.

        Raises:
            StackError: it was not within ``longest_s`` seconds, or ``check`` raised it.
        """
        begun = time.monotonic()
        while self.absorbed() < self.goal:
            check()
            if time.monotonic() - begun > longest_s:
                raise StackError(f"not everything was absorbed within {longest_s:.0f} s")
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - begun
