"""Figures in words, the same for the terminal and the page."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.engagement import DAY_S, FULL_HORIZON_S
from hookpoint.commands._tables import percent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

HOUR_BAND = 4
NOTHING = "-"
NEARLY = 0.99


def count(number: float | None) -> str:
    """``12,345``."""
    return NOTHING if number is None else f"{number:,.0f}"


def hours(number: float | None) -> str:
    """``12,345 h``; one decimal below a hundred."""
    if number is None:
        return NOTHING
    return f"{number:,.0f} h" if number >= 100 else f"{number:,.1f} h"  # noqa: PLR2004  # shorter


def share(number: float | None) -> str:
    """``42 %``."""
    return percent(number) or NOTHING


def certainty(number: float | None) -> str:
    """``97 %``; what is nearly certain is not said to be."""
    return "over 99 %" if number is not None and number > NEARLY else share(number)


def points(number: float | None) -> str:
    """A difference of two shares: ``+12 points``."""
    return NOTHING if number is None else f"{number * 100:+.0f} points"


def between(low: float | None, high: float | None) -> str:
    """`` (72-83 %)``, or nothing where a bound is missing."""
    return "" if low is None or high is None else f" ({low * 100:.0f}-{high * 100:.0f} %)"


def local_hours(band: str) -> str:
    """``20:00-23:59`` for the band ``20``."""
    if not band.isdecimal():
        return band
    return f"{int(band):02d}:00-{int(band) + HOUR_BAND - 1:02d}:59"


def named(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Those pairs that have a value."""
    return tuple((name, value) for name, value in pairs if value and value != NOTHING)


def provisional(what: str, horizon_s: float | None, updated_at: datetime | None) -> str:
    """Until when a figure that rests on 28 days of watching is provisional, as a sentence."""
    sentence = f"{what} is provisional: who has paused may still come back"
    if horizon_s is None:
        return f"{sentence}."
    days = f"{horizon_s / DAY_S:.0f} of {FULL_HORIZON_S / DAY_S:.0f} days are seen"
    if updated_at is None:
        return f"{sentence}; {days}."
    until = updated_at + timedelta(seconds=max(0.0, FULL_HORIZON_S - horizon_s))
    return f"{sentence}; {days}, so until {until:%Y-%m-%d}."
