"""What a title hears of its viewers: the records of ``title-progress``, read.

Every record says what is known now and what was said before, so that counts are kept by adding the
one and taking off the other: a late event that changes a viewing changes every count with it.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Declared(NamedTuple):
    """What a viewer has agreed to be counted under; an empty text is nothing."""

    age_band: str = ""
    country: str = ""
    language: str = ""


NOTHING_DECLARED = Declared()


class Seat(msgspec.Struct, frozen=True, gc=False):
    """Where, how and when a viewer began a season or film, fixed from then on.

    ``hour`` is the local four-hour band (0, 4, .. 20) or -1, ``genre`` the one that the viewer
    watched most before; ``age`` is a band that the viewer has agreed to be counted under. An empty
    text is unknown.
    """

    country: str = ""
    language: str = ""
    device: str = ""
    hour: int = -1
    genre: str = ""
    age: str = ""


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One viewer between two points of a season, in event ms; ``passed_ms`` is 0 for not yet."""

    entered_ms: int
    passed_ms: int


class Passage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A viewer's row behind episode ``k`` as it was said before and as it is now.

    For ``k`` from 1: entered when k was watched, passed when the viewer went on from it. For 0:
    entered when the season (or film) was begun, passed when it was completed.
    """

    k: int
    before: Row | None
    now: Row | None


class Flags(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which thresholds of an episode a viewer has crossed."""

    started: bool = False
    watched: bool = False
    completed: bool = False


class Progress(msgspec.Struct, frozen=True, tag_field="what", tag="progress", gc=False):
    """A viewer crossed a threshold of an episode (0 for a film), or finished a season (0)."""

    viewer: str
    title_id: str
    season: int
    episode: int
    at_ms: int
    seat: Seat
    before: Flags
    now: Flags
    passages: tuple[Passage, ...] = ()
    again: bool = False
    """The season or film was completed before, had faded from memory, and is watched anew."""


class Figures(msgspec.Struct, frozen=True, gc=False):
    """What one playback came to; seconds, positions are media seconds."""

    wall_s: float
    advanced_s: float
    coverage_s: float
    from_position_s: float
    position_s: float
    country: str = ""
    language: str = ""
    device: str = ""


class Session(msgspec.Struct, frozen=True, tag_field="what", tag="session", gc=False):
    """A playback closed, or what it came to was mended (``before`` is what was said then)."""

    viewer: str
    title_id: str
    season: int
    episode: int
    at_ms: int
    id: str
    revision: int
    started_ms: int
    now: Figures
    before: Figures | None = None
    runtime_s: float = 0.0
    autoplay: bool = False
    autoplay_before: bool | None = None
    """What was said before; None the first time, and in records that took it for the same."""


Record = Progress | Session

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def read(body: bytes) -> Record:
    """The record in a body of ``title-progress``.

    Raises:
        ValueError: naming the field that is missing or wrong.
    """
    return _decoder.decode(body)


class Lineage(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """Where a record comes from within its source partition; records of one source ascend."""

    offset: int
    due_ms: int
    viewer_hash: int
    rank: int


def read_lineage(header: bytes) -> tuple[str, Lineage]:
    """Source (``topic/partition``) and place of a record, from its ``lineage`` header.

    Raises:
        ValueError: it is not a lineage.
    """
    topic, partition, *place = header.decode().rsplit("/", 5)
    if not place or not partition.isdigit():
        raise ValueError(f"lineage: {header!r}")
    return f"{topic}/{partition}", Lineage(*map(int, place))
