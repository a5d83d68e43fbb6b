"""What the outgoing topics hold, as typed values: signals, sessions and rejects.

Parsing is pure. Fields and units are those of docs/events.md; fields that are not listed there are
ignored, so that a newer worker does not break an older reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from streams.headers import Headers, from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


ABOUT_TITLES = "title."
"""How the type of a signal begins that is about a title, not about a viewer."""


class BadRecordError(ValueError):
    """A record breaks the contract of its topic; ``reason`` is one word to count by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One Kafka record as it came, before anyone has looked inside."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    timestamp_ms: int
    """When it was sent, in milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One CloudEvent of ``engagement-signals``."""

    id: str
    source: str
    type: str
    """``viewer.hooked``, ``viewer.cooled`` and so on; of a title ``title.hook_point`` and so on."""
    subject: str
    """Whom it is about: the viewer id, or the title id of a ``title.`` signal."""
    time: datetime
    """Event time: when the viewer did it, or when the idle time was up."""
    viewer: str | None
    title_id: str | None
    season: int | None
    country: str | None
    """Of a ``title.`` signal: the country whose viewers it is about; None for all."""
    language: str | None
    """Likewise the language of the audio that they hear."""
    state: str | None
    basis: str | None
    """``audience`` (the title's curve) or ``pace`` (there is no curve yet)."""
    p: float | None
    """Probability 0..1 to finish the season; None on basis ``pace``. Of ``title.hook_point``, the
    share that does; of ``title.trending``, how likely such a burst is by chance."""
    interval: tuple[float, float] | None
    """Of ``p``: ``data`` has it as ``interval``, or as ``low`` and ``high``."""
    k: int | None
    """Completed episodes, out of ``of``; of ``title.hook_point``, the episode that is one."""
    of: int | None
    because: Mapping[str, Any]
    """The numbers behind the decision."""
    catalogue_version: int | None
    curve_version: str | None
    retracts: str | None
    """Id of the earlier signal that this one takes back."""
    data: Mapping[str, Any]
    """The whole ``data`` of the event, unlisted fields included."""

    @property
    def is_about_title(self) -> bool:
        """Whether it is about a title's audience and not about one viewer."""
        return self.type.startswith(ABOUT_TITLES)

    @property
    def who(self) -> str | None:
        """The viewer that it is about; None if it is about a title."""
        return None if self.is_about_title else self.viewer or self.subject


@dataclass(frozen=True, slots=True)
class Session:
    """One closed playback of ``viewing-sessions``, at one revision. All ``_s`` are seconds."""

    id: str
    viewer: str
    playback_id: str
    title_id: str
    season: int | None
    episode: int | None
    device: str | None
    country: str | None
    started_at: datetime
    ended_at: datetime
    wall_s: float
    advanced_s: float
    coverage_s: float
    rewatched_s: float
    position_s: float
    imputed: bool
    revision: int


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Reject:
    """One dead letter of ``playback-rejects``: where it came from, why, and its own bytes."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    reason: str
    field: str | None
    detail: str | None
    size: int
    """Bytes of the offending value before it was cut."""
    value: bytes
    """At most 64 KiB of it."""
    rejected_at: datetime
    """When the worker refused it."""
    headers: Headers | None = ()
    """Those of the offending record; None if they were too many to keep."""

    @property
    def place(self) -> Place:
        """Where the offending record lies."""
        return Place(self.topic, self.partition, self.offset)

    @property
    def is_whole(self) -> bool:
        """Whether everything of the offending record is here."""
        return self.headers is not None and len(self.value) == self.size


def parse_signal(record: RawRecord) -> Signal:
    """Reads one record of ``engagement-signals``.

    Raises:
        BadRecordError: not JSON, or a field is missing or of the wrong type.
    """
    event = _json_object(record.value)
    data = _field(event, "data", dict)
    return Signal(
        id=_text(event, "id"),
        source=_text(event, "source"),
        type=_text(event, "type"),
        subject=_text(event, "subject"),
        time=_time(event, "time"),
        viewer=_optional_text(data, "viewer"),
        title_id=_optional_text(data, "title_id"),
        season=_optional_int(data, "season"),
        country=_optional_text(data, "country"),
        language=_optional_text(data, "language"),
        state=_optional_text(data, "state"),
        basis=_optional_text(data, "basis"),
        p=_optional_number(data, "p"),
        interval=_interval(data),
        k=_optional_int(data, "k"),
        of=_optional_int(data, "of"),
        because=_field(data, "because", dict, required=False) or {},
        catalogue_version=_optional_int(data, "catalogue_version"),
        curve_version=_optional_text(data, "curve_version"),
        retracts=_optional_text(data, "retracts"),
        data=data,
    )


def parse_session(record: RawRecord) -> Session:
    """Reads one record of ``viewing-sessions``.

    Raises:
        BadRecordError: not JSON, or a field is missing or of the wrong type.
    """
    body = _json_object(record.value)
    return Session(
        id=_text(body, "id"),
        viewer=_text(body, "viewer"),
        playback_id=_text(body, "playback_id"),
        title_id=_text(body, "title_id"),
        season=_optional_int(body, "season"),
        episode=_optional_int(body, "episode"),
        device=_optional_text(body, "device"),
        country=_optional_text(body, "country"),
        started_at=_time(body, "started_at"),
        ended_at=_time(body, "ended_at"),
        wall_s=_number(body, "wall_s"),
        advanced_s=_number(body, "advanced_s"),
        coverage_s=_number(body, "coverage_s"),
        rewatched_s=_number(body, "rewatched_s"),
        position_s=_number(body, "position_s"),
        imputed=_field(body, "imputed", bool),
        revision=_field(body, "revision", int),
    )


def parse_reject(record: RawRecord) -> Reject:
    """Reads one record of ``playback-rejects``.

    Raises:
        BadRecordError: a header is missing or is not what it should be.
    """
    headers = {name: raw.decode(errors="backslashreplace") for name, raw in record.headers.items()}
    value = record.value or b""
    return Reject(
        topic=_text(headers, "topic"),
        partition=_whole(headers, "partition"),
        offset=_whole(headers, "offset"),
        key=record.headers.get("key"),
        reason=_text(headers, "reason"),
        field=headers.get("field") or None,
        detail=headers.get("detail") or None,
        size=_whole(headers, "size") if "size" in headers else len(value),
        value=value,
        rejected_at=_sent_at(record),
        headers=_own_headers(headers.get("headers", "[]")),
    )


def header_map(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """Kafka's list of headers as a mapping; the last of a name wins, null values are left out."""
    return {name: value for name, value in headers if value is not None}


