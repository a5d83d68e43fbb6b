"""What holds for every export, however messy."""

from __future__ import annotations

import random
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from netflix_exports import PLAYBACK_HEADER, Generated, as_csv, household, write

from producers.netflix.agreement import agreements
from producers.netflix.events import Import, import_export
from producers.netflix.traces import Point, steps
from streams.decoder import decode
from streams.events import Event
from streams.rules import Rules
from streams.viewing.playback import Playback

NOW_MS = 4_102_444_800_000
RULES = Rules()


def through_the_core(imported: Import) -> list[dict[str, object]]:
    """Sessions as the real contract and the real core make them, without any server."""
    playbacks: dict[str, Playback] = {}
    viewers: dict[str, str] = {}
    for record in imported.events():
        event = decode(record.key, record.value, [], NOW_MS, RULES)
        assert isinstance(event, Event)
        key = event.playback
        viewers[key[0]] = event.viewer
        playbacks.setdefault(key[0], Playback(key, key[0], 0)).add(event.knot, RULES)
    return [
        {
            "id": name,
            "viewer": viewers[name],
            "playback_id": name,
            "ended_at": str(playback.last_ms),
            "span_s": (playback.last_ms - playback.first_ms) / 1000,
            "wall_s": sum(b - a for a, b in playback.played_all()) / 1000,
            "position_s": playback.position_ms / 1000,
        }
        for name, playback in playbacks.items()
    ]


def imported_from(made: Generated, *, viewing: bool = True) -> Import:
    with TemporaryDirectory() as folder:
        return import_export(write(made, Path(folder), viewing=viewing))


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_watch_time_and_last_position_agree_with_the_truth(seed):
    made = household(random.Random(seed), playbacks=40)
    imported = imported_from(made)
    sessions = through_the_core(imported)
    assert len(sessions) == len(made.truth)
    compared = agreements(imported.selection.playbacks, sessions)
    assert sum(it.playbacks for it in compared) == len(made.truth)
    for it in compared:
        assert it.close_share >= 0.94
        assert abs(it.total_difference) <= 0.01
        assert it.bookmark_share >= 0.94


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_without_viewing_activity_the_same_playbacks_are_imported(seed):
    made = household(random.Random(seed), playbacks=40)
    alone = {it.playback_id for it in imported_from(made, viewing=False).selection.playbacks}
    both = {it.playback_id for it in imported_from(made).selection.playbacks}
    assert alone == both


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_events_come_in_order_of_time_and_the_same_every_time(seed):
    made = household(random.Random(seed), playbacks=20)
    records = list(imported_from(made).events())
    assert [r.time_s for r in records] == sorted(r.time_s for r in records)
    assert records == list(imported_from(made).events())
    assert len({orjson.loads(r.value)["id"] for r in records}) == len(records)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
KINDS = st.sampled_from(["start", "playing", "paused", "reposition", "stopped", "Neu"])
OFFSETS = st.one_of(st.integers(-100, 20_000_000), st.integers(-(10**15), 10**15))
EVENTS = st.one_of(
    st.fixed_dictionaries(
        {"eventType": KINDS, "sessionOffsetMs": OFFSETS, "mediaOffsetMs": OFFSETS}
    ),
    st.dictionaries(TEXTS, OFFSETS, max_size=2),
    st.none(),
)
CELLS = st.one_of(
    st.lists(EVENTS, max_size=12).map(lambda events: orjson.dumps(events).decode()),
    st.sampled_from(["", "[]", "null", "{}", "[", "[{}]", '[{""eventType"":""start""}]']),
    TEXTS,
)
STAMPS = st.one_of(
    st.datetimes(
        min_value=datetime(2001, 1, 1),  # noqa: DTZ001 - Netflix writes UTC without saying so
        max_value=datetime(2025, 1, 1),  # noqa: DTZ001 - as above
    ).map(lambda when: f"{when:%Y-%m-%d %H:%M:%S}"),
    TEXTS,
)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS, STAMPS, TEXTS, CELLS).map(list), max_size=8)


@given(ROWS)
def test_no_row_is_lost_or_fatal_and_nobody_watches_longer_than_time_passed(rows):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "playbackrelatedevents.CSV"
        path.write_text(as_csv(PLAYBACK_HEADER, rows), "utf-8", newline="")
        imported = import_export(Path(folder))
    seen = sum(imported.export.rows.values())
    whole_rows = {it.line for it in imported.unreadable}
    kept = len(imported.selection.playbacks) + len(imported.selection.left_out)
    assert kept <= seen <= kept + len(whole_rows)
    for session in through_the_core(imported):
        assert 0 <= session["wall_s"] <= session["span_s"]


POINTS = st.lists(
    st.builds(
        Point,
        st.sampled_from(["start", "playing", "paused", "reposition", "stopped"]),
        st.integers(0, 10_000_000),
        st.integers(0, 10_000_000),
    ),
    max_size=20,
).map(lambda points: sorted(points, key=lambda point: point.at_ms))


@given(POINTS)
def test_every_step_keeps_the_contract(points):
    done = steps(points)
    assert len(points) <= len(done) <= len(points) + 1
    for step in done:
        assert step.rate is None or 0.4 < step.rate <= 1.6
        assert (step.from_ms is not None) == (step.verb == "seeked")
        assert step.from_ms is None or 0 <= step.from_ms <= 864_000_000
