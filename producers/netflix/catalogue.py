"""A minimal catalogue out of what an export shows: titles, seasons, episodes, likely runtimes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from producers.netflix.titles import slug

if TYPE_CHECKING:
    from collections.abc import Iterable

    from producers.netflix.playbacks import Playback

ALIKE_SHARE = 0.2
ALIKE_AT_LEAST = 3
"""Runtimes are guessed only where this many episodes of a season were left within 20 % of each
other: one abandoned episode says nothing of its length."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a playback belongs in the catalogue; season and episode are None for a film."""

    title_id: str
    season: int | None = None
    episode: int | None = None


@dataclass(slots=True)
class _Episode:
    number: int | None
    name: str
    furthest_s: float = 0.0


@dataclass(slots=True)
class _Season:
    number: int | None
    episodes: dict[str, _Episode] = field(default_factory=dict)


class Catalogue:
    """Names and numbers for everything that was played, in order of first appearance."""

    def __init__(self, playbacks: Iterable[Playback]) -> None:
        self._series: dict[str, dict[str, _Season]] = {}
        self._names: dict[str, str] = {}
        self._films: dict[str, str] = {}
        self._places: dict[str, Place] = {}
        ordered = sorted(playbacks, key=lambda p: (p.row.start, p.playback_id))
        for playback in ordered:
            self._see(playback)
        for seasons in self._series.values():
            _number_seasons(seasons)
        for playback in ordered:
            self._places[playback.playback_id] = self._place_of(playback)

    def place(self, playback: Playback) -> Place:
        """Title id, season and episode of a playback of this export."""
        return self._places[playback.playback_id]

    def _see(self, playback: Playback) -> None:
        parsed = playback.parsed
        title_id = slug(parsed.name)
        if not parsed.is_series:
            self._films.setdefault(title_id, parsed.name)
            return
        self._names.setdefault(title_id, parsed.name)
        label = (parsed.season_label or "").casefold()
        season = self._series.setdefault(title_id, {}).setdefault(label, _Season(parsed.season))
        season.number = season.number or parsed.season
        name = parsed.episode_name or ""
        episode = season.episodes.setdefault(
            _episode_key(name, parsed.episode), _Episode(parsed.episode, name)
        )
        episode.number = episode.number or parsed.episode
        furthest = max(point.position_ms for point in playback.points) / 1000
        episode.furthest_s = max(episode.furthest_s, furthest)

    def _place_of(self, playback: Playback) -> Place:
        parsed = playback.parsed
        title_id = slug(parsed.name)
        if not parsed.is_series:
            return Place(self._film_id(title_id))
        season = self._series[title_id][(parsed.season_label or "").casefold()]
        episode = season.episodes[_episode_key(parsed.episode_name or "", parsed.episode)]
        return Place(title_id, season.number, episode.number)

    def _film_id(self, title_id: str) -> str:
        """A film that bears the name of a series needs an id of its own."""
        return f"{title_id}-film" if title_id in self._series else title_id

    def records(self) -> list[dict[str, Any]]:
        """The records of the ``titles`` topic."""
        films = [
            {"title_id": self._film_id(title_id), "kind": "film", "name": name}
            for title_id, name in self._films.items()
        ]
        series = [
            {
                "title_id": title_id,
                "kind": "series",
                "name": self._names[title_id],
                "seasons": _season_records(seasons.values()),
            }
            for title_id, seasons in self._series.items()
        ]
        return [*films, *series]


def _episode_key(name: str, number: int | None) -> str:
    """Episodes are told apart by name; those without a name by number."""
    return name.casefold() or f"#{number}"


def _number_seasons(seasons: dict[str, _Season]) -> None:
    taken = {season.number for season in seasons.values() if season.number}
    for season in seasons.values():
        if season.number is None:
            season.number = _lowest_free(taken)
            taken.add(season.number)
    by_number: dict[int, list[_Episode]] = defaultdict(list)
    for season in seasons.values():
        by_number[season.number or 1] += season.episodes.values()
    for episodes in by_number.values():
        _number_episodes(episodes)


def _number_episodes(episodes: list[_Episode]) -> None:
    """Keep the numbers that the export tells; the rest follow in order of first appearance."""
    taken: set[int] = set()
    open_ones = []
    for episode in episodes:
        if episode.number is None or episode.number in taken:
            open_ones.append(episode)
        else:
            taken.add(episode.number)
    for episode in open_ones:
        episode.number = _lowest_free(taken)
        taken.add(episode.number)


def _lowest_free(taken: set[int] | set[int | None]) -> int:
    number = 1
    while number in taken:
        number += 1
    return number


def _season_records(seasons: Iterable[_Season]) -> list[dict[str, Any]]:
    merged: dict[int, list[_Episode]] = defaultdict(list)
    for season in seasons:
        merged[season.number or 1] += season.episodes.values()
    return [
        {"season": number, "complete": False, "episodes": _episode_records(episodes)}
        for number, episodes in sorted(merged.items())
    ]


def _episode_records(episodes: list[_Episode]) -> list[dict[str, Any]]:
    runtime_s = _usual_end_s([episode.furthest_s for episode in episodes])
    records = []
    for episode in sorted(episodes, key=lambda e: e.number or 0):
        record: dict[str, Any] = {"episode": episode.number, "name": episode.name}
        if runtime_s is not None:
            # Never short of what was seen: nothing beyond the runtime is credited.
            record["duration_s"] = float(max(runtime_s, episode.furthest_s))
        records.append(record)
    return records


def _usual_end_s(furthest_s: list[float]) -> float | None:
    """Where episodes of this season usually end, if enough of them agree."""
    longest = max(furthest_s, default=0.0)
    alike = [end for end in furthest_s if end >= longest * (1 - ALIKE_SHARE) > 0]
    return median(alike) if len(alike) >= ALIKE_AT_LEAST else None
