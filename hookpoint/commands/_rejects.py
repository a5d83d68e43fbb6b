"""What ``hookpoint rejects`` shows: rows, JSON, sums, and what a redrive has done."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from rich.text import Text

from consumers.rejects import OF_STATE, REASONS
from hookpoint.commands._tables import (
    Column,
    View,
    cell,
    moment,
    print_json,
    print_table,
    safe_bytes,
    say,
)
from streams.headers import as_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from consumers.redrive import Report
    from consumers.rejects import Kind, Reject

MENDABLE = frozenset(REASONS) - OF_STATE
"""Reasons that lie in a line's own text."""
KEY_SHOWN, VALUE_SHOWN = 32, 80
"""Characters."""
KINDS_SHOWN = 50
LINES_NAMED = 20

TIME = Column("time (UTC)", 19)
KIND_COLUMNS = (
    Column("reason", 12),
    Column("field", 10),
    Column("records", 9, right=True),
    Column("first (UTC)", 19),
    Column("last (UTC)", 19),
    Column("the last one", 20),
    Column("detail", 30, wraps=True),
)
HINTS = {
    "too_late": "too late: they would come straight back; "
    "--reason too_late sends them all the same",
    "too_many": "too many: they would come straight back; "
    "--reason too_many sends them all the same",
    "sent_before_and_refused": "refused again: they are not sent a third time; "
    "what was mended once more can go the way of new events (`hookpoint replay`)",
    "other_topic": "from another topic than that of events: a newer title may be there by now, "
    "so whoever has the catalogue sends it",
    "cut": "cut: too large to be kept whole, and gone from their own topic",
}
"""What to know of those that were left, by the word they are counted by."""


def shown_bytes(raw: bytes, size: int, limit: int) -> str:
    """Bytes, escaped; of long ones the beginning and how many there are.

    Args:
        raw: what is there of them.
        size: how many there were.
        limit: characters to show.
    """
    text = safe_bytes(raw, limit)
    is_cut = len(raw) < size or len(raw[: 4 * limit + 4].decode(errors="backslashreplace")) > limit
    return f"{text.removesuffix('…')}… ({size:,} bytes)" if is_cut else text


def _row(reject: Reject) -> list[Text]:
    key = reject.key
    return [
        cell(moment(reject.rejected_at)),
        cell(reject.reason, "bold red"),
        cell(reject.field),
        cell(reject.place),
        _bytes_cell(key, len(key or b""), KEY_SHOWN),
        cell(f"{reject.size:,}"),
        cell(reject.detail),
        _bytes_cell(reject.value or None, reject.size, VALUE_SHOWN, "dim"),
    ]


def _bytes_cell(raw: bytes | None, size: int, limit: int, style: str = "") -> Text:
    # No `cell`: that would cut once more where many characters had to be escaped.
    return Text("-" if raw is None else shown_bytes(raw, size, limit), style=style)


def reject_json(reject: Reject) -> dict[str, Any]:
    """One dead letter, whole; as ``--redrive --mended`` takes it back."""
    headers = reject.headers
    return {
        "topic": reject.topic,
        "partition": reject.partition,
        "offset": reject.offset,
        "reason": reject.reason,
        "field": reject.field,
        "detail": reject.detail,
        "size": reject.size,
        "rejected_at": reject.rejected_at,
        **_bytes_json("key", reject.key),
        "headers": None if headers is None else as_json(headers),
        **_bytes_json("value", reject.value),
    }


def _bytes_json(name: str, raw: bytes | None) -> dict[str, str | None]:
    """Text as it is; anything else as ``…_base64``, so that nothing is lost."""
    if raw is None:
        return {name: None}
    try:
        return {name: raw.decode()}
    except UnicodeDecodeError:
        return {name: None, f"{name}_base64": base64.b64encode(raw).decode()}


REJECTS: View[Reject] = View(
    noun="rejects",
    columns=(
        TIME,
        Column("reason", 12),
        Column("field", 10),
        Column("source", 20),
        Column("key", 10),
        Column("bytes", 7, right=True),
        Column("detail", 30, wraps=True),
        Column("value", 0, wraps=True),
    ),
    row=_row,
    as_json=reject_json,
    moment=lambda reject: reject.rejected_at,
    latest=lambda rejects: rejects,
)


def print_kinds(found: Sequence[Kind], *, most: int | None, as_json: bool) -> None:
    """Sums by reason and field, the most frequent first; an example of each."""
    shown = found[: most or KINDS_SHOWN]
    if as_json:
        for kind in shown:
            print_json(_kind_json(kind))
    else:
        print_table(KIND_COLUMNS, [_kind_row(kind) for kind in shown])
    rest = found[len(shown) :]
    if rest:
        say(f"and {sum(kind.count for kind in rest):,} of {len(rest):,} more kinds (--limit)")


def _kind_row(kind: Kind) -> list[Text]:
    return [
        cell(kind.reason, "bold red"),
        cell(kind.field),
        cell(f"{kind.count:,}"),
        cell(moment(kind.first)),
        cell(moment(kind.last)),
        cell(kind.example.place),
        cell(kind.example.detail, "dim"),
    ]


def _kind_json(kind: Kind) -> dict[str, Any]:
    return {
        "reason": kind.reason,
        "field": kind.field,
        "count": kind.count,
        "first": kind.first,
        "last": kind.last,
        "example": reject_json(kind.example),
    }


def print_chosen(rejects: Sequence[Reject]) -> None:
    """Dead letters that would be sent again."""
    if rejects:
        print_table(REJECTS.columns, [_row(reject) for reject in rejects])


def tell_lines(name: str, lines: Sequence[tuple[int, str]]) -> None:
    """Which lines of a file are not sent, and why: first those that can still be mended."""

    def order(line: tuple[int, str]) -> tuple[bool, int]:
        return line[1].partition(":")[0] not in MENDABLE, line[0]

    for number, why in sorted(lines, key=order)[:LINES_NAMED]:
        say(f"{name}:{number}: {why}")
    if len(lines) > LINES_NAMED:
        say(f"… and {len(lines) - LINES_NAMED:,} more")


def summary(report: Report, *, dry_run: bool) -> str:
    """``3 sent again, 2 left (field: 2)``."""
    done = "would be sent again" if dry_run else "sent again"
    return f"{report.sent:,} {done}, {report.left.total():,} left{_in_words(report.left)}"


def tell_hints(left: Mapping[str, int]) -> None:
    """What to know of those that were left."""
    for word, hint in HINTS.items():
        if left.get(word):
            say(hint)


def _in_words(left: Mapping[str, int]) -> str:
    counts: Iterable[tuple[str, int]] = sorted(left.items(), key=lambda each: (-each[1], each[0]))
    words = ", ".join(f"{word.replace('_', ' ')}: {count:,}" for word, count in counts)
    return f" ({words})" if words else ""
