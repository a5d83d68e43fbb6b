"""One playback's trace: from Netflix's JSON to what the player did, in order.

What real exports taught (docs/netflix.md, docs/adr/0006):

- ``start`` comes seconds before the first ``playing``, at the same position: nothing has played.
- ``playing`` repeats as a heartbeat; ``paused`` precedes nearly every ``reposition``.
- The playback speed is not told. It shows in the slope of position over time.
- A television that lost its power reports its stop when it comes back, with a position that was
  computed from its clock. What it had confirmed while alive is its keep-alive, every 15 minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

SPEEDS = (0.5, 0.75, 1.25, 1.5)
"""The playback speeds that Netflix offers, besides 1."""
KNOWN_TYPES = frozenset({"start", "playing", "paused", "reposition", "stopped"})
MAX_OFFSET_MS = 7 * 86_400_000
MAX_POSITION_MS = 864_000_000
JITTER_MS = 60_000
"""How far a session offset may lie before the start."""
KEEP_ALIVE_MS = 900_000
KEEP_ALIVE_STARTS_ANEW_AFTER_MS = 120_000
"""A pause longer than this begins the count of keep-alives again."""
BACK_SOON_MS = 3 * 3_600_000
"""A computed stop that reaches Netflix within this time still counts there."""
SECOND_MS = 1_000
SEEK_SLACK_MS = 2_000
DRIFT_SHARE = 0.005
FAST_RUN_MS = 10_000
SLOW_RUN_MS = 30_000
SLOW_MATCH = 0.015
ROUNDING_MS = 1_200
"""Televisions report whole seconds, so each end of a stretch may be off by half of one."""
EPSILON = 1e-4


class TraceError(ValueError):
    """The trace is not a list of events; the message says why."""


@dataclass(frozen=True, slots=True)
class Point:
    """One event of a trace: what, when after the start, and at which media position."""

    kind: str
    at_ms: int
    position_ms: int


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the player did, in the words of docs/events.md (without ``playback.``).

    ``rate`` is the playback rate from here on, None where that is not for this step to say;
    ``from_ms`` is where a seek began.
    """

    verb: str
    at_ms: int
    position_ms: int
    rate: float | None = None
    from_ms: int | None = None


def parse_trace(text: str) -> tuple[list[Point], list[str]]:
    """Points in order of time, and why events were dropped, one text each.

    Raises:
        TraceError: The cell is neither empty nor a JSON list.
    """
    points: list[Point] = []
    dropped: list[str] = []
    for index, item in enumerate(_load(text)):
        point = _point(item)
        if isinstance(point, Point):
            points.append(point)
        else:
            dropped.append(f"event {index}: {point}")
    # Stable: what the player listed first at one millisecond happened first.
    points.sort(key=lambda point: point.at_ms)
    unique = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
    return unique, dropped


def _load(text: str) -> list[Any]:
    if not text.strip() or text.strip().casefold() in {"null", "none", "nan"}:
        return []
    # A file that was quoted twice still has doubled quotes inside the cell.
    for candidate in (text, text.strip('"').replace('""', '"')):
        try:
            loaded = orjson.loads(candidate)
        except orjson.JSONDecodeError:
            continue
        if isinstance(loaded, list):
            return loaded
        raise TraceError(f"not a list but {type(loaded).__name__}")
    raise TraceError(f"not JSON: {text[:60]!r}")


def _point(item: object) -> Point | str:
    if not isinstance(item, dict):
        return "not an object"
    kind, at, position = (item.get(k) for k in ("eventType", "sessionOffsetMs", "mediaOffsetMs"))
    at_ms, position_ms = _whole(at), _whole(position)
    if not isinstance(kind, str) or not kind:
        return "eventType is missing"
    if at_ms is None or not -JITTER_MS <= at_ms <= MAX_OFFSET_MS:
        return f"sessionOffsetMs is {str(at)[:24]}"
    if position_ms is None or position_ms > MAX_POSITION_MS:
        return f"mediaOffsetMs is {str(position)[:24]}"
    # Some report a time just before the start, browsers a position of -1 before the first frame.
    return Point(kind.strip().casefold(), max(0, at_ms), max(0, position_ms))


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = value.strip()
    try:
        return int(float(value))  # type: ignore[arg-type]  # whatever is no number raises
    except (TypeError, ValueError, OverflowError):
        return None


def steps(points: list[Point], next_start_ms: int | None = None) -> list[Step]:
    """What the player did; playback speeds inferred, computed stops cut to the keep-alive.

    Args:
        points: the trace, in order of time.
        next_start_ms: when the same device next played anything, from this playback's start.
    """
    points = _from_the_start(confirmed(points, next_start_ms))
    rates = _rates(points)
    done: list[Step] = []
    playing, current = False, 1.0
    for point, rate in zip(points, rates, strict=True):
        verb = _verb(point.kind, playing=playing, first=not done)
        if verb == "heartbeat" and playing and rate != current:
            verb = "rate_changed"
        step = Step(verb, point.at_ms, point.position_ms, rate)
        if verb == "seeked":
            left_at = _left_at(done[-1] if done else step, point, current if playing else 0.0)
            step = replace(step, from_ms=left_at)
        done.append(step)
        playing, current = _plays_after(point.kind, playing=playing), rate or current
    return done


def _from_the_start(points: list[Point]) -> list[Point]:
    """The trace with its start where the playback's start is, not up to a minute later.

    Sessions begin with their first event, and people look for them under the start that they know.
    """
    if not points:
        return points
    first = Point("start", 0, points[0].position_ms)
    return [first, *(points[1:] if points[0].kind == "start" else points)]


