"""The event contract: one Kafka record in, one ``Event`` or one named reason against it out.

Pure and on the hot path: an event costs a few microseconds here. The contract itself is written
down in docs/events.md.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import orjson

from streams.viewing.knots import NO_POSITION, NO_RATE, NO_SEQ, Kind, Knot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.rules import Rules
    from streams.viewing.playback import PlaybackKey

TYPES: dict[str, tuple[int, bool]] = {
    "playback.started": (int(Kind.START), False),
    "playback.resumed": (int(Kind.RESUME), False),
    "playback.paused": (int(Kind.PAUSE), False),
    "playback.heartbeat": (int(Kind.HEARTBEAT), False),
    "playback.seeked": (int(Kind.SEEK), False),
    "playback.rate_changed": (int(Kind.RATE), False),
    "playback.buffering": (int(Kind.BUFFERING), False),
    "playback.buffered": (int(Kind.BUFFERED), False),
    "playback.completed": (int(Kind.COMPLETE), False),
    "playback.stopped": (int(Kind.STOP), False),
    "play": (int(Kind.RESUME), True),
    "pause": (int(Kind.PAUSE), True),
}
"""Event type -> (kind of knot, whether it is a bare word)."""
TICK = "stream.tick"
SEEK = int(Kind.SEEK)
MAX_ID = 256
MAX_POSITION_S = 864_000
MAX_RATE = 16
MAX_ORDINAL = 1_000_000
LINE = 80
COUNTRY = re.compile(r"[A-Za-z]{2}\Z")
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*\Z")


KEPT = 100_000
"""Entries in each memory of what was checked before. Players repeat themselves: the same viewer,
playback, device and country come with every report, so each is checked once."""
_VIEWERS: dict[bytes, str] = {}
_PLAYBACKS: dict[tuple[Any, ...], PlaybackKey] = {}
_FACTS: dict[tuple[Any, ...], tuple[tuple[str, Any], ...]] = {}


def _remember(memory: dict[Any, Any], said: Any, checked: Any) -> None:
    if len(memory) >= KEPT:
        memory.clear()
    memory[said] = checked


class Reject(Exception):
    """Why a record cannot be taken: a reason from docs/events.md, the field, and a sentence."""

    def __init__(self, reason: str, field: str, detail: str) -> None:
        super().__init__(f"{reason}: {field}: {detail}")
        self.reason = reason
        self.field = field
        self.detail = detail


class Event(NamedTuple):
    """One valid event. ``knot`` says what the player reported, in milliseconds.

    ``facts`` holds what it said besides (device, country, language, duration in ms, autoplay,
    offset of its local time in minutes), present fields only.
    """

    viewer: str
    playback: PlaybackKey
    knot: Knot
    bare: bool
    facts: tuple[tuple[str, Any], ...]


class Tick(NamedTuple):
    """Time moved on to ``at_ms`` without a viewer."""

    at_ms: int


Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
Ordinal = Annotated[int, msgspec.Meta(ge=1, lt=MAX_ORDINAL)]
Position = Annotated[float, msgspec.Meta(ge=0, le=MAX_POSITION_S)]


class _Data(msgspec.Struct, forbid_unknown_fields=True):
    """``data`` of an event, as strictly typed as the contract.

    Unknown fields are left to the careful way, because what is skipped unread is not checked to
    be valid JSON at all.
    """

    playback_id: Id
    title_id: Id
    position_s: Position
    season: Ordinal | None = None
    episode: Ordinal | None = None
    from_position_s: Position | None = None
    rate: Annotated[float, msgspec.Meta(gt=0, le=MAX_RATE)] | None = None
    seq: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)] = NO_SEQ
    duration_s: int | float | None = None
    autoplay: bool | None = None
    device: str | None = None
    country: str | None = None
    language: str | None = None


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    """A structured CloudEvent."""

    id: Id
    source: Id
    type: str
    subject: Id
    time: datetime
    data: _Data
    specversion: str = "1.0"
    datacontenttype: str | None = None
    dataschema: str | None = None


_PLAIN = msgspec.json.Decoder(_Plain)
_new = tuple.__new__
"""Makes a named tuple of a tuple without the detour over its Python-level constructor."""


def decode(
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    stamp_ms: int,
    rules: Rules,
) -> Event | Tick:
    """Read one record.

    Args:
        key: the record's key.
        value: its value.
        headers: its headers, in order.
        stamp_ms: the record's own timestamp on the broker.
        rules: how old or how far ahead an event may be.

    Raises:
        Reject: the record breaks the contract.
    """
    event = _decode_plain(key, value, stamp_ms, rules) if key and value and not headers else None
    return event or _decode_carefully(key, value, headers, stamp_ms, rules)


def _decode_plain(key: bytes, value: bytes, stamp_ms: int, rules: Rules) -> Event | None:
    """The short way for a structured event that is surely valid; None for all others.

    What is valid and why not is for ``_decode_carefully`` alone to say: a test holds the two to
    the same answers.
    """
    try:
        plain = _PLAIN.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    data, moment = plain.data, plain.time
    found = TYPES.get(plain.type)
    viewer = _VIEWERS.get(key)
    zone = moment.tzinfo
    if found is None or viewer != plain.subject or plain.specversion != "1.0" or zone is not UTC:
        return None
    at_ms = round(moment.timestamp() * 1000)
    if at_ms < rules.earliest_time_s * 1000 or at_ms > stamp_ms + rules.max_ahead_s * 1000:
        return None
    playback = _PLAYBACKS.get((data.playback_id, data.title_id, data.season, data.episode))
    facts = _FACTS.get(
        (data.device, data.country, data.language, data.duration_s, data.autoplay, 0)
    )
    kind, bare = found
    origin = NO_POSITION
    if kind == SEEK:
        if data.from_position_s is None:
            return None
        origin = round(data.from_position_s * 1000)
    if playback is None or facts is None:
        return None
    position = round(data.position_s * 1000)
    knot = _new(Knot, (at_ms, data.seq, kind, position, data.rate or NO_RATE, origin))
    return _new(Event, (viewer, playback, knot, bare, facts))


def _decode_carefully(
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    stamp_ms: int,
    rules: Rules,
) -> Event | Tick:
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
    if _VIEWERS.get(key) == subject:
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
    _remember(_VIEWERS, key, subject)
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
            known = _PLAYBACKS.get(said)
        except TypeError:  # a list or an object
            known = None
        if known is not None:
            return known
    for name, text in zip(("playback_id", "title_id"), said, strict=False):
        if type(text) is not str or not 0 < len(text) <= MAX_ID:
            raise Reject("field", name, _wrong(text, "text of 1 to 256 characters"))
    if season is None and episode is None:
        film: PlaybackKey = (str(said[0]), str(said[1]), 0, 0)
        _remember(_PLAYBACKS, said, film)
        return film
    for name, number in (("season", season), ("episode", episode)):
        if type(number) is not int or not 1 <= number < MAX_ORDINAL:
            raise Reject("field", name, _wrong(number, "a whole number from 1"))
    key: PlaybackKey = said  # type: ignore[assignment]  # checked field by field just above
    _remember(_PLAYBACKS, said, key)
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
        known = _FACTS.get(said)
    except TypeError:  # a list or an object
        known = None
    if known is None:
        known = _check_facts(said)
        _remember(_FACTS, said, known)
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
