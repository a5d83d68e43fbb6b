"""One viewer and one episode (or film), over playbacks and devices.

A *viewing* is a run of playbacks with no gap of seven days; each viewing counts once for taste.
Coverage lives in three places: playbacks that a late event can still mend (``live``), sealed
playbacks of the viewing under way (``view``), and earlier viewings (``old``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.audience.records import Seat
from streams.viewing import intervals as iv
from streams.viewing.journey import NO_STEP
from streams.viewing.shapes import Step
from streams.viewing.taste import autoplay_factor, viewing_value

if TYPE_CHECKING:
    from streams.rules import Rules
    from streams.viewing.playback import Playback, PlaybackKey

EpisodeKey = tuple[Any, ...]
"""title id, season, episode (0, 0 for a film)."""


class Credit(NamedTuple):
    """What a viewing has added to taste so far."""

    weight: float
    at_ms: int
    hour: int


NO_CREDIT = Credit(0.0, 0, -1)


class FadedFilm(NamedTuple):
    """What a film's title was told of a viewing whose coverage is forgotten."""

    step: Step
    seat: Seat
    anew: bool


class Episode:
    """How much of an episode one viewer has watched; times in event milliseconds, 0 for never."""

    __slots__ = (
        "anew",
        "band",
        "completed_ms",
        "covered",
        "credit",
        "deliberate",
        "ended",
        "factor",
        "floor",
        "key",
        "live",
        "old",
        "opened_ms",
        "position_ms",
        "runtime_ms",
        "seat",
        "seen_ms",
        "started_ms",
        "steady",
        "view",
        "watched_ms",
    )

    def __init__(self, key: EpisodeKey) -> None:
        self.key = key
        self.live: list[Playback] = []
        self.view: iv.Intervals = []
        self.old: iv.Intervals = []
        self.runtime_ms = 0
        self.opened_ms = 0
        self.seen_ms = 0
        self.position_ms = 0
        self.started_ms = 0
        self.watched_ms = 0
        self.completed_ms = 0
        self.ended = False
        self.deliberate = False
        self.factor = 0.0
        self.band = -1
        self.credit = NO_CREDIT
        self.floor: Step | None = None
        self.seat: Seat | None = None
        self.anew = False
        """A film that was completed, had faded, and is watched another time."""
        self.steady = (1, 0)
        self.covered = 0
        """Coverage when it was last looked at, in ms."""

    # -- how much ------------------------------------------------------------------------------
    def coverage_ms(self) -> int:
        """Distinct media time over all viewings, never more than the runtime."""
        return self._bounded(self._measure(self.view, self.old))

    def viewing_ms(self) -> int:
        """Distinct media time of the viewing under way."""
        return self._bounded(self._measure(self.view))

    def _measure(self, *sealed: iv.Intervals) -> int:
        if len(self.live) == 1 and not any(sealed):
            return self.live[0].coverage_ms()
        parts = [part for part in sealed if part]
        return iv.measure(iv.union(*parts, *(playback.cover_all() for playback in self.live)))

    def _bounded(self, covered: int) -> int:
        return min(covered, self.runtime_ms) if self.runtime_ms else covered

    def is_ended(self) -> bool:
        """Whether a player said ``completed``."""
        return self.ended or any(playback.completed_event for playback in self.live)

    def is_deliberate(self) -> bool:
        """Whether anything about it was the viewer's own act."""
        return self.deliberate or any(playback.streak == 0 for playback in self.live)

    # -- thresholds ----------------------------------------------------------------------------
    def cross(self, at_ms: int, rules: Rules) -> bool:
        """Bring started, watched and completed up to date; whether any of them changed."""
        covered, runtime = self.coverage_ms(), self.runtime_ms
        self.covered = covered
        for playback in self.live:
            playback.counted = playback.coverage_ms()
        low, high = self.steady
        if low <= covered < high:
            return False
        watched = runtime > 0 and covered >= rules.watched_share * runtime
        completed = runtime > 0 and covered >= rules.completed_share * runtime
        completed = completed or (watched and self.is_ended())
        started = covered >= rules.started_s * 1000 or watched
        before = (self.started_ms, self.watched_ms, self.completed_ms)
        self.started_ms = (self.started_ms or at_ms) if started else 0
        self.watched_ms = (self.watched_ms or at_ms) if watched else 0
        self.completed_ms = (self.completed_ms or at_ms) if completed else 0
        self._steady_around(covered, rules)
        return before != (self.started_ms, self.watched_ms, self.completed_ms)

    def is_steady(self) -> bool:
        """Whether no threshold can have been crossed since ``cross`` looked."""
        return self.room_ms() > 0

    def room_ms(self) -> int:
        """How much more may be covered, in ms, until a threshold might be crossed; 0 if it may be.

        The whole has grown by no more than its live playbacks have, and all else is as it was.
        """
        grown = 0
        for playback in self.live:
            more = playback.coverage_ms() - playback.counted
            if playback.counted < 0 or more < 0:
                return 0
            grown += more
        low, high = self.steady
        return max(0, high - self.covered - grown) if low <= self.covered else 0

    def _steady_around(self, covered: int, rules: Rules) -> None:
        """Note between which thresholds coverage lies: until it leaves them, nothing can change."""
        edges = [int(rules.started_s * 1000)]
        if self.runtime_ms:
            shares = (rules.watched_share, rules.completed_share)
            edges += [math.ceil(share * self.runtime_ms) for share in shares]
        below = [edge for edge in edges if edge <= covered]
        above = [edge for edge in edges if edge > covered]
        self.steady = (max(below, default=0), min(above, default=1 << 62))

    def place(self) -> None:
        """Take the position and the time from the playback that reported last."""
        live = self.live
        latest = live[0] if len(live) == 1 else max(live, key=_reported)
        if latest.last_ms >= self.seen_ms:
            self.seen_ms, self.position_ms = latest.last_ms, latest.position_ms

    # -- taste ---------------------------------------------------------------------------------
    def worth(self, rules: Rules, *, settled: bool) -> Credit:
        """What the viewing under way says about taste, and when."""
        value = viewing_value(
            self.viewing_ms(),
            self.runtime_ms,
            rules,
            settled=settled,
            completed=self.is_ended() and not self.runtime_ms,
        )
        if not value:
            return NO_CREDIT
        factors = [autoplay_factor(playback.streak, rules) for playback in self.live]
        return Credit(value * max([self.factor, *factors]), self.seen_ms, self.hour())

    def hour(self) -> int:
        """Local four-hour band (0, 4, … 20) in which the viewing under way began, or -1."""
        if not self.live:
            return self.band
        first = min(self.live, key=began)
        if self.opened_ms and self.opened_ms <= first.first_ms:
            return self.band
        minutes = first.first_ms // 60_000 + (first.fact("offset") or 0)
        return minutes // 60 % 24 // 4 * 4

    # -- sealing -------------------------------------------------------------------------------
    def seal(self, playback: Playback, rules: Rules) -> None:
        """Take in a playback that can no longer be mended."""
        hour = self.hour()
        self.live.remove(playback)
        self.view = iv.union(self.view, playback.cover_all())
        self.ended = self.ended or playback.completed_event
        self.deliberate = self.deliberate or playback.streak == 0
        self.factor = max(self.factor, autoplay_factor(playback.streak, rules))
        self.band = hour
        opened = self.opened_ms or playback.first_ms
        self.opened_ms = min(opened, playback.first_ms)

    def settle(self) -> None:
        """End the viewing under way: what comes now is another one."""
        self.old = iv.union(self.old, self.view)
        self.view = []
        self.credit = NO_CREDIT
        self.opened_ms = 0
        self.factor = 0.0
        self.band = -1

    @property
    def season(self) -> tuple[str, int]:
        """Title and season."""
        return self.key[0], self.key[1]

    def fade_film(self) -> FadedFilm | None:
        """What is still needed once this film is forgotten; None if its title was told nothing."""
        return FadedFilm(self.step(), self.seat, self.anew) if self.seat is not None else None

    def resume_film(self, faded: FadedFilm) -> None:
        """Go on from what the title was told before, or begin anew if the film was completed."""
        self.seat = faded.seat
        if faded.step.completed_ms:
            self.anew = True
        else:
            self.anew, self.floor = faded.anew, faded.step

    # -- for the journey ---------------------------------------------------------------------------
    def step(self) -> Step:
        """How far this episode is; what had faded from memory before counts as it was."""
        floor = self.floor or NO_STEP
        return Step(
            max(self.coverage_ms(), floor.covered_ms),
            self.runtime_ms,
            floor.started_ms or self.started_ms,
            floor.watched_ms or self.watched_ms,
            floor.completed_ms or self.completed_ms,
            floor.deliberate or self.is_deliberate(),
        )

    @property
    def viewing(self) -> bool:
        """Whether a viewing is under way."""
        return bool(self.live or self.opened_ms)


def _reported(playback: Playback) -> tuple[int, int, PlaybackKey]:
    return playback.last_ms, playback.first_ms, playback.key


def began(playback: Playback) -> tuple[int, PlaybackKey]:
    """Sort key: the playback that began first."""
    return playback.first_ms, playback.key
