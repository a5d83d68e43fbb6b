"""What ``hookpoint viewer export`` and ``hookpoint viewer erase`` do, and what people see of it."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from consumers.traces import traces, viewer_topics
from consumers.viewers import ViewerData
from consumers.withdrawal import Withdrawals
from hookpoint.commands._tables import json_document, moment, print_json, safe, say
from hookpoint.commands.look import _redis_place
from hookpoint.topics import kept
from streams.viewing.wire import BrokenState, NewerFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from config.settings import Settings
    from consumers.viewers import Erased, Line

STDIN, STDOUT = "-", "-"
PARTS = ("public", "private", "declared", "timers")
NAMED = 20
"""Unknown viewers of a file that are named."""


# -- export ----------------------------------------------------------------------------------------
def hand_out(settings: Settings, viewer: str, *, topics: bool, out: Path | None) -> None:
    """Write one document about ``viewer``; exit code 1 if there is nothing to write.

    Raises:
        ReaderError, redis.RedisError: Kafka or Redis is away.
    """
    try:
        with ViewerData(settings) as data:
            in_redis = data.export(viewer)
    except (BrokenState, NewerFormat) as error:
        say(f"hookpoint: {error}")
        raise typer.Exit(1) from error
    records = _records(settings, viewer) if topics else None
    if in_redis is None and not any((records or {}).values()):
        where = "" if topics else " in Redis (--topics looks on Kafka as well)"
        say(f"hookpoint: viewer {viewer}: unknown viewer, nothing is kept{where}")
        raise typer.Exit(1)
    document = json_document(_document(settings, viewer, in_redis, records))
    if out is None or str(out) == STDOUT:
        sys.stdout.write(document)
        return
    try:
        _write_private(out, document)
    except OSError as error:
        say(f"hookpoint: {out} cannot be written: {error.strerror}")
        raise typer.Exit(1) from error
    say(f"written to {out}, which only you may read")


def _document(
    settings: Settings, viewer: str, in_redis: dict[str, Any] | None, records: dict[str, Any] | None
) -> dict[str, Any]:
    from_redis = in_redis or dict.fromkeys(PARTS)
    document: dict[str, Any] = {
        "viewer": viewer,
        "exported_at": datetime.now(UTC).replace(microsecond=0),
        "what": "What hookpoint keeps about this viewer. Times are UTC; names that end in _s are "
        "seconds. What each part is, is said in it; docs/redis.md and docs/events.md say the rest.",
        **from_redis,
    }
    if records is None:
        document["records"] = None
        return document
    kept_for = {spec.name: kept(spec) for spec in viewer_topics(settings)}
    document["records"] = {
        name: {"what": WHAT[role], "kept_for": kept_for[name], "data": records[name]}
        for role, name in settings.topics
        if name in records
    }
    return document


WHAT = {
    "viewers": "What your service says they have agreed to be counted under.",
    "events": "What players reported, as they sent it.",
    "sessions": "One summary per closed playback; of one id the highest revision counts.",
    "progress": "What the viewer did with titles, for the figures of each title.",
    "signals": "Hooked, cooled, completed, … and why.",
    "rejects": "Reports that were refused, and the reason.",
}


def _records(settings: Settings, viewer: str) -> dict[str, Any]:
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False))
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)

        def tell(topic: str, read: int, theirs: int) -> None:
            text = f"{topic}: {read:,} records looked at, {theirs:,} of them theirs"
            bar.update(task, description=text)

        return dict(traces(settings, viewer, tell))


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and readable for its owner only, whatever was there before."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# -- erase -----------------------------------------------------------------------------------------
def read_ids(name: str) -> list[str]:
    """Viewer ids from a file or standard input, one a line, each once; empty lines are skipped.

    Raises:
        typer.BadParameter: it cannot be read, is not UTF-8 or holds none.
    """
    try:
        raw = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        lines = (line.removesuffix("\r") for line in raw.decode("utf-8-sig").split("\n"))
        ids = dict.fromkeys(filter(None, lines))
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{name}: {error}", param_hint="--file") from error
    if not ids:
        raise typer.BadParameter(f"{name}: no viewer id in it", param_hint="--file")
    return list(ids)


def erase_all(settings: Settings, viewers: Sequence[str], *, agreed: bool, as_json: bool) -> None:
    """Erase one viewer after the other and say what was deleted, and what was not.

    Raises:
        typer.Exit: whoever was asked said no.
        ReaderError, redis.RedisError: Kafka or Redis is away; said besides how many are erased.
    """
    if not agreed:
        _ask(settings, viewers)
    done: list[Erased] = []
    with ViewerData(settings) as data:
        line = data.draw_line()
        with (
            _told_if_broken_off(done, viewers),
            Withdrawals(settings) as withdrawals,
            _bar(len(viewers)) as step,
        ):
            for viewer in viewers:
                done.append(data.erase(viewer, line))
                withdrawals.add(viewer)
                if as_json:
                    print_json(_receipt(done[-1]))
                step()
    if not as_json:
        sys.stdout.write("\n".join(_report(settings, done, line)) + "\n")
    _name_unknown(done)


def _ask(settings: Settings, viewers: Sequence[str]) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here; say --yes")
    who = f"viewer {safe(viewers[0])}" if len(viewers) == 1 else f"{len(viewers):,} viewers"
    prefix = f", prefix {settings.key_prefix}" if settings.key_prefix else ""
    question = f"Erase {who} from Redis at {_redis_place(settings)}{prefix}, for good?"
    if not typer.confirm(question, err=True):
        say("nothing was deleted")
        raise typer.Exit(1)


@contextmanager
def _told_if_broken_off(done: Sequence[Erased], viewers: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        say(
            f"broken off: {len(done):,} of {len(viewers):,} viewers are erased, in the order in "
            "which they were named; to run it again does no harm"
        )
        raise


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    console = Console(stderr=True)
    columns = (TextColumn("erasing"), BarColumn(), MofNCompleteColumn())
    hidden = total == 1 or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def _receipt(erased: Erased) -> dict[str, Any]:
    return {**asdict(erased), "known": erased.known, "at": datetime.now(UTC).replace(microsecond=0)}


def _report(settings: Settings, done: Sequence[Erased], line: Line) -> list[str]:
    known = [erased for erased in done if erased.known]
    if len(done) == 1:
        lines = [f"viewer {safe(done[0].viewer)}: " + ("erased" if known else "nothing was kept")]
    else:
        lines = [f"{len(known):,} viewers erased, nothing was kept of {len(done) - len(known):,}"]
    if known:
        lines += _deleted(known)
    until = datetime.now(UTC) + timedelta(seconds=line.kept_s)
    lines.append(
        f"kept until {moment(until)} UTC: the key state, without any viewing, so that workers that "
        "know the viewer begin anew"
    )
    if line.unread:
        lines.append(
            "workers are behind; events that were sent before now do not count when they come to "
            f"them ({', '.join(sorted(line.unread))})"
        )
    if settings.demographics:
        lines.append(f"withdrawn on Kafka: what {settings.topics.viewers} holds, by a tombstone")
    logs = [spec for spec in viewer_topics(settings) if not spec.compacted]
    topics = ", ".join(f"{spec.name} ({kept(spec)})" for spec in logs)
    lines.append(f"not deleted: records on Kafka, which go with their topics' retention: {topics}")
    lines.append("events that are sent from now on start a new profile")
    return lines


def _deleted(known: Sequence[Erased]) -> list[str]:
    keys = ("taste", "progress", "hooked", "state", "declared")
    counts = {name: sum(name in erased.keys for erased in known) for name in keys}
    if len(known) == 1:
        said = [name for name in keys if counts[name]]
    else:
        said = [f"{name} {counts[name]:,}" for name in keys if counts[name]]
    sums = {
        "playbacks": sum(erased.playbacks for erased in known),
        "episodes": sum(erased.episodes for erased in known),
        "seasons": sum(erased.seasons for erased in known),
        "timers": sum(erased.timers for erased in known),
    }
    held = ", ".join(f"{name} {count:,}" for name, count in sums.items())
    lines = [f"deleted: {', '.join(said)} (in them: {held})"]
    unsent = sum(erased.unsent for erased in known)
    if unsent:
        lines.append(
            f"deleted as well: {unsent:,} records that were decided but perhaps not published yet"
        )
    return lines


def _name_unknown(done: Sequence[Erased]) -> None:
    unknown = [erased.viewer for erased in done if not erased.known]
    if len(done) == 1 or not unknown:
        return
    for viewer in unknown[:NAMED]:
        say(f"nothing was kept of viewer {viewer}")
    if len(unknown) > NAMED:
        say(f"and of {len(unknown) - NAMED:,} more")
