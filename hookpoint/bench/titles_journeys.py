"""What titles hear of their viewers, drawn journey by journey.

The simulator's way to a record of ``title-progress`` leads over some sixteen events that the
viewers agent folds; a bench of the titles agent needs the records alone, and many of them. Here a
viewer's way through a season is drawn with the simulator's own chances and gaps, and told as the
viewers agent tells it. That both come to the same mix of records is a test.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from producers.simulator.catalogue import MARKETS
from producers.simulator.viewer import GAP_MEDIAN_S, GAP_SIGMA
from streams.audience.records import Figures, Flags, Passage, Progress, Row, Seat, Session
from streams.audience.title import DAY_MS, day_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from producers.simulator.catalogue import Title
    from streams.audience.records import Record

ABANDONS, INTERRUPTED, AT_ONCE, MENDED = 0.12, 0.055, 0.27, 0.085
"""Chances: a first episode is left at once; an episode takes a second playback; the next episode
begins at once; what a playback came to is mended by a late event."""
STARTED_MS, WATCHED, COMPLETED = 120_000, 0.7, 0.9
DEVICES = ("tv", "mobile", "web", "tablet")
COUNTRIES = tuple(dict.fromkeys(country for country, _ in MARKETS))
MORE_COUNTRIES = (
    "AR", "AT", "AU", "BE", "CA", "CH", "CL", "CO", "CZ", "EG", "FI", "GR", "HU", "IE", "IN", "IT",
    "MX", "NL", "NO", "PL", "PT", "SE", "TR", "ZA",
)  # fmt: skip
LANGUAGES = ("en", "es", "fr", "de", "pt", "ja", "ko", "hi")
NOTHING_YET = Flags()


class Told(NamedTuple):
    """A record, and when it came about (event ms)."""

    at_ms: int
    record: Record


@dataclass(frozen=True, slots=True)
class Span:
    """When journeys begin, of how many viewers in how many countries and languages."""

    start_ms: int
    end_ms: int
    viewers: int
    countries: int = len(COUNTRIES)
    languages: int = 1
    """Of the audio; the first is the title's own."""


def days_of(span: Span) -> list[str]:
    """The UTC days of a span."""
    return [day_of(at) for at in range(span.start_ms, span.end_ms + DAY_MS, DAY_MS)]


def body(record: Record) -> str:
    """A record as it goes out."""
    return msgspec.json.encode(record).decode()


def spread_evenly(titles: int) -> list[float]:
    """The same share for each title."""
    return [1 / titles] * titles


def with_a_hit(titles: int, share: float) -> list[float]:
    """The first title has ``share`` of everything, the others the same share of the rest each."""
    return [share, *([(1 - share) / (titles - 1)] * (titles - 1))]


def draw(
    titles: Sequence[Title], shares: Sequence[float], count: int, span: Span, seed: int
) -> list[Told]:
    """About ``count`` records by event time, of which each title has its share.

    What lies behind the end of the span has not come about yet and is left out.
    """
    found: list[Told] = []
    for title, share in zip(titles, shares, strict=True):
        rng = random.Random(f"titles {seed} {title.title_id}")
        first, wanted = rng.randrange(span.viewers), round(share * count)
        mine: list[Told] = []
        for number in range(span.viewers):
            if len(mine) >= wanted:
                break
            mine += journey(title, (first + number) % span.viewers, span, rng)
        found += mine[:wanted]
    found.sort(key=lambda it: it.at_ms)
    return found


