"""Profiles of viewers from Redis, typed: what they like, how far they are, what they are hooked on.

Each read is one command on one key (``profile`` is one transaction on one slot), and one atomic
write made what it finds, so what it returns is consistent. Key by key: docs/redis.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import orjson

from consumers.connection import connect
from streams.audience.diversity import diversity_of_taste
from streams.keys import Keys

if TYPE_CHECKING:
    from types import TracebackType

    from config.settings import Settings

Shares = Mapping[str, Mapping[str, float]]
"""Facet (``genre``) → value (``drama``) → share 0..1."""

_ESCAPED = re.compile("%(3[Aa]|25)")
_UNESCAPE = {"3A": ":", "25": "%"}


class BadProfileError(ValueError):
    """A hash in Redis holds what docs/redis.md does not allow."""


@dataclass(frozen=True, slots=True)
class Taste:
    """What a viewer likes. Shares of one facet add up to at most 1 and do not age."""

    viewer: str
    lasting: Shares
    """Half-life of 90 days."""
    now: Shares
    """Half-life of 7 days."""
    watched_s: float
    """Seconds spent playing, ever."""
    updated_at: datetime | None
    """Event time of the last change."""

    @property
    def diversity(self) -> dict[str, float]:
        """How diverse it is by facet, in bits: 1 is as diverse as two values in equal parts."""
        return diversity_of_taste(
            {
                f"{facet}:{value}": share
                for facet, values in self.lasting.items()
                for value, share in values.items()
            }
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a viewer is in one episode or film, or that a whole season is finished.

    ``season`` and ``episode`` are None for a film. ``episodes`` is set where a finished season has
    shrunk to one entry; then ``episode``, ``position_s``, ``coverage_s`` and ``runtime_s`` are
    None.
    """

    title_id: str
    season: int | None
    episode: int | None
    position_s: float | None
    """Seconds into the episode: where to continue."""
    coverage_s: float | None
    """Distinct media seconds watched."""
    runtime_s: float | None
    completed: bool
    seen_at: datetime
    episodes: int | None

    @property
    def covered(self) -> float | None:
        """Share 0..1 of the runtime that was watched; None where the runtime is unknown."""
        if self.coverage_s is None or not self.runtime_s:
            return None
        return self.coverage_s / self.runtime_s


@dataclass(frozen=True, slots=True)
class HookedOn:
    """How a viewer stands towards one season."""

    title_id: str
    season: int
    state: str
    """``hooked``, ``cooled``, ``lapsed`` or ``completed``."""
    p: float | None
    """Probability 0..1 to finish the season; None on basis ``pace``."""
    basis: str
    since: datetime
    k: int
    """Completed episodes, out of ``of``."""
    of: int | None
    """None where the catalogue does not know the season."""


@dataclass(frozen=True, slots=True)
class Profile:
    """All that is published about one viewer, as one moment left it."""

    viewer: str
    taste: Taste | None
    progress: Sequence[Progress]
    hooked: Sequence[HookedOn]

    @property
    def known(self) -> bool:
        """Whether anything is published about this viewer."""
        return bool(self.taste or self.progress or self.hooked)


