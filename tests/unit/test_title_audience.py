"""One title: marks, hours, what is decided in them, and what is published."""

from __future__ import annotations

import zlib

import msgspec
import orjson
import pytest
from audiences import (
    DAY,
    EVENTS,
    HOUR,
    RULES,
    T0,
    TITLE,
    Hearing,
    began,
    in_order,
    journey,
    surroundings,
    watched,
)

from streams.audience.records import Figures, Lineage, Passage, Row, Seat, Session
from streams.audience.report import report_of
from streams.audience.title import NEVER, TitleAudience
from streams.audience.wire import UnreadableTitle, dump_out, dump_parts, load


def season(title: TitleAudience) -> dict[str, float]:
    return title.engagement.season(1, None)


def signals(one: Hearing) -> list[dict]:
    return [orjson.loads(out.body) for out in one.title.outbox]


def reloaded(title: TitleAudience) -> TitleAudience:
    return load(TITLE, title.version + 1, dump_parts(title, whole=True), dump_out(title), RULES)


def hooked(one: Hearing, viewers: int = 400) -> None:
    """A tenth leaves after the pilot, hardly anyone later."""
    told = []
    for number in range(viewers):
        last = 1 if number % 10 == 0 else 3 if number % 33 == 0 else 4
        told += journey(f"v{number}", T0 + number * DAY // viewers, last)
    one.hear(*in_order(told))


def of_everyone(signal: dict) -> bool:
    return signal["data"]["country"] is None and signal["data"]["language"] is None


# -- marks -----------------------------------------------------------------------------------------
def test_a_record_that_was_heard_before_changes_nothing() -> None:
    one = Hearing()
    record = began("v", T0)
    assert one.title.absorb(EVENTS, Lineage(5, 0, 0, 0), record, 0, one.around)
    for again in (Lineage(5, 0, 0, 0), Lineage(4, 9, 9, 9)):
        assert not one.title.absorb(EVENTS, again, record, 0, one.around)
    assert season(one.title)["starters"] == 1


def test_each_source_partition_has_a_mark_of_its_own() -> None:
    one = Hearing()
    for source in ("playback-events/0", "playback-events/1"):
        assert one.title.absorb(source, Lineage(5, 0, 0, 0), began(source, T0), 0, one.around)
    assert season(one.title)["starters"] == 2


def test_records_of_one_event_are_told_apart_by_their_rank() -> None:
    one = Hearing()
    assert one.title.absorb(EVENTS, Lineage(5, 0, 0, 0), began("v", T0), 0, one.around)
    assert one.title.absorb(EVENTS, Lineage(5, 0, 0, 1), watched("v", 1, T0), 0, one.around)


# -- hours -----------------------------------------------------------------------------------------
def test_a_title_is_looked_at_at_whole_hours_while_it_is_watched_and_daily_after() -> None:
    one = Hearing()
    assert one.title.due_ms == NEVER
    one.hear(began("v", T0 + 90))
    assert one.title.due_ms == T0 + HOUR
    one.wait(T0 + 5 * HOUR)
    assert one.title.due_ms == T0 + 6 * HOUR
    one.wait(T0 + 3 * DAY)
    assert one.title.due_ms == T0 + 4 * DAY


def test_a_title_that_nobody_watches_any_more_is_left_alone() -> None:
    one = Hearing()
    one.hear(began("v", T0))
    one.wait(T0 + 60 * DAY)
    assert one.title.due_ms == NEVER


# -- hook points -----------------------------------------------------------------------------------
def test_a_season_that_hooks_says_where_and_why() -> None:
    one = Hearing()
    hooked(one)
    one.wait(T0 + 2 * DAY)
    of_all = [s for s in signals(one) if of_everyone(s)]
    assert {(s["type"], s["subject"]) for s in of_all} == {("title.hook_point", TITLE)}
    assert of_all[0]["data"]["state"] == "found"
    data = of_all[-1]["data"]
    assert (data["k"], data["of"]) == (2, 4)
    assert data["p"] >= 0.7
    assert data["certainty"] >= 0.95
    assert data["n"] >= 50
    assert data["provisional"]
    assert data["catalogue_version"] == 7


def test_a_hook_point_is_said_again_only_where_another_episode_hooks() -> None:
    one = Hearing()
    hooked(one)
    one.wait(T0 + 40 * DAY)
    ids = [signal["id"] for signal in signals(one)]
    assert len(ids) == len(set(ids))
    of_all = [s["data"] for s in signals(one) if of_everyone(s)]
    assert [(data["before"], data["k"]) for data in of_all] == [(None, 3), (3, 2)]
    assert [data["state"] for data in of_all] == ["found", "revised"]


def test_a_season_of_unknown_length_waits() -> None:
    one = Hearing(surroundings(of=0))
    hooked(one)
    one.wait(T0 + 40 * DAY)
    assert signals(one) == []
    one.around = surroundings(of=4)
    one.wait(T0 + 41 * DAY)
    one.hear(began("late", T0 + 41 * DAY))
    one.wait(T0 + 42 * DAY)
    assert {s["data"]["state"] for s in signals(one)} == {"found"}


def test_too_few_viewers_are_no_hook_point() -> None:
    one = Hearing()
    hooked(one, viewers=40)
    one.wait(T0 + 40 * DAY)
    assert signals(one) == []


# -- what is kept and published --------------------------------------------------------------------
def test_counts_come_back_as_they_were() -> None:
    one = Hearing()
    hooked(one)
    again = reloaded(one.title)
    assert report_of(again, one.around) == report_of(one.title, one.around)
    assert (again.marks, again.due_ms, again.outbox) == (
        one.title.marks, one.title.due_ms, one.title.outbox,
    )  # fmt: skip


def as_written_before_languages(title: TitleAudience) -> dict[str, bytes]:
    """Parts as an earlier release wrote them: format 1, with tables of countries only."""
    parts = dump_parts(title, whole=True)
    made_as, *head = msgspec.msgpack.decode(zlib.decompress(parts["head"]))
    assert made_as == 2
    everyone, countries, _, opens, latest_ms, _ = title.retention[1].dump()
    earlier = {
        "head": [1, *head],
        "season:1": [everyone, countries, opens, latest_ms],
    }
    packed = {name: zlib.compress(msgspec.msgpack.encode(it)) for name, it in earlier.items()}
    return {name: it for name, it in parts.items() if "language" not in name} | packed


def test_counts_of_an_earlier_release_are_read_and_languages_counted_from_then_on() -> None:
    one = Hearing()
    hooked(one)
    one.title = load(TITLE, 5, as_written_before_languages(one.title), b"", RULES)
    one.title.place = ("title-progress/0", 0)
    before = report_of(one.title, one.around).fields
    assert "curve:1:DE" in before
    late = [Passage(k, Row(T0 + 1, 0), None) for k in (1, 2, 3)]  # they were never counted there
    for passage in late:
        one.title.retention[1].add(passage, Seat("DE", "de"))
    assert one.title.retention[1].curve(4, T0 + 2 * DAY, "language:de") is None
    told = [journey(f"new{number}", T0 + 2 * DAY + number, 4) for number in range(100)]
    one.hear(*in_order(it for way in told for it in way))
    curve = orjson.loads(report_of(one.title, one.around).fields["curve:1:language:de"])
    assert curve["n"] == [100, 100, 100]


def test_what_a_later_release_wrote_is_refused() -> None:
    with pytest.raises(UnreadableTitle, match="dark"):
        load(TITLE, 3, {"head": b"\x00"}, b"", RULES)


def test_a_report_tells_who_began_went_on_and_finished() -> None:
    one = Hearing()
    hooked(one)
    one.hear(
        Session(
            "v1", TITLE, 1, 1, T0 + DAY, "s1", 1, T0,
            Figures(3600, 2700, 2700, 0, 2700, "DE", "de", "tv"), None, 2700,
        )
    )  # fmt: skip
    fields = report_of(one.title, one.around).fields
    assert fields["starters"] == 400
    assert fields["hours"] == 1.0
    curve = orjson.loads(fields["curve:1"])
    assert curve["c"][0] == pytest.approx(0.9, abs=0.02)
    assert orjson.loads(fields["hook:1"])["k"] == 2
    assert orjson.loads(fields["audience"])["country"] == {"DE": 400}


def test_the_outbox_is_forgotten_up_to_the_mark() -> None:
    one = Hearing()
    hooked(one)
    one.wait(T0 + 2 * DAY)
    assert one.title.outbox
    one.title.forget_sent("title-progress/0", -1)
    assert one.title.outbox
    one.title.forget_sent("title-progress/0", 0)
    assert one.title.outbox == []
