"""A viewer's state as bytes and back, in four parts that change at different rates.

``live``: marks, playbacks that are not sealed, and the episodes and journeys they belong to;
written with every slice. ``sums``: what taste is made of. ``rest``: everything settled. ``out``:
the outbox. Each part is a JSON list, because lists are the smallest and the fastest that orjson
makes. What moves from one part to the other is sorted, so that the bytes do not tell when a state
was last read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import orjson

from streams.audience.records import Seat
from streams.signals import Out
from streams.viewing.episode import Credit, Episode
from streams.viewing.journey import Journey, Past, Step
from streams.viewing.knots import Knot, KnotSet
from streams.viewing.playback import Playback
from streams.viewing.viewer import Viewer

if TYPE_CHECKING:
    from streams.rules import Rules
    from streams.viewing.taste import DecayingSums

FORMAT = 1
"""Version of the state's format. Older ones are upgraded on reading, newer ones are refused."""


class Stored(NamedTuple):
    """One viewer's state as a store keeps it. ``version`` counts the writes."""

    version: int
    live: bytes
    rest: bytes
    sums: bytes
    out: bytes


class NewerFormat(Exception):
    """The state was written by a later release; this one must not touch it."""


class BrokenState(Exception):
    """The state cannot be read: someone else wrote to it."""


# -- writing ---------------------------------------------------------------------------------------
def dump_live(viewer: Viewer) -> bytes:
    """The part that changes with every event."""
    seasons = {playback.key[1:3] for playback in viewer.playbacks.values()}
    return orjson.dumps(
        [
            FORMAT,
            viewer.marks,
            [_playback(p) for p in viewer.playbacks.values()],
            [_episode(e) for _, e in sorted(viewer.episodes.items()) if e.live],
            [_journey(j) for key, j in sorted(viewer.journeys.items()) if key in seasons],
        ]
    )


def dump_sums(viewer: Viewer) -> bytes:
    """The part that changes with what the viewer likes."""
    taste = viewer.taste
    return orjson.dumps(
        [FORMAT, _sums(taste.now), _sums(taste.lasting), viewer.taste_ms, viewer.watched_ms]
    )


def dump_rest(viewer: Viewer) -> bytes:
    """The part that changes when something settles."""
    seasons = {playback.key[1:3] for playback in viewer.playbacks.values()}
    at = viewer.attendance
    return orjson.dumps(
        [
            FORMAT,
            [_episode(e) for _, e in sorted(viewer.episodes.items()) if not e.live],
            [_journey(j) for key, j in sorted(viewer.journeys.items()) if key not in seasons],
            [[*key, seen] for key, seen in viewer.shelf.items()],
            [at.folded_ms, at.recent, at.folded_to],
            viewer.chain,
        ]
    )


def dump_out(viewer: Viewer) -> bytes:
    """The outbox, or nothing if it is empty."""
    return orjson.dumps([list(out) for out in viewer.outbox]) if viewer.outbox else b""


def _playback(playback: Playback) -> list[Any]:
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


def _episode(episode: Episode) -> list[Any]:
    return [
        *episode.key,
        episode.view,
        episode.old,
        episode.runtime_ms,
        episode.opened_ms,
        episode.seen_ms,
        episode.position_ms,
        episode.started_ms,
        episode.watched_ms,
        episode.completed_ms,
        episode.ended,
        episode.deliberate,
        episode.factor,
        episode.band,
        list(episode.credit),
        list(episode.floor) if episode.floor else None,
        _seat(episode.seat),
    ]


def _journey(journey: Journey) -> list[Any]:
    return [
        journey.title_id,
        journey.season,
        journey.epoch,
        [[episode, *step] for episode, step in journey.steps.items()],
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


def _seat(seat: Seat | None) -> tuple[Any, ...] | None:
    return None if seat is None else msgspec.structs.astuple(seat)


def _sums(sums: DecayingSums) -> list[Any]:
    return [sums.reference_ms, sums.last_ms, sums.positive, sums.negative]


# -- reading ---------------------------------------------------------------------------------------
def load(name: str, stored: Stored, rules: Rules) -> Viewer:
    """The viewer that was stored.

    Raises:
        NewerFormat: a later release wrote it.
        BrokenState: it is not a state at all.
    """
    try:
        live, rest, sums = map(orjson.loads, (stored.live, stored.rest, stored.sums))
        out = orjson.loads(stored.out) if stored.out else []
        for part in (live, rest, sums):
            if part[0] > FORMAT:
                raise NewerFormat(
                    f"state of viewer {name!r} has format {part[0]}; this release reads up to"
                    f" {FORMAT}: upgrade this worker"
                )
        viewer = Viewer(name, rules)
        viewer.version = stored.version
        viewer.outbox = [Out(*item) for item in out]
        _read_rest(viewer, rest)
        _read_live(viewer, live, rules)
        _read_sums(viewer, sums)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise BrokenState(f"state of viewer {name!r} cannot be read: {error!r}") from error
    return viewer


def _read_live(viewer: Viewer, live: list[Any], rules: Rules) -> None:
    _, viewer.marks, playbacks, episodes, journeys = live
    for item in episodes:
        episode = _read_episode(item)
        viewer.episodes[episode.key] = episode
    for item in playbacks:
        playback = _read_playback(item, rules)
        viewer.playbacks[playback.key] = playback
        viewer.episodes[playback.key[1:]].live.append(playback)
        viewer.bares = viewer.bares or playback.bare
    for item in journeys:
        journey = _read_journey(viewer.name, item)
        viewer.journeys[journey.title_id, journey.season] = journey


def _read_sums(viewer: Viewer, sums: list[Any]) -> None:
    _, *tastes, viewer.taste_ms, viewer.watched_ms = sums
    for held, read in zip((viewer.taste.now, viewer.taste.lasting), tastes, strict=True):
        held.reference_ms, held.last_ms, held.positive, held.negative = read


def _read_rest(viewer: Viewer, rest: list[Any]) -> None:
    _, episodes, journeys, shelf, attendance, chain = rest
    for item in episodes:
        episode = _read_episode(item)
        viewer.episodes[episode.key] = episode
    for item in journeys:
        journey = _read_journey(viewer.name, item)
        viewer.journeys[journey.title_id, journey.season] = journey
    viewer.shelf = {(title, season, episode): seen for title, season, episode, seen in shelf}
    at = viewer.attendance
    at.folded_ms, at.recent, at.folded_to = attendance
    viewer.chain = (chain[0], chain[1])


def _read_playback(item: list[Any], rules: Rules) -> Playback:
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


def _read_episode(item: list[Any]) -> Episode:
    title, season, number, *fields = item
    episode = Episode((title, season, number))
    (
        episode.view, episode.old, episode.runtime_ms, episode.opened_ms, episode.seen_ms,
        episode.position_ms, episode.started_ms, episode.watched_ms, episode.completed_ms,
        episode.ended, episode.deliberate, episode.factor, episode.band, credit, floor, seat,
    ) = fields  # fmt: skip
    episode.credit = Credit(*credit)
    episode.floor = Step(*floor) if floor else None
    episode.seat = Seat(*seat) if seat else None
    return episode


def _read_journey(viewer: str, item: list[Any]) -> Journey:
    title, season, epoch, steps, last_ms, state, basis, since_ms, p, sent, past, faded, seat = item
    return Journey(
        viewer,
        title,
        season,
        epoch,
        {episode: Step(*step) for episode, *step in steps},
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
