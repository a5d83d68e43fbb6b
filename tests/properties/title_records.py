"""Records that a title hears of its viewers: any viewings, said once or in any number of steps."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from streams.audience.records import Figures, Flags, Passage, Progress, Row, Seat, Session

if TYPE_CHECKING:
    from collections.abc import Sequence

T0 = 1_772_400_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
RUNTIME_S = 2_700.0
NOTHING = Flags()

SEATS = st.builds(
    Seat,
    country=st.sampled_from(["", "DE", "FR", "KR"]),
    language=st.sampled_from(["", "de", "de-AT", "ko"]),
    device=st.sampled_from(["", "tv", "phone"]),
    hour=st.sampled_from([-1, 0, 20]),
    genre=st.sampled_from(["", "drama"]),
    age=st.sampled_from(["", "25-34"]),
)
PLACES = st.sampled_from([(1, 1), (1, 2), (1, 0), (2, 1), (0, 0)])
"""Season and episode: (1, 0) is the season itself, (0, 0) a film."""
FLAGS = st.builds(Flags, st.booleans(), st.booleans(), st.booleans())
ROWS = st.none() | st.builds(
    lambda entered, took: Row(T0 + entered, T0 + entered + took if took else 0),
    st.integers(0, 3 * DAY_MS),
    st.sampled_from([0, HOUR_MS, DAY_MS, DAY_MS + 1, 7 * DAY_MS, 8 * DAY_MS]),
)
SECONDS = st.floats(0, RUNTIME_S, allow_nan=False)
FIGURES = st.builds(
    Figures,
    wall_s=SECONDS, advanced_s=SECONDS, coverage_s=SECONDS,
    from_position_s=SECONDS, position_s=SECONDS,
    country=st.sampled_from(["", "DE", "FR"]),
    language=st.sampled_from(["", "de", "de-AT", "ko"]),
)  # fmt: skip

Said = tuple[Flags, Row | None]


def progress(
    place: tuple[int, int], seat: Seat, before: Said, now: Said, *, again: bool = False
) -> Progress:
    """One step of a viewer; the passage of the season itself goes with it if there is any."""
    rows = (before[1], now[1])
    passages = () if rows == (None, None) else (Passage(0, *rows),)
    return Progress("v", "t", *place, T0, seat, before[0], now[0], passages, again)


def session(place: tuple[int, int], before: Figures | None, now: Figures, **facts: Any) -> Session:
    """One playback as it is known now."""
    revision = 1 if before is None else 2
    return Session(
        "v", "t", *place, T0, "s", revision, T0, now, before, runtime_s=RUNTIME_S, **facts
    )


@st.composite
def told(draw: st.DrawFn) -> tuple[list[Progress | Session], list[Progress | Session]]:
    """The same viewings twice: said at once, and step by step in any order."""
    at_once: list[Progress | Session] = []
    steps: list[Progress | Session] = []
    for _ in range(draw(st.integers(0, 6))):
        place, seat, again = draw(PLACES), draw(SEATS), draw(st.booleans())
        path: list[Said] = [(NOTHING, None)]
        path += [
            (flags, None if again else row)
            for flags, row in draw(st.lists(st.tuples(FLAGS, ROWS), min_size=1, max_size=4))
        ]
        at_once.append(progress(place, seat, path[0], path[-1], again=again))
        steps += [progress(place, seat, before, now, again=again) for before, now in pairwise(path)]
    for _ in range(draw(st.integers(0, 6))):
        place = draw(PLACES.filter(lambda it: it != (1, 0)))
        said: Sequence[tuple[Figures, bool]] = draw(
            st.lists(st.tuples(FIGURES, st.booleans()), min_size=1, max_size=4)
        )
        at_once.append(session(place, None, said[-1][0], autoplay=said[-1][1]))
        steps += [
            session(place, before[0], now[0], autoplay=now[1], autoplay_before=before[1])
            for before, now in zip([(None, None), *said], said, strict=False)
        ]
    return at_once, draw(st.permutations(steps))
