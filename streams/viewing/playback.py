"""One playback: from what the player reported to what was watched.

Between two consecutive knots while playing, with media change dp and time change dt, the stretch
is credited if ``0 < dp <= rate*dt + slack``; otherwise it was an unreported seek and nothing is
credited. Time spent playing is ``min(dt, dp/rate)``: a stall is not watching.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from streams.viewing import intervals as iv
from streams.viewing.knots import Added, Kind, Knot, KnotSet

if TYPE_CHECKING:
    from streams.rules import Rules

K_PAUSE, K_BUFFERING, K_SEEK = int(Kind.PAUSE), int(Kind.BUFFERING), int(Kind.SEEK)
K_RATE, K_HEARTBEAT, K_COMPLETE = int(Kind.RATE), int(Kind.HEARTBEAT), int(Kind.COMPLETE)
PLAYS = frozenset({int(Kind.START), int(Kind.RESUME), int(Kind.BUFFERED)})
ENDS = frozenset({K_COMPLETE, int(Kind.STOP)})
ACTS = frozenset({K_PAUSE, K_SEEK, K_RATE})
"""What only a viewer does; it makes an automatic start deliberate."""

Said = tuple[tuple[str, Any], ...]
"""Facts that a report tells, by name."""
PlaybackKey = tuple[Any, ...]
"""playback id, title id, season, episode (0, 0 for a film). Of any length for the types alone: what
has a set number of fields is taken apart and put together again wherever compiled code touches it.
"""


Stretch = tuple[int, int, int, int]
"""Media ``[start, end)`` played during wall time ``[since, until)``, milliseconds: a plain tuple,
because every heartbeat makes one."""


class Cursor(NamedTuple):
    """Where a walk over the knots stands, after one of them."""

    at_ms: int
    position_ms: int
    rate: float
    playing: bool
    ended: bool
    end_ms: int
    left_ms: int
    last_ms: int


_new = tuple.__new__
"""Makes a named tuple of a tuple without the detour over its Python-level constructor."""


class Playback:
    """The knots of one playback and, kept up to date with them, what they add up to.

    All times and positions are in milliseconds. ``limit_ms`` is the runtime (0 if unknown): nothing
    beyond it is credited. The stretch up to the last knot is held apart as ``tail``, because the
    next heartbeat on the same line replaces that knot; totals take it in when they are asked.
    """

    __slots__ = (
        "_before",
        "acted",
        "advanced",
        "bare",
        "closed",
        "completed_event",
        "counted",
        "cover",
        "covered",
        "cursor",
        "episode_key",
        "extra",
        "facts",
        "first_ms",
        "head",
        "key",
        "knots",
        "limit_ms",
        "next_ms",
        "played",
        "raw",
        "raw_of",
        "revision",
        "sent",
        "session_id",
        "streak",
        "tail",
        "told",
        "wall",
    )

    def __init__(self, key: PlaybackKey, session_id: str, limit_ms: int) -> None:
        self.key = key
        self.episode_key = key[1:]
        self.session_id = session_id
        self.limit_ms = limit_ms
        self.knots = KnotSet()
        self.facts: dict[str, tuple[int, Any]] = {}
        self.head: Any = None
        """Key, session and facts as they were last written, for as long as no fact is learnt."""
        self.raw: Any = None
        """How it was last written while it was closed, for as long as no report of it comes ..."""
        self.raw_of: tuple[Any, ...] = ()
        """... and what else it was written of."""
        self.bare = True
        self.next_ms = 0
        self.closed = False
        self.revision = 0
        self.sent: list[Any] | None = None
        self.streak = 0
        self.counted = -1
        """What it covered when its episode was last looked at, in ms; -1 if it was not there."""
        self.told: tuple[tuple[tuple[str, Any], ...], int] | None = None
        self._reset()

    def _reset(self) -> None:
        self.raw = None
        self.cover: iv.Intervals = []
        self.played: iv.Intervals = []
        self.covered = 0
        self.advanced = 0
        self.wall = 0
        self.tail: Stretch | None = None
        self.extra: Stretch | None = None
        self.cursor: Cursor | None = None
        self._before: Cursor | None = None
        self.first_ms = 0
        self.acted = False
        self.completed_event = False

    # -- adding --------------------------------------------------------------------------------
    def add(self, knot: Knot, rules: Rules) -> Added:
        """Add one report and bring the figures up to date."""
        added = self.knots.add(knot)
        if added is Added.REPLACED_LAST:
            self._beat(knot, rules)
        elif added is Added.APPENDED:
            self._step(knot, rules)
        elif added is Added.REORDERED:
            self.rebuild(rules)
        return added

    def go_on(self, knot: Knot, rules: Rules) -> bool:
        """``add`` for a heartbeat that comes behind all that is known, if it is one.

        Returns:
            Whether it was; if not, nothing is changed.
        """
        added = self.knots.go_on(knot)
        if added is Added.REPLACED_LAST:
            self._beat(knot, rules)
        elif added is Added.APPENDED:
            self._step(knot, rules)
        return added is not Added.NOTHING

    def line_from(self) -> Cursor | None:
        """From where heartbeats are credited that go on along the last one's line.

        None if the last report is no such heartbeat, or if more has to be known.
        """
        if not self.knots.is_on_line():
            return None
        since, now = self._before, self.cursor
        if self.knots.begins_line():
            since = now
        if since is None or now is None or since.ended or now.at_ms < since.last_ms:
            return None
        return since

    def learn(self, facts: Said, at_ms: int) -> bool:
        """Keep the earliest word on each fact; ties go to the smaller value.

        Returns:
            Whether anything was learnt.
        """
        if self.told is not None and facts == self.told[0] and at_ms >= self.told[1]:
            return False  # the same words again, later: nearly every event
        self.told = (facts, at_ms)
        learnt = False
        for name, value in facts:
            known = self.facts.get(name)
            if known is None or (at_ms, value) < known:
                self.facts[name] = (at_ms, value)
                self.head, self.raw, learnt = None, None, True
        return learnt

    def fact(self, name: str) -> Any:
        """What the player said of ``name`` first, or None."""
        known = self.facts.get(name)
        return known[1] if known else None

    @property
    def automatic(self) -> bool:
        """Whether the player says that it began by itself."""
        return self.fact("autoplay") is True

    def rebuild(self, rules: Rules) -> None:
        """Work everything out again from the knots."""
        self._reset()
        for knot in self.knots.knots:
            self._step(knot, rules)

    def _step(self, knot: Knot, rules: Rules) -> None:
        before = self._before = self.cursor
        self.raw = None
        if self.tail is not None:
            self._commit(self.tail)
            self.tail = None
        at, _, kind, position, rate, _ = knot
        if before is None:
            self.first_ms = at
            before = Cursor(at, position, 1.0, kind == K_HEARTBEAT, False, at, position, at)
        elif before.playing:
            self.tail = self._stretch(before, knot, rules)
        self.first_ms = min(self.first_ms, at)
        if kind == K_HEARTBEAT and at >= before.last_ms and not before.ended:
            rate = rate or before.rate
            self.cursor = Cursor(at, position, rate, before.playing, False, at, position, at)
        else:
            self.cursor = self._moved(before, at, kind, position, rate)

    def _beat(self, knot: Knot, rules: Rules) -> None:
        """A heartbeat takes the place of the one before it on the same line."""
        before = self._before
        self.cursor, self.tail, self.raw = before, None, None
        at, _, _, position, rate, _ = knot
        if before is None or before.ended or at < before.last_ms:
            self._step(knot, rules)
            return
        playing = before.playing
        if playing:
            self.tail = self._stretch(before, knot, rules)
        rate = rate or before.rate
        self.cursor = _new(Cursor, (at, position, rate, playing, False, at, position, at))

    def _moved(self, before: Cursor, at: int, kind: int, position: int, rate: float) -> Cursor:
        playing, ended = before.playing, before.ended
        end_ms, left_ms = before.end_ms, before.left_ms
        if kind in PLAYS:
            playing, ended = True, False
        if not ended:
            end_ms, left_ms = max(end_ms, at), position
        if kind != K_HEARTBEAT:
            if kind in ENDS:
                playing, ended = False, True
                self.completed_event |= kind == K_COMPLETE
            elif kind in ACTS or kind == K_BUFFERING:
                self.acted |= kind != K_BUFFERING
                playing = playing and kind not in (K_PAUSE, K_BUFFERING)
        last_ms = max(before.last_ms, at)
        return Cursor(at, position, rate or before.rate, playing, ended, end_ms, left_ms, last_ms)

    def _stretch(self, before: Cursor, knot: Knot, rules: Rules) -> Stretch | None:
        since, start, rate, _, _, _, _, _ = before
        at, _, kind, end, named_rate, origin = knot
        if kind == K_SEEK:
            end = origin
        passed, moved = at - since, end - start
        if passed <= 0 or moved <= 0:
            return None
        possible = rate * passed
        if moved < possible:
            spent = min(passed, round(moved / rate))
        elif moved <= possible + max(rules.seek_slack_s * 1000, rules.drift_share * possible):
            spent = passed
        else:
            # Too far for the rate that was; but the report may name the one that it was played at.
            possible = named_rate * passed
            if moved > possible + max(rules.seek_slack_s * 1000, rules.drift_share * possible):
                return None
            spent = passed
        if not self.limit_ms or end <= self.limit_ms:
            return start, end, since, since + spent
        return self._within_limit(start, end, since, spent)

    def _within_limit(self, start: int, end: int, since: int, spent: int) -> Stretch | None:
        if self.limit_ms and end > self.limit_ms:
            if start >= self.limit_ms:
                return None
            spent = spent * (self.limit_ms - start) // (end - start)
            end = self.limit_ms
        return start, end, since, since + spent

    def _commit(self, stretch: Stretch) -> None:
        start, end, since, until = stretch
        self.covered += iv.add(self.cover, start, end)
        self.wall += iv.add(self.played, since, until)
        self.advanced += end - start

    # -- what it adds up to ---------------------------------------------------------------------
    @property
    def last_ms(self) -> int:
        """Time of the latest report."""
        return self.cursor.last_ms if self.cursor else 0

    @property
    def playing(self) -> bool:
        """Whether it plays, as far as the player has said."""
        return self.cursor is not None and self.cursor.playing

    @property
    def ended(self) -> bool:
        """Whether the player said that it is over."""
        return self.cursor is not None and self.cursor.ended

    @property
    def position_ms(self) -> int:
        """Where it was left."""
        return self.cursor.left_ms if self.cursor else 0

    def coverage_ms(self) -> int:
        """Distinct media time."""
        tail = self.tail
        if self.extra is not None:
            return iv.measure(self.cover_all())
        if tail is None:
            return self.covered
        start, end = tail[0], tail[1]
        cover = self.cover
        if not cover or start >= cover[-1][1]:
            return self.covered + end - start
        return self.covered + end - start - iv.overlap(cover, start, end)

    def cover_all(self) -> iv.Intervals:
        """Covered media, as a new set."""
        pending = [[s[0], s[1]] for s in (self.tail, self.extra) if s is not None]
        return iv.union(self.cover, pending)

    def played_all(self) -> iv.Intervals:
        """Wall time spent playing, as a new set."""
        pending = [[s[2], s[3]] for s in (self.tail, self.extra) if s is not None]
        return iv.union(self.played, pending)

    @property
    def from_ms(self) -> int:
        """Media position of the first report, in ms."""
        return self.knots.knots[0].position_ms if self.knots.knots else 0

    def figures(self) -> list[Any]:
        """First and last ms, wall, advanced and covered ms, position, and whether it is imputed."""
        cursor, extra = self.cursor, self.extra
        if cursor is None:
            return [0, 0, 0, 0, 0, 0, False]
        pending = sum(s[1] - s[0] for s in (self.tail, extra) if s is not None)
        return [
            self.first_ms,
            max(cursor.end_ms, extra[3]) if extra else cursor.end_ms,
            iv.measure(self.played_all()),
            self.advanced + pending,
            self.coverage_ms(),
            extra[1] if extra else cursor.left_ms,
            extra is not None,
        ]

    def silence_ms(self, rules: Rules) -> int:
        """Event time at which silence closes this playback; its own end if the player ended it."""
        if self.ended:
            return self.last_ms
        if self.dangling:
            return self._imputed_until(rules) + int(rules.silence_playing_s * 1000)
        paused = self.cursor is not None and not self.cursor.playing and not self._stalled()
        wait = rules.silence_paused_s if paused else rules.silence_playing_s
        return self.last_ms + int(wait * 1000)

    def _stalled(self) -> bool:
        return bool(self.knots.knots) and self.knots.knots[-1].kind == K_BUFFERING

    # -- feeds of bare words ----------------------------------------------------------------------
    @property
    def dangling(self) -> bool:
        """A feed of bare words whose last word is ``play``."""
        return self.bare and self.playing

    def _imputed_until(self, rules: Rules) -> int:
        cursor = self.cursor
        if cursor is None:
            return 0
        if self.limit_ms:
            left = max(0, self.limit_ms - cursor.position_ms)
            until = cursor.at_ms + round(left / cursor.rate)
        else:
            until = cursor.at_ms + int(rules.imputed_max_s * 1000)
        return min(until, self.next_ms) if self.next_ms > cursor.at_ms else until

    def impute(self, next_ms: int, rules: Rules) -> bool:
        """Credit a bare ``play`` up to the viewer's next event elsewhere, nothing without one.

        Args:
            next_ms: time of that event, or 0 if there is none yet.
            rules: the cap where the runtime is unknown.

        Returns:
            Whether that changed anything.
        """
        before = self.extra
        self.next_ms, self.extra = next_ms, None
        cursor = self.cursor
        if cursor is not None and self.dangling and next_ms > cursor.at_ms:
            until = self._imputed_until(rules)
            end = cursor.position_ms + round((until - cursor.at_ms) * cursor.rate)
            if end > cursor.position_ms:
                spent = until - cursor.at_ms
                self.extra = self._within_limit(cursor.position_ms, end, cursor.at_ms, spent)
        return self.extra != before
