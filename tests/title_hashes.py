"""What the titles agent publishes about a made-up series, as docs/redis.md has it, written by hand.

Season 1 of ``dark``: eight episodes, of whose viewers most leave after the first; everybody who
watched the third goes on like nowhere else, so it is the hook point.
"""

from __future__ import annotations

from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING, Any

import orjson

from streams.keys import Keys

if TYPE_CHECKING:
    from config.settings import Settings

TTL_S = 600
DAY_S = 86_400
C = (0.62, 0.81, 0.96, 0.97, 0.98, 0.98, 0.99)
LOW = (0.59, 0.78, 0.94, 0.95, 0.96, 0.96, 0.97)
HIGH = (0.65, 0.84, 0.98, 0.99, 0.99, 0.99, 1.0)


def to_the_end(shares: tuple[float, ...]) -> list[float]:
    """H_k for every k: the product of ``shares`` from there on."""
    return [round(each, 4) for each in accumulate(reversed(shares), mul)][::-1]


def facts(**changes: Any) -> dict[str, Any]:
    """``title:{dark}``."""
    episodes = [{"episode": number, "duration_s": 3000} for number in range(1, 9)]
    return {
        "name": "Dark",
        "kind": "series",
        "language": "de",
        "country": "DE",
        "original": "true",
        "version": 17,
        "genres": ["drama", "mystery"],
        "creators": ["someone"],
        "themes": ["time-travel"],
        "seasons": [{"season": 1, "complete": True, "episodes": episodes}],
        **changes,
    }


def curve(**changes: Any) -> dict[str, Any]:
    """``curve:1``."""
    return {
        "version": "1795376130",
        "episodes": 8,
        "c": C,
        "low": LOW,
        "high": HIGH,
        "se": [0.01] * 7,
        "n": [1200, 700, 550, 500, 500, 450, 450],
        "n_eff": [900, 600, 500, 450, 450, 400, 400],
        "gap_s": [0, 3600, 21600, DAY_S],
        "gap_cdf": [0, 0.5, 0.8, 1],
        "h": to_the_end(C),
        "h_low": to_the_end(LOW),
        "h_high": to_the_end(HIGH),
        "horizon_s": 7 * DAY_S,
        "provisional": True,
        **changes,
    }


def hook(**changes: Any) -> dict[str, Any]:
    """``hook:1``."""
    return {
        "k": 3,
        "of": 8,
        "p": 0.885,
        "low": 0.8,
        "high": 0.95,
        "certainty": 0.996,
        "n": 550,
        "h1": 0.4446,
        "share": 0.375,
        "lift": 0.26,
        "lift_peers": None,
        "horizon_s": 7 * DAY_S,
        "provisional": True,
        "since": "2026-11-20T18:00:00Z",
        "version": "1795376130",
        **changes,
    }


def engagement(**changes: Any) -> dict[str, Any]:
    """``engagement:{dark}``; a field changed to None is left out."""
    left_at_45 = [0.01] * 9 + [0.2] + [0.01] * 10
    episode = {"starters": 1500, "watchers": 1200, "completers": 1100, "hours": 1010.5}
    found = {
        "updated_at": "2026-11-22T20:15:30.250Z",
        "viewers": 1623,
        "viewers_today": 212,
        "starters": 1500,
        "watchers": 1290,
        "completers": 455,
        "hours": 5230.5,
        "views": 784,
        "completion_7d": 0.3125,
        "autoplay_share": 0.25,
        "rewatched_share": 0.04,
        "binge_24h": 0.0625,
        "binge_7d": 0.75,
        "season:1": {"starters": 1500, "watchers": 1290, "completers": 455, "hours": 5230.5,
                     "views": 784, "completion_7d": 0.3125, "binge_24h": 0.0625, "binge_7d": 0.75,
                     "rewatch_starters": 12},
        "episodes:1": {"1": {**episode, "views": 1212, "rewatched_s": 3600},
                       "2": {**episode, "starters": 800}},
        "dropoff:1": {"1": left_at_45, "2": [0.0] * 20},
        "curve:1": curve(),
        "curve:1:DE": curve(c=[0.9] * 7, low=[0.85] * 7, high=[0.95] * 7, provisional=False,
                            h=None, h_low=None, h_high=None),
        "curve:1:language:fr": curve(c=[0.8] * 7, low=[0.75] * 7, high=[0.85] * 7, h=None,
                                     h_low=None, h_high=None),
        "hook:1:language:fr": hook(k=4, h1=0.31),
        "hook:1": hook(),
        "hook:1:DE": hook(k=2, h1=0.478),
        "audience": {"n": 1500, "country": {"DE": 800, "FR": 450, "AT": 100},
                     "language": {"de": 1000, "fr": 400}, "device": {},
                     "hour": {"8": 100, "20": 900}, "genre": {"drama": 900, "comedy": 50}},
        "reach": {"home_country": "DE", "home_language": "de", "abroad_share": 0.45,
                  "foreign_language_share": 0.3, "entropy_bits": 1.41, "evenness": 0.7,
                  "countries": {"DE": 2800.0, "FR": 2000.0, "other": 430.5},
                  "languages": {"de": 3600.0, "fr": 1630.5},
                  "travels": [{"season": 1, "to": "country", "value": "FR", "h1": 0.61, "low": 0.55,
                               "home": 0.44, "home_high": 0.48, "n": 300},
                              {"season": 1, "to": "language", "value": "fr", "h1": 0.59,
                               "low": 0.54, "home": 0.43, "home_high": 0.47, "n": 350}]},
        "voices": {"labels": ["local-hub", "new"], "exposure": 0.01, "completion": 0.02,
                   "by_label": {"new": {"titles": 12, "exposure": 0.02, "completion": 0.03,
                                        "ratio": 1.5, "h1": 0.4, "entropy_bits": 1.2,
                                        "evenness": 0.8}},
                   "breakthrough": [{"season": 1, "label": "new", "h1": 0.4446, "low": 0.37,
                                     "n": 1200, "typical": 0.3, "peers": 12}]},
        **changes,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def as_fields(values: dict[str, Any]) -> dict[str, str]:
    """Fields of a hash: texts and numbers as they are, the rest as JSON without its nulls."""
    return {name: _field(value) for name, value in values.items()}


def _field(value: Any) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, dict):
        value = {name: each for name, each in value.items() if each is not None}
    return orjson.dumps(value).decode()


def publish(
    client: Any,
    settings: Settings,
    title_id: str = "dark",
    *,
    about: dict[str, Any] | None = None,
    found: dict[str, Any] | None = None,
) -> None:
    """Write one title's hashes; an empty dict writes none."""
    keys = Keys(settings.key_prefix)
    hashes = (
        (keys.title(title_id), facts() if about is None else about),
        (keys.engagement(title_id), engagement() if found is None else found),
    )
    for key, values in hashes:
        client.delete(key)
        if values:
            client.hset(key, mapping=as_fields(values))
            client.expire(key, TTL_S)


def rank(client: Any, key: str, scores: dict[str, float]) -> None:
    """Write one ranking."""
    client.zadd(key, scores)
    client.expire(key, TTL_S)
