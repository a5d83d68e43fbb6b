"""What a report consists of. All texts are as they were read: who shows them makes them safe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Bounds = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a chart: what is drawn, and the same in words."""

    label: str
    values: tuple[float, ...]
    """What is drawn, in 0..1; NaN where nothing is known."""
    cells: tuple[str, ...]
    """A text per heading after the first two (label and drawing)."""
    bounds: tuple[Bounds, ...] = ()
    """Of each value, where it has any."""
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A table with a drawing in it, or a plot with its numbers.

    ``bounds`` draws the first value of each row between its bounds (a plot also the second);
    ``bars`` one value per row; ``profile`` many values per row, side by side.
    """

    name: str
    """An identifier that no other chart of the report has."""
    shape: Literal["bounds", "bars", "profile"]
    caption: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    alt: str
    """What the drawing shows, for those who do not see it."""
    line: float | None = None
    """A share to look at the others beside."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report. ``pairs`` are name and value; ``notes`` are sentences."""

    heading: str
    pairs: tuple[tuple[str, str], ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """All of it, on one page."""

    heading: str
    as_of: str
    sections: tuple[Section, ...]
