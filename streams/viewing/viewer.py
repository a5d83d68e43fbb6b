"""One viewer: every event and every timer goes through here, and all that follows from it.

Deciding is a pure function of (state, record, catalogue). A record is applied only if it lies
beyond the viewer's mark for its source partition. Before a record is applied, every timer that was
due by the stream time before it has fired, each at its own due time; so nothing depends on where a
slice of records begins or ends, or on when timers are looked at.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from streams.events import Event, Reject, Work
from streams.signals import (
    PROGRESS,
    SESSIONS,
    refusal,
    session_body,
    told_session,
)
from streams.viewing.context import Context, season_view
from streams.viewing.effects import ViewerEffects, stirs
from streams.viewing.episode import Episode, EpisodeKey
from streams.viewing.journey import Journey
from streams.viewing.knots import HEARTBEAT, Added, Kind
from streams.viewing.playback import ACTS, ENDS, Playback, Said
from streams.viewing.runs import end_of_run
from streams.viewing.sittings import count_streaks, impute, reported
from streams.viewing.telling import in_film, in_season, take_seat
from streams.viewing.timers import (
    NEVER,
    act,
    earliest,
    reopen,
    sealed_ms,
    shelve_oldest,
    take_down,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.rules import Rules
    from streams.viewing.playback import PlaybackKey

MAX_LIVE = 256
"""Playbacks of one viewer that are not sealed; a feed with more is broken, the oldest seal."""
QUIET = frozenset({int(Kind.HEARTBEAT), int(Kind.BUFFERING), int(Kind.BUFFERED), int(Kind.RATE)})
"""Reports after which taste need not be looked at."""

NO_JOURNEY = Journey("", "", 0)
"""What a film has."""


class Viewer(ViewerEffects):
    """One viewer: what is held, and all that follows from what is reported."""

    __slots__ = ()

    # -- one record ------------------------------------------------------------------------------
    def absorb_all(self, source: str, works: Sequence[Work], context: Context) -> tuple[int, int]:
        """Apply records in order; what is refused stays in the outbox for the dead letters.

        Args:
            source: topic and partition that they came from.
            works: for each its offset, the stream time before it in ms, and what it says.
            context: catalogue and thresholds.

        Returns:
            How many were new, and how many were refused.
        """
        applied = refused = index = 0
        while index < len(works):
            offset, clock_ms, event = works[index]
            try:
                applied += self.absorb(source, offset, clock_ms, event, context)
            except Reject as reject:
                self.outbox.append(refusal(source, offset, reject))
                refused += 1
            index += 1
            playback = self.gliding
            if playback is not None and index < len(works):
                room_ms = self.episodes[playback.episode_key].room_ms()
                last = end_of_run(works, index - 1, playback, room_ms, self.due_ms, context.rules)
                if last > index:
                    applied, index = applied + last - index, last
        return applied, refused

    def absorb(
        self, source: str, offset: int, clock_ms: int, event: Event, context: Context
    ) -> bool:
        """Apply one record, unless the mark says that it was applied before.

        Args:
            source: topic and partition that the record came from.
            offset: its offset there.
            clock_ms: stream time before the record.
            event: what it says.
            context: catalogue and thresholds.

        Returns:
            Whether it was new.

        Raises:
            Reject: the playback has reported more acts than any player would.
        """
        self.gliding = None
        # From this record on the source's index has all timers, wherever a slice ends.
        known_ms, self.known_ms = self.known_ms, 0
        mark = self.marks.get(source, -1)
        if offset <= mark:
            return False
        if self.due_ms <= clock_ms:
            self.after(source, mark, known_ms)
            self.fire(clock_ms, context, offset)
            self.known_ms = 0
        self.marks[source] = offset
        self.touched = True
        self._source = source
        self.reach(offset, 0)
        playback = self.playbacks.get(event.playback)
        if playback is None:
            playback = self._open(event, context)
        if not self._glide(playback, event, clock_ms, context):
            self._report(playback, event, clock_ms, context)
        return True

    def _glide(self, playback: Playback, event: Event, clock_ms: int, context: Context) -> bool:
        """The short way for a heartbeat that only goes on where the last report was.

        Returns:
            Whether it was one; if not, nothing is changed.
        """
        _, _, knot, _, facts = event
        at_ms, _, kind, _, _, _ = knot
        told = playback.told
        if (
            kind != HEARTBEAT or self.bares or playback.closed or told is None
            or facts is not told[0] or at_ms < told[1] or at_ms < playback.last_ms
        ):  # fmt: skip
            return False
        key = playback.episode_key
        episode = self.episodes[key]
        if not playback.limit_ms and self._runtime_ms(key, context):
            return False  # its title has become known
        if len(episode.live) > 1 and at_ms <= episode.seen_ms:
            return False  # another playback of it may have been the last to report
        if not playback.go_on(knot, context.rules):
            return False
        journey = self.journeys.get((key[0], key[1])) if key[1] else NO_JOURNEY
        if journey is None or not episode.is_steady() or stirs(journey, at_ms):
            if self._follow(playback, at_ms, clock_ms, context, HEARTBEAT):
                self.live_changed = True
            else:
                self._note_beat(playback)
            return True
        self.changed_episodes.add(key)
        self._note_beat(playback)
        self._move(playback, at_ms, episode, None if journey is NO_JOURNEY else journey)
        self.gliding = playback
        return True

    def _note_beat(self, playback: Playback) -> None:
        """A heartbeat has come, or replaced the one before it, and changed nothing else."""
        if playback.key not in self.beating:
            self.beating[playback.key] = len(playback.knots.knots) - 1

    def _move(
        self, playback: Playback, at_ms: int, episode: Episode, journey: Journey | None
    ) -> None:
        if at_ms >= episode.seen_ms:
            episode.seen_ms, episode.position_ms = at_ms, playback.position_ms
        if journey is not None and at_ms > journey.last_ms:
            journey.last_ms = at_ms

    def beats_on(self, key: PlaybackKey, kept: int) -> None:
        """Take up that a playback has heartbeats behind its first ``kept`` knots, no more."""
        playback = self.playbacks[key]
        self.beating[key] = kept
        journey = self.journeys.get(key[1:3]) if key[2] else None
        self._move(playback, playback.last_ms, self.episodes[key[1:]], journey)

    def _report(self, playback: Playback, event: Event, clock_ms: int, context: Context) -> None:
        _, _, knot, bare, facts = event
        kind, at_ms = knot.kind, knot.at_ms
        if playback.knots.refuses(knot):
            raise Reject("too_many", "playback_id", "more reports than any player makes")
        learnt = self._learn(playback, facts, at_ms, context)
        unbared = playback.bare and not bare
        if unbared:
            playback.bare = False
        added = playback.add(knot, context.rules)
        if added is Added.NOTHING and not learnt and not unbared:
            return
        upset = learnt or added is Added.REORDERED
        if upset or kind in ENDS:
            self.episodes[playback.episode_key].steady = (1, 0)
        imputed = self._reimpute(context.rules) if self.bares or unbared else []
        stirred = self._follow(playback, at_ms, clock_ms, context, kind)
        if (
            stirred or upset or unbared or self.bares or kind != HEARTBEAT
            or len(self.episodes[playback.episode_key].live) != 1
        ):  # fmt: skip
            self.live_changed = True
        else:
            self._note_beat(playback)
        if upset or kind in ACTS or playback.closed:
            self._restreak(context)
        for other in imputed:
            if other is not playback:
                self._follow(other, at_ms, clock_ms, context, int(Kind.PAUSE))
        if unbared:
            self.bares = any(p.bare for p in self.playbacks.values())

    def _follow(
        self, playback: Playback, at_ms: int, clock_ms: int, context: Context, kind: int
    ) -> bool:
        """Bring everything that rests on a playback up to date.

        Returns:
            Whether anything has changed but when and where it was last seen.
        """
        rules = context.rules
        key = playback.episode_key
        episode = self.episodes[key]
        self.changed_episodes.add(key)
        episode.place()
        before = None if key[1] else in_film(episode)
        crossed = episode.cross(at_ms, rules)
        if before is not None and crossed:
            episode.seat = episode.seat or take_seat(episode, self.taste, self.declared)
            self.tell(episode, at_ms, episode.seat, (before, in_film(episode)))
        stirred = crossed or playback.closed or playback.ended
        if key[1]:
            journey = self.journeys.get(episode.season)
            if crossed or journey is None or stirs(journey, at_ms):
                stirred = True
                self.travel(episode, at_ms, context, crossed=crossed)
            elif at_ms > journey.last_ms:
                journey.last_ms = at_ms
        if crossed or kind not in QUIET or playback.closed:
            self.weigh(episode, context, settled=False)
        self.due_ms = min(self.due_ms, playback.silence_ms(rules))
        if playback.closed:
            self._mend(playback, clock_ms, context)
        elif playback.ended:
            self.close(playback, context)
        return stirred

    # -- playbacks -------------------------------------------------------------------------------
    def _open(self, event: Event, context: Context) -> Playback:
        key, rules = event.playback, context.rules
        self.recall()
        self.live_changed = True
        if len(self.playbacks) >= MAX_LIVE:
            self.seal(min(self.playbacks.values(), key=reported), context, event.knot.at_ms)
            self.due_ms = 0
        if len(self.episodes) > 2 * rules.keep_progress:
            shelve_oldest(self, context)
        name = repr((self.name, key, event.knot.at_ms)).encode()
        session_id = blake2b(name, digest_size=12).hexdigest()
        limit = self._runtime_ms(key[1:], context)
        playback = self.playbacks[key] = Playback(key, session_id, limit)
        self.bares = self.bares or event.bare
        episode = self.episodes.get(key[1:])
        if episode is None:
            reopen(self, key[1:3])
            episode = self.episodes[key[1:]] = Episode(key[1:])
            take_down(self, episode)
        if limit and not episode.runtime_ms:
            episode.runtime_ms, episode.steady = limit, (1, 0)
        episode.live.append(playback)
        self.due_ms = min(self.due_ms, event.knot.at_ms + int(rules.silence_playing_s * 1000))
        return playback

    def _runtime_ms(self, key: EpisodeKey, context: Context) -> int:
        title = context.catalogue.titles.get(key[0])
        return title.episode_runtime_ms(key[1], key[2]) if title else 0

    def _learn(self, playback: Playback, facts: Said, at_ms: int, context: Context) -> bool:
        """Take up what a report says of its playback; returns whether anything is new."""
        learnt = playback.learn(facts, at_ms)
        if not playback.limit_ms and self._runtime_ms(playback.episode_key, context):
            learnt = True  # its title has become known since it began
        if learnt and self._relimit(playback, context):
            playback.rebuild(context.rules)
        return learnt

    def _relimit(self, playback: Playback, context: Context) -> bool:
        """Take the runtime from the player where the catalogue has none."""
        episode = self.episodes[playback.episode_key]
        known = self._runtime_ms(playback.episode_key, context)
        limit = known or playback.fact("duration") or playback.limit_ms
        told = [p.facts["duration"] for p in episode.live if "duration" in p.facts]
        episode.runtime_ms = known or (min(told)[1] if told else episode.runtime_ms)
        changed = limit != playback.limit_ms
        playback.limit_ms = limit
        return changed

    def close(self, playback: Playback, context: Context) -> None:
        """Send the summary of a playback that is over, if it says anything new."""
        playback.closed = True
        self.due_ms = min(self.due_ms, sealed_ms(playback, context.rules))
        if playback.last_ms > self.taste_ms:
            self.taste_ms, self.taste_changed = playback.last_ms, True
        self.taste.reach(self.taste_ms)
        watched_ms = self.attendance.total_ms(self.playbacks.values())
        if watched_ms != self.watched_ms:  # the same figures may overlap others differently
            self.watched_ms, self.taste_changed = watched_ms, True
        figures = playback.figures()
        facts = [playback.fact(name) for name in ("device", "country", "language")]
        said = [*figures, *facts, playback.from_ms, playback.automatic]
        if said == playback.sent:
            return
        playback.revision += 1
        self.taste_changed = True
        self.emit(SESSIONS, self.name, session_body(self.name, playback, figures))
        body = told_session(self.name, playback, figures, said)
        self.emit(PROGRESS, playback.key[1], body)
        playback.sent = said
        if playback.key[2]:
            self._count_towards_season(playback, context)

    def _count_towards_season(self, playback: Playback, context: Context) -> None:
        """A season can be complete without any one episode crossing a threshold just now.

        Nor need one where a playback that was mended takes back what made it so.
        """
        episode = self.episodes[playback.episode_key]
        journey = self.journeys.get(episode.season)
        if journey is None or episode.key[2] not in journey.steps:
            return
        before = in_season(journey, episode.key[2])
        journey.steps[episode.key[2]] = episode.step()
        at_ms, view = playback.last_ms, season_view(episode.season, context)
        signals = journey.recheck(at_ms, 0, view) if journey.past else []
        last = journey.finish(at_ms, view)
        self.tell_of_season(episode, at_ms, journey, before)
        self.signal(episode.season, signals + ([last] if last else []), context)
        self.due_ms = min(self.due_ms, journey.due_ms(view) or NEVER)

    def _mend(self, playback: Playback, clock_ms: int, context: Context) -> None:
        if playback.ended or playback.silence_ms(context.rules) <= clock_ms:
            self.close(playback, context)
        else:
            playback.closed = False
            self.due_ms = min(self.due_ms, playback.silence_ms(context.rules))

    def seal(self, playback: Playback, context: Context, at_ms: int) -> None:
        """Past the lateness: nothing mends this playback any more."""
        self.recall()
        self.close(playback, context)
        self.chain = self.chain.after(playback)
        self.episodes[playback.episode_key].seal(playback, context.rules)
        del self.playbacks[playback.key]
        self.attendance.seal(playback, at_ms, self.playbacks.values())
        self.rest_changed = True

    def _restreak(self, context: Context) -> None:
        for playback in count_streaks(self.playbacks.values(), self.chain, context.rules):
            episode = self.episodes[playback.episode_key]
            self.changed_episodes.add(episode.key)
            self.weigh(episode, context, settled=False)
            if episode.key[1]:
                self.travel(episode, playback.first_ms, context, crossed=True)

    def _reimpute(self, rules: Rules) -> list[Playback]:
        changed = impute(self.playbacks.values(), rules)
        bare = (p.silence_ms(rules) for p in self.playbacks.values() if p.bare or p.extra)
        self.due_ms = min([self.due_ms, *bare])
        return changed

    # -- timers ----------------------------------------------------------------------------------
    def fire(self, clock_ms: int, context: Context, record: int = NEVER) -> None:
        """Let everything happen that was due by ``clock_ms``, each at its own time.

        What a timer says follows the record that made stream time pass it, if the context knows
        that, or the offset that ``after`` has named if that comes later. But this partition's index
        may not know of a timer that another one has set. Whoever takes up here after a crash looks
        at the viewer when the index says so (``known_ms``), or when a record of theirs comes: what
        such a timer says is told no earlier.

        Args:
            clock_ms: stream time.
            context: catalogue, thresholds and stream time.
            record: offset of the viewer's own record that is applied next.
        """
        since, passed = self._offset, context.passed
        while True:
            timer = earliest(self, context)
            due_ms = timer.due_ms if timer else NEVER
            if self.away_due_ms <= min(due_ms, clock_ms):
                self.recall()
                continue
            if timer is None or due_ms > clock_ms:
                break
            told_ms = max(due_ms, self.known_ms)
            if told_ms > clock_ms:
                self.reach(record, 0)
            else:
                self.reach(since if passed is None else max(since, passed(told_ms)), told_ms)
            self.touched = self.live_changed = True
            act(self, timer, context)
        self.due_ms = min(due_ms, self.away_due_ms)

    def close_silent(self, playback: Playback, context: Context) -> None:
        """Silence has closed a playback."""
        self.close(playback, context)
        self.weigh(self.episodes[playback.episode_key], context, settled=False)
        self._restreak(context)
