"""What a title is told of a viewer's way through it: what was said before, and what is so now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.audience.records import Declared, Flags, Passage, Progress, Seat
from streams.viewing.episode import began
from streams.viewing.journey import NO_STEP, Journey, passed_row

if TYPE_CHECKING:
    from streams.audience.records import Row
    from streams.viewing.episode import Episode
    from streams.viewing.shapes import Step
    from streams.viewing.taste import Taste

GENRE = "genre:"


class Standing(NamedTuple):
    """How far a viewer is with one episode, and with the season (or film) around it."""

    flags: Flags
    rows: dict[int, Row]


def in_season(journey: Journey, number: int) -> Standing:
    """As the journey has it."""
    return Standing(_flags(journey.steps.get(number, NO_STEP)), journey.rows())


def in_film(film: Episode) -> Standing:
    """A film is a season of one, which is begun and completed; only the first time has a row."""
    step = film.step()
    first_time = step.started_ms and not film.anew
    rows = {0: passed_row(step.started_ms, step.completed_ms)} if first_time else {}
    return Standing(_flags(step), rows)


def _flags(step: Step) -> Flags:
    return Flags(bool(step.started_ms), bool(step.watched_ms), bool(step.completed_ms))


def progress(
    viewer: str, episode: Episode, at_ms: int, seat: Seat, change: tuple[Standing, Standing]
) -> Progress | None:
    """What has changed from the first to the second, or None."""
    before, now = change
    if before == now:
        return None
    known = sorted({*before.rows, *now.rows})
    changed = [k for k in known if before.rows.get(k) != now.rows.get(k)]
    title_id, season, number = episode.key
    return Progress(
        viewer,
        title_id,
        season,
        number,
        at_ms,
        seat,
        before.flags,
        now.flags,
        tuple(Passage(k, before.rows.get(k), now.rows.get(k)) for k in changed),
        # Whoever began it for the first time has, or had, a row that says so.
        (before.flags.started or now.flags.started) and 0 not in before.rows and 0 not in now.rows,
    )


def take_seat(episode: Episode, taste: Taste, declared: Declared) -> Seat:
    """Where, how and when the viewing of this episode began, and who by what they have declared.

    What the player says of country and language comes first: it knows where the viewer is now.
    """
    if not episode.live:
        return Seat()
    first = min(episode.live, key=began)
    genres = {name: sum_ for name, sum_ in taste.lasting.positive.items() if name.startswith(GENRE)}
    favourite = min(genres, key=lambda name: (-genres[name], name), default=GENRE)
    return Seat(
        first.fact("country") or declared.country,
        first.fact("language") or declared.language,
        first.fact("device") or "",
        episode.hour(),
        favourite.removeprefix(GENRE),
        declared.age_band,
    )
