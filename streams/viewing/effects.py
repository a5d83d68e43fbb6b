"""What a change of one episode brings about: taste, the journey, and what is told of both."""

from __future__ import annotations

from streams.audience.records import Seat
from streams.signals import PROGRESS, SIGNALS, signal_body, told_progress
from streams.viewing.context import Context, SeasonKey, season_view
from streams.viewing.episode import Credit, Episode
from streams.viewing.journey import Journey, Signal
from streams.viewing.state import ViewerState
from streams.viewing.telling import Standing, in_season, progress, take_seat
from streams.viewing.timers import NEVER

NOWHERE = Seat()


class ViewerEffects(ViewerState):
    """A viewer's state, and what a change of one episode brings about in the rest of it."""

    __slots__ = ()

    # -- taste -----------------------------------------------------------------------------------
    def weigh(self, episode: Episode, context: Context, *, settled: bool) -> None:
        """Replace what this viewing has added to taste by what it says now."""
        worth, held = episode.worth(context.rules, settled=settled), episode.credit
        if worth == held:
            return
        title = context.catalogue.titles.get(episode.key[0])
        if title is None and not held.weight:
            return  # watched all the same, but nothing is known of what it was
        facets = title.facets if title else ()
        if held.weight:
            self.taste.take_back(held.at_ms, _with_hour(facets, held), held.weight)
        if worth.weight:
            self.taste.add(worth.at_ms, _with_hour(facets, worth), worth.weight)
            self.taste_ms = max(self.taste_ms, worth.at_ms)
        episode.credit = worth
        self.taste_changed = True

    # -- journeys --------------------------------------------------------------------------------
    def travel(self, episode: Episode, at_ms: int, context: Context, *, crossed: bool) -> None:
        """Let the season's journey know, and send what it decides."""
        key = episode.key[:2]
        journey = self.journeys.get(key) or self._set_out(key)
        journey.last_ms = max(journey.last_ms, at_ms)
        before = None
        if crossed or journey.past:
            before = in_season(journey, episode.key[2])
        if crossed:
            journey.steps[episode.key[2]] = episode.step()
            if journey.state:
                self.changed_journeys.add(key)
        elif not stirs(journey, at_ms):
            return
        view = season_view(key, context)
        signals = journey.recheck(at_ms, at_ms, view) if journey.past else []
        last = journey.advance(at_ms, view) if crossed else None
        if before is not None:
            self.tell_of_season(episode, at_ms, journey, before)
        self.signal(key, signals + ([last] if last else []), context)
        due = journey.due_ms(view)
        self.due_ms = min(self.due_ms, due or NEVER)

    def tell_of_season(
        self, episode: Episode, at_ms: int, journey: Journey, before: Standing
    ) -> None:
        """Let the title know how the viewer stands with the season, if that has changed."""
        now = in_season(journey, episode.key[2])
        if journey.seat is None and now != before:
            journey.seat = take_seat(episode, self.taste, self.declared)
        self.tell(episode, at_ms, journey.seat or NOWHERE, (before, now))

    def tell(
        self, episode: Episode, at_ms: int, seat: Seat, change: tuple[Standing, Standing]
    ) -> None:
        """Let the title know what has changed."""
        record = progress(self.name, episode, at_ms, seat, change)
        if record is not None:
            self.emit(PROGRESS, episode.key[0], told_progress(record))

    def _set_out(self, key: SeasonKey) -> Journey:
        journey = self.journeys[key] = Journey(self.name, *key)
        self.gone_journeys.discard(key)
        return journey

    def signal(self, key: SeasonKey, signals: list[Signal], context: Context) -> None:
        """Send signals of one journey."""
        for found in signals:
            self.emit(SIGNALS, self.name, signal_body(self.name, found, context.catalogue.version))
        if signals:
            self.changed_journeys.add(key)


def stirs(journey: Journey, at_ms: int) -> bool:
    """Whether an event that crosses no threshold may still change what a journey has said.

    Only one that should have come before the last word was said: it may say that nobody was idle.
    """
    return at_ms <= journey.since_ms


def _with_hour(facets: tuple[tuple[str, float], ...], credit: Credit) -> list[tuple[str, float]]:
    hour = [(f"hour:{credit.hour}", 1.0)] if credit.hour >= 0 else []
    return [*facets, *hour]
