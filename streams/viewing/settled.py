"""What of a viewer has settled, as bytes and back: ``sums``, what taste is made of, and ``rest``.

Both change rarely, and take most of a viewer's memory. So a viewer that only goes on watching may
hold them as the bytes that are stored (``ViewerState.put_away``) until something needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.audience.records import Seat
from streams.viewing import packing
from streams.viewing.episode import FadedFilm
from streams.viewing.forms import (
    bounds,
    episode_form,
    film_form,
    gaps,
    journey_form,
    read_episode,
    read_journey,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.viewing.attendance import Attendance
    from streams.viewing.shapes import RestForm
    from streams.viewing.state import ViewerState
    from streams.viewing.taste import Taste

FORMAT = 3
"""Version of the state's format. Newer ones are refused; older ones are of no release."""


def dump_sums(viewer: ViewerState) -> bytes:
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


def dump_rest(viewer: ViewerState) -> bytes:
    """The part that changes when something settles."""
    viewer.recall()
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
            viewer.chain[:2],
            [film_form(key, film) for key, film in viewer.films.items()],
            viewer.chain.began_ms,
        )
    )


# -- reading ---------------------------------------------------------------------------------------
def read_sums(taste: Taste, sums: Sequence[Any]) -> None:
    """Take up into ``taste`` what ``dump_sums`` gave."""
    _, _, times, *names, numbers = sums
    lasting, now = taste.lasting, taste.now
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


def read_rest(viewer: ViewerState, rest: RestForm) -> None:
    """Take up episodes and journeys that ``dump_rest`` gave, beside those that are live."""
    episodes = {form[:3]: read_episode(form) for form in rest.episodes}
    journeys = {form[:2]: read_journey(viewer.name, form, episodes) for form in rest.journeys}
    viewer.shelf = {(title, season, number): seen for title, season, number, seen in rest.shelf}
    viewer.films = {
        (title, 0, 0): FadedFilm(step, Seat(*seat), anew) for title, step, seat, anew in rest.films
    }
    viewer.episodes = {**episodes, **viewer.episodes}
    viewer.journeys = {**journeys, **viewer.journeys}


def read_attendance(attendance: Attendance, rest: RestForm) -> None:
    """Take up what ``dump_rest`` gave of it."""
    attendance.folded_ms, recent, attendance.folded_to = rest.attendance
    attendance.recent = {device: bounds(each) for device, each in recent.items()}
