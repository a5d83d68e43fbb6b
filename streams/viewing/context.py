"""What decisions rest on besides a viewer's state and the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from streams.viewing.journey import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.catalogue import Catalogue
    from streams.rules import Rules

SeasonKey = tuple[Any, ...]
"""title id, season."""


class Context(NamedTuple):
    """The catalogue as it is known, the thresholds, and how stream time came to be."""

    catalogue: Catalogue
    rules: Rules
    passed: Callable[[int], int] | None = None
    """The offset of the record that made stream time pass a moment (ms), within a slice."""


def season_view(key: SeasonKey, context: Context) -> View:
    """What a journey through one season is judged by."""
    title = context.catalogue.titles.get(key[0])
    season = title.seasons.get(key[1]) if title else None
    curve = context.catalogue.curves.get(key)
    if season is None:
        return View(0, 0, curve, context.rules)
    known = (season.released_ms, season.runtimes_ms)
    return View(season.of, season.runtime_ms(), curve, context.rules, *known)
