"""What is held of a viewer, what of it has changed, and what waits to go out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.audience.records import NOTHING_DECLARED
from streams.signals import Out
from streams.viewing.attendance import Attendance
from streams.viewing.episode import Episode, EpisodeKey, FadedFilm
from streams.viewing.journey import Journey
from streams.viewing.packing import inflated, unpack
from streams.viewing.playback import Playback, PlaybackKey
from streams.viewing.settled import read_rest, read_sums
from streams.viewing.shapes import READ_REST
from streams.viewing.sittings import Chain
from streams.viewing.taste import Taste
from streams.viewing.timers import NEVER, RESTLESS, fades_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.rules import Rules
    from streams.viewing.context import SeasonKey


class ViewerState:
    """What is held of one viewer, and what has changed since it was last written."""

    __slots__ = (
        "_due_ms",
        "_index",
        "_offset",
        "_source",
        "_taste",
        "attendance",
        "away",
        "away_due_ms",
        "bares",
        "beating",
        "begun",
        "chain",
        "changed_episodes",
        "changed_journeys",
        "declared",
        "due_ms",
        "episodes",
        "films",
        "gliding",
        "gone_episodes",
        "gone_journeys",
        "journeys",
        "known_ms",
        "leaving",
        "live_changed",
        "marks",
        "name",
        "outbox",
        "playbacks",
        "rest",
        "rest_changed",
        "shelf",
        "summaries",
        "sums",
        "taste_away",
        "taste_changed",
        "taste_ms",
        "touched",
        "version",
        "watched_ms",
    )

    def __init__(self, name: str, rules: Rules) -> None:
        self.name = name
        self.version = 0
        # Not part of the state: it is looked up, as titles are, and stays only in seats.
        self.declared = NOTHING_DECLARED
        self.marks: dict[str, int] = {}
        self.playbacks: dict[PlaybackKey, Playback] = {}
        self.episodes: dict[EpisodeKey, Episode] = {}
        self.shelf: dict[EpisodeKey, int] = {}
        self.films: dict[EpisodeKey, FadedFilm] = {}
        """Those on the shelf of which their titles were told."""
        self.journeys: dict[SeasonKey, Journey] = {}
        self._taste = Taste(rules)
        self.taste_ms = 0
        self.watched_ms = 0
        self.attendance = Attendance()
        self.chain = Chain(0, 0, 0)
        self.bares = False
        self.outbox: list[Out] = []
        self.due_ms = 0
        self.known_ms = 0
        self._source, self._offset, self._due_ms, self._index = "", 0, 0, 0
        self.gliding: Playback | None = None
        """Whose heartbeat the last record was, if it did no more than go on."""
        self.rest = self.sums = b""
        self.away = self.taste_away = False
        self.away_due_ms = NEVER
        self.begun: tuple[str, ...] = ()
        self.beating: dict[PlaybackKey, int] = {}
        """Playbacks that heartbeats have come for, and nothing else since the live part was
        written; and how many of their knots there are as that has them."""
        # What has changed since the last write, and what of it is not in memory any more.
        self.changed_episodes: set[EpisodeKey] = set()
        self.changed_journeys: set[SeasonKey] = set()
        self.gone_episodes: set[EpisodeKey] = set()
        self.gone_journeys: set[SeasonKey] = set()
        self.leaving: dict[EpisodeKey, Episode] = {}
        self.summaries: dict[SeasonKey, tuple[int, int]] = {}
        self.taste_changed = self.live_changed = self.rest_changed = self.touched = False

    def written(self) -> None:
        """Everything up to here is stored."""
        self.changed_episodes.clear()
        self.changed_journeys.clear()
        self.gone_episodes.clear()
        self.gone_journeys.clear()
        self.leaving.clear()
        self.summaries.clear()
        self.taste_changed = False
        self.live_changed = False
        self.rest_changed = False
        self.touched = False

    # -- what has settled ------------------------------------------------------------------------
    def put_away(self, rules: Rules) -> None:
        """Keep what has settled as the bytes that are stored, until something needs it.

        Journeys that have timers stay: when those are due is for the catalogue to say as well.
        """
        if self.away or self.touched or not self.rest:
            return
        settled = [episode for episode in self.episodes.values() if not episode.live]
        self.away_due_ms = min([fades_ms(episode, rules) for episode in settled], default=NEVER)
        self.begun = tuple({key[0] for key in self.journeys})
        seasons = {key[1:3] for key in self.playbacks}
        for playback in self.playbacks.values():
            playback.raw = None  # bytes that can be made again
        self.episodes = {key: it for key, it in self.episodes.items() if it.live}
        self.journeys = {
            key: it for key, it in self.journeys.items() if key in seasons or it.state in RESTLESS
        }
        self.shelf, self.films = {}, {}
        self.away = True
        if not self.taste_away:
            self._taste.clear()
            self.taste_away = True

    def recall(self) -> None:
        """Have all episodes and journeys at hand, not only those of what is being watched."""
        if self.away:
            self.away, self.away_due_ms = False, NEVER
            read_rest(self, READ_REST.decode(inflated(self.rest)))

    @property
    def taste(self) -> Taste:
        """What they like."""
        if self.taste_away:
            self.taste_away = False
            read_sums(self._taste, unpack(self.sums))
        return self._taste

    def titles_begun(self) -> Iterable[str]:
        """Titles of which they have begun a season."""
        return self.begun if self.away else [key[0] for key in self.journeys]

    # -- records out -----------------------------------------------------------------------------
    def after(self, source: str, offset: int, known_ms: int = 0) -> None:
        """What goes out from here on comes after ``offset`` of ``source``.

        Args:
            source: topic and partition.
            offset: there.
            known_ms: when the source's index of timers has this viewer looked at.
        """
        self._source, self._offset, self._due_ms, self._index = source, offset, 0, 0
        self.known_ms = known_ms

    def reach(self, offset: int, due_ms: int) -> None:
        """What goes out from here on is said at ``offset``, and at ``due_ms`` if by a timer."""
        if (offset, due_ms) != (self._offset, self._due_ms):
            self._offset, self._due_ms, self._index = offset, due_ms, 0

    def emit(self, topic: str, key: str, body: str) -> None:
        """Put a record into the outbox, at the place that is reached."""
        out = Out(self._source, self._offset, self._due_ms, self._index, topic, key, body)
        self.outbox.append(out)
        self._index += 1

    def forget_sent(self, source: str, mark: int, told_ms: int = NEVER) -> None:
        """Drop what is published: up to the partition's mark, and after it up to ``told_ms``."""
        if self.outbox:
            told = (mark, told_ms)
            self.outbox = [
                o for o in self.outbox if o.source != source or (o.offset, o.due_ms) > told
            ]
