"""The shapes that the parts of a state are read into, types checked, by the JSON decoder.

This module is never compiled: compiled classes do not keep the types of their fields in the detail
that the decoder needs.
"""

from typing import Any, Literal, NamedTuple

import msgspec

from streams.viewing.knots import Knot

State = Literal["", "hooked", "cooled", "lapsed", "completed"]
Word = Literal["hooked", "cooled", "rekindled", "lapsed", "completed", "retracted"]
SeatForm = tuple[str, str, str, int, str, str]


class Step(NamedTuple):
    """How far one episode of the journey is; times are event milliseconds, 0 for not yet."""

    covered_ms: int
    runtime_ms: int
    started_ms: int
    watched_ms: int
    completed_ms: int
    deliberate: bool


class Past(NamedTuple):
    """A signal that was sent, with what is needed to take it back."""

    signal_id: str
    word: Word
    basis: str
    at_ms: int
    known_ms: int
    idle_from_ms: int
    completed: int
    before: tuple[State, str, int, float | None]
    """State, basis, since and p of the journey before it."""


class HeadForm(NamedTuple):
    """What is said of a playback once, at its beginning."""

    playback_id: str
    title_id: str
    season: int
    episode: int
    session_id: str
    facts: dict[str, tuple[int, Any]]


class PlaybackForm(NamedTuple):
    """A playback that is not sealed."""

    head: HeadForm
    limit_ms: int
    sequenced: bool
    knots: list[Knot]
    bare: bool
    next_ms: int
    closed: bool
    revision: int
    sent: list[Any] | None
    streak: int


class EpisodeForm(NamedTuple):
    """An episode, its live playbacks apart; the latter part only while a viewing is under way."""

    title_id: str
    season: int
    number: int
    view: list[list[int]]
    old: list[list[int]]
    runtime_ms: int
    seen_ms: int
    position_ms: int
    started: int | None
    watched: int | None
    completed: int | None
    ended: bool
    deliberate: bool
    opened: int | None = None
    factor: float = 0.0
    band: int = -1
    credit: tuple[float, int | None, int] = (0.0, None, -1)
    floor: Step | None = None
    seat: SeatForm | None = None
    anew: bool = False


class FilmForm(NamedTuple):
    """A film on the shelf, of which its title was told."""

    title_id: str
    step: Step
    seat: SeatForm
    anew: bool


class JourneyForm(NamedTuple):
    """A journey; of a settled step only what the episode does not say as well."""

    title_id: str
    season: int
    epoch: int
    steps: list[tuple[int, int | Step]]
    last_ms: int
    state: State
    basis: str
    since_ms: int
    p: float | None
    sent: int
    past: list[Past]
    faded: tuple[int, int]
    seat: SeatForm | None


class LiveForm(NamedTuple):
    """The part that changes with every event."""

    format: int
    marks: dict[str, int]
    playbacks: list[PlaybackForm]
    episodes: list[EpisodeForm]
    journeys: list[JourneyForm]


class RestForm(NamedTuple):
    """The part that changes when something settles."""

    format: int
    episodes: list[EpisodeForm]
    journeys: list[JourneyForm]
    shelf: list[tuple[str, int, int, int]]
    attendance: tuple[int, dict[str, list[int]], dict[str, int]]
    chain: tuple[int, int]
    films: tuple[FilmForm, ...] = ()
    chain_began_ms: int = 0


BeatsForm = tuple[dict[str, int], list[tuple[int, int, list[Knot]]]]
"""Marks; and of playbacks, as the live part counts them, how many of the knots there stay, and what
comes after those."""

READ_BEATS = msgspec.json.Decoder(BeatsForm)
READ_LIVE, READ_REST = msgspec.json.Decoder(LiveForm), msgspec.json.Decoder(RestForm)
