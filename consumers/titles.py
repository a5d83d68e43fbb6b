"""Titles and their audiences from Redis, typed: figures, curves, hook points, and who is ahead.

What is known of one title is read in one transaction on one slot, and one atomic write made the
engagement in it, so what is returned is consistent. Key by key: docs/redis.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from consumers.connection import connect
from consumers.engagement import (
    Audience,
    Curve,
    Engagement,
    EpisodeFigures,
    Facts,
    Figures,
    GroupCurve,
    Hook,
    Moment,
    Reach,
    Season,
    SeasonFacts,
    Voices,
)
from streams.keys import Keys

if TYPE_CHECKING:
    from types import TracebackType

    from config.settings import Settings

MOST_PLACES = 10_000
"""Of a ranking, however many of them have expired."""
Ranking = Literal["hours", "hooked", "trending", "travelling", "new-voices"]


class BadTitleError(ValueError):
    """A key in Redis holds what docs/redis.md does not allow; the message names it."""


@dataclass(frozen=True, slots=True)
class Title:
    """All that is known of one title."""

    title_id: str
    facts: Facts | None
    """None if the catalogue does not have it."""
    engagement: Engagement | None
    """None if nobody has watched it yet."""

    @property
    def known(self) -> bool:
        """Whether anything is published about this title."""
        return self.facts is not None or self.engagement is not None

    @property
    def name(self) -> str:
        """As the catalogue has it; the id where it has none."""
        return (self.facts.name if self.facts else None) or self.title_id


@dataclass(frozen=True, slots=True)
class Ranked:
    """A title's place in a ranking. What ``score`` counts is in docs/redis.md."""

    rank: int
    score: float
    title: Title


class TitleReader:
    """Reads titles from a single Redis or a Cluster. Close it, or use it as a context manager.

    Raises:
        redis.RedisError: from every method, if Redis is away.
        BadTitleError: from every method, if a key holds what docs/redis.md does not allow.
    """

    def __init__(self, settings: Settings) -> None:
        self._keys = Keys(settings.key_prefix)
        self._client: Any = connect(settings)

    def title(self, title_id: str) -> Title:
        """All about one title as of one moment; one round trip."""
        batch = self._client.pipeline(transaction=True)
        batch.hgetall(self._keys.title(title_id))
        batch.hgetall(self._keys.engagement(title_id))
        facts, engagement = batch.execute()
        return _title(title_id, facts, engagement)

    def titles(self, title_ids: Iterable[str]) -> list[Title]:
        """Each of ``title_ids``, in one pipeline (one per node of a Cluster)."""
        names = list(dict.fromkeys(title_ids))
        batch = self._client.pipeline(transaction=False)
        for name in names:
            batch.hgetall(self._keys.title(name))
            batch.hgetall(self._keys.engagement(name))
        found = batch.execute() if names else []
        pairs = zip(found[::2], found[1::2], strict=True)
        return [_title(name, *pair) for name, pair in zip(names, pairs, strict=True)]

    def top(self, ranking: Ranking, country: str | None = None, limit: int = 20) -> list[Ranked]:
        """The first ``limit`` titles of a ranking, best first; two round trips.

        Titles whose engagement has expired are left out, with more round trips for others in their
        place; workers take them out in time.

        Args:
            ranking: which.
            country: ISO 3166-1 alpha-2; only ``trending`` is kept by country.
            limit: at least 1.

        Raises:
            ValueError: another ranking was asked for by country.
        """
        if country is not None and ranking != "trending":
            raise ValueError(f"{ranking} is not kept by country")
        keys = self._keys
        key = keys.trending(country or "all") if ranking == "trending" else keys.top(ranking)
        found: list[Ranked] = []
        places: Sequence[tuple[str, float]]
        for start in range(0, MOST_PLACES, limit):
            places = self._client.zrevrange(key, start, start + limit - 1, withscores=True)
            titles = self.titles(name for name, _ in places)
            for (_, score), title in zip(places, titles, strict=True):
                if title.engagement is not None and len(found) < limit:
                    found.append(Ranked(len(found) + 1, score, title))
            if len(found) == limit or len(places) < limit:
                break
        return found

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


