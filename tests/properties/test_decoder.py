"""The decoder's short way and its careful way never disagree, and neither ever breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.contract import decode_carefully
from streams.decoder import decode, decode_plain, decode_shortly
from streams.events import TYPES, Event, Reject, Tick
from streams.rules import Rules

RULES = Rules()
STAMP_MS = 1_772_396_130_250
KEY = b"viewer-7"
TIMES = st.one_of(
    st.sampled_from(
        ["2026-03-01T20:15:30Z", "2026-03-01T20:15:30.250Z", "2026-03-01T21:15:30+01:00",
         "2026-03-01t20:15:30z", "2026-03-01 20:15:30Z", "2026-03-01T20:15:30",
         "1999-12-31T23:59:59.9999Z", "2026-03-01T20:20:30.2504Z", "2026-03-01T20:20:30.2506Z"]
    ),
    st.from_regex(r"2026-0[0-9]-0[0-9]T[0-2][0-9]:15:[0-6][0-9]\.[0-9]{1,10}(Z|[+-]0[0-9]:00)",
                  fullmatch=True),
)  # fmt: skip
ANY: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
NUMBERS = st.sampled_from(
    [0, 1, 2, 1.0, -0.0, 0.5, True, -1, 864_000, 864_000.5, 1e-9, 16, 1 << 62]
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "season": st.sampled_from([1, 1, 1.0, True, None, "1"]),
    "episode": st.sampled_from([3, 3, 3.0, None, 0]),
    "from_position_s": NUMBERS,
    "rate": NUMBERS,
    "seq": NUMBERS,
    "duration_s": NUMBERS,
    "autoplay": st.sampled_from([True, False, None, 1, 0, 1.0]),
    "device": st.sampled_from(["tv", "", None, "é", 1]),
    "country": st.sampled_from(["DE", "de", "DEU", None]),
    "language": st.sampled_from(["de", "de-AT", "?", None]),
    "more": ANY,
}
RARELY = st.integers(0, 9).map(lambda n: n == 0)


@st.composite
def near_valid(draw: st.DrawFn) -> bytes:
    """A valid event with some fields replaced, dropped, doubled, or bytes damaged."""
    data = {"playback_id": "p1", "title_id": "dark", "position_s": draw(st.floats(0, 900_000))}
    for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), unique=True)):
        data[name] = draw(ANY if draw(RARELY) else FIELDS[name])
    body = {
        "specversion": draw(st.sampled_from(["1.0", "1.0", "1.0", "1.1", "0.3"])),
        "id": "a1",
        "source": "/x",
        "type": draw(st.sampled_from([*TYPES, "stream.tick", "other"])),
        "subject": "viewer-7",
        "time": draw(TIMES),
        "data": data,
    }
    for part in (body, data):
        if draw(RARELY):
            part[draw(st.sampled_from(sorted(part)))] = draw(ANY)
        if draw(RARELY):
            del part[draw(st.sampled_from(sorted(part)))]
    value = orjson.dumps(body)
    if draw(RARELY):
        name = draw(st.sampled_from(sorted(data)) if data else st.just("x")).encode()
        doubled = orjson.dumps(draw(ANY))
        value = value.replace(
            b'"' + name + b'":', b'"' + name + b'":' + doubled + b',"' + name + b'":'
        )
    if draw(RARELY):
        at = draw(st.integers(0, len(value)))
        value = value[:at] + draw(st.binary(max_size=4)) + value[at + draw(st.integers(0, 4)) :]
    return value


def carefully(value: bytes) -> Event | Tick | Reject:
    try:
        return decode_carefully(KEY, value, (), STAMP_MS, RULES)
    except Reject as reject:
        return reject


def shortly(way: Callable[..., Event | None], value: bytes) -> Event | Reject | None:
    try:
        return way(KEY, value, STAMP_MS, RULES)
    except Reject as reject:  # the shortest way asks the careful one what it has not met yet
        return reject


VALID = (
    b'{"id":"a1","source":"/x","type":"play","subject":"viewer-7","time":"2026-03-01T20:15:30Z",'
    b'"data":{"playback_id":"p1","title_id":"dark","position_s":1%s}%s}'
)


@given(near_valid())
@example(VALID % (b"", b""))
@example(VALID.replace(b"30Z", b"30.25Z") % (b',"rate":2,"seq":9,"from_position_s":3', b""))
@example(VALID.replace(b'"play"', b'"playback.seeked"') % (b',"from_position_s":7.0005', b""))
@example(VALID.replace(b"2026-03-01", b"2024-02-29") % (b"", b""))
@example(VALID.replace(b"2026-03-01", b"2025-02-29") % (b"", b""))
@example(VALID.replace(b'_s":1', b'_s":864000.001') % (b"", b""))
@example(VALID.replace(b'_s":1', b'_s":01') % (b"", b""))
@example(VALID.replace(b'_s":1', b'_s":1.') % (b"", b""))
@example(
    VALID.replace(b":", b" :\n ").replace(b"15 :\n 30", b"15:30").replace(b"20 :\n ", b"20:")
    % (b"", b" ")
)
@example(VALID % (b',"season":1,"episode":3,"season":1', b""))
@example(VALID % (b',"title_id":"a\nb"', b""))
@example(VALID % (b"", b"") + b"}")
@example(VALID % (b',"x":"\xff"', b""))
@example(VALID % (b"", b',"x":1e999'))
@example(VALID % (b"", b',"x":"\\ud83d"'))
@example(VALID % (b"", b',"datacontenttype":7'))
@example(VALID.replace(b"a1", b"\xff") % (b"", b""))
@example(VALID.replace(b"30Z", b"30.0004999999Z") % (b"", b""))
@example(VALID.replace(b"30Z", b"30z") % (b"", b""))
@example(VALID % (b',"x":' + b"[" * 1023 + b"]" * 1023, b""))
def test_the_short_way_agrees_with_the_careful_way(value: bytes) -> None:
    for way in (decode_plain, decode_shortly) * 2:  # the first time warms what they remember
        short = shortly(way, value)
        careful = carefully(value)
        if isinstance(short, Reject):
            assert isinstance(careful, Reject)
            assert str(short) == str(careful)
        elif short is not None:
            assert short == careful
            assert [type(x) for x in short.knot] == [type(x) for x in careful.knot]
            assert [type(x) for x in short.playback] == [type(x) for x in careful.playback]


def test_the_short_way_is_taken() -> None:
    value = VALID % (b',"season":1,"episode":3,"device":"tv"', b"")
    carefully(value)
    assert decode_plain(KEY, value, STAMP_MS, RULES) is not None


@pytest.mark.parametrize("raw", [b"\t", b"\n", b"\x00"])
def test_what_json_escapes_is_not_taken_as_it_is(raw):
    for _ in range(2):  # so that all but the viewer is known
        decode(KEY, VALID % (b"", b""), (), STAMP_MS, RULES)
    key = b"a" + raw + b"b"
    escaped = VALID.replace(b"viewer-7", b"a" + orjson.dumps(raw.decode())[1:-1] + b"b")
    assert decode(key, escaped % (b"", b""), (), STAMP_MS, RULES).viewer == key.decode()
    with pytest.raises(Reject, match="not_json"):
        decode(key, VALID.replace(b"viewer-7", key) % (b"", b""), (), STAMP_MS, RULES)


def test_headers_keep_a_record_from_the_short_way_only_if_they_say_something_of_it(monkeypatch):
    value = VALID % (b"", b"")
    expected = [decode(KEY, value, (), STAMP_MS, RULES) for _ in range(2)].pop()
    monkeypatch.setattr("streams.decoder.decode_carefully", None)
    told = [("content-type", b"application/cloudevents+json"), ("traceparent", b"00-1")]
    assert decode(KEY, value, told, STAMP_MS, RULES) == expected
    with pytest.raises(TypeError):
        decode(KEY, value, [*told, ("ce_type", b"play")], STAMP_MS, RULES)


def test_what_is_remembered_lets_no_number_pass_that_no_double_holds() -> None:
    carefully(VALID % (b',"duration_s":2700', b""))
    doubled = VALID % (b',"duration_s":%s,"duration_s":2700' % (b"9" * 400), b"")
    assert isinstance(carefully(doubled), Reject)
    assert decode_plain(KEY, doubled, STAMP_MS, RULES) is None


@given(st.one_of(near_valid(), st.binary(), st.binary().map(lambda b: b'{"type":' + b)),
       st.one_of(st.just(KEY), st.none(), st.binary(max_size=8)),
       st.lists(st.tuples(st.sampled_from(["ce_type", "ce_time", "ce_id", "ce_source",
                                           "ce_subject", "ce_data", "ce_", "x"]),
                          st.none() | st.sampled_from([b"play", b"viewer-7",
                                                       b"2026-03-01T20:15:30Z"])
                          | st.binary(max_size=8)), max_size=6))  # fmt: skip
def test_whatever_comes_is_read_or_rejected_for_a_reason(
    value: bytes, key: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    found = decoded(value, key, headers)

    if isinstance(found, Reject):
        assert found.reason in {
            "empty", "not_json", "envelope", "field", "key", "unknown_type", "time",
        }  # fmt: skip
        assert found.field
        assert found.detail
    else:
        assert isinstance(found, Event | Tick)


def decoded(
    value: bytes, key: bytes | None, headers: list[tuple[str, bytes | None]]
) -> Event | Tick | Reject:
    try:
        return decode(key, value, headers, STAMP_MS, RULES)
    except Reject as reject:
        return reject
