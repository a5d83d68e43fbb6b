"""A viewer's state as bytes and back, in four parts that change at different rates.

``live``: marks, playbacks that are not sealed, and the episodes and journeys they belong to;
written with every slice. ``sums``: what taste is made of. ``rest``: everything settled. ``out``:
the outbox. Each part is a list, because lists are the smallest and the fastest that orjson makes.
What moves from one part to the other is sorted, so that the bytes do not tell when a state was last
read.

``sums`` and ``rest`` change rarely and are packed; ``live`` and ``out`` are while nothing plays,
which is how a state is kept most of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from streams.signals import Out
from streams.viewing import packing
from streams.viewing.forms import (
    bounds,
    episode_form,
    gaps,
    journey_form,
    playback_form,
    read_episode,
    read_journey,
    read_playback,
)
from streams.viewing.shapes import READ_LIVE, READ_REST, LiveForm, RestForm
from streams.viewing.viewer import Viewer

if TYPE_CHECKING:
    from streams.rules import Rules

FORMAT = 3
"""Version of the state's format. Newer ones are refused; older ones are of no release."""


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
    live = sorted({key[1:] for key in viewer.playbacks})
    seasons = sorted({key[:2] for key in live})
    journeys = [viewer.journeys.get(key) for key in seasons]
    return _write(
        viewer,
        (
            FORMAT,
            viewer.marks,
            [playback_form(p) for p in viewer.playbacks.values()],
            [episode_form(viewer.episodes[key]) for key in live],
            [journey_form(journey) for journey in journeys if journey is not None],
        ),
    )


def dump_sums(viewer: Viewer) -> bytes:
    """The part that changes with what the viewer likes."""
    lasting, now = viewer.taste.lasting, viewer.taste.now
    values = [lasting.positive, lasting.negative, now.positive, now.negative]
    names = [list(it) for it in values]
    numbers = [number for it in values for number in it.values()]
    items = [
        FORMAT,
        [viewer.taste_ms, viewer.watched_ms],
        [lasting.reference_ms, lasting.last_ms, now.reference_ms, now.last_ms],
        *names[:2],
        *(None if mine == same else mine for mine, same in zip(names[2:], names, strict=False)),
    ]
    return packing.pack(items, numbers)


def dump_rest(viewer: Viewer) -> bytes:
    """The part that changes when something settles."""
    seasons = {playback.key[1:3] for playback in viewer.playbacks.values()}
    at, known = viewer.attendance, viewer.episodes
    return packing.pack(
        (
            FORMAT,
            [episode_form(e) for _, e in sorted(known.items()) if not e.live],
            [
                journey_form(j, known)
                for key, j in sorted(viewer.journeys.items())
                if key not in seasons
            ],
            [(*key, seen) for key, seen in viewer.shelf.items()],
            (at.folded_ms, {d: gaps(it) for d, it in at.recent.items()}, at.folded_to),
            viewer.chain,
        )
    )


def dump_out(viewer: Viewer) -> bytes:
    """The outbox, or nothing if it is empty."""
    return _write(viewer, viewer.outbox) if viewer.outbox else b""


def _write(viewer: Viewer, items: Any) -> bytes:
    for playback in viewer.playbacks.values():
        if not playback.closed:
            return packing.plain(items)
    return packing.pack(items)


# -- reading ---------------------------------------------------------------------------------------
def load(name: str, stored: Stored, rules: Rules) -> Viewer:
    """The viewer that was stored.

    Raises:
        NewerFormat: a later release wrote it.
        BrokenState: it is not a state at all.
    """
    try:
        live, rest = packing.inflated(stored.live), packing.inflated(stored.rest)
        sums = packing.unpack(stored.sums)
        for found in (_format(live), _format(rest), sums[0]):
            _check_format(name, found)
        viewer = Viewer(name, rules)
        viewer.version = stored.version
        viewer.outbox = [Out(*item) for item in packing.unpack(stored.out)] if stored.out else []
        _read_rest(viewer, READ_REST.decode(rest))
        _read_live(viewer, READ_LIVE.decode(live), rules)
        _read_sums(viewer, sums)
    except (
        msgspec.MsgspecError, ValueError, TypeError, IndexError, KeyError, AttributeError,
    ) as error:  # fmt: skip
        raise BrokenState(f"state of viewer {name!r} cannot be read: {error!r}") from error
    return viewer


def _format(part: bytes) -> int:
    """The first item of a list, read before the rest: another format may be of another shape."""
    if part[:1] != b"[":
        raise ValueError("not a list")
    return int(part[1 : part.index(b",")])


def _check_format(name: str, found: int) -> None:
    if found > FORMAT:
        raise NewerFormat(
            f"state of viewer {name!r} has format {found}; this release reads {FORMAT}: "
            "upgrade this worker"
        )
    if found < FORMAT:
        raise ValueError(f"format {found} is from before the first release")


def _read_live(viewer: Viewer, live: LiveForm, rules: Rules) -> None:
    _, viewer.marks, playbacks, episodes, journeys = live
    for told in episodes:
        episode = read_episode(told)
        viewer.episodes[episode.key] = episode
    for form in playbacks:
        playback = read_playback(form, rules)
        viewer.playbacks[playback.key] = playback
        viewer.episodes[playback.key[1:]].live.append(playback)
        viewer.bares = viewer.bares or playback.bare
    for way in journeys:
        journey = read_journey(viewer.name, way)
        viewer.journeys[journey.title_id, journey.season] = journey


def _read_sums(viewer: Viewer, sums: list[Any]) -> None:
    _, (viewer.taste_ms, viewer.watched_ms), times, *names, numbers = sums
    lasting, now = viewer.taste.lasting, viewer.taste.now
    lasting.reference_ms, lasting.last_ms, now.reference_ms, now.last_ms = times
    lasting.positive, numbers = _named(names[0], numbers)
    lasting.negative, numbers = _named(names[1], numbers)
    now.positive, numbers = _named(names[0] if names[2] is None else names[2], numbers)
    now.negative, numbers = _named(names[1] if names[3] is None else names[3], numbers)
    if numbers:
        raise ValueError("sums that are of nothing")


def _named(names: list[str], numbers: list[float]) -> tuple[dict[str, float], list[float]]:
    """The sums of ``names``, and those that are left."""
    count = len(names)
    return dict(zip(names, numbers[:count], strict=True)), numbers[count:]


def _read_rest(viewer: Viewer, rest: RestForm) -> None:
    _, episodes, journeys, shelf, (folded_ms, recent, folded_to), viewer.chain = rest
    for told in episodes:
        episode = read_episode(told)
        viewer.episodes[episode.key] = episode
    for way in journeys:
        journey = read_journey(viewer.name, way, viewer.episodes)
        viewer.journeys[journey.title_id, journey.season] = journey
    viewer.shelf = {(title, season, episode): seen for title, season, episode, seen in shelf}
    at = viewer.attendance
    at.folded_ms, at.folded_to = folded_ms, folded_to
    at.recent = {device: bounds(each) for device, each in recent.items()}
