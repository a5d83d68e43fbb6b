"""How far a title's viewers go: starters, watchers, completers, hours, and where they leave.

Every count is signed (what was said before goes off, what is known now comes on), so it is that of
the last word on every viewing, whatever came before and in whichever order.

Starters, watchers and completers are defined as Netflix does in its letter to the UK Parliament's
Communications Committee (2019): two minutes of a film or of one episode; 70 % of a film or of one
episode; 90 % of a film or season. Views are hours / runtime (Netflix, 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.audience.counts import Episode, Season
from streams.audience.records import Progress, Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.catalogue import Title
    from streams.rules import Rules

MOST_EPISODES = 5_000
"""Episodes counted per title: what a feed may name has no end, a title's memory has."""
HOUR_MS = 3_600_000


class Engagement:
    """All that a title's viewers did with it, by season and episode."""

    __slots__ = ("_episodes", "_rules", "seasons")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._episodes = 0
        self.seasons: dict[int, Season] = {}

    def dump(self) -> list[Any]:
        """All counts, JSON-able."""
        return [[number, *self.seasons[number].dump()] for number in sorted(self.seasons)]

    def load(self, dumped: Sequence[Any]) -> None:
        """Take up the counts that ``dump`` gave."""
        self.seasons = {number: Season.load(rest) for number, *rest in dumped}
        self._episodes = sum(len(it.episodes) for it in self.seasons.values())

    def progress(self, record: Progress) -> None:
        """Count a viewer who crossed a threshold; O(1)."""
        season = self._season(record.season)
        if season is None:
            return
        counts = self._episode(season, record.season, record.episode)
        if counts is not None:
            counts.cross(record.before, record.now, again=record.again)
        for passage in record.passages:
            if passage.k == 0:
                season.pass_through(passage)

    def session(self, record: Session) -> None:
        """Count a playback that closed or was mended; O(1)."""
        season = self._season(record.season)
        counts = season and self._episode(season, record.season, record.episode)
        if not counts:
            return
        counts.runtime_ms = max(counts.runtime_ms, round(record.runtime_s * 1000))
        if record.before is None:
            counts.sessions += 1
            counts.autoplayed += record.autoplay
        else:
            if record.autoplay_before is not None:
                counts.autoplayed += record.autoplay - record.autoplay_before
            counts.play(record.before, -1)
            counts.leave(record.before, record.runtime_s, -1, self._rules)
        counts.play(record.now, 1)
        counts.leave(record.now, record.runtime_s, 1, self._rules)

    def _season(self, number: int) -> Season | None:
        found = self.seasons.get(number)
        if found is None and len(self.seasons) < MOST_EPISODES:
            found = self.seasons[number] = Season()
        return found

    def _episode(self, season: Season, number: int, episode: int) -> Episode | None:
        if number and not episode:
            return season.whole
        found = season.episodes.get(episode)
        if found is None and self._episodes < MOST_EPISODES:
            found = season.episodes[episode] = Episode()
            self._episodes += 1
        return found

    # -- reports -----------------------------------------------------------------------------------
    def scalars(self, title: Title | None) -> dict[str, float]:
        """The whole title: a viewer counts once per season; what cannot be said is left out.

        Shares stand on no fewer viewers than the threshold: of any one season, for a viewer may
        have begun all of them. To binge shares only seasons add that have one of their own, or the
        rest could be worked out from them.

        Returns:
            ``starters``, ``watchers``, ``completers``, ``hours``, ``views`` (the sum of those of
            its seasons), ``autoplay_share`` of sessions, ``rewatched_share`` of media seconds
            played, ``binge_24h`` and ``binge_7d`` (shares of those who finished a season).
        """
        seasons = self.seasons.values()
        episodes = [it for season in seasons for it in season.episodes.values()]
        views = [it for it in (self._views(s, title) for s in self.seasons) if it is not None]
        said: dict[str, float | None] = {
            "starters": sum(it.began for it in seasons),
            "watchers": sum(it.watchers() for it in seasons),
            "completers": sum(it.finished for it in seasons),
            "hours": _hours(self.wall_ms()),
            "views": round(sum(views), 2) if views else None,
        }
        if max((it.began for it in seasons), default=0) >= self._rules.least_viewers:
            said["autoplay_share"] = _share(
                sum(it.autoplayed for it in episodes), sum(it.sessions for it in episodes)
            )
            said["rewatched_share"] = _share(
                sum(it.rewatched_ms for it in episodes), sum(it.advanced_ms for it in episodes)
            )
        said |= self._binge([it for number, it in self.seasons.items() if number])
        return {name: value for name, value in said.items() if value is not None}

    def season(self, number: int, title: Title | None) -> dict[str, float]:
        """``season:S`` without the shares that a life table gives; films are season 0."""
        season = self.seasons[number]
        said: dict[str, float | None] = {
            "starters": season.began,
            "watchers": season.watchers(),
            "completers": season.finished,
            "hours": _hours(season.wall_ms()),
            "views": self._views(number, title),
            "rewatch_starters": season.rewatch_starters(),
        }
        if number:
            said |= self._binge([season])
        return {name: value for name, value in said.items() if value is not None}

    def episodes(self, number: int, title: Title | None) -> dict[str, dict[str, float]]:
        """``episodes:S``: by episode, seconds are media seconds."""
        season = self.seasons[number]
        return {
            str(episode): _episode_report(
                counts, self._runtime_ms(number, episode, title), self._rules.least_viewers
            )
            for episode, counts in sorted(season.episodes.items())
        }

    def drop_off(self, number: int, least: int) -> dict[str, list[float]]:
        """``dropoff:S`` of the episodes that at least ``least`` viewers began."""
        return {
            str(episode): counts.drop_off()
            for episode, counts in sorted(self.seasons[number].episodes.items())
            if counts.starters >= least
        }

    def wall_ms(self) -> int:
        """Time spent playing the title."""
        return sum(it.wall_ms() for it in self.seasons.values())

    def _binge(self, seasons: list[Season]) -> dict[str, float | None]:
        enough = [it for it in seasons if it.finished >= self._rules.least_viewers]
        finished = sum(it.finished for it in enough)
        return {
            "binge_24h": _share(sum(it.within_day for it in enough), finished),
            "binge_7d": _share(sum(it.within_week for it in enough), finished),
        }

    def _runtime_ms(self, number: int, episode: int, title: Title | None) -> int:
        told = title.episode_runtime_ms(number, episode) if title else 0
        return told or self.seasons[number].episodes[episode].runtime_ms

    def _views(self, number: int, title: Title | None) -> float | None:
        """Hours over the runtime of all episodes that are known; None while one has none."""
        season = self.seasons[number]
        runtimes = {it: self._runtime_ms(number, it, title) for it in season.episodes}
        listed = title.seasons.get(number) if title else None
        if listed is not None:
            runtimes = {it: runtimes.get(it, 0) or ms for it, ms in listed.runtimes_ms.items()}
        if not runtimes or not all(runtimes.values()):
            return None
        return round(season.wall_ms() / sum(runtimes.values()), 2)


def _episode_report(counts: Episode, runtime_ms: int, least: int) -> dict[str, float]:
    said: dict[str, float] = {
        "starters": counts.starters,
        "watchers": counts.watchers,
        "completers": counts.completers,
        "hours": _hours(counts.wall_ms),
    }
    if counts.starters >= least:
        said["rewatched_s"] = round(counts.rewatched_ms / 1000, 1)
    if runtime_ms:
        said["views"] = round(counts.wall_ms / runtime_ms, 2)
    return said


def _hours(wall_ms: int) -> float:
    return round(wall_ms / HOUR_MS, 2)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 2) if whole > 0 else None
