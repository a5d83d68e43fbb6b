"""What is published about a title and its audience, as typed values.

Every part may be missing: the figure is not known yet, or too few viewers stand behind it. Fields
that are not listed here are ignored, so that a newer worker does not break an older reader. Units
and meanings are those of docs/redis.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from operator import mul
from typing import Annotated, Any

import msgspec

DAY_S = 86_400
FULL_HORIZON_S = 28 * DAY_S
"""How long viewers must have been observed before leaving is told apart from a pause."""

Number = int | float
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True, slots=True)
class SeasonFacts:
    """A season in the catalogue."""

    season: int
    complete: bool = True
    """False if more episodes will come."""
    episodes: tuple[Mapping[str, Any], ...] = ()

    def runtimes_s(self) -> dict[str, Number]:
        """Runtime in seconds by episode number, where the catalogue knows it."""
        return {
            str(each.get("episode")): each["duration_s"]
            for each in self.episodes
            if isinstance(each.get("duration_s"), Number)
        }


@dataclass(frozen=True, slots=True)
class Facts:
    """A title in the catalogue."""

    name: str | None = None
    kind: str | None = None
    language: str | None = None
    country: str | None = None
    original: bool | None = None
    duration_s: float | None = None
    genres: tuple[str, ...] = ()
    creators: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """The service's own words for its creators, as ``new``."""
    themes: tuple[str, ...] = ()
    seasons: tuple[SeasonFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """How a title or one of its seasons does. ``completion_``, ``binge_``, ``_share``: 0..1."""

    starters: int | None = None
    watchers: int | None = None
    completers: int | None = None
    hours: float | None = None
    views: float | None = None
    """Hours by runtime."""
    completion_7d: float | None = None
    """Of those who began, who completed within 7 days; None before anyone had the time."""
    completion_28d: float | None = None
    binge_24h: float | None = None
    """Of those who completed the season, who took at most a day."""
    binge_7d: float | None = None
    rewatch_starters: int | None = None


@dataclass(frozen=True, slots=True)
class EpisodeFigures:
    """How one episode does (the film itself is episode 0)."""

    starters: int | None = None
    watchers: int | None = None
    completers: int | None = None
    hours: float | None = None
    views: float | None = None
    rewatched_s: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """Who goes on from each episode of a season: entry ``j - 1`` is about those who watched j."""

    version: str
    episodes: int
    c: tuple[float, ...]
    """Share that goes on: begins the next episode, or a later one."""
    low: tuple[float, ...]
    """Lower 5 % bound of ``c``."""
    n: tuple[Number, ...]
    """Viewers behind it, rounded down to a multiple of ``least_viewers``; 0: nothing is known.

    Then ``c`` is .5, as for anything that nobody knows, and so are the bounds (``is_known``).
    """
    gap_s: tuple[float, ...] = ()
    gap_cdf: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    se: tuple[float, ...] = ()
    n_eff: tuple[float, ...] = ()
    h: tuple[float, ...] = ()
    """Share that goes on to the last episode: the product of ``c`` from there on."""
    h_low: tuple[float, ...] = ()
    h_high: tuple[float, ...] = ()
    horizon_s: float | None = None
    """How long the viewers behind it have been observed at most."""
    provisional: bool | None = None

    def __post_init__(self) -> None:
        """Refuse lists that do not belong together.

        Raises:
            ValueError: naming the list.
        """
        for name in ("c", "low", "n", "high", "se", "n_eff", "h", "h_low", "h_high"):
            count = len(getattr(self, name))
            if count != self.episodes - 1 and (count or name in ("c", "low", "n")):
                raise ValueError(f"{name} has {count} entries for {self.episodes} episodes")

    def is_known(self, k: int) -> bool:
        """Whether enough viewers are behind episode ``k``, from 1 on."""
        return self.n[k - 1] > 0

    def is_known_from(self, k: int) -> bool:
        """Whether they are behind each from ``k`` on; else ``finish()[k - 1]`` says nothing."""
        return all(self.n[k - 1 :])

    def finish(self) -> tuple[float, ...]:
        """``h``, worked out from ``c`` where it is not published."""
        return self.h or tuple(accumulate(reversed(self.c), mul))[::-1]


@dataclass(frozen=True, slots=True)
class Hook:
    """The hook point of a season; ``k`` is None while no episode is one.

    Then ``p``, its bounds, ``certainty`` and ``n`` are those of episode 1.
    """

    k: int | None = None
    of: int | None = None
    p: float | None = None
    """Of those who watched ``k``, who goes on to the end; from ``low`` to ``high``."""
    certainty: float | None = None
    """Probability that ``p`` is at least 70 %."""
    low: float | None = None
    high: float | None = None
    n: Number | None = None
    h1: float | None = None
    """Of those who watched episode 1, who goes on to the end."""
    share: float | None = None
    """``k`` by ``of``."""
    lift: float | None = None
    """How much more go on from ``k`` than if the same loss were spread evenly over the season."""
    lift_peers: float | None = None
    """``h1`` less that of other seasons of the same length."""
    horizon_s: float | None = None
    provisional: bool | None = None
    since: Moment | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class GroupCurve:
    """A season's curve and hook point among the viewers of one country or audio language."""

    curve: Curve | None = None
    hook: Hook | None = None


@dataclass(frozen=True, slots=True)
class Season:
    """All about one season (0 for a film)."""

    figures: Figures = field(default_factory=Figures)
    episodes: Mapping[str, EpisodeFigures] = field(default_factory=dict)
    dropoff: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By episode: share of its starters that left for good in each twentieth of the runtime."""
    curve: Curve | None = None
    hook: Hook | None = None
    countries: Mapping[str, GroupCurve] = field(default_factory=dict)
    languages: Mapping[str, GroupCurve] = field(default_factory=dict)
    """By language of the audio without region, as ``ko``."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who watches, once per season: viewers by value, each count rounded down.

    To a multiple of ``Engagement.least_viewers``, so that the difference of any two is 0 or at
    least that.
    """

    n: int | None = None
    country: Mapping[str, int] = field(default_factory=dict)
    language: Mapping[str, int] = field(default_factory=dict)
    genre: Mapping[str, int] = field(default_factory=dict)
    hour: Mapping[str, int] = field(default_factory=dict)
    """By the hour at which a band of four local hours begins."""
    device: Mapping[str, int] = field(default_factory=dict)
    age: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Travel:
    """A country or language other than its own in which a title hooks its viewers."""

    to: str
    """``country`` or ``language``."""
    value: str
    season: int | None = None
    h1: float | None = None
    low: float | None = None
    home: float | None = None
    """``h1`` at home, at most ``home_high``."""
    home_high: float | None = None
    n: Number | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a title is watched, by hours."""

    home_country: str | None = None
    home_language: str | None = None
    abroad_share: float | None = None
    """None: not known, as where too few viewers are at home to be told apart."""
    foreign_language_share: float | None = None
    entropy_bits: float | None = None
    """Over countries."""
    evenness: float | None = None
    """Entropy by the most that as many countries can have, 0..1."""
    countries: Mapping[str, float] = field(default_factory=dict)
    """Hours; countries with too few starters are in ``other``."""
    languages: Mapping[str, float] = field(default_factory=dict)
    travels: tuple[Travel, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """What the titles of all creators with one label are given, and what they make of it."""

    titles: int | None = None
    """Seasons and films."""
    exposure: float | None = None
    """Their share of all starts."""
    completion: float | None = None
    """Their share of all completions."""
    ratio: float | None = None
    """``completion`` by ``exposure``."""
    h1: float | None = None
    """Of those who watched the first episode, who goes on to the last."""
    entropy_bits: float | None = None
    """Over the countries of their viewers."""
    evenness: float | None = None


@dataclass(frozen=True, slots=True)
class Breakthrough:
    """A season that hooks clearly more than comparable ones without the label."""

    season: int
    label: str
    h1: float | None = None
    low: float | None = None
    n: Number | None = None
    typical: float | None = None
    """The median ``h1`` of its peers."""
    peers: int | None = None
    """How many seasons it is compared with."""


@dataclass(frozen=True, slots=True)
class Voices:
    """A title whose creators have labels: those, and by which its seasons break through."""

    labels: tuple[str, ...] = ()
    exposure: float | None = None
    """The title's share of all starts."""
    completion: float | None = None
    """The title's share of all completions."""
    by_label: Mapping[str, Label] = field(default_factory=dict)
    """Labels of which enough viewers began something."""
    breakthrough: tuple[Breakthrough, ...] = ()


@dataclass(frozen=True, slots=True)
class Engagement(Figures):
    """All that is published about one title's audience, as one moment left it."""

    updated_at: datetime | None = None
    """Event time of the last change."""
    least_viewers: int | None = None
    """The threshold in force: groups below it are withheld, counts of groups multiples of it."""
    viewers: int | None = None
    """Unique viewers ever, estimated to about 1 %."""
    viewers_today: int | None = None
    autoplay_share: float | None = None
    rewatched_share: float | None = None
    seasons: Mapping[int, Season] = field(default_factory=dict)
    audience: Audience | None = None
    reach: Reach | None = None
    voices: Voices | None = None
    """None for a title whose creators have no labels."""
