"""Playbacks, episodes and journeys as arrays, and back: what the parts of a state are made of.

Each form is a tuple that the JSON encoder writes as it is, and that the decoder makes anew with all
types checked. Times of an episode are told from when it was last seen, because small numbers pack
better.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import msgspec

from streams.audience.records import Seat
from streams.rules import Rules
from streams.viewing.episode import Credit, Episode, EpisodeKey, FadedFilm
from streams.viewing.intervals import Intervals
from streams.viewing.journey import Journey
from streams.viewing.knots import KnotSet
from streams.viewing.playback import Playback
from streams.viewing.shapes import EpisodeForm, JourneyForm, PlaybackForm, Step

NO_VIEWING = (None, 0.0, -1, (0.0, None, -1), None, None, False)
"""Opened, factor, band, credit, floor, seat and anew of an episode whose viewings have settled."""
FIGURES_BEFORE_AUTOPLAY = 11
"""What ``sent`` held before it told how a playback began."""

_encode = msgspec.json.Encoder().encode


def playback_form(playback: Playback) -> Any:
    """A ``PlaybackForm`` to write; of one that is closed, mostly the bytes of the last time."""
    if not playback.closed:
        return _playback_form(playback)
    of = (
        playback.limit_ms, playback.bare, playback.next_ms, playback.revision, playback.streak,
    )  # fmt: skip
    if playback.raw is None or playback.raw_of != of:
        playback.raw, playback.raw_of = msgspec.Raw(_encode(_playback_form(playback))), of
    return playback.raw


def _playback_form(playback: Playback) -> tuple[Any, ...]:
    if playback.head is None:
        head = (*playback.key, playback.session_id, playback.facts)
        playback.head = msgspec.Raw(_encode(head))
    return (
        playback.head,
        playback.limit_ms,
        playback.knots.sequenced,
        playback.knots.knots,
        playback.bare,
        playback.next_ms if playback.bare else 0,  # as it is read back, for it means nothing then
        playback.closed,
        playback.revision,
        playback.sent,
        playback.streak,
    )


def episode_form(episode: Episode) -> tuple[Any, ...]:
    """An ``EpisodeForm`` to write."""
    seen_ms, credit = episode.seen_ms, episode.credit
    lasting = (
        *episode.key,
        episode.view,
        episode.old,
        episode.runtime_ms,
        seen_ms,
        episode.position_ms,
        _ago(episode.started_ms, seen_ms),
        _ago(episode.watched_ms, seen_ms),
        _ago(episode.completed_ms, seen_ms),
        episode.ended,
        episode.deliberate,
    )
    viewing = (
        _ago(episode.opened_ms, seen_ms),
        episode.factor,
        episode.band,
        (credit.weight, _ago(credit.at_ms, seen_ms), credit.hour),
        episode.floor,
        _seat(episode.seat),
        episode.anew,
    )
    return lasting + viewing if episode.live or viewing != NO_VIEWING else lasting


def journey_form(
    journey: Journey, settled: Mapping[EpisodeKey, Episode] | None = None
) -> tuple[Any, ...]:
    """A ``JourneyForm`` to write, to be read with the same ``settled`` episodes at hand or none."""
    title, season = journey.title_id, journey.season
    steps: list[Any] = list(journey.steps.items())
    if settled is not None:
        steps = [
            _step(number, step, settled.get((title, season, number))) for number, step in steps
        ]
    return (
        title,
        season,
        journey.epoch,
        steps,
        journey.last_ms,
        journey.state,
        journey.basis,
        journey.since_ms,
        journey.p,
        journey.sent,
        journey.past,
        journey.faded,
        _seat(journey.seat),
    )


def _step(number: int, step: Step, settled: Episode | None) -> tuple[int, int | Step]:
    """A step, without what the settled episode that it was made of says as well."""
    same = settled is not None and step == _said_by(settled, step.covered_ms)
    return number, step.covered_ms if same else step


def _said_by(settled: Episode, covered_ms: int) -> Step:
    return Step(
        covered_ms,
        settled.runtime_ms,
        settled.started_ms,
        settled.watched_ms,
        settled.completed_ms,
        settled.deliberate,
    )


def _ago(at_ms: int, since_ms: int) -> int | None:
    """How long before ``since_ms`` it was; 0 ms is never."""
    return since_ms - at_ms if at_ms else None


def gaps(intervals: Intervals) -> list[int]:
    """Each bound as the distance to the one before it."""
    flat = [bound for interval in intervals for bound in interval]
    return [bound - before for bound, before in zip(flat, [0, *flat], strict=False)]


def film_form(key: EpisodeKey, film: FadedFilm) -> tuple[Any, ...]:
    """A ``FilmForm`` to write."""
    return key[0], film.step, _seat(film.seat), film.anew


def _seat(seat: Seat | None) -> tuple[Any, ...] | None:
    return None if seat is None else msgspec.structs.astuple(seat)


# -- reading ---------------------------------------------------------------------------------------
def read_playback(form: PlaybackForm, rules: Rules) -> Playback:
    """A playback with all that its reports add up to."""
    head, limit_ms, sequenced, knots, bare, next_ms, closed, revision, sent, streak = form
    playback_id, title, season, episode, session_id, facts = head
    playback = Playback((playback_id, title, season, episode), session_id, limit_ms)
    playback.facts = facts
    playback.knots = KnotSet(knots, sequenced=sequenced)
    playback.bare, playback.closed = bare, closed
    playback.revision, playback.sent, playback.streak = revision, sent, streak
    if sent is not None and len(sent) == FIGURES_BEFORE_AUTOPLAY:
        sent.append(playback.automatic)  # nobody knows what was said then; it seldom changes
    playback.rebuild(rules)
    if bare:
        playback.impute(next_ms, rules)
    return playback


def read_episode(form: EpisodeForm) -> Episode:
    """An episode, its live playbacks apart."""
    (
        title, season, number, view, old, runtime_ms, seen_ms, position_ms,
        started, watched, completed, ended, deliberate,
        opened, factor, band, credit, floor, seat, anew,
    ) = form  # fmt: skip
    episode = Episode((title, season, number))
    episode.view, episode.old = view, old
    episode.runtime_ms, episode.seen_ms, episode.position_ms = runtime_ms, seen_ms, position_ms
    episode.started_ms, episode.watched_ms = _at(started, seen_ms), _at(watched, seen_ms)
    episode.completed_ms, episode.opened_ms = _at(completed, seen_ms), _at(opened, seen_ms)
    episode.ended, episode.deliberate = ended, deliberate
    episode.factor, episode.band = factor, band
    episode.credit = Credit(credit[0], _at(credit[1], seen_ms), credit[2])
    episode.floor, episode.anew = floor, anew
    episode.seat = Seat(*seat) if seat else None
    return episode


def _at(ago_ms: int | None, since_ms: int) -> int:
    return 0 if ago_ms is None else since_ms - ago_ms


def bounds(distances: list[int]) -> Intervals:
    """What ``gaps`` was given."""
    flat = list(accumulate(distances))
    return [[start, end] for start, end in zip(flat[::2], flat[1::2], strict=True)]


def read_journey(
    viewer: str, form: JourneyForm, settled: Mapping[EpisodeKey, Episode] | None = None
) -> Journey:
    """A journey of ``viewer``."""
    title, season, epoch, steps, last_ms, state, basis, since_ms, p, sent, past, faded, seat = form
    taken: dict[int, Step] = {}
    for number, said in steps:
        if isinstance(said, Step):
            taken[number] = said
        else:
            taken[number] = _said_by((settled or {})[title, season, number], said)
    place = Seat(*seat) if seat else None
    return Journey(
        viewer, title, season, epoch, taken, last_ms, state, basis, since_ms, p, sent, past, faded,
        place,
    )  # fmt: skip
