"""What is held of a viewer, what of it has changed, and what waits to go out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.audience.records import NOTHING_DECLARED
from streams.signals import Out
from streams.viewing.attendance import Attendance
from streams.viewing.episode import Episode, EpisodeKey
from streams.viewing.journey import Journey
from streams.viewing.playback import Playback, PlaybackKey
from streams.viewing.taste import Taste
from streams.viewing.timers import NEVER

if TYPE_CHECKING:
    from streams.rules import Rules
    from streams.viewing.context import SeasonKey


class ViewerState:
    """What is held of one viewer, and what has changed since it was last written."""

    __slots__ = (
        "_due_ms",
        "_index",
        "_offset",
        "_source",
        "attendance",
        "bares",
        "chain",
        "changed_episodes",
        "changed_journeys",
        "declared",
        "due_ms",
        "episodes",
        "gone_episodes",
        "gone_journeys",
        "journeys",
        "known_ms",
        "leaving",
        "marks",
        "name",
        "outbox",
        "playbacks",
        "rest_changed",
        "shelf",
        "summaries",
        "taste",
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
        self.shelf: dict[tuple[str, int, int], int] = {}
        self.journeys: dict[SeasonKey, Journey] = {}
        self.taste = Taste(rules)
        self.taste_ms = 0
        self.watched_ms = 0
        self.attendance = Attendance()
        self.chain = (0, 0)
        self.bares = False
        self.outbox: list[Out] = []
        self.due_ms = 0
        self.known_ms = 0
        self._source, self._offset, self._due_ms, self._index = "", 0, 0, 0
        self.written()

    def written(self) -> None:
        """Everything up to here is stored."""
        self.changed_episodes: set[EpisodeKey] = set()
        self.changed_journeys: set[SeasonKey] = set()
        self.gone_episodes: set[EpisodeKey] = set()
        self.gone_journeys: set[SeasonKey] = set()
        self.leaving: dict[EpisodeKey, Episode] = {}
        self.summaries: dict[SeasonKey, tuple[int, int]] = {}
        self.taste_changed = False
        self.rest_changed = False
        self.touched = False

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
