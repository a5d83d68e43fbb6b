"""Counts are those of the last word on every viewing, however it came about."""

from __future__ import annotations

import orjson
from hypothesis import given
from title_records import RUNTIME_S, told

from streams.audience.counts import left_in
from streams.audience.engagement import Engagement
from streams.audience.records import Progress, Session
from streams.rules import Rules

RULES = Rules()
Records = list[Progress | Session]


def counted(records: Records) -> Engagement:
    engagement = Engagement(RULES)
    for record in records:
        if isinstance(record, Progress):
            engagement.progress(record)
        else:
            engagement.session(record)
    return engagement


@given(told())
def test_any_order_and_any_steps_end_in_the_same_counts(said: tuple[Records, Records]) -> None:
    at_once, steps = said
    assert counted(steps).dump() == counted(at_once).dump()


@given(told())
def test_counts_survive_being_stored(said: tuple[Records, Records]) -> None:
    records, _ = said
    half = len(records) // 2
    stored = counted(records[:half]).dump()
    loaded = Engagement(RULES)
    loaded.load(orjson.loads(orjson.dumps(stored)))
    for record in records[half:]:
        loaded.progress(record) if isinstance(record, Progress) else loaded.session(record)
    assert loaded.dump() == counted(records).dump()


@given(told())
def test_counts_are_those_of_a_plain_recount(said: tuple[Records, Records]) -> None:
    at_once, steps = said
    engagement = counted(steps)
    sessions = [it for it in at_once if isinstance(it, Session)]
    rows = [
        (it.season, passage.now)
        for it in at_once
        if isinstance(it, Progress)
        for passage in it.passages
        if passage.now is not None
    ]
    for number, season in engagement.seasons.items():
        assert season.began == sum(1 for of, _ in rows if of == number)
        assert season.finished == sum(1 for of, row in rows if of == number and row.passed_ms)
        played = [it.now for it in sessions if it.season == number]
        assert season.wall_ms() == sum(round(it.wall_s * 1000) for it in played)
        ended = [left_in(it.position_s, RUNTIME_S, RULES) for it in played]
        resumed = [left_in(it.from_position_s, RUNTIME_S, RULES) for it in played]
        for at in range(20):
            counts = sum(it.left[at] for it in season.episodes.values())
            assert counts == ended.count(at) - resumed.count(at)


@given(told())
def test_shares_lie_between_nothing_and_all(said: tuple[Records, Records]) -> None:
    engagement = counted(said[1])
    scalars = engagement.scalars(None)
    for name in ("autoplay_share", "binge_24h", "binge_7d"):
        assert 0 <= scalars.get(name, 0) <= 1
    assert scalars.get("binge_24h", 0) <= scalars.get("binge_7d", 0)
    for number in engagement.seasons:
        for shares in engagement.drop_off(number, 0).values():
            assert len(shares) == 20
            assert all(0 <= it <= 1 for it in shares)
