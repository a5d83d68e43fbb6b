"""Which dead letters are chosen, how their bytes are shown, and which may be sent again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from players import an_event, as_binary

from config.settings import Settings
from consumers.courier import Parts
from consumers.mended import BadLineError, Mended, read_mended
from consumers.records import Place, RawRecord, Reject, parse_reject
from consumers.redrive import Judge, Left
from consumers.rejects import OF_STATE, REASONS, Choice, kinds
from hookpoint.commands._rejects import reject_json, shown_bytes
from hookpoint.commands._tables import json_line
from streams.headers import as_json, from_json
from streams.worker.decoding import KEPT_BYTES

ROOT = Path(__file__).parents[2]
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
SETTINGS = Settings(_env_file=None)
NOW_S = 1_767_571_200.0
AT = datetime(2026, 3, 2, 21, 40, tzinfo=UTC)
all_headers = st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=9) | st.none()))


def an_envelope(**data):
    position = data.pop("position_s", 60)
    return an_event("v", "heartbeat", NOW_S, position, **data)


def a_reject(**more) -> Reject:
    value = more.pop("value", orjson.dumps(an_envelope()))
    fields = {
        "topic": SETTINGS.topics.events, "partition": 2, "offset": 5, "key": b"v",
        "reason": "field", "field": "position_s", "detail": "why", "size": len(value),
        "value": value, "rejected_at": AT,
    }  # fmt: skip
    return Reject(**(fields | more))


# -- shown -----------------------------------------------------------------------------------------
@given(st.binary(max_size=400), st.integers(1, 50))
def test_whatever_the_bytes_nothing_unsafe_is_shown(raw, limit):
    shown = shown_bytes(raw, len(raw), limit)
    assert not UNSAFE.search(shown)
    assert len(shown) <= 6 * limit + len("… (400 bytes)")


@pytest.mark.parametrize(
    ("raw", "size", "shown"),
    [
        (b"", 0, ""),
        (b"12345678", 8, "12345678"),
        (b"123456789", 9, "1234567… (9 bytes)"),
        (b"1234", 70_000, "1234… (70,000 bytes)"),
        ("ééééééééé".encode(), 18, "ééééééé… (18 bytes)"),
        (b"\x1b[2J", 4, r"\x1b[2J"),
        (b"a\xffb", 3, r"a\xffb"),
        ("\u202eabc".encode(), 6, r"\u202eabc"),
    ],
)
def test_bytes_are_escaped_and_cut_with_their_length_said(raw, size, shown):
    assert shown_bytes(raw, size, 8) == shown


@given(st.binary(), st.binary() | st.none(), all_headers)
def test_a_line_of_json_is_safe_and_gives_every_byte_back(value, key, headers):
    reject = a_reject(value=value, key=key, headers=tuple(headers))
    line = json_line(reject_json(reject))
    assert not UNSAFE.search(line)
    mended = read_mended([line.encode()])[reject.place]
    assert mended.given == {"key": key, "value": value, "headers": tuple(headers)}
    assert mended.changes(reject) == {}


# -- headers ---------------------------------------------------------------------------------------
@given(all_headers)
def test_headers_survive_json(headers):
    assert from_json(orjson.loads(orjson.dumps(as_json(headers)))) == tuple(headers)


@pytest.mark.parametrize("pairs", [7, [7], [["a"]], [[1, "b"]], [["a", 1]], [["a", None, "%"]]])
def test_what_is_no_list_of_headers_is_refused(pairs):
    with pytest.raises(ValueError, match=r".+"):
        from_json(pairs)


# -- chosen ----------------------------------------------------------------------------------------
def test_the_reasons_are_those_of_the_docs_and_those_that_the_code_gives():
    table = (ROOT / "docs/events.md").read_text().split("| reason | meaning |")[1]
    assert re.findall(r"^\| `(\w+)` \|", table.partition("\n\n")[0], re.MULTILINE) == list(REASONS)
    code = "".join(path.read_text() for path in (ROOT / "streams").rglob("*.py"))
    assert set(re.findall(r'Reject\("(\w+)"', code)) == set(REASONS)
    assert set(REASONS) > OF_STATE


@pytest.mark.parametrize(
    ("choice", "taken"),
    [
        (Choice(), True),
        (Choice(reasons=("key", "field")), True),
        (Choice(reasons=("key",)), False),
        (Choice(fields=("rate",)), False),
        (Choice(topic="titles"), False),
        (Choice(partition=2), True),
        (Choice(partition=0), False),
        (Choice(since=AT), True),
        (Choice(since=AT + timedelta(milliseconds=1)), False),
        (Choice(until=AT), False),
        (Choice(reasons=("field",), partition=2, since=AT, until=AT + timedelta(1)), True),
    ],
)
def test_a_choice_takes_what_meets_all_of_it(choice, taken):
    assert choice.takes(a_reject()) is taken


def test_sums_name_the_first_the_last_and_the_latest_example():
    hour = timedelta(hours=1)
    found = kinds(
        [
            a_reject(offset=1, rejected_at=AT),
            a_reject(offset=2, rejected_at=AT + hour),
            a_reject(offset=3, rejected_at=AT - hour),
            a_reject(offset=4, reason="key", field=None),
        ]
    )
    assert [(it.reason, it.field, it.count) for it in found] == [
        ("field", "position_s", 3),
        ("key", None, 1),
    ]
    assert (found[0].first, found[0].last, found[0].example.offset) == (AT - hour, AT + hour, 2)


# -- sent again ------------------------------------------------------------------------------------
class Nowhere:
    """Kafka, of which nothing is asked but where a key goes, and what a topic keeps of a record."""

    def __init__(self, kept: Parts | None = None):
        self.kept = kept

    def partition_of(self, _key, otherwise):
        return otherwise

    def original(self, _reject):
        return self.kept


def parcel(reject, mended=None, *, named=(), clock_ms=0, kept=None, **settings):
    own = SETTINGS.model_copy(update=settings)
    return Judge(own, Nowhere(kept), lambda _: clock_ms, named).parcel(reject, mended)


def left(*arguments, **options) -> str:
    with pytest.raises(Left) as caught:
        parcel(*arguments, **options)
    return caught.value.word


def test_what_today_s_contract_takes_goes_out_as_it_was_and_says_what_it_repeats():
    reject = a_reject(headers=(("a", b"1"), ("a", None)))
    mark = ("redriven", f"{SETTINGS.topics.events}/2/5".encode())
    assert parcel(reject).parts == (b"v", reject.value, (*reject.headers, mark))


def test_a_binary_event_needs_its_headers():
    key, value, headers = as_binary(an_envelope())
    assert parcel(a_reject(key=key, value=value, headers=tuple(headers)))
    assert left(a_reject(key=key, value=value)) == "envelope"


def test_what_it_still_refuses_is_left_for_the_reason_of_today():
    assert left(a_reject(value=orjson.dumps(an_envelope(rate=0)))) == "field"
    assert left(a_reject(value=b"{", reason="field")) == "not_json"
    assert left(a_reject(key=None)) == "key"
    assert left(a_reject(), max_value_bytes=100) == "too_large"


@pytest.mark.parametrize("reason", sorted(OF_STATE))
def test_what_its_viewer_s_state_refused_is_sent_only_by_name_or_mended(reason):
    reject = a_reject(reason=reason)
    assert left(reject) == reason
    assert parcel(reject, named=("field", reason))
    assert left(reject, named=("field",)) == reason
    assert left(reject, Mended(1, {"value": reject.value})) == reason
    assert parcel(reject, Mended(1, {"value": orjson.dumps(an_envelope(position_s=61))}))


def test_what_lies_a_day_behind_the_stream_by_now_is_not_sent_in_vain():
    day_later_ms = round(NOW_S * 1000) + 86_400_000
    assert parcel(a_reject(), clock_ms=day_later_ms)
    assert left(a_reject(), clock_ms=day_later_ms + 1) == "too_late"
    assert parcel(a_reject(), clock_ms=day_later_ms + 1, named=("too_late",))


def test_nothing_is_sent_a_third_time_not_even_mended_or_by_name():
    reject = a_reject(reason="too_late", headers=(("redriven", b"t/0/1"),))
    mended = Mended(1, {"value": orjson.dumps(an_envelope(position_s=61)), "headers": ()})
    assert left(reject, mended, named=("too_late",)) == "sent_before_and_refused"


def test_only_events_are_sent_again():
    assert left(a_reject(topic="titles")) == "other_topic"


def test_of_a_record_that_was_cut_the_whole_one_is_taken_from_its_topic_or_from_the_mender():
    whole = orjson.dumps(an_envelope(padding="x" * KEPT_BYTES))
    cut = a_reject(value=whole[:KEPT_BYTES], size=len(whole))
    kept = Parts(b"v", whole, (("a", b"1"),))
    assert left(cut) == "cut"
    assert parcel(cut, kept=kept).parts.value == whole
    assert parcel(cut, kept=kept).parts.headers[0] == ("a", b"1")
    assert left(cut, Mended(1, {"value": cut.value})) == "cut"
    assert parcel(cut, Mended(1, {"value": whole})).parts.value == whole
    assert left(cut, kept=kept._replace(headers=(("redriven", b"t/0/1"),))) == (
        "sent_before_and_refused"
    )


def test_a_record_whose_headers_were_too_many_to_keep_is_not_sent_without_them():
    reject = a_reject(headers=None)
    assert left(reject) == "cut"
    assert left(reject, Mended(1, {"value": orjson.dumps(an_envelope(position_s=61))})) == "cut"
    kept = Parts(b"v", reject.value, (("a", b"1"),))
    assert parcel(reject, kept=kept).parts.headers[0] == ("a", b"1")
    assert parcel(reject, Mended(1, {"headers": ()}))


# -- a file of mended ones -------------------------------------------------------------------------
def test_a_line_may_hold_text_base64_or_an_object():
    place = b'{"topic":"t","partition":0,"offset":%d,%s}'
    lines = [
        place % (1, b'"value":"text","value_base64":"/w=="'),
        place % (2, b'"value":null,"value_base64":"/w=="'),
        b"",
        place % (3, b'"value":{"a":[1]}'),
        place % (4, b'"key":null'),
        place % (5, b'"headers":null'),
    ]
    found = read_mended(lines)
    assert [it.given for it in found.values()] == [
        {"value": b"text"}, {"value": b"\xff"}, {"value": b'{"a":[1]}'}, {"key": None}, {},
    ]  # fmt: skip
    assert found[Place("t", 0, 5)].line == 6


def test_the_same_record_mended_twice_is_refused_naming_both_lines():
    line = b'{"topic":"t","partition":0,"offset":1,"value":"x"}'
    with pytest.raises(BadLineError, match=r"line 3: t/0/1 was mended in line 1"):
        read_mended([line, b"\n", line])


@given(st.binary(max_size=60))
def test_no_line_whatsoever_raises_anything_else(line):
    try:
        read_mended([line])
    except BadLineError:
        return


def test_headers_are_read_from_a_dead_letter_as_the_worker_packs_them():
    headers = {
        "topic": b"t", "partition": b"0", "offset": b"1", "reason": b"field",
        "headers": b'[["a","1"],["a",null],["b",null,"/w=="]]',
    }  # fmt: skip
    raw = RawRecord("rejects", 0, 0, None, b"", headers, 0)
    assert parse_reject(raw).headers == (("a", b"1"), ("a", None), ("b", b"\xff"))
