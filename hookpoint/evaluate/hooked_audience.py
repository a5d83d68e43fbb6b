"""The audience that the hooked signal is judged on: real events of viewers whose end is known.

Everything that players do (pauses, seeks, deaths, late and doubled events) is the simulator's own;
what is new here is who watches what, when, and whether they go on. A run goes on until the last
viewer has finished or given up, so no outcome is left open.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

from hookpoint.evaluate.hooked_seasons import WEEK_S, make_titles
from hookpoint.evaluate.hooked_viewers import Follower
from producers.simulator.options import DEFAULT_START_S, AudienceOptions
from producers.simulator.playback import Delivery, Player, Showing
from producers.simulator.truth import TruePlayback, Truth
from producers.simulator.watching import watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from producers.records import Record
    from producers.simulator.catalogue import Title

WINDOW_S = 600.0
HEARTBEAT_S = 420.0
"""Sparse, because silence closes a playback only after ten minutes and every report costs time."""
PLAYERS = AudienceOptions(heartbeat_s=HEARTBEAT_S)
"""How messy players are, and how late and how often events arrive: as in any simulation."""
_arrival = itemgetter(2)


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many viewers arrive over how long; equal crowds are equal byte for byte.

    ``differ``: viewers differ in how readily and how soon they go on (``Follower``).
    """

    viewers: int = 16_000
    titles: int = 12
    weeks: float = 10.0
    seed: int = 7
    differ: bool = False
    start_s: float = DEFAULT_START_S

    @property
    def end_s(self) -> float:
        """Nobody begins after this (epoch seconds), but for a title that is launched later."""
        return self.start_s + self.weeks * WEEK_S

    @property
    def split_s(self) -> float:
        """Who begins before this epoch second trains, who begins after it is judged."""
        return (self.start_s + self.end_s) / 2


@dataclass(slots=True)
class Life:
    """One run of a crowd; ``records`` can be read once, the rest is whole when it has ended."""

    crowd: Crowd
    titles: tuple[Title, ...] = field(init=False)
    followers: list[Follower] = field(init=False)
    arrived_s: list[float] = field(init=False)
    truth: Truth = field(init=False)
    settled: int = 0
    """Viewers who will not come back."""
    _rng: random.Random = field(init=False)
    _on_the_way: list[Record] = field(default_factory=list)
    _delivery: Delivery = field(init=False)

    def __post_init__(self) -> None:
        crowd = self.crowd
        self.titles = make_titles(crowd.titles, crowd.seed, crowd.start_s)
        self._rng = random.Random(f"crowd {crowd.seed}")
        self.followers = [
            Follower(f"viewer-{number:06d}", self._rng, self.titles, differ=crowd.differ)
            for number in range(crowd.viewers)
        ]
        self.arrived_s = [
            follower.arrives_s(self._rng, crowd.start_s, crowd.end_s) for follower in self.followers
        ]
        self.truth = Truth({title.title_id: title for title in self.titles})
        self._delivery = Delivery(self._rng, PLAYERS, self._on_the_way)

    def records(self) -> Iterator[Record]:
        """All events by arrival; memory is bounded by the playbacks that are going on."""
        starts = list(zip(self.arrived_s, range(len(self.followers)), strict=True))
        heapq.heapify(starts)
        window_end_s = self.crowd.start_s
        while starts or self._on_the_way:
            earliest = starts[0][0] if starts else 0.0
            window_end_s = max(window_end_s, earliest if not self._on_the_way else 0.0) + WINDOW_S
            while starts and starts[0][0] < window_end_s:
                time_s, number = starts[0]
                next_s = self._watch(self.followers[number], time_s)
                if next_s < float("inf"):
                    heapq.heapreplace(starts, (next_s, number))
                else:
                    heapq.heappop(starts)
                    self.settled += 1
            self._on_the_way.sort(key=_arrival)
            arrived = bisect_left(self._on_the_way, window_end_s, key=_arrival)
            yield from self._on_the_way[:arrived]
            del self._on_the_way[:arrived]

    def _watch(self, follower: Follower, time_s: float) -> float:
        rng, journey = self._rng, follower.journey
        follower.playbacks += 1
        showing = Showing(
            playback_id=f"{follower.name}-{follower.playbacks}",
            viewer=follower.name,
            title_id=journey.title.title_id,
            season=journey.season,
            episode=journey.episode,
            device=follower.devices[rng.random() < 0.25],  # noqa: PLR2004 - the second device
            country=follower.country,
            language=journey.title.language,
            autoplay=journey.autoplay,
        )
        beat_s = HEARTBEAT_S * rng.uniform(2 / 3, 4 / 3)
        player = Player(showing, self._delivery, time_s, journey.position_s, beat_s)
        messy = rng.random() < PLAYERS.messy_share
        next_s = watch(player, follower, rng, self.titles, messy=messy)
        episode = (showing.title_id, showing.season, showing.episode)
        spans, reported, seconds = tuple(player.spans), player.reported_spans, player.wall_s
        span_s = (time_s, player.time_s)
        self.truth.playbacks.append(
            TruePlayback(
                showing.playback_id,
                showing.viewer,
                episode,
                *span_s,
                spans,
                reported,
                seconds,
                player.reported_wall_s,
            )
        )
        return next_s
