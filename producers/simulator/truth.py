"""What truly happened, for comparison with what was found."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from producers.simulator.catalogue import Title

Span = tuple[float, float]
"""Media seconds from .. to, from < to."""
Episode = tuple[str, int, int]
"""Title id, season and episode; 0 and 0 for a film."""

COMPLETED_SHARE = 0.90
"""An episode or season counts as completed at this share of its runtime."""


@dataclass(frozen=True, slots=True)
class TruePlayback:
    """One playback as the player itself knows it. Times are epoch seconds."""

    playback_id: str
    viewer: str
    episode: Episode
    started_s: float
    ended_s: float
    spans: tuple[Span, ...]
    """What was played, in the order in which it was played."""
    reported_spans: tuple[Span, ...]
    """The same up to the last event that left the player: shorter where the player died."""
    wall_s: float
    """Seconds spent playing: pauses and stalls excluded."""
    reported_wall_s: float
    """The same up to the last event that left the player."""

    @property
    def covered_s(self) -> float:
        """Distinct media seconds that were played."""
        return length(self.spans)

    @property
    def reported_s(self) -> float:
        """Distinct media seconds that the reports can prove."""
        return length(self.reported_spans)


@dataclass(slots=True)
class Truth:
    """Everything that truly happened, so far.

    ``taste`` has per viewer the shares (0..1, adding up to 1) of the genres that they like.
    """

    titles: dict[str, Title]
    taste: dict[str, dict[str, float]] = field(default_factory=dict)
    playbacks: list[TruePlayback] = field(default_factory=list)

    def covered(self) -> dict[str, dict[Episode, float]]:
        """Per viewer and episode the distinct media seconds, over all playbacks."""
        spans: dict[tuple[str, Episode], list[Span]] = defaultdict(list)
        for playback in self.playbacks:
            spans[playback.viewer, playback.episode].extend(playback.spans)
        found: dict[str, dict[Episode, float]] = defaultdict(dict)
        for (viewer, episode), played in spans.items():
            found[viewer][episode] = length(played)
        return dict(found)

    def completed_episodes(self) -> dict[str, dict[tuple[str, int], list[int]]]:
        """Per viewer and season (title, season) the episodes covered to 90 %, ascending."""
        found: dict[str, dict[tuple[str, int], list[int]]] = {}
        for viewer, episodes in self.covered().items():
            seasons: dict[tuple[str, int], list[int]] = defaultdict(list)
            for episode in sorted(episodes):
                if episodes[episode] >= COMPLETED_SHARE * self.runtime_s(episode):
                    seasons[episode[:2]].append(episode[2])
            found[viewer] = dict(seasons)
        return found

    def finished_seasons(self) -> dict[tuple[str, str, int], float]:
        """(viewer, title, season) covered to 90 %, with the epoch second when it was reached.

        The second is the end of the playback that reached it.
        """
        spans: dict[tuple[str, Episode], list[Span]] = defaultdict(list)
        covered: dict[tuple[str, str, int], dict[int, float]] = defaultdict(dict)
        finished: dict[tuple[str, str, int], float] = {}
        for playback in sorted(self.playbacks, key=lambda it: it.ended_s):
            title_id, season, episode = playback.episode
            if season == 0:
                continue
            of_episode = spans[playback.viewer, playback.episode]
            of_episode.extend(playback.spans)
            key = (playback.viewer, title_id, season)
            covered[key][episode] = length(of_episode)
            whole_s = sum(self.titles[title_id].seasons[season - 1].runtimes_s)
            if key not in finished and sum(covered[key].values()) >= COMPLETED_SHARE * whole_s:
                finished[key] = playback.ended_s
        return finished

    def hook_points(self) -> dict[tuple[str, int], int | None]:
        """The true hook point of every (title, season)."""
        return {
            (title.title_id, season.number): season.hook_point()
            for title in self.titles.values()
            for season in title.seasons
        }

    def runtime_s(self, episode: Episode) -> float:
        """Seconds that the episode or film lasts."""
        title_id, season, number = episode
        title = self.titles[title_id]
        return title.seasons[season - 1].runtimes_s[number - 1] if season else title.duration_s


def length(spans: Iterable[Span]) -> float:
    """Seconds in the union of ``spans``."""
    total = 0.0
    reached = float("-inf")
    for begin, end in sorted(spans):
        if end > reached:
            total += end - max(begin, reached)
            reached = end
    return total
