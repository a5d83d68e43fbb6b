"""What readers make of records, and what they let through to a terminal; no server needed."""

from __future__ import annotations

import io
import re
import sys
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.profiles import Progress, _hooked, _progress, _taste
from consumers.records import (
    BadRecordError,
    RawRecord,
    header_map,
    parse_reject,
    parse_session,
    parse_signal,
)
from consumers.seen import RecentIds
from hookpoint.commands._tables import bar, clock, json_line, percent, safe, safe_bytes

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
SEEN = "2026-03-02T21:40:00Z"

SIGNAL = {
    "id": "1",
    "source": "hookpoint",
    "type": "viewer.hooked",
    "subject": "v",
    "time": SEEN,
    "data": {"viewer": "v", "p": 1},
}
SESSION = {
    "id": "s",
    "viewer": "v",
    "playback_id": "p",
    "title_id": "film",
    "season": None,
    "episode": None,
    "device": None,
    "country": None,
    "started_at": SEEN,
    "ended_at": SEEN,
    "wall_s": 1,
    "advanced_s": 1.5,
    "coverage_s": 1,
    "rewatched_s": 0.5,
    "position_s": 0,
    "imputed": True,
    "revision": 1,
}


def raw(value: object, headers: dict[str, bytes] | None = None) -> RawRecord:
    body = value if isinstance(value, bytes | None) else orjson.dumps(value)
    return RawRecord("topic", 0, 0, b"key", body, headers or {}, 1_772_487_600_000)


def test_a_signal_on_basis_pace_has_neither_p_nor_interval():
    data = {"viewer": "v", "basis": "pace", "p": None, "interval": None}
    found = parse_signal(raw({**SIGNAL, "data": data}))
    assert (found.basis, found.p, found.interval) == ("pace", None, None)


def test_whole_numbers_are_taken_where_a_share_or_seconds_are_due():
    assert parse_signal(raw(SIGNAL)).p == 1.0
    assert parse_session(raw(SESSION)).wall_s == 1.0


def test_fields_that_the_contract_does_not_list_are_ignored_but_kept_in_data():
    found = parse_signal(raw({**SIGNAL, "new": 1, "data": {"lift": 2.0}}))
    assert found.data == {"lift": 2.0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": ""}, "id"),
        ({"id": None}, "id"),
        ({"type": 5}, "type"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2026-03-02T21:40:00"}, "time"),
        ({"time": "9999-12-31T23:59:59-14:00"}, "time"),
        ({"data": []}, "data"),
        ({"data": {"p": "high"}}, "p"),
        ({"data": {"p": True}}, "p"),
        ({"data": {"season": 1.5}}, "season"),
        ({"data": {"interval": [0.1]}}, "interval"),
        ({"data": {"interval": [0.1, "x"]}}, "high"),
        ({"data": {"because": "so"}}, "because"),
    ],
)
def test_a_broken_signal_is_named_by_its_field(change, reason):
    with pytest.raises(BadRecordError) as caught:
        parse_signal(raw({**SIGNAL, **change}))
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", [n for n, v in SESSION.items() if v is not None])
def test_a_session_that_lacks_a_field_is_named_by_it(name):
    with pytest.raises(BadRecordError) as caught:
        parse_session(raw({key: value for key, value in SESSION.items() if key != name}))
    assert caught.value.reason == name


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "topic"),
        ({"topic": b"t", "partition": b"x"}, "partition"),
        ({"topic": b"t", "partition": b"1", "offset": b"2"}, "reason"),
    ],
)
def test_a_reject_without_its_headers_is_named_by_the_missing_one(headers, reason):
    with pytest.raises(BadRecordError) as caught:
        parse_reject(raw(b"x", headers))
    assert caught.value.reason == reason


@given(st.binary() | st.none())
def test_no_bytes_whatsoever_raise_anything_but_a_bad_record(value):
    for parse in (parse_signal, parse_session):
        with pytest.raises(BadRecordError):
            parse(raw(value))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**18) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(SIGNAL)), json_values)
def test_no_value_in_a_signal_raises_anything_but_a_bad_record(name, value):
    try:
        found = parse_signal(raw({**SIGNAL, name: value}))
    except BadRecordError:
        return
    assert found.id


def test_headers_without_a_value_are_left_out():
    assert header_map([("a", b"1"), ("b", None), ("a", b"2")]) == {"a": b"2"}


def test_recent_ids_forget_the_one_unused_the_longest():
    recent = RecentIds(limit=2)
    recent.add("a")
    recent.add("b")
    assert recent.known(["a"]) == {"a"}
    recent.add("c")
    assert recent.known(["a", "b", "c"]) == {"a", "c"}


def test_a_taste_splits_facets_from_values_and_now_from_lasting():
    fields = {"creator:Jo: one": ".5 .25", "hour:20": "1 0", "watched_s": "10"}
    found = _taste("v", fields)
    assert found.lasting == {"creator": {"Jo: one": 0.5}, "hour": {"20": 1.0}}
    assert found.now == {"creator": {"Jo: one": 0.25}}
    assert (found.watched_s, found.updated_at) == (10.0, None)
    assert _taste("v", {}) is None


def test_progress_tells_episodes_films_and_finished_seasons_apart():
    seen, season = "[5,5,null,false,1772487600]", "[3,1772487600]"
    by_title = {
        each.title_id: (each.season, each.episode, each.episodes, each.completed)
        for each in _progress({"a:1:2": seen, "b%3Ac": seen, "100%25": seen, "d:4": season})
    }
    film = (None, None, None, False)
    assert by_title == {
        "a": (1, 2, None, False), "b:c": film, "100%": film, "d": (4, None, 3, True),
    }  # fmt: skip


def test_the_share_covered_is_unknown_without_a_runtime():
    [found] = _progress({"a": "[5,5,null,false,1772487600]"})
    assert isinstance(found, Progress)
    assert found.covered is None


def test_a_season_that_the_catalogue_does_not_know_has_no_length():
    [found] = _hooked({"dark:1": '["hooked",null,"pace",1772487600,3,null]'})
    assert (found.p, found.k, found.of) == (None, 3, None)
    assert found.since == datetime(2026, 3, 2, 21, 40, tzinfo=UTC)


@given(st.text())
def test_nothing_unsafe_gets_through_as_text(text):
    assert not UNSAFE.search(safe(text))


@given(st.binary())
def test_nothing_unsafe_gets_through_as_bytes(value):
    assert not UNSAFE.search(safe_bytes(value))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_is_safe_to_look_at_and_loses_nothing(text):
    line = json_line({"a": text})
    assert not UNSAFE.search(line)
    assert orjson.loads(line) == {"a": text}


def test_long_text_is_cut_and_says_so():
    assert safe("x" * 50, 10) == "x" * 9 + "…"
    assert safe("x" * 10, 10) == "x" * 10
    assert safe_bytes(b"x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, None), (0, "0:00"), (59.9, "0:59"), (1312.4, "21:52"), (3725, "1:02:05")],
)
def test_positions_read_as_clocks(seconds, shown):
    assert clock(seconds) == shown


def test_shares_read_as_percent():
    assert (percent(0.825), percent(1), percent(None)) == ("82 %", "100 %", None)


def test_bars_stay_within_their_width_and_do_without_unicode(monkeypatch):
    assert (len(bar(0)), len(bar(1)), len(bar(7)), len(bar(-1))) == (0, 24, 24, 0)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert bar(0.5) == "#" * 12
