"""A file of mended dead letters: lines of ``hookpoint rejects --json``, edited by a person."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from consumers.records import Place
from streams.headers import from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consumers.records import Reject


class BadLineError(ValueError):
    """A line cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Mended:
    """One line. ``given`` has the parts that it holds: key, value, headers."""

    line: int
    given: Mapping[str, Any]

    def changes(self, reject: Reject) -> dict[str, Any]:
        """The parts that differ from what the dead letter shows; all others stay as they were."""
        return {name: part for name, part in self.given.items() if part != getattr(reject, name)}


def read_mended(lines: Iterable[bytes]) -> dict[Place, Mended]:
    """Mended records by the place of the rejected one.

    ``value`` (and ``key``) are text, or null with base64 in ``value_base64``; a value that is a
    JSON object is taken as that object's text.

    Raises:
        BadLineError: a line is not JSON, does not say which record it mends, or repeats another.
    """
    found: dict[Place, Mended] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            body = orjson.loads(line)
            place, mended = _place(body), Mended(number, _given(body))
        except (TypeError, ValueError) as error:
            raise BadLineError(f"line {number}: {error}") from error
        if place in found:
            raise BadLineError(f"line {number}: {place} was mended in line {found[place].line}")
        found[place] = mended
    return found


def _place(body: Any) -> Place:
    if not isinstance(body, dict):
        raise TypeError("not a JSON object")
    topic, partition, offset = (body.get(name) for name in Place._fields)
    if not isinstance(topic, str) or type(partition) is not int or type(offset) is not int:
        raise TypeError("topic, partition and offset must say which record this was")
    return Place(topic, partition, offset)


def _given(body: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name in ("key", "value"):
        if name in body or f"{name}_base64" in body:
            given[name] = _bytes(name, body.get(name), body.get(f"{name}_base64"))
    if body.get("headers") is not None:
        given["headers"] = from_json(body["headers"])
    return given


def _bytes(name: str, text: Any, packed: Any) -> bytes | None:
    if isinstance(text, dict):
        return orjson.dumps(text)
    if isinstance(text, str):
        return text.encode()
    if text is not None:
        raise TypeError(f"{name} must be text, is {type(text).__name__}")
    return None if packed is None else b64decode(packed, validate=True)
