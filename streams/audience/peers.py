"""Titles beside each other: one line per season, from which every title learns of its peers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping


class Peers:
    """The table as it was read last. ``lines`` are JSON objects by ``title:season``."""

    __slots__ = ("_by_length", "lines")

    def __init__(self, lines: Mapping[str, bytes] | None = None) -> None:
        self.lines: dict[str, dict[str, Any]] = {
            name: orjson.loads(line) for name, line in (lines or {}).items()
        }
        self._by_length: dict[int, list[tuple[str, float]]] = {}
        for name, line in self.lines.items():
            if line.get("h1") is not None:
                self._by_length.setdefault(line["of"], []).append((name, line["h1"]))

    def h1_of_length(self, of: int, but: str) -> list[float]:
        """H_1 of the other seasons with ``of`` episodes; ``but`` is left out."""
        return [h1 for name, h1 in self._by_length.get(of, ()) if name != but]


def line_name(title_id: str, season: int) -> str:
    """Under which name a season's line is kept."""
    return f"{title_id}:{season}"
