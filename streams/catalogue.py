"""Titles as the pure core sees them, and the curves of their seasons."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FACETS_OF_LISTS = (("genre", "genres"), ("creator", "creators"), ("theme", "themes"))
LONGEST_S = 864_000
"""No runtime is longer than ten days."""
MIN_CURVE = 2
"""A season of one episode has no curve."""
FACETS_OF_WORDS = ("language", "country")


@dataclass(frozen=True, slots=True)
class Season:
    """One season: how many episodes it will have (0 if not known yet) and their runtimes.

    ``released_ms`` says when an episode came out, in event ms, for those of which it is known.
    """

    of: int
    runtimes_ms: dict[int, int]
    released_ms: dict[int, int] = field(default_factory=dict)

    def runtime_ms(self) -> int:
        """Runtime of the whole season, or 0 if any of it is unknown."""
        if not self.of or len(self.runtimes_ms) < self.of or not all(self.runtimes_ms.values()):
            return 0
        return sum(self.runtimes_ms.values())


@dataclass(frozen=True, slots=True)
class Curve:
    """How a season's audience goes on, by episode; the format is in docs/redis.md.

    ``c[j-1]`` is the share of those who watched episode j that goes on, ``low`` its lower 5 %
    bound, ``n`` the viewers behind it. ``gap_s`` and ``gap_cdf`` are the distribution G of the gap
    before going on. ``horizon_s`` is how long viewers were watched behind the episode of which the
    least is seen: what comes later is in none of the shares.
    """

    version: str
    c: tuple[float, ...]
    low: tuple[float, ...]
    n: tuple[int, ...]
    gap_s: tuple[float, ...]
    gap_cdf: tuple[float, ...]
    horizon_s: float = math.inf

    @property
    def of(self) -> int:
        """How many episodes it covers."""
        return len(self.c) + 1

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Curve:
        """Read the published form.

        Raises:
            ValueError: a list is missing, of the wrong length, or out of range.
        """
        try:
            c, low = tuple(map(float, data["c"])), tuple(map(float, data["low"]))
            n = tuple(map(int, data["n"]))
            edges, cdf = tuple(map(float, data["gap_s"])), tuple(map(float, data["gap_cdf"]))
            version, episodes = str(data["version"]), int(data["episodes"])
            horizon_s = float(data.get("horizon_s", math.inf))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"curve: {error!r}") from error
        if not len(c) == len(low) == len(n) == episodes - 1 or episodes < MIN_CURVE:
            raise ValueError("curve: c, low and n must hold one value per episode but the last")
        if not all(0 <= low_j <= c_j <= 1 for c_j, low_j in zip(c, low, strict=True)):
            raise ValueError("curve: 0 <= low <= c <= 1 does not hold")
        if not horizon_s >= 0:
            raise ValueError("curve: horizon_s must not be below 0")
        rising = edges == tuple(sorted(edges)) and cdf == tuple(sorted(cdf))
        if len(edges) != len(cdf) or not rising or edges[:1] != (0.0,):
            raise ValueError("curve: gap_s and gap_cdf must rise together from 0")
        if cdf[:1] != (0.0,) or cdf[-1:] != (1.0,):
            raise ValueError("curve: gap_cdf must rise from 0 to 1")
        return cls(version, c, low, n, edges, cdf, horizon_s)


@dataclass(frozen=True, slots=True)
class Title:
    """What the core needs to know of one title.

    ``facets`` are pairs (``genre:drama``, part), where the parts of one facet add up to 1.
    ``country`` and ``language`` are those it comes from, ``labels`` what the service calls any of
    its creators (``new``, ``local-hub``), in alphabetical order; empty if they are not known.
    """

    title_id: str
    name: str
    facets: tuple[tuple[str, float], ...]
    seasons: dict[int, Season]
    runtime_ms: int = 0
    country: str = ""
    language: str = ""
    labels: tuple[str, ...] = ()

    def episode_runtime_ms(self, season: int, episode: int) -> int:
        """Runtime of an episode (of the film for season 0), or 0 if it is unknown."""
        if not season:
            return self.runtime_ms
        found = self.seasons.get(season)
        return found.runtimes_ms.get(episode, 0) if found else 0


@dataclass(slots=True)
class Catalogue:
    """A snapshot of the catalogue: titles, curves, and the share of every facet value."""

    titles: dict[str, Title] = field(default_factory=dict)
    curves: dict[tuple[str, int], Curve] = field(default_factory=dict)
    prior: dict[str, float] = field(default_factory=dict)
    version: int = 0

    def __post_init__(self) -> None:
        self.refresh_prior()

    def refresh_prior(self) -> None:
        """Work out the catalogue's own shares again after titles came or went."""
        self.prior = catalogue_shares(self.titles.values())


