"""Valid records, and ways to damage them: bytes, JSON, fields, headers, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from contract_check import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

STAMP_MS = 1_772_396_130_250
Headers = list[tuple[str, bytes | None]]


class Input(NamedTuple):
    """What a decoder is given."""

    key: bytes | None
    value: bytes | None
    headers: Headers


NAMES = [
    "playback_id", "title_id", "season", "episode", "position_s", "from_position_s", "rate", "seq",
    "duration_s", "autoplay", "device", "country", "language", "more",
]  # fmt: skip
ATTRIBUTES = ["id", "source", "type", "subject", "time", "specversion", "data", "datacontenttype"]
ODD: list[Any] = [
    None, True, False, 0, 1, -1, -0.0, 0.5, 1.0, 1e-320, 16, 16.000001, 864_000, 864_000.001, 1e308,
    (1 << 62) - 1, 1 << 62, (1 << 63) - 1, (1 << 64) - 1, 999_999, 1_000_000, "", " ", "1", "null",
    "DE", "de", "DEU", "D\u0130", "de-AT-1996", "x-klingon", "de-", "de\n", "DE\n", "\u0000",
    "\ufeff", "\u202e", "zo\u0308", "\U0001f600", "\uffff", "x" * 256, "x" * 257, "\u00e9" * 256,
    [], {}, [1], {"a": 1}, [[]], "viewer-7", "viewer-7 ", "play", "Play", "playback.seeked",
    "stream.tick", "1.0", "1.1", "2.0", "1", "1.", "0.3",
]  # fmt: skip
TIMES = [
    "2026-03-01T20:15:30Z", "2026-03-01t20:15:30z", "2026-03-01 20:15:30+00:00",
    "2026-03-01T20:15:30.1234567890123Z", "2026-03-01T20:15:30.Z", "2026-03-01T20:15:30",
    "2026-03-01T20:15Z", "2026-03-01T20:15:60Z", "2026-03-01T24:00:00Z", "2026-02-29T20:15:30Z",
    "2024-02-29T20:15:30Z", "2026-03-01T20:15:30+24:00", "2026-03-01T20:15:30-23:59",
    "2026-03-01T20:15:30+05:60", "2026-03-01T20:15:30-00:00", "2026-03-01T20:15:30+0100",
    "1999-12-31T23:59:59.999Z", "2000-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-23:59",
    "2026-03-01T20:20:30.250Z", "2026-03-01T20:20:30.252Z", "2026-03-01T20:20:30.2505Z",
    "+2026-03-01T20:15:30Z", "20260301T201530Z", "2026-W09-7T20:15:30Z", "1772396130",
    "2026-03-01T20:15:30Z ", " 2026-03-01T20:15:30Z", "2026-03-01T20:15:30\u200bZ",
    "\u0662\u0660\u0662\u0666-03-01T20:15:30Z", "2026-03-01T20:15:30,5Z",
    "2026\u221203-01T20:15:30Z",
]  # fmt: skip
TOKENS = [
    b"NaN", b"Infinity", b"-Infinity", b"nan", b"1e999", b"-1e999", b"1E5", b"0x10", b"01", b"1_0",
    b"+1", b".5", b"5.", b"-", b"1e", b"9" * 25, b"9" * 400, b"0." + b"0" * 400 + b"1",
    b'"\\ud83d"', b'"\\ude00\\ud83d"', b'"\\u0000"', b'"\\x41"', b'"\\', b"\xff", b"\xc0\x80",
    b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xf4\x90\x80\x80", b"\x00", b"'", b"//", b"/*", b",", b":",
    b"[" * 40, b"{" * 3, b'{"a":' * 30, b"]}", b"tru", b"nulll", b"undefined", b"\t", b"\n",
    b"\x1f",     b"[" * 2000 + b"]" * 2000, b'{"a":' * 1500 + b"1" + b"}" * 1500,
]  # fmt: skip
CONTENT_TYPES = [
    b"application/cloudevents+json", b"application/json", b"application/cloudevents-batch+json",
    b"application/avro", b"text/plain; charset=utf-16", b"", b"\xff", None,
]  # fmt: skip
HEADER_NAMES = [
    "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "ce_specversion", "ce_data", "ce_",
    "CE_TYPE", "ce-type", "ce_TYPE", "cetype", "content-type", "Content-Type", "traceparent", "",
]  # fmt: skip


def valid(random: Random) -> Input:
    """A record that keeps to the contract."""
    word = random.choice([*sorted(WORDS), "stream.tick"])
    number = random.randrange(4)
    data: dict[str, Any] = {
        "playback_id": f"p{number}",
        "title_id": random.choice(["dark", "zo\u00eb", "a:b"]),
        "position_s": random.choice([0, 1, 12.25, 864_000, random.uniform(0, 5000)]),
    }
    if random.random() < 0.7:
        data |= {"season": 1, "episode": random.randint(1, 9)}
    if word == "playback.seeked" or random.random() < 0.1:
        data["from_position_s"] = random.choice([0, 5.5])
    some = {"rate": 1.5, "seq": number, "duration_s": 2700, "autoplay": True, "device": "tv",
            "country": "DE", "language": "de-AT"}  # fmt: skip
    data |= {name: said for name, said in some.items() if random.random() < 0.3}
    event = {
        "specversion": "1.0", "id": "a1", "source": "/players/web", "type": word,
        "subject": "viewer-7", "time": random.choice(TIMES[:1] + TIMES[2:4]), "data": data,
    }  # fmt: skip
    if random.random() < 0.3:
        del event["specversion"]
    if random.random() < 0.3:
        headers: Headers = [(f"ce_{k}", str(v).encode()) for k, v in event.items() if k != "data"]
        return Input(b"viewer-7", orjson.dumps(data), headers)
    headers = [("content-type", CONTENT_TYPES[0])] if random.random() < 0.3 else []
    return Input(b"viewer-7", orjson.dumps(event), headers)


def damaged(random: Random, other: Input) -> Input:
    """A valid record after up to four accidents; ``other`` is what it may be mixed with."""
    found = valid(random)
    for _ in range(random.choice([0, 1, 1, 1, 2, 4])):
        found = random.choice(ACCIDENTS)(random, found, other)
    return found


def _bytes(random: Random, one: Input, other: Input) -> Input:
    value, more = one.value or b"", other.value or b""
    at = random.randint(0, len(value))
    to = min(len(value), at + random.choice([0, 1, 2, 8, 64]))
    how = random.randrange(6)
    if how == 0 and at < len(value):
        value = value[:at] + bytes([value[at] ^ 1 << random.randrange(8)]) + value[at + 1 :]
    elif how == 1:
        value = value[:at]
    elif how == 2:
        value = value[:at] + value[to:]
    elif how == 3:
        value = value[:to] + value[at:]
    elif how == 4:
        value = value[:at] + more[random.randint(0, len(more)) :]
    else:
        value = value[:at] + random.choice(TOKENS) + value[to:]
    return one._replace(value=value)


def _token(random: Random, one: Input, _: Input) -> Input:
    """A raw token where a value was: what no JSON writer would write."""
    parts = (one.value or b"").split(b":")
    at = random.randrange(len(parts))
    rest = parts[at].lstrip(b' "0123456789.-eE')
    parts[at] = random.choice(TOKENS) + rest[rest.find(b",") :] if b"," in rest else parts[at]
    return one._replace(value=b":".join(parts))


def _json(random: Random, one: Input, _: Input) -> Input:
    """Another value for a field, a field less, or its name written otherwise."""
    try:
        body = orjson.loads(one.value or b"")
    except orjson.JSONDecodeError:
        return one
    if not isinstance(body, dict):
        return one
    data = body.get("data")
    in_data = isinstance(data, dict) and random.random() < 0.7
    part: Any = data if in_data else body
    plain = in_data or "time" not in body
    name = random.choice(NAMES if plain else ATTRIBUTES)
    how = random.randrange(10)
    if how == 0:
        part.pop(name, None)
    elif how == 1 and name in part:
        part[random.choice([name.upper(), name + " ", name.title(), "\ufeff" + name])] = part.pop(
            name
        )
    else:
        part[name] = random.choice(TIMES if name == "time" else ODD)
    try:
        return one._replace(value=orjson.dumps(body))
    except orjson.JSONEncodeError:  # nested more deeply than orjson writes
        return one


def _time(random: Random, one: Input, _: Input) -> Input:
    """Another time, wherever the time is."""
    text = random.choice(TIMES)
    if random.random() < 0.5:
        at = random.randrange(len(text))
        text = text[:at] + random.choice("0123456789.:+-ZTz ") + text[at + random.randrange(2) :]
    headers: Headers = [
        (name, text.encode() if name == "ce_time" else raw) for name, raw in one.headers
    ]
    before, found, after = (one.value or b"").partition(b'"time":"')
    if found:
        after = after[after.find(b'"') :]
        return one._replace(value=before + found + text.encode() + after, headers=headers)
    return one._replace(headers=headers)


def _double(random: Random, one: Input, _: Input) -> Input:
    """A field twice, with two values."""
    name = random.choice(NAMES + ATTRIBUTES).encode()
    odd = (
        orjson.dumps(random.choice(ODD + TIMES)) if random.random() < 0.7 else random.choice(TOKENS)
    )
    field = b'"' + name + b'":'
    value = (one.value or b"").replace(field, field + odd + b"," + field, 1)
    if random.random() < 0.5:
        value = value[:-1] + b"," + field + odd + b"}"
    return one._replace(value=value)


def _deep(random: Random, one: Input, _: Input) -> Input:
    depth = random.choice([10, 500, 1023, 1024, 1025, 5000, 100_000])
    opening, closing = random.choice([(b"[", b"]"), (b'{"a":', b"}")])
    inner = opening * depth + (b"" if opening == b"[" else b"1") + closing * depth
    name = random.choice([b"more", b"data", b"device", b"id", b"position_s"])
    value = one.value or b""
    return one._replace(value=value[:-1] + b',"' + name + b'":' + inner + b"}")


def _headers(random: Random, one: Input, other: Input) -> Input:
    headers = list(one.headers)
    how = random.randrange(6)
    if how == 0 and headers:
        headers.pop(random.randrange(len(headers)))
    elif how == 1 and headers:
        name, raw = random.choice(headers)
        headers.append((name, random.choice([raw, b"", None, b"\xff", b"play"])))
    elif how == 2:
        headers.append((random.choice(HEADER_NAMES), random.choice(CONTENT_TYPES)))
    elif how == 3:
        said = random.choice([*ODD, *TIMES, *WORDS])
        headers.append((random.choice(HEADER_NAMES), str(said).encode("utf-8", "replace")))
    elif how == 4:
        headers = list(other.headers)
    else:
        random.shuffle(headers)
    return one._replace(headers=headers)


def _key(random: Random, one: Input, _: Input) -> Input:
    keys = [
        None,
        b"",
        b"viewer-8",
        b"\xff",
        b"viewer-7\x00",
        b"VIEWER-7",
        b" viewer-7",
        b"zo\xc3\xab",
    ]
    return one._replace(key=random.choice(keys))


def _value(random: Random, one: Input, _: Input) -> Input:
    value = one.value or b""
    wraps = [
        None, b"", b"null", b"[]", b"{}", b"0", b"[" + value + b"]", value + value,
        b" " + value + b"\n",
        b"\xef\xbb\xbf" + value, value.decode("utf-8", "replace").encode("utf-16"), value + b"\x00",
        orjson.dumps(value.decode("utf-8", "replace")), random.randbytes(random.randrange(40)),
    ]  # fmt: skip
    return one._replace(value=random.choice(wraps))


ACCIDENTS: list[Callable[[Random, Input, Input], Input]] = [
    _bytes, _bytes, _token, _json, _json, _json, _json, _time, _time, _double, _deep, _headers,
    _headers, _key, _value,
]  # fmt: skip
