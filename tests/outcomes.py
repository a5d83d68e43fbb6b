"""What a run over some input has left behind, and how it differs from another run's.

A reader of sessions and signals drops what it knows by id. A reader of ``title-progress`` keeps one
mark per source partition, in the order of lineage; what it lets through must be the same records,
each once. What is counted of titles must be the same numbers; when something was decided about a
title may differ, as records of several source partitions interleave anew in every run.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import redis
from decided_state import decided, stored_of
from title_counts import Counts, TitleKeys, title_keys
from workers import read_topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from config.settings import Settings
    from consumers.records import RawRecord

VIEWER_KEYS = ("state", "taste", "progress", "hooked")
ABOUT_TITLES = "title."
"""How the types of signals about titles begin."""
Place = tuple[int, ...]
SHOWN = 300


class Outcome(NamedTuple):
    """All that may be compared of two runs over the same input."""

    keys: dict[str, dict[bytes, bytes]]
    sessions: dict[str, bytes]
    """The latest revision by id."""
    signals: dict[str, bytes]
    """Of viewers, by id."""
    rejects: dict[str, bytes]
    progress: Counter[bytes]
    """What a reader of title-progress lets through."""
    records: Counter[str]
    """Records on each topic, repetitions and all."""
    contradictions: list[str]
    """Records that were sent twice with two bodies."""
    lineages: dict[bytes, list[str]]
    """Every place where a record of title-progress lies, and its lineage."""
    titles: dict[str, Counts]
    title_signals: dict[str, bytes]
    """By id."""
    unsent: list[str]
    """Signals that a title's outbox holds and the topic does not."""
    stale: list[str]
    """Reports of titles that are not of the counts as they are."""


def open_redis(settings: Settings) -> Any:
    """A client of the Redis or Redis Cluster that a run writes to; bytes in and out."""
    url = settings.redis_url.get_secret_value()
    if settings.redis_cluster:
        return redis.RedisCluster.from_url(url)
    return redis.Redis.from_url(url)


def outcome(settings: Settings, titles: Settings | None = None) -> Outcome:
    """What a run has left in Redis and on Kafka.

    Args:
        settings: of its workers.
        titles: of those that count titles, if these are others.
    """
    topics, contradictions, records = settings.topics, [], Counter()

    def by_name(topic: str, name_of: Any) -> dict[Any, bytes]:
        found: dict[Any, bytes] = {}
        for record in read_topic(settings, topic):
            records[topic] += 1
            name = name_of(record)
            if found.setdefault(name, record.value) != record.value:
                contradictions.append(f"{topic}: {name} was sent with two bodies")
        return found

    revisions = by_name(topics.sessions, _revision)
    latest = {name: value for (name, _), value in sorted(revisions.items())}
    signals = by_name(topics.signals, lambda record: orjson.loads(record.value)["id"])
    about = {name: body for name, body in signals.items() if _is_about_a_title(body)}
    for name in about:
        del signals[name]
    rejects = by_name(topics.rejects, lambda record: record.key.decode())
    told = read_topic(settings, topics.progress)
    records[topics.progress] = len(told)
    lineages: dict[bytes, list[str]] = {}
    for record in told:
        lineage = record.headers["lineage"].decode()
        lineages.setdefault(record.value, []).append(
            f"{record.partition}@{record.offset}: {lineage}"
        )
    progress = Counter(record.value for record in by_mark(told))
    keys = viewer_keys(settings)
    counted = counted_titles(titles or settings)
    unsent = sorted(body for body in counted.outboxes if body.encode() not in about.values())
    return Outcome(
        keys, latest, signals, rejects, progress, records, contradictions, lineages,
        counted.counts, about, unsent, counted.stale,
    )  # fmt: skip


def counted_titles(settings: Settings) -> TitleKeys:
    """What Redis holds of titles."""
    with open_redis(settings) as client:
        return title_keys(client, settings)


def _is_about_a_title(signal: bytes) -> bool:
    kind: str = orjson.loads(signal)["type"]
    return kind.startswith(ABOUT_TITLES)


def _revision(record: RawRecord) -> tuple[str, int]:
    body = orjson.loads(record.value)
    return body["id"], body["revision"]


def by_mark(records: Iterable[RawRecord]) -> Iterable[RawRecord]:
    """Those that lie beyond the reader's mark for the partition of events that they stem from."""
    marks: dict[tuple[int, str, str], Place] = {}
    for record in records:
        topic, partition, *place = record.headers["lineage"].decode().split("/")
        source, at = (record.partition, topic, partition), tuple(map(int, place))
        if at > marks.get(source, ()):
            marks[source] = at
            yield record


