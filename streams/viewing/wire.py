"""A viewer's state as bytes and back, in five parts that change at different rates.

``live``: marks, playbacks that are not sealed, and the episodes and journeys they belong to;
written with every slice. But where nothing but heartbeats have come since, ``beats`` is written
instead: marks, and what knots are new. ``sums``: what taste
is made of. ``rest``: everything settled. ``out``: the outbox. Each part is an array, because arrays
are the smallest and the fastest to make. What moves from one part to the other is sorted, so that
the bytes do not tell when a state was last read.

``sums`` and ``rest`` change rarely and are packed; ``live`` and ``out`` are while nothing plays,
which is how a state is kept most of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from streams.signals import Out
from streams.viewing import packing
from streams.viewing.forms import (
    episode_form,
    journey_form,
    playback_form,
    read_episode,
    read_journey,
    read_playback,
)
from streams.viewing.settled import FORMAT, read_attendance, read_rest, read_sums
from streams.viewing.shapes import READ_BEATS, READ_LIVE, READ_REST, BeatsForm, LiveForm
from streams.viewing.sittings import Chain
from streams.viewing.viewer import Viewer

if TYPE_CHECKING:
    from streams.rules import Rules


class Stored(NamedTuple):
    """One viewer's state as a store keeps it. ``version`` counts the writes."""

    version: int
    live: bytes
    rest: bytes
    sums: bytes
    out: bytes
    beats: bytes = b""


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


def dump_beats(viewer: Viewer) -> bytes:
    """What has changed of the live part if nothing but heartbeats have come: far less than it is.

    Few knots are left of many heartbeats (docs/adr/0003).
    """
    beats = []
    for number, (key, playback) in enumerate(viewer.playbacks.items()):
        kept = viewer.beating.get(key)
        if kept is not None:
            beats.append((number, kept, playback.knots.knots[kept:]))
    return packing.plain((viewer.marks, beats))


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
        beats = READ_BEATS.decode(stored.beats) if stored.beats else None
        _read_live(viewer, READ_LIVE.decode(live), beats, rules)
        settled = READ_REST.decode(rest)
        read_rest(viewer, settled)
        read_attendance(viewer.attendance, settled)
        viewer.chain = Chain(*settled.chain, settled.chain_began_ms)
        read_sums(viewer.taste, sums)
        viewer.taste_ms, viewer.watched_ms = sums[1]
        viewer.rest, viewer.sums = stored.rest, stored.sums
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


def _read_live(viewer: Viewer, live: LiveForm, beats: BeatsForm | None, rules: Rules) -> None:
    _, viewer.marks, playbacks, episodes, journeys = live
    if beats is not None:
        viewer.marks = beats[0]
        for number, kept, more in beats[1]:
            knots = playbacks[number].knots
            if not 0 <= kept <= len(knots):
                raise ValueError(f"beats go on from {kept} of {len(knots)} knots")
            knots[kept:] = more
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
    if beats is not None:
        keys = list(viewer.playbacks)
        for number, kept, _ in beats[1]:
            viewer.beats_on(keys[number], kept)
