"""A stream of any number of viewers at any instant that is asked for, at a few microseconds each.

The simulator lives through weeks before a million viewers have turned up. Here a set number of
seats watch at once; whoever leaves a seat makes room for the next viewer of the population, so the
population may be as large as one likes. The mix is that of the simulator: heartbeats between a
start and an end, some pauses and seeks, 1 % twice, 5 % late.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from producers.records import Record
from producers.simulator.catalogue import Title, make_catalogue
from streams.signals import stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_NAMES = 400
"""The simulator's catalogue has so many names."""
EVENTS_OF_A_PLAYBACK = (30, 90)
"""45 minutes at a heartbeat every 45 seconds, give or take."""
PAUSES, SEEKS, DUPLICATES, LATE = 0.01, 0.005, 0.01, 0.05
"""Shares of the events."""
LATE_S = (1.0, 30.0)
SEEK_S = 30.0
COUNTRY, DEVICE = "DE", "tv"
VIEWER_DIGITS = 8


@dataclass(frozen=True, slots=True)
class CrowdOptions:
    """How many there are, and how many of them watch at once (never more than there are)."""

    viewers: int = 20_000
    watching: int = 20_000
    seed: int = 7
    run: str = "a"
    """Goes into the playback ids, so that two crowds of the same viewers do not share playbacks."""


def viewer_name(number: int) -> str:
    """The id of one viewer of the population."""
    return f"viewer-{number:0{VIEWER_DIGITS}d}"


def catalogue_of(count: int, seed: int) -> tuple[Title, ...]:
    """``count`` titles; beyond the simulator's 400 the names come again with a number."""
    titles: list[Title] = []
    while len(titles) < count:
        part = len(titles) // MOST_NAMES
        made = make_catalogue(min(MOST_NAMES, count - len(titles)), seed + part)
        if part:
            made = tuple(replace(it, title_id=f"{it.title_id}-{part}") for it in made)
        titles += made
    return tuple(titles)


class _Seat:
    """Somebody who watches."""

    __slots__ = (
        "at_s", "head", "id", "key", "left", "number", "paused", "position_s", "runtime_s", "seq",
        "turn",
    )  # fmt: skip

    def __init__(self, number: int) -> None:
        self.number = number
        self.turn = 0
        self.left = 0
        self.key = self.head = self.id = b""
        self.at_s = self.position_s = self.runtime_s = 0.0
        self.seq = 0
        self.paused = False


class Crowd:
    """Viewers who watch; each call of ``next`` is one event of one of them.

    Seats take turns in a fixed, shuffled order, so the events of a viewer are evenly spaced and a
    slice holds as many viewers as a live stream of that size would have.
    """

    def __init__(self, options: CrowdOptions, titles: Sequence[Title]) -> None:
        watching = min(options.watching, options.viewers)
        self._options = replace(options, watching=watching)
        self._titles = titles
        self._rng = random.Random(f"crowd {options.seed}")
        self._seats = [_Seat(number) for number in range(watching)]
        self._rng.shuffle(self._seats)
        self._turn = 0
        self._held: list[tuple[float, int, Record]] = []
        self._count = 0

    def next(self, time_s: float) -> Record:
        """The event that arrives at ``time_s`` (epoch seconds, never less than the time before)."""
        held = self._held
        if held and held[0][0] <= time_s:
            return heapq.heappop(held)[2]
        chance = self._rng.random()
        record = self._of_next_seat(time_s)
        if chance < DUPLICATES + LATE:
            self._count += 1
            due_s = time_s + self._rng.uniform(*LATE_S)
            heapq.heappush(held, (due_s, self._count, record))
            if chance >= DUPLICATES:
                return self.next(time_s)
        return record

    def records(self, begins_s: float, every_s: float, count: int) -> Iterator[Record]:
        """``count`` events, one every ``every_s`` seconds of event time."""
        for number in range(count):
            yield self.next(begins_s + number * every_s)

    def _of_next_seat(self, time_s: float) -> Record:
        seat = self._seats[self._turn]
        self._turn += 1
        if self._turn == len(self._seats):
            self._turn = 0
        return (
            Record(seat.key, self._event(seat, time_s), time_s)
            if seat.left
            else self._sit(seat, time_s)
        )

    def _event(self, seat: _Seat, time_s: float) -> bytes:
        if not seat.paused:
            seat.position_s = min(seat.position_s + time_s - seat.at_s, seat.runtime_s)
        seat.at_s = time_s
        seat.left -= 1
        chance = self._rng.random()
        more = b""
        if seat.position_s >= seat.runtime_s:
            seat.left, kind = 0, b"completed"
        elif not seat.left:
            kind = b"stopped"
        elif seat.paused:
            seat.paused, kind = False, b"resumed"
        elif chance < PAUSES:
            seat.paused, kind = True, b"paused"
        elif chance < PAUSES + SEEKS and seat.position_s > SEEK_S:
            more = b',"from_position_s":%.3f' % seat.position_s
            seat.position_s -= SEEK_S
            kind = b"seeked"
        else:
            kind = b"heartbeat"
        return _encoded(seat, kind, more)

    def _sit(self, seat: _Seat, time_s: float) -> Record:
        """The next viewer of the population takes the seat, and starts an episode."""
        options = self._options
        number = (seat.number + seat.turn * options.watching) % options.viewers
        visit = (seat.number + seat.turn * options.watching) // options.viewers
        title = self._titles[(number * 7919 + visit // 4) % len(self._titles)]
        episode = 0
        seat.runtime_s = title.duration_s
        if title.seasons:
            runtimes = title.seasons[0].runtimes_s
            episode = visit % len(runtimes) + 1
            seat.runtime_s = runtimes[episode - 1]
        playback = f"{options.run}-{number}-{seat.turn}"
        seat.turn += 1
        seat.key = viewer_name(number).encode()
        seat.id = playback.encode()
        seat.head = _head(seat.key.decode(), playback, title, episode)
        seat.left = self._rng.randint(*EVENTS_OF_A_PLAYBACK)
        if seat.turn == 1:  # the crowd is in the middle of it when it is first seen
            seat.left = self._rng.randint(1, seat.left)
        seat.position_s, seat.at_s, seat.seq, seat.paused = 0.0, time_s, 0, False
        return Record(seat.key, _encoded(seat, b"started", b""), time_s)


def _head(viewer: str, playback: str, title: Title, episode: int) -> bytes:
    data: dict[str, object] = {"playback_id": playback, "title_id": title.title_id}
    if episode:
        data |= {"season": 1, "episode": episode}
    data |= {"device": DEVICE, "country": COUNTRY, "language": title.language}
    envelope = {
        "specversion": "1.0",
        "source": f"/players/{DEVICE}",
        "subject": viewer,
        "data": data,
    }
    return orjson.dumps(envelope).removesuffix(b"}}")


def _encoded(seat: _Seat, kind: bytes, more: bytes) -> bytes:
    seconds, milli = divmod(round(seat.at_s * 1000), 1000)
    seat.seq += 1
    return b'%b,"position_s":%.3f,"seq":%d%b},"id":"%b-%d","type":"playback.%b","time":"%b.%03dZ"}' % (  # noqa: E501 - one template
        seat.head, seat.position_s, seat.seq, more, seat.id, seat.seq, kind, _second(seconds), milli
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _second(epoch_s: int) -> bytes:
    """``2026-01-05T20:15:30`` for a second since 1970."""
    return stamp(epoch_s * 1000)[:19].encode()