def catalogue_shares(titles: Iterable[Title]) -> dict[str, float]:
    """Share of each facet value over a catalogue: each title counts once per facet."""
    sums: dict[str, float] = {}
    totals: dict[str, float] = {}
    for title in titles:
        for name, part in title.facets:
            sums[name] = sums.get(name, 0.0) + part
            key = name.partition(":")[0]
            totals[key] = totals.get(key, 0.0) + part
    return {name: amount / totals[name.partition(":")[0]] for name, amount in sums.items()}


def parse_title(data: Any) -> Title:
    """Read one record of the ``titles`` topic; the format is in docs/events.md.

    Raises:
        ValueError: naming the field that is missing or wrong.
    """
    if not isinstance(data, dict):
        raise ValueError("title: not an object")  # noqa: TRY004 - one kind of error for bad records
    for name in ("title_id", "name", "kind"):
        if not isinstance(data.get(name), str) or not data[name]:
            raise ValueError(f"{name}: missing or not text")
    if data["kind"] not in ("series", "film"):
        raise ValueError(f"kind: {data['kind']!r} is neither 'series' nor 'film'")
    runtime = _runtime_ms(data, "duration_s") if data["kind"] == "film" else 0
    seasons = dict(_season(item) for item in _objects(data, "seasons"))
    _check_creators(data)
    words = {name: _word(data, name) for name in FACETS_OF_WORDS}
    return Title(
        data["title_id"], data["name"], _facets(data, words), seasons, runtime,
        words["country"], words["language"], creator_labels(data),
    )  # fmt: skip


def creator_names(data: Mapping[str, Any]) -> list[str]:
    """Who made a title, by name, of a record that ``parse_title`` can read."""
    items = data.get("creators") or []
    return [item if isinstance(item, str) else str(item["name"]) for item in items]


def creator_labels(data: Mapping[str, Any]) -> tuple[str, ...]:
    """What the service calls any of its creators, of a record that ``parse_title`` can read."""
    items = data.get("creators") or []
    found = {
        label for item in items if isinstance(item, dict) for label in item.get("labels") or ()
    }
    return tuple(sorted(found))


def _check_creators(data: dict[str, Any]) -> None:
    items = data.get("creators") or []
    if not isinstance(items, list):
        raise ValueError("creators: not a list")  # noqa: TRY004 - one kind of error for bad records
    for item in items:
        if isinstance(item, dict):
            if not isinstance(item.get("name"), str) or not item["name"]:
                raise ValueError("creators: a name is missing or not text")
            if not all(_texts(item, "labels")):
                raise ValueError("labels: an empty text")
        elif not isinstance(item, str):
            raise ValueError("creators: neither a text nor an object")  # noqa: TRY004 - as above


def _texts(data: dict[str, Any], name: str) -> list[str]:
    values = data.get(name) or []
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise ValueError(f"{name}: not a list of texts")
    return values


def _word(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name}: not text")
    return value or ""


def _facets(data: dict[str, Any], words: dict[str, str]) -> tuple[tuple[str, float], ...]:
    found: list[tuple[str, float]] = []
    for name, plural in FACETS_OF_LISTS:
        unique = sorted(set(creator_names(data) if name == "creator" else _texts(data, plural)))
        found += [(f"{name}:{value}", 1 / len(unique)) for value in unique]
    found += [(f"{name}:{words[name]}", 1.0) for name in FACETS_OF_WORDS if words[name]]
    original = data.get("original")
    if isinstance(original, bool):
        found.append((f"original:{'true' if original else 'false'}", 1.0))
    return tuple(found)


def _season(item: dict[str, Any]) -> tuple[int, Season]:
    number = _ordinal(item, "season")
    runtimes: dict[int, int] = {}
    released: dict[int, int] = {}
    for episode in _objects(item, "episodes"):
        at = _ordinal(episode, "episode")
        runtimes[at] = _runtime_ms(episode, "duration_s")
        if episode.get("released_at") is not None:
            released[at] = _moment_ms(episode, "released_at")
    finished = item.get("complete", True) is not False
    return number, Season(len(runtimes) if finished else 0, runtimes, released)


def _objects(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    items = data.get(name) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError(f"{name}: not a list of objects")
    return items


def _ordinal(item: dict[str, Any], name: str) -> int:
    value: Any = item.get(name)
    if type(value) is not int or value < 1:
        raise ValueError(f"{name}: {value!r} is not a whole number from 1")
    return int(value)


def _runtime_ms(item: dict[str, Any], name: str) -> int:
    value = item.get(name)
    if value is None:
        return 0
    if type(value) not in (int, float) or not 0 < value <= LONGEST_S:
        raise ValueError(f"{name}: {value!r} is not a duration in seconds")
    return round(float(value) * 1000)


def _moment_ms(item: dict[str, Any], name: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time; without an offset it says no moment."""
    value = item[name]
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise ValueError(f"{name}: {value!r} is not an RFC 3339 time")
    return round(moment.timestamp() * 1000)
