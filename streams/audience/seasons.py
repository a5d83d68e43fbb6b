"""One season among others: how long it is, how it hooks, and the line by which others know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.audience.life_table import HIGH, LOW
from streams.audience.people import rounded
from streams.audience.reach import Home
from streams.audience.travels import Standing
from streams.audience.voices import Line

if TYPE_CHECKING:
    from streams.audience.season_curve import SeasonCurve
    from streams.audience.title import TitleAudience
    from streams.catalogue import Title


def length(title: Title | None, season: int) -> int:
    """How many episodes a season has; 0 while nobody knows."""
    found = title.seasons.get(season) if title else None
    return found.of if found else 0


def home_of(title: Title | None) -> Home:
    """Where a title comes from, as far as the catalogue says."""
    return Home(title.country, title.language) if title else Home("", "")


def name_of(title_id: str, season: int) -> str:
    """Under which name its line is kept."""
    return f"{title_id}:{season}"


def standing(curve: SeasonCurve) -> Standing:
    """H_1 with its bounds, and the viewers behind it."""
    h1, belief = curve.h[0], curve.beliefs[0]
    low, high = min(h1, belief.quantile(LOW)), max(h1, belief.quantile(HIGH))
    return Standing(h1, low, high, curve.fewest(1), belief.size)


def line_of(
    audience: TitleAudience,
    season: int,
    title: Title | None,
    found: Standing | None,
    threshold: int,
) -> Line:
    """What a season says of itself to all others; counts in steps of the threshold."""
    counts = audience.engagement.seasons[season]
    shown = found if found is not None and found.n >= threshold else None
    return Line(
        starters=rounded(counts.began, threshold),
        completers=rounded(counts.finished, threshold),
        labels=title.labels if title else (),
        h1=round(shown.h1, 4) if shown else None,
        low=round(shown.low, 4) if shown else None,
        n=rounded(shown.n, threshold) if shown else 0,
        of=length(title, season) if season else 1,
        countries=audience.people.of_season(season, "country", threshold),
    )
