"""A title's counts as bytes and back, in parts that change at different rates.

``head``: marks and all counts but those of life tables. ``season:N``: the life tables of a season,
``season:N:DE`` and
``season:N:language:ko`` those of a group. Each part is packed: long lists of small numbers.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from streams.audience.records import Lineage
from streams.audience.retention import EVERYONE, Retention
from streams.audience.title import TitleAudience
from streams.signals import Out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.rules import Rules

FORMAT = 2
"""Version of the format; newer ones are refused. In 1 there were no tables by language."""
SEASON = "season:"
LEVEL = 1
"""Of packing: higher ones take longer, and make little of it."""


class UnreadableTitle(Exception):
    """The counts cannot be read: a later release wrote them, or someone else did."""


def dump_parts(title: TitleAudience, *, whole: bool = False) -> dict[str, bytes]:
    """The parts that have changed, or the ``whole`` title."""
    head = [
        FORMAT,
        [[source, *msgspec.structs.astuple(at)] for source, at in sorted(title.marks.items())],
        title.clock_ms,
        title.due_ms,
        title.decided_ms,
        title.engagement.dump(),
        title.people.dump(),
        title.reach.dump(),
        title.trending.dump(),
        [[number, *counts] for number, counts in sorted(title.news.items())],
        title.decisions.dump(),
    ]
    parts = {"head": _packed(head)}
    for number in sorted(title.retention if whole else title.changed):
        season = title.retention[number]
        parts[f"{SEASON}{number}"] = _packed(season.dump())
        for group in season.groups() if whole else sorted(season.changed - {EVERYONE}):
            parts[f"{SEASON}{number}:{group}"] = _packed(season.dump_group(group))
    return parts


def dump_out(title: TitleAudience) -> bytes:
    """The outbox, or nothing if it is empty."""
    return msgspec.json.encode([list(out) for out in title.outbox]) if title.outbox else b""


def load(
    title_id: str, version: int, parts: Mapping[str, bytes], out: bytes, rules: Rules
) -> TitleAudience:
    """The title that was stored; a new one for version 0.

    Raises:
        UnreadableTitle: a later release wrote it, or it is no title at all.
    """
    title = TitleAudience(title_id, rules)
    if not version:
        return title
    try:
        _read(title, parts, out, rules)
    except (ValueError, TypeError, IndexError, KeyError, zlib.error) as error:
        raise UnreadableTitle(f"counts of title {title_id!r} cannot be read: {error!r}") from error
    title.version = version
    return title


def _read(title: TitleAudience, parts: Mapping[str, bytes], out: bytes, rules: Rules) -> None:
    made_as, *head = _unpacked(parts["head"])
    if made_as > FORMAT:
        raise ValueError(f"format {made_as}; this release reads up to {FORMAT}")
    (
        marks,
        title.clock_ms,
        title.due_ms,
        title.decided_ms,
        engagement,
        people,
        reach,
        trending,
        news,
        decisions,
    ) = head
    title.marks = {source: Lineage(*at) for source, *at in marks}
    title.engagement.load(engagement)
    title.people.load(people)
    title.reach.load(reach)
    title.trending.load(trending)
    title.news = {number: (fresh, ever) for number, fresh, ever in news}
    title.decisions.load(decisions)
    read = Retention.load if made_as >= FORMAT else Retention.load_without_languages
    for name in sorted(parts):  # a season before its groups
        if name.startswith(SEASON):
            number, _, group = name.removeprefix(SEASON).partition(":")
            data = _unpacked(parts[name])
            if group:
                title.retention[int(number)].load_group(group, data)
            else:
                title.retention[int(number)] = read(data, rules)
    title.outbox = [Out(*item) for item in msgspec.json.decode(out)] if out else []


def _packed(value: Any) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(value), LEVEL)


def _unpacked(part: bytes) -> Any:
    return msgspec.msgpack.decode(zlib.decompress(part))
