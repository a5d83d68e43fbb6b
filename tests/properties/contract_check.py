"""docs/events.md read a second time, plainly: is this record an event, and what does it say?

Written from the page and not from the decoder, with the standard library for JSON and for times.
Where the page leaves something open (a number beyond any sense, a leap second), nothing is said.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = frozenset(
    {
        "playback.started", "playback.resumed", "playback.paused", "playback.heartbeat",
        "playback.seeked", "playback.rate_changed", "playback.buffering", "playback.buffered",
        "playback.completed", "playback.stopped", "play", "pause",
    }
)  # fmt: skip
MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d)(:?)(\d\d))", re.ASCII
)
EARLIEST_MS = datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000
AHEAD_MS = 300_000
DAY_S = 86_400
MOST_DIGITS = 300
"""Of a whole number; with more it is beyond what a double holds."""


class Verdict(Enum):
    """What the page says of a record."""

    VALID = "an event"
    BROKEN = "against the contract"
    OPEN = "not decided by the page"


class Broken(Exception):
    """The record breaks the contract."""


class Open(Exception):
    """The page does not say."""


def verdict(
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    stamp_ms: int,
) -> tuple[Verdict, dict[str, Any]]:
    """What the page says of a record, and the attributes and data that it has read."""
    try:
        event = _envelope(value, headers)
        return _check(event, key, stamp_ms), event
    except Broken:
        return Verdict.BROKEN, {}
    except Open:
        return Verdict.OPEN, {}


def _check(event: dict[str, Any], key: bytes | None, stamp_ms: int) -> Verdict:
    doubts: list[str] = []
    word = event.get("type")
    tick = word == "stream.tick"
    if not isinstance(word, str) or (not tick and word not in WORDS):
        raise Broken("type")
    for name in ("id", "source") if tick else ("id", "source", "subject"):
        _text(event, name)
    event["at_ms"], event["offset_min"] = _moment(event.get("time"), stamp_ms, doubts)
    if not tick:
        version = event.get("specversion", "1.0")
        if not isinstance(version, str) or not version.startswith("1"):
            raise Broken("specversion")
        if version != "1.0":
            doubts.append("another 1.x")
        if not key or key != event["subject"].encode("utf-8", "surrogatepass"):
            raise Broken("key")
        _data(event, doubts)
    return Verdict.OPEN if doubts else Verdict.VALID


def _envelope(value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> dict[str, Any]:
    if not value:
        raise Broken("value")
    try:
        text = value.decode("utf-8")
        body = json.loads(text, parse_constant=_no_number, parse_float=_float, parse_int=_int)
    except RecursionError:
        raise Open from None
    except ValueError:
        raise Broken("JSON") from None
    if not isinstance(body, dict):
        raise Broken("JSON object")
    if "\\ud" in text.lower():
        raise Open  # half a surrogate pair is JSON but no text
    attributes: dict[str, Any] = {}
    for name, raw in headers:
        if name.startswith("ce_") and raw is not None:
            try:
                attributes[name[3:]] = raw.decode("utf-8")
            except ValueError:
                raise Broken("header") from None
    return attributes | {"data": body} if "type" in attributes else body


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise Open
    return number


def _int(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise Open
    return int(digits)


def _text(holder: dict[str, Any], name: str) -> str:
    text = holder.get(name)
    if not isinstance(text, str) or not 1 <= len(text) <= 256:
        raise Broken(name)
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Broken(name)
    return text


def _moment(text: Any, stamp_ms: int, doubts: list[str]) -> tuple[float, int]:
    """When it was in ms, and how many minutes local time is ahead of UTC."""
    found = MOMENT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise Broken("time")
    date, clock, fraction, sign, hours, colon, minutes = found.groups()
    if clock.endswith(":60") or date.startswith("0000"):
        raise Open
    if sign and (int(hours) > 23 or int(minutes) > 59):
        raise Broken("time")
    offset = f"{sign}{hours}:{minutes}" if sign else "+00:00"
    try:
        whole = datetime.fromisoformat(f"{date}T{clock}{offset}").timestamp()
    except ValueError:
        raise Broken("time") from None
    except OverflowError:
        raise Open from None
    if sign and not colon:
        doubts.append("an offset as ISO 8601 has it")
    at_ms = whole * 1000 + float(f"0.{fraction or 0}") * 1000
    if min(abs(at_ms - EARLIEST_MS), abs(at_ms - stamp_ms - AHEAD_MS)) <= 1:
        doubts.append("time at the limit")
    if at_ms < EARLIEST_MS - 1 or at_ms > stamp_ms + AHEAD_MS + 1:
        raise Broken("time")
    minutes_ahead = int(hours or 0) * 60 + int(minutes or 0)
    return at_ms, -minutes_ahead if sign == "-" else minutes_ahead


def _data(event: dict[str, Any], doubts: list[str]) -> None:
    data = event.get("data")
    if not isinstance(data, dict):
        raise Broken("data")
    _text(data, "playback_id")
    _text(data, "title_id")
    numbers = [data.get("season"), data.get("episode")]
    if numbers != [None, None]:
        for number in numbers:
            if type(number) is not int or number < 1:
                raise Broken("season or episode")
            if number >= 1_000_000:
                doubts.append("so many episodes")
    _seconds(data, "position_s")
    if event["type"] == "playback.seeked":
        _seconds(data, "from_position_s")
    _optional(data, doubts)


def _seconds(data: dict[str, Any], name: str) -> None:
    seconds: Any = data.get(name)
    if type(seconds) not in (int, float) or not 0 <= seconds <= 864_000:
        raise Broken(name)


def _optional(data: dict[str, Any], doubts: list[str]) -> None:
    told = {name: said for name, said in data.items() if said is not None}
    for name, low, most in (("rate", 0, 16), ("duration_s", 0, float("inf"))):
        number = told.get(name, 1)
        if type(number) not in (int, float) or not low < number <= most or number == float("inf"):
            raise Broken(name)
    if told.get("duration_s", 1) > 10 * DAY_S:
        doubts.append("so long a film")
    seq = told.get("seq", 0)
    if type(seq) is not int or seq < 0:
        raise Broken("seq")
    if seq >= 1 << 62:
        doubts.append("so many reports")
    if type(told.get("autoplay", True)) is not bool:
        raise Broken("autoplay")
    _words(told, doubts)


def _words(told: dict[str, Any], doubts: list[str]) -> None:
    for name in ("device", "country", "language"):
        if name in told:
            _text(told, name)
    if not re.fullmatch("[A-Za-z]{2}", told.get("country", "DE")):
        raise Broken("country")
    first, *more = told.get("language", "de").split("-")
    if first in ("x", "i", "X", "I") and more:
        doubts.append("a private or an old tag")
    elif not re.fullmatch("[A-Za-z]{2,8}", first) or not all(
        re.fullmatch("[A-Za-z0-9]{1,8}", part) for part in more
    ):
        raise Broken("language")
