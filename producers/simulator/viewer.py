"""One viewer: what they like, when they watch, and what they do next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from producers.simulator.catalogue import GENRES, MARKETS, Title

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

GAP_MEDIAN_S = 12 * 3600.0
GAP_SIGMA = 1.6
_GAP_MAX_S = 60 * 86400.0
_BINGE_MAX = 4
_ABANDON_CHANCE = 0.12
_DAY_S = 86400.0
_DEVICES = ("tv", "mobile", "web", "tablet")


@dataclass(frozen=True, slots=True)
class Journey:
    """Where a viewer is: the episode that comes next. Season and episode are 0 for a film."""

    title: Title
    season: int
    episode: int
    position_s: float = 0.0
    autoplay: bool = False

    @property
    def runtime_s(self) -> float:
        """Seconds that the episode lasts."""
        if not self.season:
            return self.title.duration_s
        return self.title.seasons[self.season - 1].runtimes_s[self.episode - 1]


class Viewer:
    """A viewer's nature and where they are. ``taste`` are shares of genres that add up to 1."""

    __slots__ = (
        "_appeal", "_binges", "_in_a_row", "_peak_hour", "_seen", "country", "devices", "journey",
        "language", "name", "playbacks", "taste",
    )  # fmt: skip

    def __init__(self, name: str, rng: random.Random, titles: tuple[Title, ...]) -> None:
        self.name = name
        self.country, self.language = rng.choice(MARKETS)
        self.taste = _taste(rng)
        self.devices = rng.choices(_DEVICES, (5, 3, 2, 1), k=2)
        self._peak_hour = rng.gauss(20.0, 2.5) % 24
        self._binges = rng.betavariate(1.5, 4.0)
        self._in_a_row = 0
        self._appeal = [self._liking(title) for title in titles]
        self._seen: set[str] = set()
        self.playbacks = 0
        self.journey = self._pick(rng, titles)

    def first_start_s(self, rng: random.Random, start_s: float) -> float:
        """When the viewer turns up: some hour of the first days that suits them."""
        return self._suiting(rng, lambda: start_s + rng.random() * 3 * _DAY_S)

    def abandons(self, rng: random.Random) -> bool:
        """Whether the viewer finds at the very beginning that the title is not theirs."""
        return self.journey.episode <= 1 and rng.random() < _ABANDON_CHANCE

    def interrupted(self, position_s: float, rng: random.Random, now_s: float) -> float:
        """Come back to the same episode later. Returns when."""
        here = self.journey
        self.journey = Journey(here.title, here.season, here.episode, max(0.0, position_s - 5.0))
        return self._gap_end(rng, now_s)

    def finished(self, rng: random.Random, titles: tuple[Title, ...], now_s: float) -> float:
        """Decide what follows a finished episode. Returns when (epoch seconds)."""
        here = self.journey
        if not here.season:
            return self.dropped(rng, titles, now_s)
        season = here.title.seasons[here.season - 1]
        if here.episode < len(season.runtimes_s):
            if rng.random() >= season.goes_on[here.episode - 1]:
                return self.dropped(rng, titles, now_s)
            following = (here.season, here.episode + 1)
        elif here.season < len(here.title.seasons):
            following = (here.season + 1, 1)
        else:
            return self.dropped(rng, titles, now_s)
        at_once = self._in_a_row < _BINGE_MAX and rng.random() < self._binges
        self._in_a_row = self._in_a_row + 1 if at_once else 0
        self.journey = Journey(here.title, *following, autoplay=at_once)
        return now_s + rng.uniform(5.0, 15.0) if at_once else self._gap_end(rng, now_s)

    def dropped(self, rng: random.Random, titles: tuple[Title, ...], now_s: float) -> float:
        """Turn to another title. Returns when (epoch seconds)."""
        self._in_a_row = 0
        self.journey = self._pick(rng, titles)
        return self._gap_end(rng, now_s)

    def _liking(self, title: Title) -> float:
        of_genres = sum(self.taste[GENRES.index(genre)] for genre in title.genres)
        close = 1.5 if title.language == self.language else 1.0
        return title.popularity * close * math.pow(0.01 + of_genres / len(title.genres), 2.5)

    def _pick(self, rng: random.Random, titles: tuple[Title, ...]) -> Journey:
        if len(self._seen) == len(titles):
            self._seen.clear()
        weights = [
            0.0 if title.title_id in self._seen else appeal
            for title, appeal in zip(titles, self._appeal, strict=True)
        ]
        title = rng.choices(titles, weights)[0]
        self._seen.add(title.title_id)
        return Journey(title, 1, 1) if title.seasons else Journey(title, 0, 0)

    def _gap_end(self, rng: random.Random, now_s: float) -> float:
        median = math.log(GAP_MEDIAN_S)
        return self._suiting(
            rng, lambda: now_s + min(rng.lognormvariate(median, GAP_SIGMA), _GAP_MAX_S)
        )

    def _suiting(self, rng: random.Random, draw: Callable[[], float]) -> float:
        """One of at most three draws, rather at an hour of the day that is the viewer's own."""
        for _ in range(3):
            time_s = draw()
            off = abs(time_s % _DAY_S / 3600.0 - self._peak_hour)
            if rng.random() < math.exp(-((min(off, 24.0 - off) / 4.0) ** 2)):
                break
        return time_s


def _taste(rng: random.Random) -> tuple[float, ...]:
    """A Dirichlet draw that favours few genres."""
    draws = [rng.gammavariate(0.35, 1.0) + 1e-4 for _ in GENRES]
    total = sum(draws)
    return tuple(draw / total for draw in draws)