class ProfileReader:
    """Reads profiles from a single Redis or a Cluster. Close it, or use it as a context manager.

    Raises:
        redis.RedisError: from every method, if Redis is away.
        BadProfileError: from every method, if a hash holds what docs/redis.md does not allow.
    """

    def __init__(self, settings: Settings) -> None:
        self._keys = Keys(settings.key_prefix)
        self._client: Any = connect(settings)

    def taste(self, viewer: str) -> Taste | None:
        """What ``viewer`` likes; None if nothing is known."""
        return _taste(viewer, self._client.hgetall(self._keys.viewer(viewer).taste))

    def tastes(self, viewers: Iterable[str]) -> dict[str, Taste | None]:
        """What each of ``viewers`` likes, in one pipeline (one per node of a Cluster)."""
        names = list(dict.fromkeys(viewers))
        batch = self._client.pipeline(transaction=False)
        for viewer in names:
            batch.hgetall(self._keys.viewer(viewer).taste)
        found = batch.execute() if names else []
        return {viewer: _taste(viewer, each) for viewer, each in zip(names, found, strict=True)}

    def progress(self, viewer: str) -> list[Progress]:
        """How far ``viewer`` is, last seen first; empty if nothing is known."""
        return _progress(self._client.hgetall(self._keys.viewer(viewer).progress))

    def hooked(self, viewer: str) -> list[HookedOn]:
        """What ``viewer`` is or was hooked on, latest change first; empty if nothing."""
        return _hooked(self._client.hgetall(self._keys.viewer(viewer).hooked))

    def profile(self, viewer: str) -> Profile:
        """All of the above as of one moment."""
        keys = self._keys.viewer(viewer)
        batch = self._client.pipeline(transaction=True)
        for key in (keys.taste, keys.progress, keys.hooked):
            batch.hgetall(key)
        taste, progress, hooked = batch.execute()
        return Profile(viewer, _taste(viewer, taste), _progress(progress), _hooked(hooked))

    def names(self, title_ids: Iterable[str]) -> dict[str, str]:
        """Names of those titles that the catalogue has, in one pipeline."""
        wanted = list(dict.fromkeys(title_ids))
        batch = self._client.pipeline(transaction=False)
        for title_id in wanted:
            batch.hget(self._keys.title(title_id), "name")
        found = batch.execute() if wanted else []
        return {title: name for title, name in zip(wanted, found, strict=True) if name}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _as_documented(what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise BadProfileError(f"{what} in Redis is not as documented: {error!r}") from error


@_as_documented("a taste")
def _taste(viewer: str, fields: Mapping[str, str]) -> Taste | None:
    if not fields:
        return None
    lasting: dict[str, dict[str, float]] = {}
    now: dict[str, dict[str, float]] = {}
    for field, pair in fields.items():
        facet, colon, value = field.partition(":")
        if colon:
            for shares, share in zip((lasting, now), map(float, pair.split()), strict=True):
                if share:
                    shares.setdefault(facet, {})[value] = share
    updated_at = fields.get("updated_at")
    return Taste(
        viewer=viewer,
        lasting=lasting,
        now=now,
        watched_s=float(fields.get("watched_s", 0)),
        updated_at=_time(float(updated_at)) if updated_at else None,
    )


@_as_documented("a progress")
def _progress(fields: Mapping[str, str]) -> list[Progress]:
    found = []
    for field, text in fields.items():
        title, *numbers = field.split(":")
        season, episode = [*(int(number) for number in numbers), None, None][:2]
        *how_far, seen_s = orjson.loads(text)
        episodes = None
        if season is not None and episode is None:
            (episodes,) = how_far
            how_far = [None, None, None, True]
        position_s, coverage_s, runtime_s, completed = how_far
        found.append(
            Progress(
                title_id=_unescaped(title),
                season=season,
                episode=episode,
                position_s=position_s,
                coverage_s=coverage_s,
                runtime_s=runtime_s,
                completed=bool(completed),
                seen_at=_time(seen_s),
                episodes=episodes,
            )
        )
    return sorted(found, key=lambda each: each.seen_at, reverse=True)


@_as_documented("what a viewer is hooked on")
def _hooked(fields: Mapping[str, str]) -> list[HookedOn]:
    found = []
    for field, text in fields.items():
        title, season = field.split(":")
        state, p, basis, since_s, k, of = orjson.loads(text)
        found.append(
            HookedOn(
                title_id=_unescaped(title),
                season=int(season),
                state=state,
                p=p,
                basis=basis,
                since=_time(since_s),
                k=k,
                of=of,
            )
        )
    return sorted(found, key=lambda each: each.since, reverse=True)


def _time(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)


def _unescaped(title: str) -> str:
    return _ESCAPED.sub(lambda match: _UNESCAPE[match[1].upper()], title)