def journey(title: Title, viewer: int, span: Span, rng: random.Random) -> list[Told]:
    """One viewer's way through a season of a title (or a film), up to the end of the span."""
    countries = (*COUNTRIES, *MORE_COUNTRIES)[: span.countries]
    languages = [title.language, *(it for it in LANGUAGES if it != title.language)]
    language = languages[viewer // len(countries) % span.languages]
    way = _Way(title, viewer, (countries[viewer % len(countries)], language), rng)
    return [it for it in way.walk(rng.uniform(span.start_ms, span.end_ms)) if it[0] < span.end_ms]


class _Way:
    """One viewer, one season."""

    def __init__(
        self, title: Title, viewer: int, where: tuple[str, str], rng: random.Random
    ) -> None:
        self._rng = rng
        self._name = f"viewer-{viewer:08d}"
        self._title_id = title.title_id
        self._season = rng.choice(title.seasons) if title.seasons else None
        self._runtimes = self._season.runtimes_s if self._season else (title.duration_s,)
        self._genres = title.genres
        self._country, self._language = where
        self._began_ms = self._watched_ms = 0
        self._seat = Seat()

    def walk(self, at_ms: float) -> Iterator[Told]:
        """All that is told, from the first episode on."""
        rng = self._rng
        device, hour = rng.choice(DEVICES), int(at_ms) // 3_600_000 % 24 // 4 * 4
        genre = rng.choice(self._genres)
        self._seat = Seat(self._country, self._language, device, hour, genre)
        autoplay = False
        for episode, runtime_s in enumerate(self._runtimes, 1):
            if episode == 1 and rng.random() < ABANDONS:
                yield from self._left(at_ms, runtime_s)
                return
            at_ms = yield from self._episode(episode, at_ms, runtime_s, autoplay=autoplay)
            if self._season is None or episode == len(self._runtimes):
                return
            if rng.random() >= self._season.goes_on[episode - 1]:
                return
            autoplay = rng.random() < AT_ONCE
            median = math.log(GAP_MEDIAN_S)
            gap_s = 10.0 if autoplay else rng.lognormvariate(median, GAP_SIGMA)
            at_ms += gap_s * 1000

    # -- one episode -------------------------------------------------------------------------------
    def _left(self, at_ms: float, runtime_s: float) -> Iterator[Told]:
        played_s = self._rng.uniform(0.01, 0.4) * runtime_s
        if played_s * 1000 >= STARTED_MS:
            yield self._started(1, int(at_ms) + STARTED_MS)
        yield from self._playback(1, at_ms, 0.0, played_s, autoplay=False)

    def _episode(
        self, episode: int, at_ms: float, runtime_s: float, *, autoplay: bool
    ) -> Generator[Told, None, float]:
        rng, left_s = self._rng, 0.0
        yield self._started(episode, int(at_ms) + STARTED_MS)
        if rng.random() < INTERRUPTED:
            left_s = rng.uniform(0.2, 0.6) * runtime_s
            yield from self._playback(episode, at_ms, 0.0, left_s, autoplay=autoplay)
            at_ms += left_s * 1000 + rng.lognormvariate(math.log(GAP_MEDIAN_S), GAP_SIGMA) * 1000
        begins_ms = at_ms - left_s * 1000
        yield self._watched(episode, int(begins_ms + WATCHED * runtime_s * 1000))
        yield self._completed(episode, int(begins_ms + COMPLETED * runtime_s * 1000))
        yield from self._playback(episode, at_ms, left_s, runtime_s, autoplay=autoplay)
        return begins_ms + runtime_s * 1000

    def _started(self, episode: int, at_ms: int) -> Told:
        if episode == 1:
            self._began_ms = at_ms
            passage = Passage(0, None, Row(at_ms, 0))
        else:
            entered_ms = self._watched_ms
            passage = Passage(episode - 1, Row(entered_ms, 0), Row(entered_ms, at_ms))
        return self._progress(episode, at_ms, NOTHING_YET, Flags(started=True), (passage,))

    def _watched(self, episode: int, at_ms: int) -> Told:
        self._watched_ms = at_ms
        passages = (Passage(episode, None, Row(at_ms, 0)),) if self._season else ()
        started = Flags(started=True)
        return self._progress(episode, at_ms, started, Flags(started=True, watched=True), passages)

    def _completed(self, episode: int, at_ms: int) -> Told:
        passages: tuple[Passage, ...] = ()
        if episode == len(self._runtimes):
            began = self._began_ms
            passages = (Passage(0, Row(began, 0), Row(began, at_ms)),)
        watched, done = Flags(started=True, watched=True), Flags(True, True, True)
        return self._progress(episode, at_ms, watched, done, passages)

    def _progress(
        self, episode: int, at_ms: int, before: Flags, now: Flags, passages: tuple[Passage, ...]
    ) -> Told:
        season, number = (self._season.number, episode) if self._season else (0, 0)
        title, seat = self._title_id, self._seat
        return Told(
            at_ms,
            Progress(self._name, title, season, number, at_ms, seat, before, now, passages),
        )

    def _playback(
        self, episode: int, at_ms: float, from_s: float, to_s: float, *, autoplay: bool
    ) -> Iterator[Told]:
        rng, seat = self._rng, self._seat
        season, number = (self._season.number, episode) if self._season else (0, 0)
        runtime_s = self._runtimes[episode - 1]
        played_s = round(to_s - from_s, 3)
        now = Figures(
            played_s, played_s, played_s, round(from_s, 3), round(to_s, 3),
            seat.country, seat.language, seat.device,
        )  # fmt: skip
        ends_ms = int(at_ms + played_s * 1000)
        first = Session(
            self._name, self._title_id, season, number, ends_ms, f"{rng.getrandbits(96):024x}", 1,
            int(at_ms), now, None, runtime_s, autoplay,
        )  # fmt: skip
        yield Told(ends_ms, first)
        if rng.random() < MENDED:
            mended = msgspec.structs.replace(now, wall_s=round(played_s + 0.25, 3))
            again = msgspec.structs.replace(first, revision=2, before=now, now=mended)
            yield Told(ends_ms + rng.randrange(1, 3_600_000), again)
