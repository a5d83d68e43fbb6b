"""aiokafka's fetcher, made to ask soon and to make nothing that is not needed."""

from __future__ import annotations

from typing import Any

from aiokafka.consumer import consumer, fetcher

PARTIAL_FETCH_WAIT_MS = 10
"""How long a broker may hold a fetch that leaves partitions out: they are not asked for meanwhile.
"""
PREFETCH_WAIT_S = 0.02
"""How long a fetch waits for partitions whose records are not taken yet, to ask for them too."""


class LeanRecords(fetcher.PartitionRecords):
    """Hands out records as they are parsed, without a second, Python-made object for each.

    Making it was most of what reading cost. The topic and partition are the slice's to say.
    """

    def _consumer_record(self, tp: Any, record: Any) -> Any:  # noqa: ARG002 - aiokafka's signature
        return record


class PromptFetcher(fetcher.Fetcher):
    """Asks for every partition as soon as it can be asked for.

    A fetcher has one request on its way to each broker. One for some partitions only, which a
    broker that has nothing to say holds back, keeps the others from being read.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prefetch_backoff: float = PREFETCH_WAIT_S
        self._longest_wait_ms: int = kwargs["fetch_max_wait_ms"]

    def _get_actions_per_node(self, assignment: Any) -> Any:
        wait_ms = PARTIAL_FETCH_WAIT_MS if self._records else self._longest_wait_ms
        self._fetch_max_wait_ms: int = min(wait_ms, self._longest_wait_ms)
        return super()._get_actions_per_node(assignment)


def fetch_promptly() -> None:
    """Let consumers that start from now on fetch so.

    The worker's is the only one in its process that reads records: others ask for offsets alone.
    """
    fetcher.PartitionRecords = LeanRecords
    consumer.Fetcher = PromptFetcher
