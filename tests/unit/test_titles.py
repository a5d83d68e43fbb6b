"""Records of the ``titles`` topic and curves in Redis, read one by one."""

from __future__ import annotations

from types import SimpleNamespace

import orjson
import pytest
from players import A_SEASON
from structlog.testing import capture_logs

from streams.worker.catalogue_store import Change, parse_curves, read_titles, stale

CURVE = {
    "version": "3", "episodes": 3, "c": [0.9, 0.8], "low": [0.8, 0.7], "n": [90, 80],
    "gap_s": [0, 3600], "gap_cdf": [0, 1],
}  # fmt: skip
SOURCE = ("titles", 0)


def record(offset, value, key=b"dark"):
    raw = orjson.dumps(value) if isinstance(value, dict) else value
    return SimpleNamespace(offset=offset, key=key, value=raw, headers=())


def test_the_latest_of_each_title_counts():
    first, last = A_SEASON | {"name": "First"}, A_SEASON | {"name": "Last"}
    titles, letters = read_titles(SOURCE, [record(0, first), record(1, last)], 10_000)
    assert titles == {"dark": Change(orjson.dumps(last), "titles/0", 1)}
    assert letters == []


@pytest.mark.parametrize("nothing", [None, b""])
def test_a_tombstone_removes_a_title_and_what_comes_after_brings_it_back(nothing):
    titles, _ = read_titles(SOURCE, [record(0, A_SEASON), record(1, nothing)], 10_000)
    assert titles == {"dark": Change(None, "titles/0", 1)}
    titles, _ = read_titles(SOURCE, [record(0, nothing), record(1, A_SEASON)], 10_000)
    assert titles == {"dark": Change(orjson.dumps(A_SEASON), "titles/0", 1)}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record(7, b"{"), "not_json"),
        (record(7, b"[" * 100_000), "not_json"),
        (record(7, {"title_id": "dark"}), "field"),
        (record(7, b"[]"), "field"),
        (record(7, A_SEASON, key=b"other"), "key"),
        (record(7, A_SEASON, key=b""), "key"),
        (record(7, A_SEASON, key=None), "key"),
        (record(7, A_SEASON, key=b"\xff"), "key"),
        (record(7, A_SEASON | {"name": "x" * 200_000}), "too_large"),
    ],
)
def test_a_title_that_cannot_be_taken_is_a_dead_letter_and_the_others_are_taken(bad, reason):
    fine = record(8, A_SEASON | {"title_id": "heat"}, key=b"heat")
    titles, letters = read_titles(SOURCE, [bad, fine], 150_000)
    assert list(titles) == ["heat"]
    assert [(it.offset, it.reason) for it in letters] == [(7, reason)]


def test_a_bad_version_of_a_title_leaves_the_good_one_before_it():
    titles, letters = read_titles(SOURCE, [record(0, A_SEASON), record(1, b"{")], 10_000)
    assert titles == {"dark": Change(orjson.dumps(A_SEASON), "titles/0", 0)}
    assert len(letters) == 1


def test_curves_are_read_by_season():
    fields = {b"curve:1": orjson.dumps(CURVE), b"curve:2": orjson.dumps(CURVE), b"viewers": b"7"}
    assert set(parse_curves("dark", fields)) == {("dark", 1), ("dark", 2)}
    assert parse_curves("dark", {}) == {}


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b"7",
        orjson.dumps(CURVE | {"c": [0.9]}),
        orjson.dumps(CURVE | {"c": [2, 0.8]}),
        orjson.dumps(CURVE | {"gap_cdf": [0, 0.5]}),
        orjson.dumps(CURVE | {"episodes": None}),
    ],
)
def test_a_curve_that_cannot_be_read_is_left_out_and_said(text):
    with capture_logs() as lines:
        found = parse_curves("dark", {b"curve:1": text, b"curve:2": orjson.dumps(CURVE)})
    assert set(found) == {("dark", 2)}
    assert [line["event"] for line in lines] == ["curve left out"]


def test_fields_of_others_in_the_hash_are_no_curves():
    fields = {b"curve:": b"{}", b"curve:x": b"{}", "curve:²".encode(): b"{}", b"\xff": b"{}"}
    assert parse_curves("dark", fields) == {}


def test_titles_are_looked_up_when_new_and_again_after_a_while():
    seen = {}
    assert stale(seen, ["a", "b"], 100.0, 10.0) == ["a", "b"]
    assert stale(seen, ["a", "c"], 109.9, 10.0) == ["c"]
    assert stale(seen, ["a", "c"], 110.0, 10.0) == ["a"]
