"""How the read commands print: safe text, tables, lines that follow, JSON.

Whatever comes from a topic or from Redis passes ``safe`` or ``json_line`` before it is printed, so
no escape code, control character or right-to-left override reaches the terminal.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

PLAIN_WIDTH = 1000
"""Columns where the output is no terminal: nothing is cut or wrapped for whoever reads a pipe."""
WRAPPED_WIDTH = 24
"""The narrowest that a column is wrapped to."""
LONGEST_NAME = 40
"""Columns for names that others choose; a UUID has 36."""
BAR_CELLS = 24
_EIGHTHS = " ▏▎▍▌▋▊▉"

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)

STATE_STYLES = {
    "hooked": "bold green",
    "rekindled": "green",
    "completed": "bold cyan",
    "cooled": "yellow",
    "lapsed": "red",
    "retracted": "magenta",
    "hook_point": "bold magenta",
    "trending": "bold yellow",
    "travels": "bold blue",
    "breakthrough": "bold green",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    ``width`` is what a line that follows gives it; tables find their own. A column that ``wraps``
    may go on below itself; one with a ``most`` does so on a terminal where a cell is wider than
    that, so that one long name does not widen every row.
    """

    heading: str
    width: int
    right: bool = False
    wraps: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class View(Generic[T]):
    """How values of one topic are shown. ``row`` has a cell per column; ``noun`` is plural."""

    noun: str
    columns: tuple[Column, ...]
    row: Callable[[T], list[Text]]
    as_json: Callable[[T], dict[str, Any]]
    moment: Callable[[T], datetime]
    latest: Callable[[Iterable[T]], Iterable[T]]
    """Leaves out what a later record replaces."""


def safe(text: str, limit: int = 200) -> str:
    r"""``text`` with control characters written out (``\x1b``), cut at ``limit`` characters."""
    # Cut first: a megabyte of control characters need not be escaped to show its beginning.
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _UNSAFE.sub(_escaped, cut)


def safe_bytes(raw: bytes, limit: int = 80) -> str:
    r"""The same for bytes that claim to be UTF-8; what is not becomes ``\xff``."""
    # One character takes at most four bytes; one more shows that something was cut.
    return safe(raw[: 4 * limit + 4].decode(errors="backslashreplace"), limit)


def cell(text: object, style: str = "") -> Text:
    """A cell that shows ``text`` as it is: no markup, nothing unsafe; None shows as a dash."""
    return Text("-" if text is None else safe(str(text)), style=style)


def state_cell(state: str) -> Text:
    """A state or signal type in its colour."""
    return cell(state, STATE_STYLES.get(state, ""))


def json_line(value: dict[str, Any]) -> str:
    """One line of JSON that is also safe to look at.

    JSON allows C1 controls and overrides in strings, terminals act on them; so they are escaped.
    """
    text = orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def json_document(value: dict[str, Any]) -> str:
    """Indented JSON that is also safe to look at, ending in a line break."""
    text = orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2).decode()
    return "".join(
        _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", line) + "\n"
        for line in text.split("\n")
    )


def print_json(value: dict[str, Any]) -> None:
    """One object on one line of standard output, at once."""
    sys.stdout.write(json_line(value) + "\n")
    sys.stdout.flush()


def output() -> Console:
    """Standard output: as wide as the terminal, or unwrapped and without colours elsewhere."""
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False, soft_wrap=False)


def say(message: str) -> None:
    """One line for a person, on standard error, out of the way of what is piped."""
    sys.stderr.write(safe(message, limit=2000) + "\n")
    sys.stderr.flush()


def print_table(
    columns: Iterable[Column], rows: Iterable[list[Text]], title: str | None = None
) -> None:
    """A table of rows; as plain lines in a terminal too narrow for it, so that nothing is lost.

    Boxless and uncut where the output is no terminal.
    """
    console = output()
    cells = list(rows)
    fitted = [
        _fitted(column, [row[place] for row in cells], is_terminal=console.is_terminal)
        for place, column in enumerate(columns)
    ]
    if title is not None:
        console.print(cell(title, "bold"))
    least = sum(min(each.width, WRAPPED_WIDTH) if each.wraps else each.width for each in fitted)
    if least + 2 * len(fitted) > console.width:
        for row in ([cell(each.heading, "bold") for each in fitted], *cells):
            print_line(fitted, row)
        return
    console.print(_boxed(fitted, cells, is_terminal=console.is_terminal))


def _fitted(column: Column, cells: list[Text], *, is_terminal: bool) -> Column:
    width = max([len(column.heading), *(each.cell_len for each in cells)])
    if column.most is not None and is_terminal:
        width = min(width, column.most)
    return replace(column, width=width)


def _boxed(columns: list[Column], rows: list[list[Text]], *, is_terminal: bool) -> Table:
    table = Table(
        box=SIMPLE_HEAD if is_terminal else None,
        pad_edge=False,
        # The box brings a blank of its own.
        padding=(0, 1 if is_terminal else 2, 0, 0),
        header_style="bold",
    )
    for column in columns:
        table.add_column(
            column.heading,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps and column.most is None,
            max_width=None if column.wraps else column.width,
            min_width=None if column.wraps else column.width,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    return table


def print_line(columns: Iterable[Column], cells: list[Text]) -> None:
    """One row of a table whose later rows are not known yet, at once."""
    line = Text()
    for column, each in zip(columns, cells, strict=True):
        gap = " " * max(0, column.width - each.cell_len)
        line += Text.assemble(gap, each) if column.right else Text.assemble(each, gap)
        line.append("  ")
    line.rstrip()
    output().print(line, soft_wrap=True)
    sys.stdout.flush()


def bar(share: float) -> str:
    """``share`` of 0..1 as a bar of at most 24 cells, exact to an eighth of a cell."""
    eighths = round(min(1.0, max(0.0, share)) * BAR_CELLS * 8)
    full, rest = divmod(eighths, 8)
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        return "#" * round(eighths / 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def clock(seconds: float | None) -> str | None:
    """Seconds of media as ``m:ss``, or ``h:mm:ss`` from an hour on."""
    if seconds is None:
        return None
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:  # noqa: PLR2004  # minutes of an hour
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def moment(when: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def percent(share: float | None) -> str | None:
    """A share of 0..1 as ``42 %``."""
    return None if share is None else f"{share:.0%}".replace("%", " %")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004  # one byte
