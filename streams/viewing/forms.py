"""Playbacks, episodes and journeys as lists, and back: what the parts of a state are made of.

Times of an episode are told from when it was last seen, because small numbers pack better.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import msgspec

from streams.audience.records import Seat
from streams.viewing.episode import Credit, Episode
from streams.viewing.journey import Journey, Past, Step
from streams.viewing.knots import Knot, KnotSet
from streams.viewing.playback import Playback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.rules import Rules
    from streams.viewing.episode import EpisodeKey
    from streams.viewing.intervals import Intervals

NO_VIEWING = (None, 0.0, -1, (0.0, None, -1), None, None)
"""Opened, factor, band, credit, floor and seat of an episode whose viewings have settled."""


def playback_list(playback: Playback) -> list[Any]:
    """What ``read_playback`` takes."""
    return [
        *playback.key,
        playback.session_id,
        playback.limit_ms,
        playback.knots.sequenced,
        [list(knot) for knot in playback.knots.knots],
        [[name, *said] for name, said in playback.facts.items()],
        playback.bare,
        playback.next_ms if playback.bare else 0,  # as it is read back, for it means nothing then
        playback.closed,
        playback.revision,
        playback.sent,
        playback.streak,
    ]


def episode_list(episode: Episode) -> list[Any]:
    """What ``read_episode`` takes; no more than 13 items where no viewing is under way."""
    seen_ms, credit = episode.seen_ms, episode.credit
    items: list[Any] = [
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
    ]
    viewing = (
        _ago(episode.opened_ms, seen_ms),
        episode.factor,
        episode.band,
        (credit.weight, _ago(credit.at_ms, seen_ms), credit.hour),
        list(episode.floor) if episode.floor else None,
        _seat(episode.seat),
    )
    if viewing != NO_VIEWING:
        items += viewing
    return items


def journey_list(
    journey: Journey, settled: Mapping[EpisodeKey, Episode] | None = None
) -> list[Any]:
    """What ``read_journey`` takes, with the same ``settled`` episodes at hand or none."""
    title, season = journey.title_id, journey.season
    steps: list[list[Any]] = [[number, *step] for number, step in journey.steps.items()]
    if settled is not None:
        steps = [_step(item, settled.get((title, season, item[0]))) for item in steps]
    return [
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
        [list(past) for past in journey.past],
        journey.faded,
        _seat(journey.seat),
    ]


def _step(item: list[Any], settled: Episode | None) -> list[Any]:
    """A step, without what the settled episode that it was made of says as well."""
    number, covered_ms, *more = item
    return item if settled is None or more != _said_by(settled) else [number, covered_ms]


def _said_by(settled: Episode) -> list[Any]:
    return [
        settled.runtime_ms,
        settled.started_ms,
        settled.watched_ms,
        settled.completed_ms,
        settled.deliberate,
    ]


def _ago(at_ms: int, since_ms: int) -> int | None:
    """How long before ``since_ms`` it was; 0 ms is never."""
    return since_ms - at_ms if at_ms else None


def gaps(intervals: Intervals) -> list[int]:
    """Each bound as the distance to the one before it."""
    flat = [bound for interval in intervals for bound in interval]
    return [bound - before for bound, before in zip(flat, [0, *flat], strict=False)]


def _seat(seat: Seat | None) -> tuple[Any, ...] | None:
    return None if seat is None else msgspec.structs.astuple(seat)


# -- reading ---------------------------------------------------------------------------------------
def read_playback(item: list[Any], rules: Rules) -> Playback:
    """A playback with all that its reports add up to."""
    (
        playback_id, title, season, episode, session_id, limit_ms, sequenced, knots, facts,
        bare, next_ms, closed, revision, sent, streak,
    ) = item  # fmt: skip
    playback = Playback((playback_id, title, season, episode), session_id, limit_ms)
    playback.knots = KnotSet([Knot(*knot) for knot in knots], sequenced=sequenced)
    playback.facts = {name: (at_ms, value) for name, at_ms, value in facts}
    playback.bare, playback.closed = bare, closed
    playback.revision, playback.sent, playback.streak = revision, sent, streak
    playback.rebuild(rules)
    if bare:
        playback.impute(next_ms, rules)
    return playback


def read_episode(item: list[Any]) -> Episode:
    """An episode, its live playbacks apart."""
    title, season, number, *fields = item
    episode = Episode((title, season, number))
    (
        episode.view, episode.old, episode.runtime_ms, seen_ms, episode.position_ms,
        started, watched, completed, episode.ended, episode.deliberate, *viewing,
    ) = fields  # fmt: skip
    opened, episode.factor, episode.band, credit, floor, seat = viewing or NO_VIEWING
    weight, credited, hour = credit
    episode.seen_ms = seen_ms
    episode.started_ms, episode.watched_ms = _at(started, seen_ms), _at(watched, seen_ms)
    episode.completed_ms, episode.opened_ms = _at(completed, seen_ms), _at(opened, seen_ms)
    episode.credit = Credit(weight, _at(credited, seen_ms), hour)
    episode.floor = Step(*floor) if floor else None
    episode.seat = Seat(*seat) if seat else None
    return episode


def _at(ago_ms: int | None, since_ms: int) -> int:
    return 0 if ago_ms is None else since_ms - ago_ms


def bounds(distances: list[int]) -> Intervals:
    """What ``gaps`` was given."""
    flat = list(accumulate(distances))
    return [[start, end] for start, end in zip(flat[::2], flat[1::2], strict=True)]


def read_journey(
    viewer: str, item: list[Any], settled: Mapping[EpisodeKey, Episode] | None = None
) -> Journey:
    """A journey of ``viewer``."""
    title, season, epoch, steps, last_ms, state, basis, since_ms, p, sent, past, faded, seat = item
    taken: dict[int, Step] = {}
    for number, covered_ms, *more in steps:
        said = more or (_said_by(settled[title, season, number]) if settled else ())
        taken[number] = Step(covered_ms, *said)
    return Journey(
        viewer,
        title,
        season,
        epoch,
        taken,
        last_ms,
        state,
        basis,
        since_ms,
        p,
        sent,
        [Past._make([*said, tuple(before)]) for *said, before in past],
        (faded[0], faded[1]),
        Seat(*seat) if seat else None,
    )
