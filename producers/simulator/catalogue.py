"""An invented catalogue, and what only its maker knows: who goes on after which episode."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GENRES = (
    "drama", "comedy", "crime", "mystery", "sci-fi", "fantasy",
    "romance", "thriller", "documentary", "animation", "horror", "reality",
)  # fmt: skip
THEMES = (
    "time-travel", "small-town", "heist", "courtroom", "friendship", "revenge", "family",
    "coming-of-age", "space", "food", "nature", "survival", "politics", "music", "school", "sea",
)  # fmt: skip
MARKETS = (
    ("US", "en"), ("US", "en"), ("GB", "en"), ("DE", "de"), ("ES", "es"),
    ("FR", "fr"), ("KR", "ko"), ("JP", "ja"), ("BR", "pt"), ("DK", "da"),
)  # fmt: skip
_FIRST = (
    "Silent", "Northern", "Paper", "Glass", "Second", "Hollow", "Amber", "Crooked", "Distant",
    "Electric", "Falling", "Golden", "Hidden", "Iron", "Little", "Midnight", "Open", "Quiet",
    "Salt", "Winter",
)  # fmt: skip
_SECOND = (
    "Harbour", "Orchard", "Signal", "Kitchen", "Station", "Verdict", "Island", "Garden", "Meridian",
    "Letters", "Circuit", "River", "Witness", "Tides", "Academy", "Lantern", "Parade", "Ridge",
    "Hours", "Crossing",
)  # fmt: skip
_STUDIOS = 12
_LABELS = {
    "studio-3": ("new",),
    "studio-7": ("new", "under-represented"),
    "studio-11": ("local-hub",),
}
"""Marked by name, so that no draw depends on it."""
_SERIES_SHARE = 0.7
_OLDEST_S = datetime(2018, 1, 1, tzinfo=UTC).timestamp()
_NEWEST_S = datetime(2025, 12, 1, tzinfo=UTC).timestamp()
_WEEK_S = 7 * 86400.0
HOOKED_SHARE = 0.70
"""Share that must go on to the end for an episode to be a hook point."""


@dataclass(frozen=True, slots=True)
class Season:
    """One season, with the truth about it.

    ``runtimes_s`` holds seconds per episode. ``goes_on[k]`` is the probability (0..1) that someone
    who finished episode k+1 plays the next one; it has one item fewer than there are episodes.
    """

    number: int
    runtimes_s: tuple[float, ...]
    goes_on: tuple[float, ...]

    def hook_point(self) -> int | None:
        """The first episode from 2 after which at least 70 % truly reach the end, or None."""
        for episode in range(2, len(self.runtimes_s)):
            share = 1.0
            for chance in self.goes_on[episode - 1 :]:
                share *= chance
            if share >= HOOKED_SHARE:
                return episode
        return None


@dataclass(frozen=True, slots=True)
class Title:
    """One title. A film has no seasons and a ``duration_s`` (seconds)."""

    title_id: str
    name: str
    genres: tuple[str, ...]
    country: str
    language: str
    creators: tuple[str, ...]
    themes: tuple[str, ...]
    original: bool
    popularity: float
    duration_s: float
    seasons: tuple[Season, ...]
    released_s: float

    def facts(self) -> dict[str, Any]:
        """The title as a record of the ``titles`` topic (docs/events.md)."""
        common: dict[str, Any] = {
            "title_id": self.title_id,
            "kind": "series" if self.seasons else "film",
            "name": self.name,
            "genres": list(self.genres),
            "language": self.language,
            "country": self.country,
            "creators": [_creator(name) for name in self.creators],
            "themes": list(self.themes),
            "original": self.original,
        }
        if self.seasons:
            return common | {"seasons": [self._season_facts(season) for season in self.seasons]}
        return common | {"duration_s": self.duration_s}

    def _season_facts(self, season: Season) -> dict[str, Any]:
        return {
            "season": season.number,
            "complete": True,
            "episodes": [
                {
                    "episode": number,
                    "name": f"Chapter {number}",
                    "duration_s": runtime_s,
                    "released_at": _day(self.released_s + (number - 1) * _WEEK_S),
                }
                for number, runtime_s in enumerate(season.runtimes_s, start=1)
            ],
        }


def _creator(name: str) -> str | dict[str, Any]:
    """A creator as the ``titles`` topic wants them: a text, or an object if there are labels."""
    return {"name": name, "labels": list(_LABELS[name])} if name in _LABELS else name


def make_catalogue(count: int, seed: int) -> tuple[Title, ...]:
    """``count`` titles (at most 400), the same for the same seed."""
    rng = random.Random(f"catalogue {seed}")
    names = rng.sample([f"{first} {second}" for first in _FIRST for second in _SECOND], count)
    # Every genre has its share of titles, or some tastes could never be served.
    return tuple(_title(rng, name, GENRES[at % len(GENRES)]) for at, name in enumerate(names))


def _title(rng: random.Random, name: str, genre: str) -> Title:
    country, language = rng.choice(MARKETS)
    series = rng.random() < _SERIES_SHARE
    return Title(
        title_id=name.lower().replace(" ", "-"),
        name=name,
        genres=(genre, *rng.sample([it for it in GENRES if it != genre], rng.choice((0, 0, 1, 2)))),
        country=country,
        language=language,
        creators=tuple(f"studio-{rng.randint(1, _STUDIOS)}" for _ in range(1)),
        themes=tuple(rng.sample(THEMES, rng.randint(1, 3))),
        original=rng.random() < 0.4,  # noqa: PLR2004 - share of originals
        popularity=rng.lognormvariate(0.0, 0.4),
        duration_s=float(rng.randint(80, 140) * 60),
        seasons=_seasons(rng) if series else (),
        released_s=rng.uniform(_OLDEST_S, _NEWEST_S - 11 * _WEEK_S),
    )


def _seasons(rng: random.Random) -> tuple[Season, ...]:
    episode_s = rng.randint(20, 60) * 60
    return tuple(_season(rng, number, episode_s) for number in range(1, rng.choice((1, 1, 2)) + 1))


def _season(rng: random.Random, number: int, episode_s: int) -> Season:
    """Before the episode that hooks, many leave; after it, few do."""
    episodes = rng.randint(4, 10)
    hooks_at = rng.randint(2, max(2, episodes - 2))
    before, after = rng.uniform(0.62, 0.90), rng.uniform(0.90, 0.995)
    goes_on = tuple(before if k < hooks_at else after for k in range(1, episodes))
    runtimes = tuple(float(round(episode_s * rng.uniform(0.9, 1.1))) for _ in range(episodes))
    return Season(number, runtimes, goes_on)


def _day(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT00:00:00Z")