def _title(title_id: str, facts: Mapping[str, str], engagement: Mapping[str, str]) -> Title:
    return Title(title_id, read_facts(title_id, facts), read_engagement(title_id, engagement))


# -- hashes ----------------------------------------------------------------------------------------
_PART = re.compile(r"(season|episodes|dropoff|curve|hook):(\d+)(?::(language:)?([^:]+))?")
_TYPES: Mapping[str, Any] = {
    "season": Figures,
    "episodes": dict[str, EpisodeFigures],
    "dropoff": dict[str, tuple[float, ...]],
    "curve": Curve,
    "hook": Hook,
    "audience": Audience,
    "reach": Reach,
    "voices": Voices,
}
_WORDS = ("name", "kind", "language", "country")
_COUNTS = (
    "starters", "watchers", "completers", "rewatch_starters", "viewers", "viewers_today",
    "least_viewers",
)  # fmt: skip
_SHARES = (
    "hours", "views", "completion_7d", "completion_28d", "autoplay_share", "rewatched_share",
    "binge_24h", "binge_7d",
)  # fmt: skip


def read_engagement(title_id: str, fields: Mapping[str, str]) -> Engagement | None:
    """What the fields of ``engagement:{title}`` say; None if there are none.

    Raises:
        BadTitleError: a field is not as documented.
    """
    if not fields:
        return None
    read = _Fields(f"engagement of title {title_id}", fields)
    own: dict[str, Any] = {name: read.as_type(name, int) for name in _COUNTS}
    own |= {name: read.as_type(name, float) for name in _SHARES}
    own |= {name: read.json(name, _TYPES[name]) for name in ("audience", "reach", "voices")}
    return Engagement(
        **own, updated_at=read.as_type("updated_at", Moment), seasons=_seasons(read, fields)
    )


def read_facts(title_id: str, fields: Mapping[str, str]) -> Facts | None:
    """What the fields of ``title:{title}`` say; None if the catalogue does not have the title.

    Raises:
        BadTitleError: a field is not as documented.
    """
    if not fields:
        return None
    read = _Fields(f"facts of title {title_id}", fields)
    own: dict[str, Any] = {name: fields.get(name) for name in _WORDS}
    for name in ("genres", "creators", "labels", "themes"):
        own[name] = read.json(name, tuple[str, ...]) or ()
    own["seasons"] = read.json("seasons", tuple[SeasonFacts, ...]) or ()
    original = {"true": True, "false": False}.get(fields.get("original", ""))
    return Facts(**own, original=original, duration_s=read.as_type("duration_s", float))


def _seasons(read: _Fields, fields: Mapping[str, str]) -> dict[int, Season]:
    own: dict[int, dict[str, Any]] = {}
    groups: dict[tuple[int, str], dict[str, dict[str, Any]]] = {}
    for name in fields:
        found = _PART.fullmatch(name)
        if found is None:
            continue
        what, season, value = found[1], int(found[2]), found[4]
        parts = own.setdefault(season, {})
        if value is not None:
            if what not in ("curve", "hook"):
                continue
            kind = "languages" if found[3] else "countries"
            parts = groups.setdefault((season, kind), {}).setdefault(value, {})
        parts["figures" if what == "season" else what] = read.json(name, _TYPES[what])
    for (season, kind), found_there in groups.items():
        own[season][kind] = {it: GroupCurve(**each) for it, each in sorted(found_there.items())}
    return {season: Season(**parts) for season, parts in sorted(own.items())}


class _Fields:
    """The fields of one hash, read one by one."""

    def __init__(self, what: str, fields: Mapping[str, str]) -> None:
        self._what = what
        self._fields = fields

    def json(self, name: str, kind: Any) -> Any:
        """A field that holds JSON; None if it is missing."""
        text = self._fields.get(name)
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=kind)
        except ValueError as error:
            raise self._bad(name, error) from error

    def as_type(self, name: str, kind: Any) -> Any:
        """A field that holds one number or time as text; None if it is missing."""
        text = self._fields.get(name)
        if not text:
            return None
        try:
            return msgspec.convert(text, kind, strict=False)
        except ValueError as error:
            raise self._bad(name, error) from error

    def _bad(self, name: str, error: ValueError) -> BadTitleError:
        return BadTitleError(f"{self._what} in Redis is not as documented: field {name}: {error}")
