"""What viewers declare: read record by record, and looked up for those in a worker's memory."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.audience.records import NOTHING_DECLARED, Declared
from streams.contract import decode_declared
from streams.events import AGE_BANDS, Reject
from streams.rules import Rules
from streams.worker.cache import Cache
from streams.worker.declared_store import (
    LOOK_EVERY_S,
    Declaration,
    Declarations,
    DeclaredInput,
    MemoryDeclared,
    read_declared,
)
from streams.worker.store import MemoryStore

SOURCE = ("viewers", 0)
ADULT = Declared("25-34", "DE", "de")


def record(offset, value, key=b"v"):
    raw = orjson.dumps(value) if isinstance(value, dict) else value
    return SimpleNamespace(offset=offset, key=key, value=raw, headers=())


# -- one record ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "declared"),
    [
        ({"age_band": "25-34", "country": "DE", "language": "de"}, ADULT),
        ({"age_band": "65+"}, Declared("65+")),
        ({"country": "de", "language": "pt-BR"}, Declared("", "DE", "pt-BR")),
        ({"age_band": None, "country": None}, NOTHING_DECLARED),
        ({"name": "somebody", "age": 31}, NOTHING_DECLARED),
        ({}, NOTHING_DECLARED),
        (None, NOTHING_DECLARED),
        (b"", NOTHING_DECLARED),
    ],
)
def test_a_record_says_what_is_listed_and_nothing_else(value, declared):
    assert decode_declared(b"v", record(0, value).value) == ("v", declared)


@pytest.mark.parametrize(
    "band", ["31", "25-29", "0-12", "under-13", "13-15", "25-34 ", "", 31, True]
)
def test_no_age_is_taken_that_is_finer_than_a_band_or_below_the_youngest(band):
    with pytest.raises(Reject) as told:
        decode_declared(b"v", orjson.dumps({"age_band": band}))
    assert (told.value.reason, told.value.field) == ("field", "age_band")


@pytest.mark.parametrize(
    ("bad", "reason", "field"),
    [
        (record(7, b"{"), "not_json", "value"),
        (record(7, b"[" * 100_000), "not_json", "value"),
        (record(7, b"[]"), "not_json", "value"),
        (record(7, {"country": "Germany"}), "field", "country"),
        (record(7, {"language": "a language"}), "field", "language"),
        (record(7, {"language": ["de"]}), "field", "language"),
        (record(7, {}, key=None), "key", "key"),
        (record(7, {}, key=b""), "key", "key"),
        (record(7, {}, key=b"\xff"), "key", "key"),
        (record(7, {}, key=b"v" * 257), "key", "key"),
        (record(7, {"country": "D" * 200_000}), "too_large", "value"),
    ],
)
def test_a_record_that_cannot_be_taken_is_a_dead_letter_that_names_the_field(bad, reason, field):
    fine = record(8, {"age_band": "25-34"}, key=b"other")
    news, letters = read_declared(SOURCE, [bad, fine], 150_000)
    assert news == {"other": Declaration(Declared("25-34"), "viewers/0", 8)}
    assert [(it.offset, it.reason, it.field) for it in letters] == [(7, reason, field)]


def test_the_latest_that_can_be_read_of_each_viewer_counts():
    slice_ = [record(0, {"country": "FR"}), record(1, {"age_band": "25-34"}), record(2, b"{")]
    news, letters = read_declared(SOURCE, slice_, 10_000)
    assert news == {"v": Declaration(Declared("25-34"), "viewers/0", 1)}
    assert len(letters) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(AGE_BANDS),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(Declared._fields), inner),
)


@given(st.none() | st.binary(), st.binary() | JSON.map(orjson.dumps))
def test_any_bytes_are_taken_or_rejected_by_name(key, value):
    try:
        viewer, declared = decode_declared(key, value)
    except Reject as reject:
        viewer, declared, named = "", NOTHING_DECLARED, reject.field
    else:
        named = "value"
        assert viewer.encode() == key
    assert named in {"key", "value", *Declared._fields}
    assert declared.age_band in {"", *AGE_BANDS}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", *AGE_BANDS])), max_size=12),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=6),
)
async def test_however_a_partition_is_sliced_and_replayed_the_latest_of_each_viewer_counts(
    sent, replays
):
    records = [
        record(at, {"age_band": band} if band else None, key=name.encode())
        for at, (name, band) in enumerate(sent)
    ]
    store = MemoryDeclared()
    for first, last in [*replays, (0, len(records)), *replays]:
        await store.put(read_declared(SOURCE, records[first:last], 10_000)[0])
    held = dict(zip("abc", await store.load("abc"), strict=True))
    assert held == {"a": Declared(), "b": Declared(), "c": Declared()} | {
        name: Declared(band) for name, band in sent
    }


# -- in memory -------------------------------------------------------------------------------------
class Asked(MemoryDeclared):
    """Remembers whom it was asked about; answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = []
        self.has_read = asyncio.Event()
        self.answer = asyncio.Event()
        self.answer.set()

    async def load(self, viewers):
        self.asked.append(list(viewers))
        found = await super().load(viewers)
        self.has_read.set()
        await self.answer.wait()
        return found


