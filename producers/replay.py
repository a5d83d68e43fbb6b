"""Replaying recorded events: lines of structured CloudEvents, passed on untouched."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from producers.lines import Lines, UnreadableError
from producers.pacing import WORTH_WAITING_S, Pace
from producers.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.send import BulkSender

TICK = "stream.tick"
LONGEST_LINE = 950_000
"""Bytes; brokers take a megabyte by default, envelope of the batch included."""
TICK_AFTER_S = 31 * 60.0
"""A paused playback closes after 30 minutes of silence."""
_CLOCK_SLACK_S = 300.0


class RefusedLineError(ValueError):
    """A line that cannot be sent; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that can be sent. ``key`` is None for a tick; ``time_s`` if there is none to read."""

    key: bytes | None
    value: bytes
    time_s: float | None


@dataclass(slots=True)
class Replayed:
    """What became of the lines."""

    lines: int = 0
    handed_over: int = 0
    ticks: int = 0
    refused: int = 0
    latest_s: float | None = None
    """The latest event time seen (epoch seconds) that does not lie in the future."""
    broken: list[str] = field(default_factory=list)
    """Sources that could not be read to their end, with the reason."""


OnRefused = Callable[[str, int, str], None]
"""Is told the source, the number of the line (from 1) and the reason."""
OnProgress = Callable[[Lines, Replayed], None]


def read_line(text: bytes) -> Line:
    """What to send for one line. Only what is needed to send it is looked at.

    Raises:
        RefusedLineError: not JSON, not an object, too long, or no ``subject`` to key it by.
    """
    if len(text) > LONGEST_LINE:
        raise RefusedLineError(f"{len(text)} bytes are more than a broker takes in one record")
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        raise RefusedLineError(f"not JSON: {problem}") from problem
    if not isinstance(event, dict):
        raise RefusedLineError("not a JSON object")
    time_s = _time_s(event.get("time"))
    if event.get("type") == TICK:
        return Line(None, text, time_s)
    subject = event.get("subject")
    if not isinstance(subject, str) or not subject:
        raise RefusedLineError("no `subject` to key it by")
    return Line(subject.encode(), text, time_s)


class Replay:
    """Sends the lines of sources to ``topic``, one source after the other.

    Args:
        sender: where the records go.
        topic: its name.
        pace: when each is due; None for as fast as the broker takes them. Lines whose time cannot
            be read go with the line before.
        on_refused: told of every line that cannot be sent.
        on_progress: told after every block of lines.
    """

    def __init__(
        self,
        sender: BulkSender,
        topic: str,
        pace: Pace | None = None,
        on_refused: OnRefused = lambda *_: None,
        on_progress: OnProgress = lambda *_: None,
    ) -> None:
        self.done = Replayed()
        self._sender = sender
        self._topic = topic
        self._pace = pace
        self._on_refused = on_refused
        self._on_progress = on_progress
        self._believable_s = time.time() + _CLOCK_SLACK_S

    async def run(self, names: Sequence[str]) -> Replayed:
        """Send every source and wait for the broker's word. A source that breaks off is named."""
        for name in names:
            try:
                with Lines(name) as lines:
                    await self._source(lines)
            except UnreadableError as problem:
                self.done.broken.append(str(problem))
        await self._sender.flush()
        return self.done

    async def _source(self, lines: Lines) -> None:
        number = 0
        while block := await _next_block(lines):
            group: list[Record] = []
            for text in block:
                number += 1
                line = self._judge(lines.name, number, text)
                if line is not None:
                    group = await self._take(line, group)
            await self._send(group)
            if lines.is_stdin:
                await self._sender.push()
            self._on_progress(lines, self.done)

    def _judge(self, source: str, number: int, text: bytes) -> Line | None:
        text = text.removesuffix(b"\r")
        if not text.strip():
            return None
        self.done.lines += 1
        try:
            line = read_line(text)
        except RefusedLineError as refusal:
            self.done.refused += 1
            self._on_refused(source, number, str(refusal))
            return None
        if line.time_s is not None and line.time_s <= self._believable_s:
            self.done.latest_s = max(self.done.latest_s or line.time_s, line.time_s)
        return line

    async def _take(self, line: Line, group: list[Record]) -> list[Record]:
        """Add a line to what is to be sent next; send first if the line is not due yet."""
        if self._pace is not None and line.time_s is not None:
            wait_s = self._pace.wait_s(line.time_s)
            if wait_s > WORTH_WAITING_S:
                await self._send(group)
                await self._sender.push()
                await asyncio.sleep(wait_s)
                group = []
        if line.key is not None:
            group.append(Record(line.key, line.value, line.time_s or 0.0))
            return group
        await self._send(group)
        await self._sender.send_to_every_partition(self._topic, line.value)
        self.done.ticks += 1
        return []

    async def _send(self, group: list[Record]) -> None:
        await self._sender.send(self._topic, group)
        self.done.handed_over += len(group)


async def _next_block(lines: Lines) -> list[bytes]:
    """The next lines; batches go out meanwhile, for standard input may be silent for hours."""
    if not lines.is_stdin:
        return lines.read()
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[bytes]] = loop.create_future()

    def hand_in(block: list[bytes], problem: UnreadableError | None) -> None:
        if answer.done():  # cancelled
            return
        if problem is None:
            answer.set_result(block)
        else:
            answer.set_exception(problem)

    def wait_for_input() -> None:
        block: list[bytes] = []
        problem = None
        try:
            block = lines.read()
        except UnreadableError as unreadable:
            problem = unreadable
        with suppress(RuntimeError):  # the loop is gone: nobody waits any more
            loop.call_soon_threadsafe(hand_in, block, problem)

    # Not a pool's thread: a pool is waited for at the end, and this one may wait for ever.
    threading.Thread(target=wait_for_input, daemon=True).start()
    return await answer


def _time_s(text: Any) -> float | None:
    """Epoch seconds of an RFC 3339 time, or None if it is not one; the worker judges it."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def read_titles(name: str) -> list[dict[str, Any]]:
    """Titles from JSON lines (also gzipped), in the format of the ``titles`` topic.

    Raises:
        UnreadableError: the file cannot be read, or a line is no title.
    """
    titles: list[dict[str, Any]] = []
    number = 0
    with Lines(name) as lines:
        while block := lines.read():
            for text in block:
                number += 1
                if text.strip():
                    titles.append(_title(text, f"{lines.name}:{number}"))
    return titles


def _title(text: bytes, where: str) -> dict[str, Any]:
    try:
        title = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        raise UnreadableError(f"{where}: not JSON: {problem}") from problem
    if not isinstance(title, dict) or not title.get("title_id"):
        raise UnreadableError(f"{where}: a title is an object with a `title_id`")
    return title
