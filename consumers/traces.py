"""Records on Kafka that are about one viewer, each with where it lies and until when."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import orjson

from config.topics import topic_specs
from consumers.feed import Feed
from consumers.records import ABOUT_TITLES
from streams.signals import stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from config.settings import Settings
    from config.topics import TopicSpec
    from consumers.records import RawRecord

    Tell = Callable[[str, int, int], object]

PLAIN = re.compile(rb"[A-Za-z0-9_.-]+")
TELL_EVERY = 1000


def viewer_topics(settings: Settings) -> list[TopicSpec]:
    """The topics whose records are about viewers: all but the catalogue."""
    return [spec for spec in topic_specs(settings) if spec.name != settings.topics.titles]


def traces(settings: Settings, viewer: str, tell: Tell) -> dict[str, list[dict[str, Any]]]:
    """Everything about ``viewer`` that the topics hold now, by topic; dead letters included.

    Reads every record of every partition, since a producer may have chosen the wrong one.

    Args:
        settings: where Kafka is.
        viewer: whose.
        tell: called now and then with a topic, how many of its records were looked at, and how
            many are about the viewer.

    Raises:
        ReaderError: Kafka is away, or has no such topic.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for spec in viewer_topics(settings):
        has_titles = spec.name == settings.topics.signals
        search = Search(viewer, by_key=spec.key.startswith("viewer"), has_titles=has_titles)
        theirs = found[spec.name] = []
        read = 0
        feed = Feed(settings, spec.name)
        try:
            tell(spec.name, 0, 0)
            for read, record in enumerate(feed.whats_there(), start=1):
                if search.finds(record):
                    theirs.append(_readable(record))
                if read % TELL_EVERY == 0:
                    tell(spec.name, read, len(theirs))
        finally:
            feed.close()
        tell(spec.name, read, len(theirs))
    return found


class Search:
    """Tells whether a record is about a viewer.

    Args:
        viewer: whose.
        by_key: the topic's records bear the viewer's id as their key.
        has_titles: some are about a title instead, which may be called as the viewer is.
    """

    def __init__(self, viewer: str, *, by_key: bool, has_titles: bool = False) -> None:
        self._viewer = viewer
        self._name = viewer.encode()
        self._by_key = by_key
        self._has_titles = has_titles
        # What every way to write the name in JSON has in it, so that few values must be parsed.
        self._needle = max(PLAIN.findall(self._name), key=len, default=b"")
        self._quoted = (orjson.dumps(viewer), json.dumps(viewer).encode())

    def finds(self, record: RawRecord) -> bool:
        """By the record's key, that of the record in a dead letter, or what its value names."""
        return self._matches(record) and not (
            self._has_titles and _is_about_title(record.value or b"")
        )

    def _matches(self, record: RawRecord) -> bool:
        headers = record.headers
        if self._by_key and record.key == self._name:
            return True
        if self._name in {headers.get("key"), headers.get("ce_subject")}:
            return True
        packed = headers.get("headers", b"")
        return self._names(record.value or b"") or self._names_in_headers(packed)

    def _names(self, value: bytes) -> bool:
        if self._needle not in value:
            return False
        try:
            body = orjson.loads(value)
        except orjson.JSONDecodeError:
            return any(quoted in value for quoted in self._quoted)
        if not isinstance(body, dict):
            return False
        data = body.get("data")
        inner = data.get("viewer") if isinstance(data, dict) else None
        return self._viewer in (body.get("subject"), body.get("viewer"), inner)

    def _names_in_headers(self, packed: bytes) -> bool:
        try:
            return self._needle in packed and ["ce_subject", self._viewer] in orjson.loads(packed)
        except (orjson.JSONDecodeError, TypeError):  # no headers, or not kept
            return False


def _is_about_title(value: bytes) -> bool:
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return isinstance(body, dict) and str(body.get("type")).startswith(ABOUT_TITLES)


def _readable(record: RawRecord) -> dict[str, Any]:
    return {
        "partition": record.partition,
        "offset": record.offset,
        "sent_at": _sent_at(record.timestamp_ms),
        "key": _text(record.key),
        "headers": {name: _text(raw) for name, raw in record.headers.items()},
        "value": _value(record.value),
    }


def _sent_at(at_ms: int) -> str | None:
    try:
        return stamp(at_ms)
    except OverflowError:  # producers may claim any time
        return None


def _value(raw: bytes | None) -> Any:
    try:
        return orjson.loads(raw or b"")
    except orjson.JSONDecodeError:
        return _text(raw)


def _text(raw: bytes | None) -> str | Mapping[str, str] | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(raw).decode()}