def _json_object(value: bytes | None) -> dict[str, Any]:
    if not value:
        raise BadRecordError("empty", "the record has no value")
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise BadRecordError("not_json", str(error)) from error
    if not isinstance(body, dict):
        raise BadRecordError("not_json", "the value is not a JSON object")
    return body


def _field(body: Mapping[str, Any], name: str, kind: type, *, required: bool = True) -> Any:
    value = body.get(name)
    if value is None and not required:
        return None
    # bool is an int to Python, but not to anyone who reads JSON.
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        was = "missing" if value is None else type(value).__name__
        raise BadRecordError(name, f"should be {kind.__name__}, is {was}")
    return value


def _text(body: Mapping[str, Any], name: str) -> str:
    value: str = _field(body, name, str)
    if not value:
        raise BadRecordError(name, "is empty")
    return value


def _optional_text(body: Mapping[str, Any], name: str) -> str | None:
    value: str | None = _field(body, name, str, required=False)
    return value


def _optional_int(body: Mapping[str, Any], name: str) -> int | None:
    value: int | None = _field(body, name, int, required=False)
    return value


def _number(body: Mapping[str, Any], name: str) -> float:
    value = body.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return float(_field(body, name, float))


def _optional_number(body: Mapping[str, Any], name: str) -> float | None:
    return None if body.get(name) is None else _number(body, name)


def _whole(headers: Mapping[str, str], name: str) -> int:
    text = _text(headers, name)
    try:
        return int(text)
    except ValueError as error:
        raise BadRecordError(name, "is not a whole number") from error


def _own_headers(text: str) -> Headers | None:
    try:
        found = orjson.loads(text)
        return None if found is None else from_json(found)
    except ValueError as error:
        raise BadRecordError("headers", f"are not as documented: {error}") from error


def _interval(data: Mapping[str, Any]) -> tuple[float, float] | None:
    ends = _field(data, "interval", list, required=False)
    if ends is not None:
        return _pair(ends)
    low, high = (_optional_number(data, name) for name in ("low", "high"))
    return None if low is None or high is None else (low, high)


def _pair(values: list[Any]) -> tuple[float, float]:
    ends = dict(zip(("low", "high"), values, strict=False))
    if len(values) != 2:  # noqa: PLR2004  # an interval has two ends
        raise BadRecordError("interval", f"should have two ends, has {len(values)}")
    return _number(ends, "low"), _number(ends, "high")


def _time(body: Mapping[str, Any], name: str) -> datetime:
    text = _text(body, name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRecordError(name, "is not an RFC 3339 time") from error
    if moment.tzinfo is None:
        raise BadRecordError(name, "has no offset from UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise BadRecordError(name, "is beyond the year 9999 in UTC") from error


def _sent_at(record: RawRecord) -> datetime:
    try:
        return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise BadRecordError("timestamp", "is out of range") from error
