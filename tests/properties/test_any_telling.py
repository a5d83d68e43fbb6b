"""Whatever players report: a title can keep its counts by adding what is now and taking off before.

That holds only if `before` is, every time, exactly what was said last.
"""

from __future__ import annotations

from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st
from strategies import DAY, RULES, SOURCE, accepted, context, months

from streams.audience.people import People
from streams.audience.records import Declared, Flags, Progress, Row, Session, read
from streams.events import AGE_BANDS, Event
from streams.signals import PROGRESS
from streams.viewing.viewer import Viewer

WORLD = context()
DECLARED = st.builds(
    Declared, st.sampled_from(["", *AGE_BANDS]), st.sampled_from(["", "DE"]), st.just("de")
)


def told(
    events: list[Event], declared: list[Declared] | None = None, *, others: bool = False
) -> tuple[Viewer, list[Progress | Session]]:
    """A viewer after all that was reported and 400 more days, and what its titles heard.

    What they have ``declared`` changes with every report. Where there are ``others``, they have
    moved the stream's time on to each report before it comes.
    """
    viewer, clock = Viewer("v", RULES), 0
    said = cycle(declared or [Declared()])
    for offset, clock, one in accepted(events):
        viewer.declared = next(said)
        passed = max(clock, one.knot.at_ms) if others else clock
        viewer.absorb(SOURCE, offset, passed, one, WORLD)
    viewer.fire(clock + 400 * DAY, WORLD)
    return viewer, [read(out.body.encode()) for out in viewer.outbox if out.topic == PROGRESS]


@given(months(), st.lists(DECLARED, min_size=1, max_size=5), st.booleans())
def test_what_was_before_is_what_was_said_last(
    events: list[Event], declared: list[Declared], others: bool
) -> None:
    rows: dict[tuple[str, int, int], Row | None] = {}
    flags: dict[tuple[str, int, int], Flags] = {}
    anew: dict[tuple[str, int, int], Flags] = {}
    seats: dict[tuple[str, int], object] = {}
    sessions: dict[str, object] = {}
    for record in told(events, declared, others=others)[1]:
        if isinstance(record, Session):
            before = (record.before, record.autoplay_before)
            assert sessions.get(record.id, (None, None)) == before
            sessions[record.id] = (record.now, record.autoplay)
            continue
        episode = (record.title_id, record.season, record.episode)
        assert seats.setdefault(episode[:2], record.seat) == record.seat
        if record.again:
            assert record.season or flags[episode].completed
            assert record.before in (anew.get(episode, Flags()), Flags())
            anew[episode] = record.now
        else:
            assert flags.get(episode, Flags()) == record.before
            flags[episode] = record.now
        for k, before, now in ((p.k, p.before, p.now) for p in record.passages):
            key = (record.title_id, record.season, k)
            assert rows.get(key) == before
            assert before != now
            rows[key] = now


@given(months(), st.lists(DECLARED, min_size=1, max_size=5))
def test_whatever_is_declared_meanwhile_nobody_counts_under_two_ages_or_under_none_taken_back(
    events: list[Event], declared: list[Declared]
) -> None:
    """A seat that changed would leave one too many under one band, one too few elsewhere."""
    people: dict[str, People] = {}
    for record in told(events, declared)[1]:
        if isinstance(record, Progress):
            people.setdefault(record.title_id, People()).progress(record)
            report = people[record.title_id].report(threshold=1)
            assert sum(report["age"].values()) <= report["n"]
            assert all(count > 0 for count in report["age"].values())


@given(months())
def test_rows_are_whole(events: list[Event]) -> None:
    """Nobody goes on before they came, and whoever is behind an episode has begun the season."""
    rows: dict[tuple[str, int], dict[int, Row]] = {}
    for record in told(events)[1]:
        if isinstance(record, Session):
            continue
        season = rows.setdefault((record.title_id, record.season), {})
        for passage in record.passages:
            if passage.now is None:
                del season[passage.k]
            else:
                season[passage.k] = passage.now
    for season in rows.values():
        assert not season or 0 in season
        for row in season.values():
            assert row.passed_ms == 0 or row.passed_ms >= row.entered_ms
