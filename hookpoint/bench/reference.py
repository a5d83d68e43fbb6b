"""What the answer should be: from the records themselves, by the rule of docs/bench.md.

A contender that stops early is compared with what follows from the records that it took, so the
reports of some viewers are remembered while the stream is sent, each with its place in its
partition.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import orjson

from hookpoint.bench.peers.watching import Report, add
from producers.send import partition_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from producers.records import Record

HASHES = 1 << 32
SPARE = 1.2
"""Chances fluctuate: a fifth more are noted than are wanted."""


class Seen(NamedTuple):
    """One report of a sampled viewer. ``kind`` without ``playback.``; 0 and 0 for a film."""

    offset: int
    playback_id: str
    title_id: str
    season: int
    episode: int
    kind: str
    autoplay: bool
    report: Report


class Sums(NamedTuple):
    """Watch time of a viewer, and of that what falls to each genre; seconds."""

    watched_s: float
    genres: Mapping[str, float]


class Reference:
    """The reports of a sample of viewers, by hash of their ids and the seed.

    Args:
        partitions: how many the events topic has.
        viewers: about how many the stream is of.
        wanted: how many to sample.
        seed: gives the sample.
    """

    def __init__(self, partitions: int, viewers: int, wanted: int, seed: int) -> None:
        self._partitions = partitions
        self._below = HASHES if viewers <= wanted else int(HASHES * SPARE * wanted / viewers)
        self._wanted = wanted
        self._salt = zlib.crc32(f"sample {seed}".encode())
        self._viewers: dict[bytes, tuple[int, list[Seen] | None]] = {}
        self.counts = [0] * partitions
        """Records by partition."""

    def noting(self, records: Iterable[Record]) -> Iterator[Record]:
        """The same records; those of the sample are noted as they pass."""
        viewers, counts = self._viewers, self.counts
        for record in records:
            known = viewers.get(record.key)
            if known is None:
                partition = partition_of(record.key, self._partitions)
                known = (partition, [] if self.samples(record.key) else None)
                viewers[record.key] = known
            partition, noted = known
            if noted is not None:
                noted.append(_seen(record.value, counts[partition]))
            counts[partition] += 1
            yield record

    @property
    def viewers(self) -> list[str]:
        """The sample."""
        sampled = [key for key, (_, noted) in self._viewers.items() if noted is not None]
        return [key.decode() for key in sorted(sampled, key=self._hash)[: self._wanted]]

    def samples(self, key: bytes) -> bool:
        """Whether this viewer's reports are noted."""
        return self._hash(key) < self._below

    def _hash(self, key: bytes) -> int:
        return zlib.crc32(key, self._salt)

    def seen(self, viewer: str, positions: Mapping[int, int] | None = None) -> Sequence[Seen]:
        """Their reports in the order of arrival, up to the next offset of their partition."""
        partition, noted = self._viewers[viewer.encode()]
        if positions is None:
            return noted or ()
        end = positions.get(partition, 0)
        return [it for it in noted or () if it.offset < end]


def _seen(value: bytes, offset: int) -> Seen:
    event = orjson.loads(value)
    data = event["data"]
    position_s = data["position_s"]
    report = (
        data["seq"],
        datetime.fromisoformat(event["time"]).timestamp(),
        position_s,
        data.get("rate", 1.0),
        data.get("from_position_s", position_s),
    )
    return Seen(
        offset,
        data["playback_id"],
        data["title_id"],
        data.get("season", 0),
        data.get("episode", 0),
        event["type"].removeprefix("playback."),
        data.get("autoplay", False),
        report,
    )


def summed(seen: Iterable[Seen], genres: Mapping[str, Sequence[str]]) -> Sums:
    """Watch time and genre taste, as docs/bench.md defines them for the comparison.

    Args:
        seen: reports of one viewer, in any order, with or without duplicates.
        genres: of each title.
    """
    playbacks: dict[str, list[Report]] = defaultdict(list)
    of_genre: dict[str, float] = defaultdict(float)
    watched_s = 0.0
    for it in seen:
        gained_s = add(playbacks[it.playback_id], it.report)
        watched_s += gained_s
        for genre in genres[it.title_id]:
            of_genre[genre] += gained_s / len(genres[it.title_id])
    return Sums(watched_s, dict(of_genre))
