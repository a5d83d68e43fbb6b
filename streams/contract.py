"""The contract, field by field: a record becomes an ``Event`` or a named reason against it.

What is valid, and why something is not, is decided here and nowhere else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from streams.audience.records import Declared
from streams.events import (
    AGE_BANDS,
    MAX_ID,
    MAX_ORDINAL,
    MAX_POSITION_S,
    MAX_RATE,
    SEEK,
    TICK,
    TYPES,
    Event,
    Reject,
    Tick,
)
from streams.viewing.knots import NO_POSITION, NO_RATE, NO_SEQ, Knot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.rules import Rules
    from streams.viewing.playback import PlaybackKey

LINE = 80
COUNTRY = re.compile(r"[A-Za-z]{2}\Z")
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*\Z")
KEPT = 100_000
"""Entries in each memory of what was checked before. Players repeat themselves: the same viewer,
playback, device and country come with every report, so each is checked once."""
VIEWERS: dict[bytes, str] = {}
PLAYBACKS: dict[tuple[Any, ...], PlaybackKey] = {}
FACTS: dict[tuple[Any, ...], tuple[tuple[str, Any], ...]] = {}


def _remember(memory: dict[Any, Any], said: Any, checked: Any) -> None:
    if len(memory) >= KEPT:
        memory.clear()
    memory[said] = checked


def decode_carefully(
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    stamp_ms: int,
    rules: Rules,
) -> Event | Tick:
    """See ``streams.decoder.decode``; this is the way that says what is wrong."""
    if not value:
        raise Reject("empty", "value", "the record has no value")
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Reject("not_json", "value", str(error)) from None
    if type(body) is not dict:
        raise Reject("not_json", "value", "the value is not a JSON object")
    if headers:
        body = _envelope(body, headers)
    word = body.get("type")
    if type(word) is not str:
        raise Reject("envelope", "type", _wrong(word, "text"))
    at_ms, offset = _time(body.get("time"), stamp_ms, rules)
    found = TYPES.get(word)
    if found is None:
        if word == TICK:
            _attributes(body, ("id", "source"))
            return Tick(at_ms)
        raise Reject("unknown_type", "type", f"{_short(word)} is no event type")
    viewer = _viewer(key, body)
    data = body.get("data")
    if type(data) is not dict:
        raise Reject("field", "data", _wrong(data, "an object"))
    kind, bare = found
    return Event(viewer, _playback(data), _knot(data, kind, at_ms), bare, _facts(data, offset))


def decode_declared(key: bytes | None, value: bytes | None) -> tuple[str, Declared]:
    """A viewer and what they have declared, of one record of the topic ``viewers``.

    No value (a tombstone) and an object without any of the fields declare nothing.

    Raises:
        Reject: naming the field that is wrong.
    """
    try:
        viewer = (key or b"").decode()
    except UnicodeDecodeError:
        raise Reject("key", "key", "not UTF-8") from None
    if not 0 < len(viewer) <= MAX_ID:
        raise Reject("key", "key", "must be the viewer id, of 1 to 256 characters")
    if not value:
        return viewer, Declared()
    try:
        data = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Reject("not_json", "value", str(error)) from None
    if type(data) is not dict:
        raise Reject("not_json", "value", "the value is not a JSON object")
    said = {
        name: _word(name, data[name]) for name in Declared._fields if data.get(name) is not None
    }
    return viewer, Declared(**said)


def _envelope(body: dict[str, Any], headers: Sequence[tuple[str, bytes | None]]) -> dict[str, Any]:
    """The structured form of a binary CloudEvent; a structured one as it is."""
    attributes: dict[str, Any] = {}
    for name, raw in headers:
        if name.startswith("ce_") and raw is not None:
            try:
                attributes[name[3:]] = raw.decode()
            except UnicodeDecodeError:
                raise Reject("envelope", name[3:] or name, "the header is not UTF-8") from None
    if "type" not in attributes:
        return body
    attributes["data"] = body
    return attributes


def _viewer(key: bytes | None, body: dict[str, Any]) -> str:
    _attributes(body, ("id", "source", "subject"))
    version = body.get("specversion", "1.0")
    if version != "1.0" and (type(version) is not str or not version.startswith("1.")):
        raise Reject("envelope", "specversion", f"{_short(version)} is not 1.0")
    if not key:
        raise Reject("key", "key", "the record has no key; it must be the viewer id")
    subject: str = body["subject"]
    if VIEWERS.get(key) == subject:
        return subject
    try:
        same = key == subject.encode()
    except UnicodeEncodeError:
        raise Reject("envelope", "subject", "not valid Unicode") from None
    if not same:
        try:
            key.decode()
        except UnicodeDecodeError:
            raise Reject("key", "key", "not UTF-8") from None
        raise Reject("key", "subject", f"the key is not the subject {_short(subject)}")
    _remember(VIEWERS, key, subject)
    return subject


def _attributes(body: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        text = body.get(name)
        if type(text) is not str or not 0 < len(text) <= MAX_ID:
            raise Reject("envelope", name, _wrong(text, "text of 1 to 256 characters"))


def _time(text: Any, stamp_ms: int, rules: Rules) -> tuple[int, int]:
    """Event time in milliseconds, and the offset of its local time from UTC in minutes."""
    if type(text) is not str:
        raise Reject("envelope", "time", _wrong(text, "RFC 3339 text"))
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise Reject("envelope", "time", f"{_short(text)} is not RFC 3339") from None
    zone = moment.tzinfo
    if zone is None:
        raise Reject("envelope", "time", f"{_short(text)} has no time zone")
    offset = 0
    if zone is not UTC:
        shift = moment.utcoffset()
        offset = round(shift.total_seconds() / 60) if shift else 0
    at_ms = round(moment.timestamp() * 1000)
    if at_ms < rules.earliest_time_s * 1000:
        raise Reject("time", "time", f"{_short(text)} is before 2000")
    if at_ms > stamp_ms + rules.max_ahead_s * 1000:
        raise Reject("time", "time", f"{_short(text)} is ahead of the broker's clock")
    return at_ms, offset


def _playback(data: dict[str, Any]) -> PlaybackKey:
    season: Any = data.get("season")
    episode: Any = data.get("episode")
    said = (data.get("playback_id"), data.get("title_id"), season, episode)
    plain = type(season) is int and type(episode) is int  # else 1.0 and true would pass for 1
    if plain or (season is None and episode is None):
        try:
            known = PLAYBACKS.get(said)
        except TypeError:  # a list or an object
            known = None
        if known is not None:
            return known
    for name, text in zip(("playback_id", "title_id"), said, strict=False):
        if type(text) is not str or not 0 < len(text) <= MAX_ID:
            raise Reject("field", name, _wrong(text, "text of 1 to 256 characters"))
    if season is None and episode is None:
        film: PlaybackKey = (str(said[0]), str(said[1]), 0, 0)
        _remember(PLAYBACKS, said, film)
        return film
    for name, number in (("season", season), ("episode", episode)):
        if type(number) is not int or not 1 <= number < MAX_ORDINAL:
            raise Reject("field", name, _wrong(number, "a whole number from 1"))
    key: PlaybackKey = said
    _remember(PLAYBACKS, said, key)
    return key


def _knot(data: dict[str, Any], kind: int, at_ms: int) -> Knot:
    position = _position(data, "position_s")
    origin = _position(data, "from_position_s") if kind == SEEK else NO_POSITION
    rate: Any = data.get("rate")
    if rate is None:
        rate = NO_RATE
    elif type(rate) not in (int, float) or not 0 < rate <= MAX_RATE:
        raise Reject("field", "rate", _wrong(rate, "a number above 0 and at most 16"))
    seq: Any = data.get("seq")
    if seq is None:
        seq = NO_SEQ
    elif type(seq) is not int or not 0 <= seq < 1 << 62:
        raise Reject("field", "seq", _wrong(seq, "a whole number from 0"))
    return Knot(at_ms, seq, kind, position, float(rate), origin)


def _position(data: dict[str, Any], name: str) -> int:
    position: Any = data.get(name)
    if type(position) not in (int, float) or not 0 <= position <= MAX_POSITION_S:
        raise Reject("field", name, _wrong(position, "seconds from 0 to 864000"))
    return round(float(position) * 1000)


def _facts(data: dict[str, Any], offset: int) -> tuple[tuple[str, Any], ...]:
    duration: Any = data.get("duration_s")
    autoplay: Any = data.get("autoplay")
    if duration is not None and type(duration) not in (int, float):
        raise Reject("field", "duration_s", _wrong(duration, "seconds above 0"))
    if autoplay is not None and type(autoplay) is not bool:
        raise Reject("field", "autoplay", _wrong(autoplay, "true or false"))
    said = (
        data.get("device"), data.get("country"), data.get("language"), duration, autoplay, offset,
    )  # fmt: skip
    try:
        known = FACTS.get(said)
    except TypeError:  # a list or an object
        known = None
    if known is None:
        known = _check_facts(said)
        _remember(FACTS, said, known)
    return known


def _check_facts(said: tuple[Any, ...]) -> tuple[tuple[str, Any], ...]:
    *words, duration, autoplay, offset = said
    facts: list[tuple[str, Any]] = []
    for name, text in zip(("device", "country", "language"), words, strict=True):
        if text is not None:
            facts.append((name, _word(name, text)))
    if duration is not None:
        if not 0 < duration <= MAX_POSITION_S:
            raise Reject("field", "duration_s", _wrong(duration, "seconds above 0"))
        facts.append(("duration", round(duration * 1000)))
    if autoplay is not None:
        facts.append(("autoplay", autoplay))
    if offset:
        facts.append(("offset", offset))
    return tuple(facts)


def _word(name: str, text: Any) -> str:
    if type(text) is not str or not 0 < len(text) <= MAX_ID:
        raise Reject("field", name, _wrong(text, "text of 1 to 256 characters"))
    if name == "country":
        if not COUNTRY.match(text):
            raise Reject("field", name, f"{_short(text)} is not an ISO 3166-1 alpha-2 code")
        return text.upper()
    if name == "age_band" and text not in AGE_BANDS:
        raise Reject("field", name, f"{_short(text)} is none of {', '.join(AGE_BANDS)}")
    if name == "language" and not LANGUAGE.match(text):
        raise Reject("field", name, f"{_short(text)} is not a BCP 47 tag")
    return text


def _wrong(value: Any, wanted: str) -> str:
    return f"missing, must be {wanted}" if value is None else f"{_short(value)} is not {wanted}"


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} nested too deeply to print"
    return text if len(text) <= LINE else text[: LINE - 3] + "..."
