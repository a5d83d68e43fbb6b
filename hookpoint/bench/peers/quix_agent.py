"""Quix Streams, stateful: RocksDB under each viewer's key, a batching sink to Redis.

What makes it fast without leaving its own guide: state as bytes (msgpack) instead of its JSON, one
entry per playback and one of sums per viewer, no changelog topic, large fetches, a second between
checkpoints, and a sink that writes each viewer once per checkpoint. The records of a playback are
kept in its state, so duplicates and late events are taken for what they are.
"""

from __future__ import annotations

import signal
import tempfile
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import redis
from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

from hookpoint.bench.peers.job import Job, Limit, job_of_arguments, progress
from hookpoint.bench.peers.watching import Report, add

if TYPE_CHECKING:
    from collections.abc import Callable

    from quixstreams import State

COMMIT_EVERY_S = 1.0
COMMIT_BATCHES = 8
"""A checkpoint after so many batches at the latest: more than it does in a second, unless batches
are set to be small."""
SUMS = "sums"
Sums = dict[str, float]


class Data(msgspec.Struct, gc=False):
    """What is needed of an event's data."""

    playback_id: str
    title_id: str
    position_s: float
    seq: int
    rate: float = 1.0
    from_position_s: float | None = None


class Event(msgspec.Struct, gc=False):
    """What is needed of an event. A tick has no data."""

    time: datetime
    data: Data | None = None


class Profiles(BatchingSink):  # type: ignore[misc]  # not installed where types are checked
    """Writes each viewer of a checkpoint once, and how far it is."""

    def __init__(self, job: Job, redis_url: str) -> None:
        super().__init__(on_client_connect_success=lambda: None)
        self._job = job
        self._limit = Limit(job)
        self._client: Any = redis.Redis.from_url(redis_url)
        self._positions: dict[int, int] = {}
        self._events = 0
        self.enough = False
        self.when_enough: Callable[[], None] = lambda: None

    def write(self, batch: SinkBatch) -> None:
        """Write one partition's part of a checkpoint."""
        latest: dict[bytes, Sums] = {}
        for item in batch:
            self._positions[batch.partition] = item.offset + 1
            if item.value is not None:
                self._events += 1
                latest[item.key] = item.value
        with self._client.pipeline(transaction=False) as pipe:
            for key, sums in latest.items():
                fields = [it for pair in sums.items() for it in pair]
                pipe.execute_command("HSET", self._job.profile_key(key.decode()), *fields)
            pipe.hset(self._job.absorbed_key, mapping=self._told(stopped=False))
            pipe.execute()
        if self._limit.reached(self._events):
            self.enough = True
            self.when_enough()

    def _told(self, *, stopped: bool) -> dict[str, int]:
        return progress(self._events, self._positions, stopped=stopped)

    def stop(self) -> None:
        """Say that nothing more will be taken."""
        self._client.hset(self._job.absorbed_key, mapping=self._told(stopped=True))


class Fold:
    """From one event to the viewer's sums."""

    def __init__(self, genres: dict[str, list[str]]) -> None:
        self._genres = genres
        self._decode = msgspec.json.Decoder(Event).decode
        self._reports = msgspec.msgpack.Decoder(list[Report]).decode
        self._sums = msgspec.msgpack.Decoder(Sums).decode
        self._encode = msgspec.msgpack.Encoder().encode

    def __call__(self, value: bytes, state: State) -> Sums | None:
        """The viewer's sums after this event; None for a tick."""
        event = self._decode(value)
        data = event.data
        if data is None:
            return None
        reached_s = data.position_s if data.from_position_s is None else data.from_position_s
        at_s = event.time.timestamp()
        report = (data.seq, at_s, data.position_s, data.rate, reached_s)
        held = state.get_bytes(data.playback_id)
        reports = self._reports(held) if held else []
        known = len(reports)
        gained_s = add(reports, report)
        if len(reports) > known:
            state.set_bytes(data.playback_id, self._encode(reports))
        held = state.get_bytes(SUMS)
        sums = self._sums(held) if held else {"watched_s": 0.0}
        if gained_s:
            sums["watched_s"] += gained_s
            genres = self._genres.get(data.title_id, [])
            for genre in genres:
                name = f"genre:{genre}"
                sums[name] = sums.get(name, 0.0) + gained_s / len(genres)
            state.set_bytes(SUMS, self._encode(sums))
        return sums


def run(job: Job, redis_url: str, folder: str) -> None:
    """Work until there is enough, then wait for SIGTERM."""
    app = Application(
        broker_address=job.broker,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_EVERY_S,
        commit_every=COMMIT_BATCHES * job.batch,
        state_dir=folder,
        use_changelog_topics=False,
        auto_create_topics=False,
        loglevel="ERROR",
        consumer_extra_config={
            "session.timeout.ms": int(job.session_timeout_s * 1000),
            "max.partition.fetch.bytes": 4 * 1024 * 1024,
            "fetch.min.bytes": 65_536,
            "fetch.wait.max.ms": 50,
            "fetch.queue.backoff.ms": 10,
            "queued.min.messages": 30_000,
        },
    )
    profiles = Profiles(job, redis_url)
    profiles.when_enough = app.stop
    topic = app.topic(job.topic, value_deserializer="bytes", key_deserializer="bytes")
    app.dataframe(topic).apply(Fold(job.genres()), stateful=True).sink(profiles)
    app.run()
    if profiles.enough:
        profiles.stop()
        # Quix Streams has put a handler of its own there.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pause()


def main() -> None:
    """Run until SIGTERM."""
    with tempfile.TemporaryDirectory(prefix="hookpoint-quix-") as folder:
        run(*job_of_arguments(), folder)


if __name__ == "__main__":
    main()
