"""One player: it plays, and says so in events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from producers.records import Record

if TYPE_CHECKING:
    import random

    from producers.simulator.options import AudienceOptions
    from producers.simulator.truth import Span

_DAY_MS = 86_400_000
_LATE_MIN_S, _LATE_MAX_S = 60.0, 6 * 3600.0
_DUPLICATE_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class Showing:
    """What every event of a playback says about it."""

    playback_id: str
    viewer: str
    title_id: str
    season: int
    """0 for a film."""
    episode: int
    device: str
    country: str
    language: str
    autoplay: bool

    def head(self) -> bytes:
        """The beginning of the JSON text of each event, up to the part that changes."""
        data: dict[str, Any] = {"playback_id": self.playback_id, "title_id": self.title_id}
        if self.season:
            data |= {"season": self.season, "episode": self.episode}
        data |= {"device": self.device, "country": self.country, "language": self.language}
        if self.autoplay:
            data["autoplay"] = True
        envelope = {
            "specversion": "1.0",
            "source": f"/players/{self.device}",
            "subject": self.viewer,
            "data": data,
        }
        return orjson.dumps(envelope).removesuffix(b"}}")


class Delivery:
    """Encodes events and decides when they arrive: at once, twice, or late."""

    def __init__(self, rng: random.Random, options: AudienceOptions, out: list[Record]) -> None:
        self._random = rng.random
        self._lateness = rng.lognormvariate
        self._twice_below = options.duplicate_share
        self._late_below = options.duplicate_share + options.late_share
        self._out = out

    def hand_over(self, key: bytes, value: bytes, time_s: float) -> None:
        """Add the record, once or twice, to what is on its way."""
        chance = self._random()
        arrives_s = time_s
        if chance < self._late_below:
            if chance < self._twice_below:
                again_s = time_s + self._random() * _DUPLICATE_AFTER_S
                self._out.append(Record(key, value, again_s))
            else:
                late_s = self._lateness(6.2, 1.3)  # median 8 minutes
                arrives_s += min(max(late_s, _LATE_MIN_S), _LATE_MAX_S)
        self._out.append(Record(key, value, arrives_s))


class Player:
    """Plays one showing from ``time_s`` (epoch seconds) and ``position_s`` (media seconds) on."""

    def __init__(
        self, showing: Showing, delivery: Delivery, time_s: float, position_s: float, beat_s: float
    ) -> None:
        self.time_s = time_s
        self.position_s = position_s
        self.rate = 1.0
        self.wall_s = 0.0
        self.spans: list[Span] = []
        self._span_from = position_s
        self._beat_s = beat_s
        self._next_beat_s = time_s + beat_s
        self._reported = (0, position_s, 0.0)  # finished spans, position, wall seconds
        self._seq = 0
        self._key = showing.viewer.encode()
        self._head = showing.head()
        self._id = showing.playback_id.encode()
        self._hand_over = delivery.hand_over
        self._say(b"started")

    def play_to(self, position_s: float) -> None:
        """Play on to this media position, with a heartbeat whenever one is due."""
        rate = self.rate
        ends_s = self.time_s + max(0.0, position_s - self.position_s) / rate
        while self._next_beat_s < ends_s:
            step_s = self._next_beat_s - self.time_s
            self.wall_s += step_s
            self.position_s += step_s * rate
            self.time_s = self._next_beat_s
            self._next_beat_s += self._beat_s
            self._say(b"heartbeat")
        self.wall_s += ends_s - self.time_s
        self.time_s = ends_s
        self.position_s = max(position_s, self.position_s)

    def pause(self, for_s: float) -> None:
        """Pause, and resume ``for_s`` seconds later."""
        self._say(b"paused")
        self._stand_still(for_s)
        self._say(b"resumed")

    def stall(self, for_s: float) -> None:
        """Run out of data for ``for_s`` seconds."""
        self._say(b"buffering")
        self._stand_still(for_s)
        self._say(b"buffered")

    def seek(self, position_s: float) -> None:
        """Jump to another media position, playing."""
        self._end_span()
        left_s = self.position_s
        self.position_s = self._span_from = position_s
        self._say(b"seeked", b',"from_position_s":%.3f' % left_s)

    def change_rate(self, rate: float) -> None:
        """Play on at ``rate`` media seconds per second."""
        self.rate = rate
        self._say(b"rate_changed")

    def complete(self) -> None:
        """Report that the end was reached."""
        self._say(b"completed")
        self._end_span()

    def stop(self) -> None:
        """Report that the viewer left."""
        self._say(b"stopped")
        self._end_span()

    def die(self) -> None:
        """End without a word."""
        self._end_span()

    @property
    def reported_spans(self) -> tuple[Span, ...]:
        """What was played up to the last event."""
        spans, position_s, _ = self._reported
        return (*self.spans[:spans], *self._last_span(spans, position_s))

    @property
    def reported_wall_s(self) -> float:
        """Seconds spent playing up to the last event."""
        return self._reported[2]

    def _last_span(self, spans: int, position_s: float) -> tuple[Span, ...]:
        if spans >= len(self.spans):
            return ()
        begin = self.spans[spans][0]
        return ((begin, position_s),) if position_s > begin else ()

    def _stand_still(self, for_s: float) -> None:
        self.time_s += for_s
        self._next_beat_s = self.time_s + self._beat_s

    def _end_span(self) -> None:
        if self.position_s > self._span_from:
            self.spans.append((self._span_from, self.position_s))
            self._span_from = self.position_s

    def _say(self, kind: bytes, more: bytes = b"") -> None:
        time_ms = round(self.time_s * 1000)
        day, rest = divmod(time_ms, _DAY_MS)
        seconds, milli = divmod(rest, 1000)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        value = b'%b,"position_s":%.3f,"rate":%.2f,"seq":%d%b},"id":"%b-%d","type":"playback.%b","time":"%b%02d:%02d:%02d.%03dZ"}' % (  # noqa: E501 - one template
            self._head, self.position_s, self.rate, self._seq, more,
            self._id, self._seq, kind, _date(day), hour, minute, second, milli,
        )  # fmt: skip
        self._seq += 1
        self._reported = (len(self.spans), self.position_s, self.wall_s)
        self._hand_over(self._key, value, self.time_s)


@lru_cache(maxsize=64)
def _date(day: int) -> bytes:
    """``2026-01-05T`` for a day since 1970."""
    return f"{date(1970, 1, 1) + timedelta(days=day)}T".encode()
