"""Records that break the contract, in the middle of a stream that must go on."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest
from players import a_run, an_event, as_binary, stamp, watched
from service import DAY_S, running_service
from workers import read_topic

from producers.send import partition_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service import Service

pytestmark = pytest.mark.integration

KEPT_BYTES = 65_536
LARGE_BYTES = 10_000_000


class Bad(NamedTuple):
    """A record that breaks the contract, and what must be said of it."""

    what: str
    key: bytes | None
    value: bytes | None
    reason: str
    field: str
    headers: list[tuple[str, bytes]] = []  # noqa: RUF012 - a default that nobody changes


@pytest.fixture(scope="module")
def service(stack, tmp_path_factory) -> Iterator[Service]:
    with running_service(stack, tmp_path_factory.mktemp("worker")) as found:
        yield found


def in_partition_0(name: str, count: int) -> list[str]:
    """Viewers whose events lie with those that have no key."""
    names = (f"{name}-{number}" for number in itertools.count())
    return list(itertools.islice((it for it in names if partition_of(it.encode(), 4) == 0), count))


(BAD,) = in_partition_0("bad", 1)


def an_odd_one(time_s: float, drop: str = "", **more: Any) -> bytes:
    """An event of the bad viewer, of which something is missing or wrong."""
    event = an_event(BAD, "heartbeat", time_s, 60)
    about = event if {drop, *more} & set(event) else event["data"]
    about.pop(drop, None)
    about.update(more)
    return orjson.dumps(event)


def with_field(time_s: float, name: str, text: str) -> bytes:
    """An event of the bad viewer with one field of ``data`` as this JSON text."""
    return an_odd_one(time_s, **{name: "@"}).replace(b'"@"', text.encode())


WRONG_FIELDS = {
    "position_s": ('"60"', "-1", "1e300", "true", "null", "[60]", "864001"),
    "rate": ("0", "-1", '"fast"', "17"),
    "season": ("0", "1.5", '"1"', "true", "1" + "0" * 30, "null"),
    "episode": ("null", "-3"),
    "playback_id": ('""', "7", '"' + "x" * 257 + '"'),
    "title_id": ("{}", "null"),
    "seq": ("-1", "1.5"),
    "duration_s": ("0", '"2700"'),
    "autoplay": ('"yes"', "1"),
    "device": ("7", "[]"),
    "country": ('"Germany"',),
    "language": ('"german!"',),
}
"""JSON texts by field."""


def broken_fields(at: float) -> list[Bad]:
    key = BAD.encode()
    found = [
        Bad(f"{name} {text[:20]}", key, with_field(at, name, text), "field", name)
        for name, texts in WRONG_FIELDS.items()
        for text in texts
    ]
    missing = ("position_s", "playback_id", "title_id", "season", "episode")
    found += [Bad(f"no {it}", key, an_odd_one(at, it), "field", it) for it in missing]
    seek = an_event(BAD, "seeked", at, 60)
    found.append(Bad("no origin", key, orjson.dumps(seek), "field", "from_position_s"))
    found.append(Bad("no data", key, an_odd_one(at, "data"), "field", "data"))
    found.append(Bad("data a list", key, an_odd_one(at, data=[1]), "field", "data"))
    return found


def broken_envelopes(at: float) -> list[Bad]:
    key = BAD.encode()
    found = [
        Bad(f"no {it}", key, an_odd_one(at, it), "envelope", it)
        for it in ("id", "source", "type", "subject", "time")
    ]
    found += [
        Bad("time in no zone", key, an_odd_one(at, time="2026-01-01T00:00:00"), "envelope", "time"),
        Bad("time a number", key, an_odd_one(at, time=1_700_000_000), "envelope", "time"),
        Bad("time a word", key, an_odd_one(at, time="yesterday"), "envelope", "time"),
        Bad("1970", key, an_odd_one(at, time="1970-01-01T00:00:00Z"), "time", "time"),
        Bad("2100", key, an_odd_one(at, time="2100-01-01T00:00:00Z"), "time", "time"),
        Bad("too late", key, an_odd_one(at, time=stamp(at - 1.1 * DAY_S)), "too_late", "time"),
        Bad("unknown type", key, an_odd_one(at, type="playback.rewound"), "unknown_type", "type"),
        Bad("type a number", key, an_odd_one(at, type=7), "envelope", "type"),
        Bad("version 2", key, an_odd_one(at, specversion="2.0"), "envelope", "specversion"),
        Bad("no key", None, an_odd_one(at), "key", "key"),
        Bad("empty key", b"", an_odd_one(at), "key", "key"),
        Bad("key not UTF-8", _bytes_in_partition_0(), an_odd_one(at), "key", "key"),
        Bad("someone else", key, an_odd_one(at, subject="someone else"), "key", "subject"),
    ]
    binary = as_binary(an_event(BAD, "heartbeat", at, 60))
    headers = [(n, b"\xff" if n == "ce_source" else v) for n, v in binary[2]]
    found.append(Bad("header not UTF-8", key, binary[1], "envelope", "source", headers))
    return found


def _bytes_in_partition_0() -> bytes:
    return next(k for n in range(100) if partition_of(k := b"\xff" + bytes([n]), 4) == 0)


def broken_values(at: float) -> list[Bad]:
    key, good = BAD.encode(), an_odd_one(at)
    large = orjson.dumps(an_event(BAD, "heartbeat", at, 60, padding="x" * LARGE_BYTES))
    nested = good.replace(b'"device"', b'"x"')[:-2] + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}}"
    return [
        Bad("no JSON", key, b"hello", "not_json", "value"),
        Bad("torn", key, good[:-5], "not_json", "value"),
        Bad("UTF-8 cut short", key, '{"id":"é'.encode()[:-1], "not_json", "value"),
        Bad("UTF-16", key, good.decode().encode("utf-16"), "not_json", "value"),
        Bad("half a surrogate", key, good.replace(b'"p-', b'"\\ud800'), "not_json", "value"),
        Bad("a list", key, b"[1,2]", "not_json", "value"),
        Bad("a number", key, b"7", "not_json", "value"),
        Bad("NaN", key, good.replace(b":60", b":NaN"), "not_json", "value"),
        Bad("infinity", key, good.replace(b":60", b":Infinity"), "not_json", "value"),
        Bad("nested", key, nested, "not_json", "value"),
        Bad("only nesting", key, b"[" * 100_000, "not_json", "value"),
        Bad("nothing", key, b"", "empty", "value"),
        Bad("a tombstone", key, None, "empty", "value"),
        Bad("large", key, large, "too_large", "value"),
    ]


def test_each_bad_record_is_a_dead_letter_and_no_good_one_is_lost(service):
    at = service.another_time()
    bad = [*broken_fields(at), *broken_envelopes(at), *broken_values(at)]
    good = [e for name in in_partition_0("good", len(bad) // 5 + 1) for e in a_run(name, at)]
    records = mixed(bad, good)
    topic = service.settings.topics.events
    places = service.sender.send(topic, [it[:3] for it in records])
    service.take_in()

    rejects = read_topic(service.settings, service.settings.topics.rejects)
    letters = {it.key: it for it in rejects}
    assert len(letters) == len(rejects), "each once"
    expected = {
        f"{topic}/{partition}/{offset}".encode(): record[3]
        for (partition, offset), record in zip(places, records, strict=True)
        if record[3]
    }
    assert {k: expected[k].what for k in expected.keys() - letters.keys()} == {}, "not rejected"
    assert letters.keys() - expected.keys() == set(), "rejected though good"
    for place, record in expected.items():
        said_of(letters[place], place, record)

    sessions = read_topic(service.settings, service.settings.topics.sessions)
    figures = {it.key: orjson.loads(it.value)["coverage_s"] for it in sessions}
    assert figures == {e["subject"].encode(): 2500 for e in good}
    assert service.hash("state", BAD) == {}


def mixed(bad: list[Bad], good: list[dict[str, Any]]):
    """Every bad record between two good ones; the good viewers take turns in partition 0."""
    keyed = [(e["subject"].encode(), orjson.dumps(e), [], None) for e in good]
    per_bad = max(1, len(keyed) // (len(bad) + 1))
    found = keyed[:per_bad]
    for number, it in enumerate(bad, 1):
        found.append((it.key, it.value, it.headers, it))
        found += keyed[number * per_bad : (number + 1) * per_bad]
    return found + keyed[(len(bad) + 1) * per_bad :]


def said_of(letter, place: bytes, bad: Bad) -> None:
    headers = {name: value.decode(errors="replace") for name, value in letter.headers.items()}
    where = "/".join(headers[name] for name in ("topic", "partition", "offset"))
    assert where.encode() == place
    assert (headers["reason"], headers["field"]) == (bad.reason, bad.field), bad.what
    assert headers["detail"], bad.what
    assert letter.headers.get("key") == bad.key, bad.what
    assert int(headers["size"]) == len(bad.value or b""), bad.what
    assert letter.value == (bad.value and bad.value[:KEPT_BYTES]), bad.what


def test_what_is_merely_odd_is_taken(service):
    at = service.another_time()
    start, end = watched("odd", "nobody-knows-it", 1, at)
    twice = orjson.dumps(start).replace(b'"position_s":0', b'"position_s":9,"position_s":0')
    more = end | {"traceparent": "x", "data": end["data"] | {"unlisted": [1, {"a": None}]}}
    key = b"odd"
    topic = service.settings.topics.events
    places = service.sender.send(topic, [(key, twice, []), (key, orjson.dumps(more), [])])
    service.take_in()
    (session,) = service.sessions("odd")
    assert (session["title_id"], session["coverage_s"]) == ("nobody-knows-it", 2700)
    assert service.hash("taste", "odd")["watched_s"] == "2700"
    rejects = {it.key for it in read_topic(service.settings, service.settings.topics.rejects)}
    assert not rejects & {f"{topic}/{p}/{o}".encode() for p, o in places}


def test_a_flood_of_bad_records_is_all_told_and_stops_nothing(service):
    at = service.another_time()
    topic = service.settings.topics.events
    flood = [(f"v{n % 50}".encode(), b"{}", []) for n in range(5000)]
    places = service.sender.send(topic, flood)
    service.report(watched("after-the-flood", "dark", 1, at))
    (session,) = service.sessions("after-the-flood")
    assert session["coverage_s"] == 2700
    rejects = {it.key for it in read_topic(service.settings, service.settings.topics.rejects)}
    assert {f"{topic}/{p}/{o}".encode() for p, o in places} <= rejects
    assert len(service.worker.log.splitlines()) < 50, "one line per record would drown all others"
