"""Counts are those of the last word on every viewing, however it came about."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st
from title_records import RUNTIME_S, told

from streams.audience.counts import left_in
from streams.audience.engagement import Engagement
from streams.audience.records import Progress, Session
from streams.rules import Rules

RULES = Rules()
Records = list[Progress | Session]


def counted(records: Records, rules: Rules = RULES) -> Engagement:
    engagement = Engagement(rules)
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
        assert sum(it.autoplayed for it in season.episodes.values()) == sum(
            it.autoplay for it in sessions if it.season == number
        )
        assert season.wall_ms() == sum(round(it.wall_s * 1000) for it in played)
        ended = [left_in(it.position_s, RUNTIME_S, RULES) for it in played]
        resumed = [left_in(it.from_position_s, RUNTIME_S, RULES) for it in played]
        for at in range(20):
            counts = sum(it.left[at] for it in season.episodes.values())
            assert counts == ended.count(at) - resumed.count(at)


@given(told())
def test_shares_lie_between_nothing_and_all(said: tuple[Records, Records]) -> None:
    engagement = counted(said[1], Rules(least_viewers=1))
    scalars = engagement.scalars(None)
    for name in ("autoplay_share", "binge_24h", "binge_7d"):
        assert 0 <= scalars.get(name, 0) <= 1
    assert scalars.get("binge_24h", 0) <= scalars.get("binge_7d", 0)
    for number in engagement.seasons:
        for shares in engagement.drop_off(number, 0).values():
            assert len(shares) == 20
            assert all(0 <= it <= 1 for it in shares)


@given(told(), st.integers(1, 4))
def test_no_rate_stands_on_fewer_viewers_than_the_threshold(
    said: tuple[Records, Records], least: int
) -> None:
    engagement = counted(said[1], Rules(least_viewers=least))
    seasons = {number: engagement.season(number, None) for number in engagement.seasons}
    scalars = engagement.scalars(None)
    if max((it["starters"] for it in seasons.values()), default=0) < least:
        assert not scalars.keys() & {"autoplay_share", "rewatched_share"}
    told = {number for number, it in seasons.items() if number and it["completers"] >= least}
    assert ("binge_24h" in scalars) == bool(told)
    for number, season in seasons.items():
        assert {"binge_24h", "binge_7d"} & season.keys() == (
            {"binge_24h", "binge_7d"} if number in told else set()
        )
        for episode in engagement.episodes(number, None).values():
            assert ("rewatched_s" in episode) == (episode["starters"] >= least)
