"""A record's headers as JSON: in order, every byte, readable where they are text."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Headers = tuple[tuple[str, bytes | None], ...]
"""Names and values; a name may come twice."""


def as_json(headers: Iterable[tuple[str, bytes | None]]) -> list[list[str | None]]:
    """Pairs of name and text, or of name, null and base64 where a value is not UTF-8."""
    return [_pair(name, raw) for name, raw in headers]


def from_json(pairs: Any) -> Headers:
    """What ``as_json`` was given.

    Raises:
        ValueError: it cannot have made ``pairs``.
    """
    try:
        return tuple(_header(*pair) for pair in pairs)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _pair(name: str, raw: bytes | None) -> list[str | None]:
    if raw is None:
        return [name, None]
    try:
        return [name, raw.decode()]
    except UnicodeDecodeError:
        return [name, None, b64encode(raw).decode()]


def _header(name: Any, text: Any, packed: Any = None) -> tuple[str, bytes | None]:
    if not isinstance(name, str) or not isinstance(text, str | None):
        raise TypeError("names and values are text")
    if packed is not None:
        return name, b64decode(packed, validate=True)
    return name, None if text is None else text.encode()
