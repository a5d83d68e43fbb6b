"""Damaged records by the hundred thousand: each is read as docs/events.md says, or rejected.

``FUZZ_SECONDS=300 pytest -s tests/properties/test_fuzz_decoder.py`` goes on for five minutes and
says how far it is; ``FUZZ_SEED`` begins elsewhere.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from contract_check import Verdict, verdict
from damage import STAMP_MS, Input, damaged, valid

from config.settings import Settings
from streams.contract import decode_carefully
from streams.decoder import decode
from streams.events import Event, Reject, Tick
from streams.rules import Rules
from streams.viewing.knots import NO_POSITION, NO_RATE, NO_SEQ, Kind
from streams.worker.decoding import DeadLetter
from streams.worker.publisher import Publisher

SECONDS = float(os.environ.get("FUZZ_SECONDS", "4"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
SAY_EVERY_S = 10.0
SHOWN = 4000
FROM_WHAT_CAME_BEFORE = {"too_large", "too_late", "too_many"}
"""Not the decoder's to say."""
RULES = Rules()
PUBLISHER = Publisher(Settings(_env_file=None))
PAGE = Path(__file__).parents[2] / "docs" / "events.md"
KINDS = {"play": Kind.RESUME, "pause": Kind.PAUSE} | {
    f"playback.{word}": kind
    for word, kind in {
        "started": Kind.START, "resumed": Kind.RESUME, "paused": Kind.PAUSE,
        "heartbeat": Kind.HEARTBEAT, "seeked": Kind.SEEK, "rate_changed": Kind.RATE,
        "buffering": Kind.BUFFERING, "buffered": Kind.BUFFERED, "completed": Kind.COMPLETE,
        "stopped": Kind.STOP,
    }.items()
}  # fmt: skip


def documented_reasons() -> set[str]:
    table = PAGE.read_text(encoding="utf-8").partition("| reason | meaning |")[2]
    return set(re.findall(r"^\| `(\w+)` \|", table.partition("\n\n")[0], re.MULTILINE))


REASONS = documented_reasons()


@pytest.mark.timeout(SECONDS + 120)
def test_damaged_records_are_read_as_the_page_says_or_rejected_for_a_reason() -> None:
    assert "not_json" in REASONS
    random, counts = Random(SEED), Counter[str]()
    began = said = time.monotonic()
    other = valid(random)
    while (now := time.monotonic()) - began < SECONDS:
        for _ in range(200):
            one = damaged(random, other)
            counts[judged(one)] += 1
            other = one
        if now - said >= SAY_EVERY_S:
            said = now
            tell(counts, now - began)
    tell(counts, SECONDS)
    assert counts["event"] > counts.total() / 20
    assert counts["tick"]
    assert set(counts) >= REASONS - FROM_WHAT_CAME_BEFORE, "the damage is too tame"


def tell(counts: Counter[str], seconds: float) -> None:
    """How far it is, for whoever waits for it (``pytest -s``)."""
    sys.stdout.write(f"seed {SEED}, {seconds:.0f} s, {counts.total():,} records: {dict(counts)}\n")


def judged(one: Input) -> str:
    """What became of a record, once compared with the page: ``event``, ``tick`` or a reason."""
    found, careful = decoded(decode, one), decoded(decode_carefully, one)
    again = decoded(decode, one)  # what is remembered of the first time must not change a word
    assert same(found) == same(careful) == same(again), told(one)
    says, event = verdict(*one, STAMP_MS)
    if isinstance(found, Reject):
        assert says is not Verdict.VALID, f"{found!r} of {told(one)}"
        explains(found, one)
        return found.reason
    assert says is not Verdict.BROKEN, f"{found!r} of {told(one)}"
    if says is Verdict.VALID:
        means(found, event, one)
    return "tick" if isinstance(found, Tick) else "event"


def told(one: Input) -> str:
    """The input, so that it can be pasted into a test."""
    return repr(one)[:SHOWN]


def decoded(way: Any, one: Input) -> Event | Tick | Reject:
    try:
        found: Event | Tick = way(*one, STAMP_MS, RULES)
    except Reject as reject:
        return reject
    return found


def same(found: Event | Tick | Reject) -> Any:
    """Equal for the same outcome; 1 and 1.0 and true are not the same."""
    if isinstance(found, Reject):
        return found.reason, found.field, found.detail
    return repr(found)


def explains(reject: Reject, one: Input) -> None:
    """A reason of the page, a field, a sentence, and a dead letter that can be sent."""
    assert reject.reason in REASONS, told(one)
    assert reject.field, told(one)
    assert reject.detail, told(one)
    size = len(one.value) if one.value is not None else 0
    why = (reject.reason, reject.field, reject.detail)
    letter = DeadLetter("t", 0, 0, one.key, one.value, size, *why, one.headers)
    record = PUBLISHER.letter(letter)
    assert all(isinstance(name, str) and isinstance(raw, bytes) for name, raw in record.headers), (
        told(one)
    )


def means(found: Event | Tick, event: dict[str, Any], one: Input) -> None:
    """What was read is what the record says."""
    if isinstance(found, Tick):
        assert abs(found.at_ms - event["at_ms"]) <= 1, told(one)
        return
    data, knot = event["data"], found.knot
    assert found.viewer == event["subject"], told(one)
    assert found.bare == (event["type"] in ("play", "pause")), told(one)
    film = data.get("season") is None
    numbers = (0, 0) if film else (data["season"], data["episode"])
    assert found.playback == (data["playback_id"], data["title_id"], *numbers), told(one)
    assert abs(knot.at_ms - event["at_ms"]) <= 1, told(one)
    assert knot.kind == KINDS[event["type"]], told(one)
    assert abs(knot.position_ms - data["position_s"] * 1000) <= 0.51, told(one)
    assert knot.seq == (NO_SEQ if data.get("seq") is None else data["seq"]), told(one)
    assert knot.rate == (NO_RATE if data.get("rate") is None else data["rate"]), told(one)
    seeked = event["type"] == "playback.seeked"
    origin = data["from_position_s"] * 1000 if seeked else NO_POSITION
    assert abs(knot.origin_ms - origin) <= 0.51, told(one)
    facts = dict(found.facts)
    assert facts.get("offset", 0) == event["offset_min"], told(one)
    for name in ("device", "language", "autoplay"):
        assert facts.get(name) == data.get(name), told(one)
    assert facts.get("country", "") == (data.get("country") or "").upper(), told(one)
    runtime_s = data.get("duration_s")
    assert runtime_s is None or abs(facts["duration"] - runtime_s * 1000) <= 0.51, told(one)