class Memory:
    """A cache that looks things up, by a clock of its own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.declared = Asked()
        looks = Declarations(self.declared, lambda: self.now)
        self.cache = Cache(MemoryStore(), Rules(), 10, declarations=looks)
        self.input = DeclaredInput(self.declared, self.cache)

    async def known(self, *names):
        return [entry.viewer.declared for entry in await self.cache.get(names)]


def said(offset, **declared):
    return Declaration(Declared(**declared), "viewers/0", offset)


async def test_what_was_declared_comes_with_a_viewer_and_is_not_asked_again_for_a_minute():
    memory = Memory()
    await memory.declared.put({"a": said(0, age_band="25-34")})
    assert await memory.known("a", "b") == [Declared("25-34"), NOTHING_DECLARED]
    memory.now += LOOK_EVERY_S - 1
    await memory.known("a", "b", "c")
    assert memory.declared.asked == [["a", "b"], ["c"]]


async def test_what_another_worker_took_in_is_known_after_a_minute():
    memory = Memory()
    await memory.known("a", "b")
    await memory.declared.put({"a": said(0, age_band="25-34")})
    memory.now += LOOK_EVERY_S
    assert await memory.known("a") == [Declared("25-34")]
    assert memory.declared.asked == [["a", "b"], ["a"]]


async def test_what_this_worker_takes_in_is_known_at_once():
    memory = Memory()
    await memory.known("a", "b")
    await memory.input.put({"a": said(0, age_band="25-34")})
    assert await memory.known("a", "b") == [Declared("25-34"), NOTHING_DECLARED]
    await memory.input.put({"a": said(1)})
    assert await memory.known("a", "b") == [NOTHING_DECLARED, NOTHING_DECLARED]
    assert memory.declared.asked == [["a", "b"], ["a"], ["a"]]


async def test_an_answer_that_was_overtaken_is_asked_for_again():
    memory = Memory()
    memory.declared.answer.clear()
    loading = asyncio.create_task(memory.known("a"))
    await memory.declared.has_read.wait()
    await memory.input.put({"a": said(0, age_band="25-34")})
    memory.declared.answer.set()
    assert await loading == [NOTHING_DECLARED]
    assert await memory.known("a") == [Declared("25-34")]


async def test_where_demographics_are_off_a_viewer_has_declared_nothing():
    cache = Cache(MemoryStore(), Rules(), 10)
    await DeclaredInput(MemoryDeclared(), cache).put({"a": said(0, age_band="25-34")})
    (entry,) = await cache.get(["a"])
    assert entry.viewer.declared == NOTHING_DECLARED
