"""All viewers together: one stream of records in the order in which they arrive."""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from producers.simulator.catalogue import GENRES, Title, make_catalogue
from producers.simulator.playback import Delivery, Player, Showing
from producers.simulator.truth import TruePlayback, Truth
from producers.simulator.viewer import Viewer
from producers.simulator.watching import watch
from streams.events import AGE_BANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from producers.records import Record
    from producers.simulator.options import AudienceOptions

_WINDOW_S = 600.0
AGE_WEIGHTS = (4, 22, 34, 20, 10, 6, 4)
_arrival = itemgetter(2)


class Audience:
    """Viewers who live through some weeks; see ``AudienceOptions``.

    Every call of ``records`` starts the same life again, so two iterators never disturb each other.
    """

    def __init__(self, options: AudienceOptions) -> None:
        self.options = options
        self.titles = make_catalogue(options.titles, options.seed)
        self._truth: Truth | None = None

    def catalogue(self) -> list[dict[str, Any]]:
        """The titles, as the ``titles`` topic wants them."""
        return [title.facts() for title in self.titles]

    def declared(self) -> dict[str, dict[str, str]]:
        """What viewers have agreed to be counted under, as the topic ``viewers`` wants it."""
        # A chance of its own: who declares what must not change what anybody watches.
        rng = random.Random(f"declared {self.options.seed}")
        found: dict[str, dict[str, str]] = {}
        for viewer in _Life(self.options, self.titles).viewers:
            (age_band,) = rng.choices(AGE_BANDS, AGE_WEIGHTS)
            if rng.random() < self.options.declared_share:
                place = {"country": viewer.country, "language": viewer.language}
                found[viewer.name] = {"age_band": age_band, **place}
        return found

    def records(self) -> Iterator[Record]:
        """All events by arrival, encoded. Memory is bounded by the playbacks that are going on."""
        life = _Life(self.options, self.titles)
        yield from life.records()
        self._truth = life.truth

    def truth(self) -> Truth:
        """What truly happened in the whole run (lived through quietly if nobody read it yet).

        Raises:
            ValueError: if the run has no end or was told to keep no truth.
        """
        if not self.options.keep_truth or self.options.weeks == float("inf"):
            raise ValueError("an endless audience, or one with keep_truth=False, has no truth")
        if self._truth is None:
            for _ in self.records():
                pass
        if self._truth is None:
            raise AssertionError("a run that ended has left its truth")
        return self._truth


class _Life:
    """One run through the weeks."""

    def __init__(self, options: AudienceOptions, titles: tuple[Title, ...]) -> None:
        self._options = options
        self._titles = titles
        self._rng = random.Random(f"audience {options.seed}")
        width = len(str(options.viewers))
        self.viewers = [
            Viewer(f"viewer-{number:0{width}d}", self._rng, titles)
            for number in range(1, options.viewers + 1)
        ]
        self._on_the_way: list[Record] = []
        self._delivery = Delivery(self._rng, options, self._on_the_way)
        self.truth = Truth({title.title_id: title for title in titles})
        if options.keep_truth:
            for viewer in self.viewers:
                self.truth.taste[viewer.name] = dict(zip(GENRES, viewer.taste, strict=True))

    def records(self) -> Iterator[Record]:
        """Live, a window at a time: play what starts in it, hand out what arrives in it."""
        start_s, end_s = self._options.start_s, self._options.end_s
        starts = [
            (viewer.first_start_s(self._rng, start_s), number)
            for number, viewer in enumerate(self.viewers)
        ]
        starts = [start for start in starts if start[0] < end_s]
        heapq.heapify(starts)
        window_end_s = start_s
        while starts or self._on_the_way:
            window_end_s += _WINDOW_S
            while starts and starts[0][0] < window_end_s:
                time_s, number = starts[0]
                next_s = self._watch(self.viewers[number], time_s)
                if next_s < end_s:
                    heapq.heapreplace(starts, (next_s, number))
                else:
                    heapq.heappop(starts)
            self._on_the_way.sort(key=_arrival)
            arrived = bisect_left(self._on_the_way, window_end_s, key=_arrival)
            yield from self._on_the_way[:arrived]
            del self._on_the_way[:arrived]

    def _watch(self, viewer: Viewer, time_s: float) -> float:
        """One playback from ``time_s`` on. Returns when the viewer's next one starts."""
        rng, journey = self._rng, viewer.journey
        viewer.playbacks += 1
        showing = Showing(
            playback_id=f"{viewer.name}-{int(self._options.start_s):x}-{viewer.playbacks}",
            viewer=viewer.name,
            title_id=journey.title.title_id,
            season=journey.season,
            episode=journey.episode,
            device=viewer.devices[rng.random() < 0.25],  # noqa: PLR2004 - the second device
            country=viewer.country,
            language=journey.title.language,
            autoplay=journey.autoplay,
        )
        beat_s = self._options.heartbeat_s * rng.uniform(2 / 3, 4 / 3)
        player = Player(showing, self._delivery, time_s, journey.position_s, beat_s)
        messy = rng.random() < self._options.messy_share
        next_s = watch(player, viewer, rng, self._titles, messy=messy)
        if self._options.keep_truth:
            self.truth.playbacks.append(_as_it_was(showing, player, time_s))
        return next_s


def _as_it_was(showing: Showing, player: Player, started_s: float) -> TruePlayback:
    return TruePlayback(
        playback_id=showing.playback_id,
        viewer=showing.viewer,
        episode=(showing.title_id, showing.season, showing.episode),
        started_s=started_s,
        ended_s=player.time_s,
        spans=tuple(player.spans),
        reported_spans=player.reported_spans,
        wall_s=player.wall_s,
        reported_wall_s=player.reported_wall_s,
    )
