"""aiokafka's fetcher, made to ask soon; and how far ahead of its lanes a worker reads."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiokafka.consumer import consumer, fetcher

if TYPE_CHECKING:
    from collections.abc import Iterable

    from faust.types import TP

PARTIAL_FETCH_WAIT_MS = 10
"""How long a broker may hold a fetch that leaves partitions out: they are not asked for meanwhile.
"""
GATHER_MS = 20
"""How long a broker lets records gather while they keep coming: each fetch makes slices, and one
costs about a millisecond of a core however short it is."""
GATHER_BYTES = 1 << 20
"""As many need not gather any longer."""
FLOWS_S = 0.2
"""Records keep coming while the last ones came no longer ago than this."""
PREFETCH_WAIT_S = 0.02
"""How long a fetch waits for partitions whose records are not taken yet, to ask for them too."""


class LeanRecords(fetcher.PartitionRecords):
    """Hands out records as they are parsed, without a second, Python-made object for each.

    Making it was most of what reading cost. The topic and partition are the slice's to say.
    """

    def _consumer_record(self, tp: Any, record: Any) -> Any:  # noqa: ARG002 - aiokafka's signature
        return record


class PromptFetcher(fetcher.Fetcher):
    """Asks for every partition as soon as it can be asked for, and for many records at once.

    A fetcher has one request on its way to each broker. One for some partitions only, which a
    broker that has nothing to say holds back, keeps the others from being read.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prefetch_backoff: float = PREFETCH_WAIT_S
        self._longest_wait_ms: int = kwargs["fetch_max_wait_ms"]
        self._news_at = -FLOWS_S

    def _get_actions_per_node(self, assignment: Any) -> Any:
        wait_ms, least_bytes = self._longest_wait_ms, 1
        if self._records:
            wait_ms = PARTIAL_FETCH_WAIT_MS
        elif time.monotonic() - self._news_at < FLOWS_S:
            wait_ms, least_bytes = GATHER_MS, GATHER_BYTES
        self._fetch_max_wait_ms: int = min(wait_ms, self._longest_wait_ms)
        self._fetch_min_bytes: int = least_bytes
        return super()._get_actions_per_node(assignment)

    async def _proc_fetch_request(self, assignment: Any, node_id: Any, request: Any) -> Any:
        has_news = await super()._proc_fetch_request(assignment, node_id, request)
        if has_news:
            self._news_at = time.monotonic()
        return has_news


def fetch_promptly() -> None:
    """Let consumers that start from now on fetch so.

    The worker's is the only one in its process that reads records: others ask for offsets alone.
    """
    fetcher.PartitionRecords = LeanRecords
    consumer.Fetcher = PromptFetcher


class Room:
    """Counts, by partition, the records that are handed out and not done."""

    def __init__(self) -> None:
        self._taken: Counter[TP] = Counter()
        self._news = asyncio.Event()

    def take(self, tp: TP, records: int) -> None:
        """Records are handed out."""
        self._taken[tp] += records

    def give_back(self, tp: TP, records: int) -> None:
        """They are done."""
        self._taken[tp] -= records
        self._news.set()

    def clear(self) -> None:
        """Nothing that was handed out counts any more."""
        self._taken.clear()

    def of(self, tps: Iterable[TP], most: int) -> set[TP]:
        """The partitions of which fewer than ``most`` records are handed out."""
        return {tp for tp in tps if self._taken[tp] < most}

    async def wait(self, within_s: float) -> None:
        """Return once records are given back, or after ``within_s`` seconds."""
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), within_s)