def viewer_keys(settings: Settings) -> dict[str, dict[bytes, bytes]]:
    """Viewers' hashes by key name without the prefix; of the state, what a fold decides alone."""
    found: dict[str, dict[bytes, bytes]] = {}
    prefix = settings.key_prefix.encode()
    with open_redis(settings) as client:
        for word in VIEWER_KEYS:
            match = f"{settings.key_prefix}{word}:*"
            names = sorted(client.scan_iter(match=match, count=5000))
            pipeline = client.pipeline(transaction=False)
            for name in names:
                pipeline.hgetall(name)
            for name, fields in zip(names, pipeline.execute(), strict=True):
                key = name.removeprefix(prefix).decode()
                if word == "state":
                    parts = decided(key, stored_of(fields), settings.rules)
                    found[key] = dict(zip((b"live", b"rest", b"sums"), parts, strict=True))
                else:
                    found[key] = fields
    return found


class Differences(NamedTuple):
    """How one run differs from the undisturbed one; all empty if it does not.

    Each is a list of what is wrong, named.
    """

    keys_lost: list[str]
    keys_extra: list[str]
    keys_different: list[str]
    sessions_missing: list[str]
    sessions_extra: list[str]
    sessions_different: list[str]
    signals_missing: list[str]
    signals_extra: list[str]
    signals_different: list[str]
    rejects_missing: list[str]
    rejects_extra: list[str]
    rejects_different: list[str]
    progress_missing: list[str]
    progress_doubled: list[str]
    titles_lost: list[str]
    """Counts of titles that are too low,"""
    titles_doubled: list[str]
    """and too high."""
    titles_unsent: list[str]
    titles_stale: list[str]
    two_bodies: list[str]

    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {name: len(found) for name, found in self._asdict().items()}

    def in_full(self) -> str:
        """All of each kind."""
        return "\n".join(
            f"{name}: {one}" for name, found in self._asdict().items() for one in found
        )

    def __str__(self) -> str:
        """The first of each kind."""
        return "\n".join(
            f"{name}: {len(found)}, first {found[0][:SHOWN]}"
            for name, found in self._asdict().items()
            if found
        )


def differences(found: Outcome, expected: Outcome) -> Differences:
    """What is wrong with ``found``."""
    return Differences(
        *_compared(found.keys, expected.keys),
        *_compared(found.sessions, expected.sessions),
        *_compared(found.signals, expected.signals),
        *_compared(found.rejects, expected.rejects),
        _traced(expected.progress - found.progress, found),
        _traced(found.progress - expected.progress, found),
        *_counted(found.titles, expected.titles),
        found.unsent + expected.unsent,
        found.stale + expected.stale,
        found.contradictions + expected.contradictions,
    )


def _traced(bodies: Iterable[bytes], found: Outcome) -> list[str]:
    return [f"{found.lineages.get(body)} {body.decode()}" for body in bodies]


def _counted(
    found: Mapping[str, Counts], expected: Mapping[str, Counts]
) -> tuple[list[str], list[str]]:
    lost, doubled = [], []
    for title in sorted(found.keys() | expected.keys()):
        ours, theirs = found.get(title, {}), expected.get(title, {})
        for what in sorted(ours.keys() | theirs.keys()):
            held, wanted = ours.get(what, 0), theirs.get(what, 0)
            if held != wanted:
                wrong = lost if held < wanted else doubled
                wrong.append(f"{title}: {what} is {held} instead of {wanted}")
    return lost, doubled


def _compared(
    found: Mapping[str, Any], expected: Mapping[str, Any]
) -> tuple[list[str], list[str], list[str]]:
    different = [
        f"{name}: {_shown(found[name], expected[name])}"
        for name in sorted(expected.keys() & found.keys())
        if found[name] != expected[name]
    ]
    missing = [f"{name}: {expected[name]}" for name in sorted(expected.keys() - found.keys())]
    extra = [f"{name}: {found[name]}" for name in sorted(found.keys() - expected.keys())]
    return missing, extra, different


def _shown(found: Any, expected: Any) -> str:
    if isinstance(found, dict):
        fields = [k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k)]
        return "; ".join(f"{k} is {found.get(k)} instead of {expected.get(k)}" for k in fields)
    return f"{found} instead of {expected}"


def assert_equal(found: Outcome, expected: Outcome) -> None:
    """Fails with the first difference of each kind, not with two whole runs."""
    wrong = differences(found, expected)
    assert not any(wrong), str(wrong)
