"""A plain Faust agent: one event at a time, as Faust's own guide writes them.

Sums per viewer in memory, one Redis hash written per event. Faust gets what makes it faster without
changing the agent: uvloop and hiredis. Each report is compared with the latest of its playback that
has arrived, so a duplicate adds nothing, and what comes late is too late to say anything: a pause,
a seek or the last report of a playback that is late is lost, and the seconds around it with it.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Optional

import faust
import redis.asyncio
import uvloop
from mode import Worker as ModeWorker

from hookpoint.bench.peers.job import Job, Limit, job_of_arguments, progress
from hookpoint.bench.peers.watching import Report, credit

TELL_EVERY = 250


class Data(faust.Record):
    """What the event says about the player."""

    playback_id: str
    title_id: str
    position_s: float
    rate: float = 1.0
    from_position_s: Optional[float] = None  # noqa: UP045 - Faust does not understand ``| None``


class Playback(faust.Record):
    """The event. A tick has neither subject nor data."""

    type: str
    time: str
    subject: str = ""
    data: Optional[Data] = None  # noqa: UP045 - see above


class WatchTime:
    """Seconds watched per viewer and genre, from one event of a playback to the next."""

    def __init__(self, genres: dict[str, list[str]]) -> None:
        self._genres = genres
        self._last: dict[str, Report] = {}
        self._sums: dict[str, dict[str, float]] = {}

    def add(self, event: Any) -> dict[str, float]:
        """Take one event in. Returns the fields of the viewer's profile that it is about."""
        data = event.data
        at_s = datetime.fromisoformat(event.time).timestamp()
        reached_s = data.position_s if data.from_position_s is None else data.from_position_s
        report = (0, at_s, data.position_s, data.rate, reached_s)
        before = self._last.get(data.playback_id, report)
        watched_s = credit(before, report)
        if at_s >= before[1]:
            self._last[data.playback_id] = report
        sums = self._sums.setdefault(event.subject, {"watched_s": 0.0})
        sums["watched_s"] += watched_s
        fields = {"watched_s": sums["watched_s"]}
        genres = self._genres.get(data.title_id, [])
        for genre in genres:
            name = f"genre:{genre}"
            fields[name] = sums[name] = sums.get(name, 0.0) + watched_s / len(genres)
        return fields


def build(job: Job, redis_url: str) -> Any:
    """The Faust app with its one agent."""
    app = faust.App(
        job.group,
        broker=f"kafka://{job.broker}",
        broker_session_timeout=job.session_timeout_s,
        broker_heartbeat_interval=job.session_timeout_s / 4,
        consumer_auto_offset_reset="earliest",
        store="memory://",
        datadir=Path(job.catalogue).with_name("faust"),  # it makes one, also where nothing needs it
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        loghandlers=[],
    )
    client: Any = redis.asyncio.Redis.from_url(redis_url)

    @app.agent(app.topic(job.topic, value_type=Playback))
    async def watch(stream: Any) -> None:
        """Fold and write, event by event."""
        times, limit, count = WatchTime(job.genres()), Limit(job), 0
        positions: dict[int, int] = {}
        stopped = False
        async for record in stream.events():
            if stopped:
                continue
            event = record.value
            positions[record.message.partition] = record.message.offset + 1
            if event.data is None:
                continue
            fields: dict[str, Any] = times.add(event)
            fields["seen_at"] = event.time
            await client.hset(job.profile_key(event.subject), mapping=fields)
            count += 1
            if count % TELL_EVERY == 0:
                stopped = limit.reached(count)
                told = progress(count, positions, stopped=stopped)
                await client.hset(job.absorbed_key, mapping=told)

    return app


def main() -> None:
    """Run until SIGTERM."""
    job, redis_url = job_of_arguments()
    uvloop.install()
    app = build(job, redis_url)
    ModeWorker(app, loglevel="ERROR", quiet=True, daemon=True).execute_from_commandline()


if __name__ == "__main__":
    main()
