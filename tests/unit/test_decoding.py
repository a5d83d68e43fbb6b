"""A slice of raw records as work: what goes to whom, what time it is, what is rejected."""

from __future__ import annotations

from types import SimpleNamespace

import orjson
import pytest
from players import an_event, stamp

from producers.send import tick
from streams.events import Reject
from streams.rules import Rules
from streams.worker.decoding import KEPT_BYTES, dead_letter, decode_slice, packed_headers

SOURCE = ("events", 3)
NOW_S = 1_767_571_200.0
DAY_S = 86_400.0
NOW_MS = round(NOW_S * 1000)


def record(offset, value, key=b"v", headers=(), at_s=NOW_S):
    if isinstance(value, dict):
        key, value = value["subject"].encode(), orjson.dumps(value)
    return SimpleNamespace(
        offset=offset,
        key=key,
        value=value,
        headers=headers,
        timestamp=round(at_s * 1000),
    )


def beat(viewer, after_s, title="dark"):
    return an_event(viewer, "heartbeat", NOW_S + after_s, max(after_s, 0), title_id=title)


def decoded(*records, clock_ms=NOW_MS, most=10_000):
    return decode_slice(SOURCE, records, clock_ms, Rules(), most)


def test_events_are_gathered_per_viewer_in_the_order_of_their_offsets():
    found = decoded(record(5, beat("a", 0)), record(6, beat("b", 1)), record(9, beat("a", 2)))
    assert {name: [work[0] for work in it] for name, it in found.viewers.items()} == {
        "a": [5, 9],
        "b": [6],
    }
    assert (found.first, found.last) == (5, 9)


def test_each_event_comes_with_the_stream_time_before_it():
    found = decoded(record(0, beat("a", 10)), record(1, beat("b", 5)), record(2, beat("a", 20)))
    before = {work[0]: work[1] for it in found.viewers.values() for work in it}
    assert before == {0: NOW_MS, 1: NOW_MS + 10_000, 2: NOW_MS + 10_000}
    assert found.time.clock_ms == NOW_MS + 20_000


def test_stream_time_never_goes_back():
    assert decoded(record(0, beat("a", -3600))).time.clock_ms == NOW_MS


def test_a_tick_moves_time_on_and_is_nobody_s_work():
    found = decoded(record(0, tick(NOW_S + 60), key=None))
    assert (found.time.clock_ms, found.viewers, found.rejects) == (NOW_MS + 60_000, {}, [])


def test_where_a_slice_is_cut_does_not_matter():
    records = [record(n, beat("ab"[n % 2], (n * 37) % 50)) for n in range(20)]
    whole = decoded(*records)
    first = decoded(*records[:7])
    rest = decoded(*records[7:], clock_ms=first.time.clock_ms)
    for name, work in whole.viewers.items():
        assert first.viewers.get(name, []) + rest.viewers.get(name, []) == work
    assert rest.time.clock_ms == whole.time.clock_ms


def test_an_event_a_day_behind_is_late_but_taken_and_a_little_more_is_too_late():
    found = decoded(record(0, beat("a", -DAY_S)), record(1, beat("a", -DAY_S - 1)))
    assert [work[0] for work in found.viewers["a"]] == [0]
    (letter,) = found.rejects
    assert (letter.offset, letter.reason, letter.field) == (1, "too_late", "time")


def test_a_rejected_record_does_not_move_time():
    ahead = record(0, an_event("a", "heartbeat", NOW_S + 7 * DAY_S, 0))
    found = decoded(ahead)
    assert found.time.clock_ms == NOW_MS
    assert [letter.reason for letter in found.rejects] == ["time"]


def test_a_slice_of_nothing_but_bad_records_still_has_its_offsets():
    found = decoded(*(record(n, b"{") for n in range(4, 8)))
    assert (found.first, found.last, len(found.rejects)) == (4, 7, 4)
    assert found.viewers == {}


def test_titles_of_a_slice_are_those_of_its_valid_events():
    found = decoded(
        record(0, beat("a", 0, "dark")), record(1, beat("b", 0, "heat")), record(2, b"{")
    )
    assert found.titles == {"dark", "heat"}


@pytest.mark.parametrize(("behind_s", "live"), [(0, True), (599, True), (601, False)])
def test_a_stream_is_live_while_its_events_are_minutes_old_at_most(behind_s, live):
    at = NOW_S + 60
    assert decoded(record(0, beat("a", 60), at_s=at + behind_s)).live is live


def test_a_value_over_the_limit_is_rejected_unread_and_one_at_it_is_read():
    value = b"x" * 101
    over, at = decoded(record(0, value), record(1, value[:100]), most=100).rejects
    assert (over.reason, over.size) == ("too_large", 101)
    assert at.reason == "not_json"


def test_a_dead_letter_keeps_the_bytes_up_to_a_limit_and_says_how_many_there_were():
    letter = dead_letter(SOURCE, record(7, b"y" * (KEPT_BYTES + 9)), Reject("field", "rate", "why"))
    assert (len(letter.value), letter.size) == (KEPT_BYTES, KEPT_BYTES + 9)
    assert letter[:4] == ("events", 3, 7, b"v")
    assert letter[6:9] == ("field", "rate", "why")


def test_a_key_as_large_as_a_record_does_not_make_its_dead_letter_larger_than_one():
    """It goes into a header there, beside up to 64 KiB of value."""
    letter = dead_letter(
        SOURCE, record(0, b"{}", key=b"k" * 1_000_000), Reject("key", "subject", "why")
    )
    assert letter.key == b"k" * KEPT_BYTES


def test_a_record_that_only_its_viewer_s_state_refuses_is_kept_as_whole_as_any_other():
    bad, good = record(5, b"{"), record(9, beat("a", 0), headers=[("ce_x", b"1")])
    letter = decoded(bad, good).letter(9, Reject("too_many", "playback_id", "why"))
    assert (letter.offset, letter.key, letter.value) == (9, b"a", good.value)
    assert (letter.size, letter.headers) == (len(good.value), [("ce_x", b"1")])


def test_headers_of_a_dead_letter_keep_their_order_and_every_byte():
    headers = [("b", b"1"), ("a", b"\xff"), ("b", "zoë".encode()), ("none", None), ("", b"")]
    assert orjson.loads(packed_headers(headers)) == [
        ["b", "1"],
        ["a", None, "/w=="],
        ["b", "zoë"],
        ["none", None],
        ["", ""],
    ]


def test_headers_that_are_too_many_to_keep_are_not_kept_by_half():
    fits = [("x", b"y" * (KEPT_BYTES - len('[["x",""]]')))]
    assert len(packed_headers(fits)) == KEPT_BYTES
    assert packed_headers([*fits, ("z", b"")]) == b"null"


def test_a_dead_letter_of_a_tombstone_has_no_value_and_no_size():
    letter = dead_letter(SOURCE, record(0, None), Reject("empty", "value", "none"))
    assert (letter.value, letter.size) == (None, 0)


def test_stamps_of_players_in_other_zones_are_one_time():
    event = beat("a", 0) | {"time": stamp(NOW_S).replace("+00:00", "Z")}
    there = beat("a", 0) | {"time": "2026-01-05T05:30:00+05:30"}
    found = decoded(record(0, event), record(1, there))
    assert [work[2].knot.at_ms for work in found.viewers["a"]] == [NOW_MS, NOW_MS]
