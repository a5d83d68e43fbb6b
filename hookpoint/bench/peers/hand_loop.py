"""The bound for Python: a loop by hand over confluent-kafka, msgspec and pipelined redis-py.

One batch of records, one pipeline of the viewers that changed, one commit. It keeps every report
and every sum in memory, so duplicates and late events are taken for what they are for as long as
the process lives, and a restart forgets them. msgspec decodes the fields that are needed alone,
which is faster than orjson's all.
"""

from __future__ import annotations

import gc
import signal
from datetime import datetime
from typing import Any

import msgspec
import redis
from confluent_kafka import Consumer, TopicPartition

from hookpoint.bench.peers.job import Job, Limit, job_of_arguments, progress
from hookpoint.bench.peers.watching import Report, add, credit

WAIT_S = 0.1


class Data(msgspec.Struct, gc=False):
    """What is needed of an event's data."""

    playback_id: str
    title_id: str
    position_s: float
    seq: int
    rate: float = 1.0
    from_position_s: float | None = None


class Event(msgspec.Struct, gc=False):
    """What is needed of an event. A tick has neither subject nor data."""

    time: datetime
    subject: str = ""
    data: Data | None = None


class Viewer:
    """The sums of one viewer, in seconds."""

    __slots__ = ("genres", "key", "watched_s")

    def __init__(self, key: str) -> None:
        self.key = key
        self.watched_s = 0.0
        self.genres: dict[str, float] = {}


class Playback:
    """The reports of one playback; ``gained_s`` is not in the viewer's sums yet."""

    __slots__ = ("gained_s", "genres", "reports", "viewer")

    def __init__(self, viewer: Viewer, genres: tuple[str, ...]) -> None:
        self.viewer = viewer
        self.genres = genres
        self.reports: list[Report] = []
        self.gained_s = 0.0


class Loop:
    """All of its state."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._decode = msgspec.json.Decoder(Event).decode
        self._genres = {
            title: tuple(f"genre:{genre}" for genre in genres)
            for title, genres in job.genres().items()
        }
        self._viewers: dict[str, Viewer] = {}
        self._playbacks: dict[str, Playback] = {}
        self.events = 0

    def fold(self, values: list[bytes]) -> dict[str, dict[str, float]]:
        """Take a batch in. Returns the changed fields by Redis key."""
        decode, playbacks = self._decode, self._playbacks
        changed: dict[Playback, None] = {}
        events = 0
        for value in values:
            event = decode(value)
            data = event.data
            if data is None:
                continue
            events += 1
            position_s = data.position_s
            reached_s = data.from_position_s
            report = (
                data.seq,
                event.time.timestamp(),
                position_s,
                data.rate,
                position_s if reached_s is None else reached_s,
            )
            playback = playbacks.get(data.playback_id)
            if playback is None:
                playback = self._begin(event.subject, data)
            reports = playback.reports
            # Nearly every report is the next one of its playback.
            if reports and report[0] > (last := reports[-1])[0]:
                gained_s = credit(last, report)
                reports.append(report)
            else:
                gained_s = add(reports, report)
            if gained_s:
                playback.gained_s += gained_s
                changed[playback] = None
        self.events += events
        return self._summed(changed)

    def _begin(self, viewer_id: str, data: Data) -> Playback:
        viewer = self._viewers.get(viewer_id)
        if viewer is None:
            viewer = self._viewers[viewer_id] = Viewer(self._job.profile_key(viewer_id))
        playback = Playback(viewer, self._genres.get(data.title_id, ()))
        self._playbacks[data.playback_id] = playback
        return playback

    def _summed(self, changed: dict[Playback, None]) -> dict[str, dict[str, float]]:
        writes: dict[str, dict[str, float]] = {}
        for playback in changed:
            viewer, gained_s = playback.viewer, playback.gained_s
            playback.gained_s = 0.0
            fields = writes.setdefault(viewer.key, {})
            viewer.watched_s += gained_s
            fields["watched_s"] = viewer.watched_s
            sums, share_s = viewer.genres, gained_s / (len(playback.genres) or 1)
            for genre in playback.genres:
                sums[genre] = fields[genre] = sums.get(genre, 0.0) + share_s
        return writes


def write(client: Any, job: Job, writes: dict[str, dict[str, float]], told: dict[str, int]) -> None:
    """Write what changed, and how far it is, in one pipeline."""
    with client.pipeline(transaction=False) as batch:
        for key, fields in writes.items():
            # What ``hset(key, mapping=fields)`` does, without looking at each argument twice.
            batch.execute_command("HSET", key, *[it for pair in fields.items() for it in pair])
        batch.hset(job.absorbed_key, mapping=told)
        batch.execute()


def run(job: Job, redis_url: str) -> None:
    """Work until there is enough, then wait for SIGTERM."""
    # As Any: its types allow for messages without an offset, which no topic has.
    consumer: Any = Consumer(
        {
            "bootstrap.servers": job.broker,
            "group.id": job.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": int(job.session_timeout_s * 1000),
            # Large fetches, so that a batch is of one partition and of few viewers, which makes for
            # few writes; and enough of them ahead that the loop never waits.
            "max.partition.fetch.bytes": 4 * 1024 * 1024,
            "fetch.min.bytes": 65_536,
            "fetch.wait.max.ms": 50,
            "fetch.queue.backoff.ms": 10,
            "queued.min.messages": 30_000,
        }
    )
    consumer.subscribe([job.topic])
    loop, limit = Loop(job), Limit(job)
    positions: dict[int, int] = {}
    stopped = False
    with redis.Redis.from_url(redis_url) as client:
        while not stopped:
            messages = consumer.consume(job.batch, WAIT_S)
            if not messages:
                continue
            values = []
            for message in messages:
                if (problem := message.error()) is not None:
                    raise SystemExit(str(problem))
                positions[message.partition()] = message.offset() + 1
                values.append(message.value())
            writes = loop.fold(values)
            stopped = limit.reached(loop.events)
            write(client, job, writes, progress(loop.events, positions, stopped=stopped))
            done = [TopicPartition(job.topic, *place) for place in positions.items()]
            consumer.commit(offsets=done, asynchronous=True)
    while True:
        signal.pause()


def main() -> None:
    """Run until SIGTERM."""
    # Nothing here is ever part of a cycle.
    gc.disable()
    run(*job_of_arguments())


if __name__ == "__main__":
    main()
