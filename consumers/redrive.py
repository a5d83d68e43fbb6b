"""Sending dead letters again, each once: what may be sent, what is left and why (docs/adr/0011).

Whatever today's contract takes is sent to the topic that it came from, as it was or as someone has
mended it, with one header more. Whether a record was sent is noted after the broker has confirmed
it: a process that is killed in between sends its last batch, and no more, a second time, and the
worker takes a repeated event for what it is.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka.errors import MessageSizeTooLargeError

from consumers.courier import Courier, CourierError, Parcel, Parts
from consumers.redriven import LockedError, Redriven
from consumers.rejects import OF_STATE
from streams.decoder import decode
from streams.events import Event, Reject
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from config.settings import Settings
    from consumers import records
    from consumers.mended import Mended
    from consumers.records import Place

__all__ = ["Courier", "CourierError", "Judge", "Left", "LockedError", "Redrive", "Redriven", "Wish"]

BATCH = 500
CLOCK_EVERY_S = 1.0
HEADER = "redriven"
"""Says of a record which rejected one it repeats: ``topic/partition/offset``."""

SENT_BEFORE = "sent_before"
SENT_AND_REFUSED = "sent_before_and_refused"
OTHER_TOPIC = "other_topic"
CUT = "cut"
TOO_LARGE_NOW = "too_large_for_the_broker"
NO_DEAD_LETTER = "no_dead_letter"


class Left(Exception):
    """A dead letter is not sent: one word to count by (its reason, or one of ours), and why."""

    def __init__(self, word: str, why: str = "") -> None:
        super().__init__(f"{word}: {why}")
        self.word = word
        self.why = why


class Judge:
    """Makes of a dead letter the record to send.

    Args:
        settings: today's contract.
        courier: where whole records are, if their dead letters are not.
        clock_ms: stream time of a partition in ms, 0 if it is not known.
        named: reasons that were asked for by name.
    """

    def __init__(
        self,
        settings: Settings,
        courier: Courier,
        clock_ms: Callable[[int], int],
        named: Collection[str] = (),
    ) -> None:
        self._settings = settings
        self._courier = courier
        self._clock_ms = clock_ms
        self._of_state = OF_STATE.difference(named)

    def parcel(self, reject: records.Reject, mended: Mended | None = None) -> Parcel:
        """The record, and where it goes.

        Raises:
            Left: it is not to be sent.
            CourierError: Kafka is away.
        """
        if reject.topic != self._settings.topics.events:
            raise Left(OTHER_TOPIC, f"{reject.topic} is not the topic of events")
        _refuse_repetition(reject.headers or ())
        changes = mended.changes(reject) if mended else {}
        if reject.reason in self._of_state and not changes:
            raise Left(reject.reason, reject.detail or "")
        parts = self._whole(reject, changes)
        _refuse_repetition(parts.headers)
        mark = (HEADER, str(reject.place).encode())
        parcel = Parcel(
            self._courier.partition_of(parts.key, otherwise=reject.partition),
            parts._replace(headers=(*parts.headers, mark)),
        )
        self._check(parcel)
        return parcel

    def _whole(self, reject: records.Reject, changes: Mapping[str, Any]) -> Parts:
        has_value = "value" in changes or len(reject.value) == reject.size
        headers = changes.get("headers", reject.headers)
        if has_value and headers is not None:
            return Parts(reject.key, reject.value, headers)._replace(**changes)
        original = self._courier.original(reject)
        if original is None:
            raise Left(CUT, "too large to be kept whole, and gone from its own topic")
        return original._replace(**changes)

    def _check(self, parcel: Parcel) -> None:
        settings, (key, value, headers) = self._settings, parcel.parts
        try:
            if value is not None and len(value) > settings.max_value_bytes:
                raise Reject("too_large", "value", f"{len(value)} bytes")
            event = decode(key, value, headers, round(time.time() * 1000), settings.rules)
        except Reject as problem:
            raise Left(problem.reason, f"{problem.field}: {problem.detail}") from None
        if isinstance(event, Event) and "too_late" in self._of_state:
            behind_ms = self._clock_ms(parcel.partition) - event.knot.at_ms
            if behind_ms > settings.rules.lateness_s * 1000:
                raise Left("too_late", f"{behind_ms // 1000} s behind the stream by now")


def _refuse_repetition(headers: Iterable[tuple[str, bytes | None]]) -> None:
    if any(name == HEADER for name, _ in headers):
        raise Left(SENT_AND_REFUSED, "was sent again before, and refused again")


def stream_clock(client: Any, settings: Settings) -> Callable[[int], int]:
    """Asks Redis how far the workers' stream time has come in a partition of the events, in ms."""
    keys = Keys(settings.key_prefix)
    known: dict[int, tuple[float, int]] = {}

    def clock_ms(partition: int) -> int:
        asked_at, found = known.get(partition, (float("-inf"), 0))
        if time.monotonic() - asked_at >= CLOCK_EVERY_S:
            mark = keys.mark(settings.group, settings.topics.events, partition)
            found = int(client.hget(mark, "clock_ms") or 0)
            known[partition] = (time.monotonic(), found)
        return found

    return clock_ms


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done.

    ``mended`` are the only ones to be sent, as they stand there; None sends all as they were.
    ``limit`` is the most to send. A ``dry_run`` sends nothing and leaves no trace.
    """

    mended: Mapping[Place, Mended] | None = None
    limit: int | None = None
    dry_run: bool = False


@dataclass(slots=True)
class Report:
    """What was done. In a dry run ``sent`` is what would be."""

    read: int = 0
    sent: int = 0
    left: Counter[str] = field(default_factory=Counter)
    wrong_lines: list[tuple[int, str]] = field(default_factory=list)
    """Mended lines that are not sent, and why; not those that an earlier run has sent."""


class Redrive:
    """One run over dead letters.

    ``report`` is true after every batch, also if the run is broken off.

    Args:
        judge: decides on each dead letter.
        courier: sends.
        memory: what was sent before, and that nobody else sends.
        wish: how much, and what instead.
        chosen: is told of each dead letter that is to be sent, before it is.
    """

    def __init__(
        self,
        judge: Judge,
        courier: Courier,
        memory: Redriven,
        wish: Wish,
        *,
        chosen: Callable[[records.Reject, Parcel], None] = lambda *_: None,
    ) -> None:
        self.report = Report()
        self._judge = judge
        self._courier = courier
        self._memory = memory
        self._wish = wish
        self._unmet = dict(wish.mended or {})
        self._chosen = chosen

    def run(self, rejects: Iterable[records.Reject]) -> Report:
        """Send what can be sent of ``rejects``.

        Raises:
            CourierError: Kafka is away or refuses.
            LockedError: another process does the same.
            redis.RedisError: Redis is away.
        """
        if self._wish.dry_run:
            self._run(rejects)
        else:
            with self._memory.alone():
                self._run(rejects)
        return self.report

    def _run(self, rejects: Iterable[records.Reject]) -> None:
        wanted = iter(rejects)
        if self._wish.mended is not None:
            wanted = (each for each in wanted if self._unmet.pop(each.place, None) is not None)
        while batch := {each.place: each for each in itertools.islice(wanted, BATCH)}:
            parcels = dict(self._parcels(batch))
            if not self._wish.dry_run:
                self._send(parcels)
            else:
                self.report.sent += len(parcels)
            if self._room() == 0:
                return
        self._leave(NO_DEAD_LETTER, self._unmet.values(), "no such dead letter was found")

    def _room(self) -> int | None:
        limit = self._wish.limit
        return None if limit is None else max(0, limit - self.report.sent)

    def _parcels(self, batch: Mapping[Place, records.Reject]) -> Iterator[tuple[Place, Parcel]]:
        known = self._memory.known(list(batch))
        room, found = self._room(), 0
        for place, reject in batch.items():
            if found == room:
                return
            self.report.read += 1
            mended = (self._wish.mended or {}).get(place)
            try:
                if place in known:
                    raise Left(SENT_BEFORE, "was sent again before")
                parcel = self._judge.parcel(reject, mended)
            except Left as left:
                self.report.left[left.word] += 1
                if mended and left.word != SENT_BEFORE:
                    self.report.wrong_lines.append((mended.line, f"{left.word}: {left.why}"))
            else:
                found += 1
                self._chosen(reject, parcel)
                yield place, parcel

    def _send(self, parcels: Mapping[Place, Parcel]) -> None:
        if not parcels:
            return
        self._memory.still_alone()
        problems = self._courier.send(list(parcels.values()))
        confirmed = [at for at, no in zip(parcels, problems, strict=True) if no is None]
        self.report.sent += len(confirmed)
        self._memory.add(confirmed)
        for problem in problems:
            if isinstance(problem, MessageSizeTooLargeError):
                self.report.left[TOO_LARGE_NOW] += 1
            elif problem is not None:
                what = str(problem) or type(problem).__name__
                raise CourierError(f"Kafka did not confirm what was sent: {what}") from problem

    def _leave(self, word: str, lines: Iterable[Mended], why: str) -> None:
        for mended in lines:
            self.report.left[word] += 1
            self.report.wrong_lines.append((mended.line, f"{word}: {why}"))
