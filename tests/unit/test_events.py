"""The event contract: what is taken, and each reason for which a record is not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from streams.decoder import decode
from streams.events import Event, Reject, Tick
from streams.rules import Rules
from streams.viewing.knots import NO_POSITION, NO_RATE, NO_SEQ, Kind

RULES = Rules()
AT_MS = 1_772_396_130_250
DATA = {
    "playback_id": "p1", "title_id": "dark", "season": 1, "episode": 3, "position_s": 1312.4,
}  # fmt: skip
ENVELOPE = {
    "specversion": "1.0", "id": "a1", "source": "/players/web", "type": "playback.paused",
    "subject": "viewer-7", "time": "2026-03-01T20:15:30.250Z",
}  # fmt: skip
GONE = object()


def record(data: Any = None, /, **envelope: Any) -> bytes:
    body = {**ENVELOPE, **envelope, "data": DATA if data is None else data}
    return orjson.dumps({name: value for name, value in body.items() if value is not GONE})


def read(value: bytes | None, key: bytes | None = b"viewer-7", headers: Any = ()) -> Event | Tick:
    return decode(key, value, headers, AT_MS, RULES)


def with_data(**changes: Any) -> bytes:
    return record({k: v for k, v in {**DATA, **changes}.items() if v is not GONE})


def why_not(value: bytes | None, key: bytes | None = b"viewer-7", headers: Any = ()) -> list[str]:
    for _ in range(2):  # once for the careful way, once more now that all is remembered
        with pytest.raises(Reject) as caught:
            read(value, key, headers)
    return [caught.value.reason, caught.value.field]


# -- what is taken -----------------------------------------------------------------------------
def test_a_structured_event_is_read() -> None:
    said = {**DATA, "rate": 1.5, "seq": 4, "duration_s": 3060, "autoplay": True, "device": "tv",
            "country": "de", "language": "de-AT"}  # fmt: skip
    event = read(record(said))
    assert event.viewer == "viewer-7"
    assert event.playback == ("p1", "dark", 1, 3)
    assert event.knot == (AT_MS, 4, Kind.PAUSE, 1_312_400, 1.5, NO_POSITION)
    assert not event.bare
    assert dict(event.facts) == {
        "device": "tv", "country": "DE", "language": "de-AT", "duration": 3_060_000,
        "autoplay": True,
    }  # fmt: skip


def test_a_binary_event_is_the_same_event() -> None:
    headers = [("content-type", b"application/json")]
    headers += [(f"ce_{name}", text.encode()) for name, text in ENVELOPE.items()]
    assert read(orjson.dumps(DATA), headers=headers) == read(record())


def test_a_structured_event_with_its_content_type_is_read() -> None:
    headers = [("content-type", b"application/cloudevents+json"), ("traceparent", b"00-\xff")]
    assert read(record(), headers=headers) == read(record())


def test_what_is_not_said_has_no_value() -> None:
    event = read(with_data(season=GONE, episode=GONE))
    assert event.playback == ("p1", "dark", 0, 0)
    assert (event.knot.seq, event.knot.rate, event.facts) == (NO_SEQ, NO_RATE, ())
    nothing = dict.fromkeys(["rate", "seq", "duration_s", "autoplay", "device", "country"])
    assert read(with_data(season=None, episode=None, **nothing)) == event


def test_fields_that_are_not_listed_are_ignored() -> None:
    extended = with_data(app="7.1", nested={"a": [1]})
    assert read(record(datacontenttype="application/json", partitionkey="x")) == read(record())
    assert read(extended) == read(extended) == read(record())


@pytest.mark.parametrize(("word", "kind"), [("play", Kind.RESUME), ("pause", Kind.PAUSE)])
def test_bare_words_are_taken(word: str, kind: Kind) -> None:
    event = read(record(type=word))
    assert (event.bare, event.knot.kind) == (True, kind)


def test_a_tick_needs_no_viewer_and_no_key() -> None:
    said = {"type": "stream.tick", "time": ENVELOPE["time"], "id": "t1", "source": "/importer"}
    assert read(orjson.dumps(said), key=None) == Tick(AT_MS)


@pytest.mark.parametrize("name", ["id", "source", "time"])
def test_a_tick_needs_its_envelope(name: str) -> None:
    said = {"type": "stream.tick", "time": ENVELOPE["time"], "id": "t1", "source": "/importer"}
    del said[name]
    with pytest.raises(Reject) as caught:
        read(orjson.dumps(said), key=None)
    assert (caught.value.reason, caught.value.field) == ("envelope", name)


def test_a_seek_says_where_it_began() -> None:
    event = read(record({**DATA, "from_position_s": 7.5}, type="playback.seeked"))
    assert event.knot.origin_ms == 7500


def test_local_time_keeps_its_offset() -> None:
    event = read(record(time="2026-03-01T22:15:30.250+02:00"))
    assert event.knot.at_ms == AT_MS
    assert event.facts == (("offset", 120),)


@pytest.mark.parametrize(
    "time",
    ["2026-03-01T20:15:30.2503Z", "2026-03-01T20:15:30.250123456Z", "2026-03-01t20:15:30.250z",
     "2026-03-01T20:15:30.249999999Z", "2026-03-01T20:15:30.250-00:00"],
)  # fmt: skip
def test_a_time_means_the_same_before_and_after_its_player_is_known(time: str) -> None:
    viewer = f"new-{time}"
    first = read(record(time=time, subject=viewer), key=viewer.encode())
    assert first == read(record(time=time, subject=viewer), key=viewer.encode())
    assert first.knot.at_ms == AT_MS


def test_the_last_of_duplicated_fields_counts() -> None:
    doubled = record().replace(b'"season":1', b'"season":9,"season":1')
    assert read(doubled) == read(doubled) == read(record())


# -- what is not ---------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_a_value_is_empty(value: bytes | None) -> None:
    assert why_not(value) == ["empty", "value"]


@pytest.mark.parametrize(
    "value",
    [b"play", b"{", b"[]", b"1", b"null", record()[:-1], record() + b"x", b"\xff" + record(),
     record().replace(b"a1", b"a\xff1"), record().replace(b"/players/web", b"/\xc3"),
     record({**DATA, "app": "?"}).replace(b'"?"', b'"\xff"'),
     record().replace(b"a1", b"\\ud800"),
     record().replace(b"1312.4", b"NaN"), record().replace(b"1312.4", b"Infinity"),
     record({**DATA, "app": 0.5}).replace(b"0.5", b"1e999"),
     b"[" * 100_000, b'{"data":' * 5_000 + b"1" + b"}" * 5_000],
)  # fmt: skip
def test_what_is_not_utf8_json_is_not_json(value: bytes) -> None:
    read(record())
    assert why_not(value) == ["not_json", "value"]


def test_deep_nesting_where_something_else_belongs_is_a_reject() -> None:
    deep: Any = orjson.Fragment(b"[" * 1000 + b"]" * 1000)
    assert why_not(record(deep)) == ["field", "data"]
    assert why_not(with_data(device=deep)) == ["field", "device"]


@pytest.mark.parametrize("wrong", [GONE, None, "", 7, True, [], {}, "x" * 257])
@pytest.mark.parametrize("name", ["id", "source", "subject"])
def test_the_envelope_names_its_attribute(name: str, wrong: Any) -> None:
    assert why_not(record(**{name: wrong})) == ["envelope", name]


@pytest.mark.parametrize("wrong", [GONE, None, 7, []])
def test_a_type_is_text(wrong: Any) -> None:
    assert why_not(record(type=wrong)) == ["envelope", "type"]


def test_another_major_version_is_refused() -> None:
    assert why_not(record(specversion="0.3")) == ["envelope", "specversion"]


@pytest.mark.parametrize(
    "time",
    [GONE, None, 1772396130, "", "yesterday", "2026-03-01", "2026-03-01T20:15:30",
     "20260301T201530Z", "2026-W09-7T20:15:30Z", "2026-13-01T20:15:30Z"],
)  # fmt: skip
def test_a_time_that_is_not_rfc_3339_with_an_offset_is_refused(time: Any) -> None:
    assert why_not(record(time=time)) == ["envelope", "time"]


@pytest.mark.parametrize(
    "time",
    ["1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "1999-12-31T23:59:59.999Z",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-01T20:20:30.251Z"],
)  # fmt: skip
def test_a_clock_that_is_wrong_is_refused(time: str) -> None:
    assert why_not(record(time=time)) == ["time", "time"]


@pytest.mark.parametrize("time", ["2000-01-01T00:00:00Z", "2026-03-01T20:20:30.250Z"])
def test_the_first_and_the_last_time_that_are_possible_are_taken(time: str) -> None:
    assert isinstance(read(record(time=time)), Event)


@pytest.mark.parametrize("word", ["playback.began", "", "PLAY", "viewer.hooked"])
def test_a_type_that_does_not_exist_is_unknown(word: str) -> None:
    assert why_not(record(type=word)) == ["unknown_type", "type"]


@pytest.mark.parametrize(
    ("key", "field"),
    [(None, "key"), (b"", "key"), (b"viewer-8", "subject"), (b"viewer-7 ", "subject"),
     (b"\xff\xfe", "key")],
)  # fmt: skip
def test_the_key_is_the_viewer(key: bytes | None, field: str) -> None:
    assert why_not(record(), key) == ["key", field]


@pytest.mark.parametrize("data", [GONE, [], "x", 1, True])
def test_data_is_an_object(data: Any) -> None:
    assert why_not(record(data)) == ["field", "data"]


IDS = [GONE, None, "", 7, True, [], {}, "x" * 257]
ORDINALS = [GONE, None, 0, -1, 1.0, True, "1", [1], 10**9, 2**70]
SECONDS = [GONE, None, -0.001, -1, 864_000.1, 1e300, True, "1", [1]]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *[(name, wrong) for name in ("playback_id", "title_id") for wrong in IDS],
        *[(name, wrong) for name in ("season", "episode") for wrong in ORDINALS],
        *[("position_s", wrong) for wrong in SECONDS],
        *[("rate", wrong) for wrong in (0, -1, 16.1, True, "1", [])],
        *[("seq", wrong) for wrong in (-1, 1.0, True, "1", 2**62)],
        *[("duration_s", wrong) for wrong in (0, -2147483648, 864_001, True, "1", [])],
        *[("autoplay", wrong) for wrong in (1, 0, "true", [])],
        *[("device", wrong) for wrong in ("", 7, [], {}, "x" * 257)],
        *[("country", wrong) for wrong in ("", "DEU", "D1", 49, "D\n", [])],
        *[("language", wrong) for wrong in ("", "d", "de_AT", 1, [])],
    ],
)
def test_a_wrong_field_is_named(name: str, wrong: Any) -> None:
    read(record())
    if wrong == 2**70:
        value = with_data(**{name: 0.5}).replace(b"0.5", str(wrong).encode())
    else:
        value = with_data(**{name: wrong})
    assert why_not(value) == ["field", name]


@pytest.mark.parametrize("wrong", SECONDS)
def test_a_seek_needs_its_beginning(wrong: Any) -> None:
    data = {**DATA, "from_position_s": wrong}
    if wrong is GONE:
        del data["from_position_s"]
    assert why_not(record(data, type="playback.seeked")) == ["field", "from_position_s"]


def test_a_header_that_is_not_utf8_is_an_envelope_fault() -> None:
    headers = [("ce_type", b"playback.paused"), ("ce_id", b"\xff")]
    assert why_not(orjson.dumps(DATA), headers=headers) == ["envelope", "id"]


def test_a_reason_stays_on_one_short_line() -> None:
    with pytest.raises(Reject) as caught:
        read(with_data(device=["x" * 100_000]))
    assert len(caught.value.detail) < 200
