"""``hookpoint demo --netflix-export``: one's own Netflix history, through the real thing."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from config.settings import Settings
from consumers.connection import connect
from consumers.feed import Feed
from consumers.profiles import ProfileReader
from hookpoint.demo.worker import RunningWorker, own_names, running_worker
from hookpoint.netflix_report import Outcome, show_report
from hookpoint.processes import StackError
from hookpoint.stack import running_stack
from hookpoint.topics import ensure_topics
from producers.netflix.events import Import, import_export
from producers.send import BulkSender, Sent, send_catalogue
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from producers.netflix.playbacks import LeftOut
    from producers.netflix.reading import Unreadable

STALLED_AFTER_S = 120.0
LOOK_EVERY_S = 0.2


def run_netflix_demo(directory: Path, json_out: Path | None) -> None:
    """Import an export, run the stack and a worker on it, and show what came out.

    Args:
        directory: the unpacked export, any folder above its files, or the zip itself.
        json_out: where to write everything as JSON as well.

    Raises:
        ExportError: there is no export in ``directory``.
        StackError: the servers or the worker did not start, or came to a halt.
    """
    console = Console()
    imported = import_export(directory)
    rows = sum(imported.export.rows.values())
    console.print(f"Read {rows:,} rows: {len(imported.selection.playbacks):,} playbacks.")
    with running_stack(own_names(Settings())) as settings:
        ensure_topics(settings)
        with running_worker(settings) as worker:
            events = _send_and_absorb(settings, imported, worker, console)
        outcome = _collect(settings, imported, events)
    show_report(console, imported, outcome)
    if json_out is not None:
        json_out.write_bytes(orjson.dumps(_as_json(imported, outcome), option=orjson.OPT_INDENT_2))
        console.print(f"Wrote {json_out}")


# -- sending, and waiting until all is absorbed ----------------------------------------------------


def _send_and_absorb(
    settings: Settings, imported: Import, worker: RunningWorker, console: Console
) -> int:
    """Send everything and wait for the worker; returns how many events there were."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeElapsedColumn(), console=console) as progress,
        connect(settings) as client,
    ):
        keys = Keys(settings.key_prefix)
        titles = imported.titles()
        send_catalogue(settings, titles)
        published = [keys.title(title["title_id"]) for title in titles]
        _wait(
            progress.add_task("Catalogue", total=len(published)),
            progress,
            worker,
            lambda: sum(int(client.exists(key)) for key in published),
        )
        sent, events = _send_events(settings, imported)
        targets = {
            keys.mark(settings.group, lane.topic, lane.partition): offset
            for lane, offset in sent.last_offsets.items()
        }
        _wait(
            progress.add_task("Events", total=sum(offset + 1 for offset in targets.values())),
            progress,
            worker,
            lambda: sum(
                min(int(client.hget(key, "offset") or -1), offset) + 1
                for key, offset in targets.items()
            ),
        )
    return events


def _send_events(settings: Settings, imported: Import) -> tuple[Sent, int]:
    """All events, then the tick that lets everything settle; and how many events there were."""
    import asyncio  # noqa: PLC0415  only this function has a loop

    last_s = 0.0

    def watched() -> Iterator[Any]:
        nonlocal last_s
        for record in imported.events():
            last_s = max(last_s, record.time_s)
            yield record

    async def run() -> tuple[Sent, int]:
        async with BulkSender(settings) as sender:
            await sender.send(settings.topics.events, watched())
            await sender.flush()
            events = sender.sent.records
            if last_s:
                await sender.send_tick(imported.settled_at_s(last_s))
        return sender.sent, events

    return asyncio.run(run())


def _wait(task: Any, progress: Progress, worker: RunningWorker, done: Callable[[], int]) -> None:
    """Show ``done`` grow to the task's total; a worker that stands still is an error."""
    total = progress.tasks[task].total or 0
    before, since = -1, time.monotonic()
    while True:
        now = done()
        progress.update(task, completed=now)
        if now >= total:
            return
        worker.check()
        if now != before:
            before, since = now, time.monotonic()
        elif time.monotonic() - since > STALLED_AFTER_S:
            raise StackError(f"the worker stands still at {now} of {total}\n{worker.tail()}")
        time.sleep(LOOK_EVERY_S)


# -- what came out ---------------------------------------------------------------------------------


def _collect(settings: Settings, imported: Import, events: int) -> Outcome:
    viewers = sorted({playback.row.profile for playback in imported.selection.playbacks})
    sessions: dict[str, dict[str, Any]] = {}
    for session in _values(settings, settings.topics.sessions):
        held = sessions.get(session["id"])
        if held is None or session["revision"] > held["revision"]:
            sessions[session["id"]] = session
    signals = {signal["id"]: signal for signal in _values(settings, settings.topics.signals)}
    with ProfileReader(settings) as reader:
        return Outcome(
            events=events,
            rejects=sum(1 for _ in _records(settings, settings.topics.rejects)),
            sessions=sorted(sessions.values(), key=lambda it: (it["started_at"], it["id"])),
            signals=sorted(signals.values(), key=lambda it: (it["time"], it["id"])),
            profiles={viewer: reader.profile(viewer) for viewer in viewers},
        )


def _records(settings: Settings, topic: str) -> Iterable[bytes]:
    with closing(Feed(settings, topic)) as feed:
        yield from (record.value or b"" for record in feed.whats_there())


def _values(settings: Settings, topic: str) -> Iterator[dict[str, Any]]:
    for value in _records(settings, topic):
        yield orjson.loads(value)


def _as_json(imported: Import, outcome: Outcome) -> dict[str, Any]:
    return {
        "sessions": outcome.sessions,
        "profiles": outcome.profiles,
        "signals": outcome.signals,
        "left_out": [_left_out(it) for it in imported.selection.left_out],
        "unreadable": [_unreadable(it) for it in imported.unreadable],
    }


def _left_out(it: LeftOut) -> dict[str, Any]:
    return {
        "line": it.line,
        "viewer": it.profile,
        "title": it.title,
        "started_at": it.started_at.isoformat().replace("+00:00", "Z"),
        "why": it.why,
    }


def _unreadable(it: Unreadable) -> dict[str, Any]:
    return {"file": it.file, "line": it.line, "field": it.field, "why": it.why}