def _plays_after(kind: str, *, playing: bool) -> bool:
    if kind in ("start", "playing"):
        return True
    return playing if kind not in ("paused", "stopped") else False


def _verb(kind: str, *, playing: bool, first: bool) -> str:
    if kind == "playing":
        return "started" if first else "heartbeat" if playing else "resumed"
    named = {"start": "started", "paused": "paused", "reposition": "seeked", "stopped": "stopped"}
    # Whatever Netflix will call its next event, it still tells where the player is.
    return named.get(kind, "heartbeat")


def _left_at(last: Step, point: Point, rate: float) -> int:
    """Where a seek began: where the player had got to, by its last word and the time since."""
    run = round((point.at_ms - last.at_ms) * rate)
    return min(last.position_ms + run, MAX_POSITION_MS)


def _rates(points: list[Point]) -> list[float | None]:
    """The rate of the stretch after each point; None where the point does not start one.

    A short stretch shows no speed by itself, but where a long one of the same playback does, the
    short ones that fit were played at that speed too.
    """
    stretches = [_stretch_after(points, index) for index in range(len(points))]
    rates = [None if it is None else rate_of(*it) for it in stretches]
    shown = [speed for speed in SPEEDS if speed in rates]
    return [
        rate if it is None or rate is None else _closest(it, rate, shown)
        for it, rate in zip(stretches, rates, strict=True)
    ]


def _closest(stretch: tuple[int, int], rate: float, shown: list[float]) -> float:
    passed_ms, moved_ms = stretch
    if moved_ms <= 0 or not shown:
        return rate
    best = min(shown, key=lambda speed: abs(moved_ms - speed * passed_ms))
    miss_ms = abs(moved_ms - best * passed_ms)
    fits = miss_ms <= ROUNDING_MS + SLOW_MATCH * passed_ms
    return best if fits and miss_ms < abs(moved_ms - passed_ms) else rate


def _stretch_after(points: list[Point], index: int) -> tuple[int, int] | None:
    """Time passed and media moved from this point to the next, if it says at what rate.

    After a start there is a wait of unknown length, so its slope says nothing; and where a seek
    landed says nothing of how the player got there.
    """
    here = points[index]
    if here.kind in ("paused", "stopped", "reposition"):
        return None
    after = points[index + 1] if index + 1 < len(points) else here
    if here.kind == "start" or after.kind == "reposition":
        return 0, 0
    return after.at_ms - here.at_ms, after.position_ms - here.position_ms


def rate_of(passed_ms: int, moved_ms: int) -> float:
    """The playback speed of a stretch; 1.0 where nothing else is plain from its slope."""
    if passed_ms <= 0 or moved_ms <= 0:
        return 1.0
    slope = moved_ms / passed_ms
    if not _within(moved_ms, passed_ms, 1.0):
        nearest = next((r for r in SPEEDS if r > 1 and _within(moved_ms, passed_ms, r)), None)
        if passed_ms < FAST_RUN_MS or nearest is None:
            return 1.0
        # Between two speeds: the speed changed on the way, and the slope is their mean.
        return nearest if slope >= nearest * (1 - SLOW_MATCH) else round(slope + EPSILON, 4)
    if passed_ms >= SLOW_RUN_MS:
        return next((r for r in SPEEDS if r < 1 and abs(slope - r) <= SLOW_MATCH), 1.0)
    return 1.0


def _within(moved_ms: int, passed_ms: int, rate: float) -> bool:
    """Whether the core credits the stretch at this rate (see ``Rules.seek_slack_s``)."""
    possible = rate * passed_ms
    return moved_ms <= possible + max(SEEK_SLACK_MS, DRIFT_SHARE * possible)


def confirmed(points: list[Point], next_start_ms: int | None) -> list[Point]:
    """The trace with a computed stop cut back to the last keep-alive.

    Such a stop betrays itself: the player speaks in whole seconds, yet the stop's position is its
    last position plus the time passed, to the millisecond. It stands if the device was back soon
    after, and where no keep-alive lies before it: then it is the best there is.
    """
    if len(points) < 3 or not _computed_stop(points):  # noqa: PLR2004 - start, playing, stopped
        return points
    stop, last = points[-1], points[-2]
    if next_start_ms is not None and next_start_ms - stop.at_ms <= BACK_SOON_MS:
        return points
    counted_from = _keep_alives_from(points)
    alive = stop.at_ms - (stop.at_ms - counted_from) % KEEP_ALIVE_MS
    if alive <= last.at_ms:
        return points
    return [*points[:-1], Point("stopped", alive, last.position_ms + alive - last.at_ms)]


def _keep_alives_from(points: list[Point]) -> int:
    """Offset from which the player counts its 15 minutes."""
    start = next(point.at_ms for point in points if point.kind == "playing")
    paused_at: int | None = None
    for point in points:
        if point.kind == "paused":
            paused_at = point.at_ms
        elif point.kind == "playing" and paused_at is not None:
            if point.at_ms - paused_at > KEEP_ALIVE_STARTS_ANEW_AFTER_MS:
                start = point.at_ms
            paused_at = None
    return start


def _computed_stop(points: list[Point]) -> bool:
    stop, last, earlier = points[-1], points[-2], points[:-1]
    return (
        stop.kind == "stopped"
        and last.kind == "playing"
        and stop.position_ms - last.position_ms == stop.at_ms - last.at_ms
        and stop.position_ms % SECOND_MS != 0
        and any(point.position_ms > 0 for point in earlier)
        and all(point.position_ms % SECOND_MS == 0 for point in earlier)
    )
