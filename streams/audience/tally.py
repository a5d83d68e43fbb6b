"""Signed sums by value, for words that come from outside and may be anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER = "other"
UNKNOWN = ""
MOST_VALUES = 300
"""Values kept apart: more than there are countries; the rest go together under ``other``."""


class Tally:
    """A sum per value. An empty value is unknown, and is not counted."""

    __slots__ = ("sums",)

    def __init__(self, sums: Mapping[str, int] | None = None) -> None:
        self.sums: dict[str, int] = dict(sums or {})

    def add(self, value: str, amount: int) -> None:
        """Add an amount (below 0: take it off); O(1).

        A value once kept stays kept, at 0 as well: it could otherwise come on in one place and go
        off in another.
        """
        if not value:
            return
        if value not in self.sums and len(self.sums) >= MOST_VALUES:
            value = OTHER
        self.sums[value] = self.sums.get(value, 0) + amount


def spoken(language: str) -> str:
    """A language without its region or script: ``pt`` for ``pt-BR`` (BCP 47 primary subtag)."""
    return language.partition("-")[0].lower()
