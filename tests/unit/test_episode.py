"""One viewer and one episode: thresholds, viewings, and where to continue."""

from __future__ import annotations

import pytest
from strategies import DAY, HOUR, MINUTE, RUNTIME_MS, T0, Watching, event

from streams.viewing.knots import Kind

KEY = ("office", 1, 1)
PLAYER = ("p1", *KEY)


def watched(until_ms: int, last: Kind = Kind.STOP) -> tuple[bool, bool, bool]:
    one = Watching()
    one.say(event(Kind.START, T0, 0, key=PLAYER))
    one.say(event(last, T0 + until_ms, until_ms, key=PLAYER))
    episode = one.viewer.episodes[KEY]
    return bool(episode.started_ms), bool(episode.watched_ms), bool(episode.completed_ms)


@pytest.mark.parametrize(
    ("until_ms", "last", "expected"),
    [
        (119_999, Kind.STOP, (False, False, False)),
        (120_000, Kind.STOP, (True, False, False)),
        (1_889_999, Kind.COMPLETE, (True, False, False)),
        (1_890_000, Kind.STOP, (True, True, False)),
        (1_890_000, Kind.COMPLETE, (True, True, True)),
        (2_429_999, Kind.STOP, (True, True, False)),
        (2_430_000, Kind.STOP, (True, True, True)),
    ],
)
def test_thresholds(until_ms: int, last: Kind, expected: tuple[bool, bool, bool]) -> None:
    assert watched(until_ms, last) == expected


def test_heartbeats_cross_each_threshold_once_at_its_time() -> None:
    one = Watching()
    one.say(event(Kind.START, T0, 0, key=PLAYER))
    for ms in range(0, RUNTIME_MS + 1, 10_000):
        one.say(event(Kind.HEARTBEAT, T0 + ms, ms, key=PLAYER))
    episode = one.viewer.episodes[KEY]
    times = (episode.started_ms, episode.watched_ms, episode.completed_ms)
    assert times == (T0 + 120_000, T0 + 1_890_000, T0 + 2_430_000)
    assert len(one.sent("p")) == 3


def test_a_runtime_that_is_learnt_late_counts_from_then_on() -> None:
    one, key = Watching(), ("p1", "unheard-of", 1, 1)
    one.say(event(Kind.START, T0, 0, key=key))
    one.say(event(Kind.HEARTBEAT, T0 + RUNTIME_MS, RUNTIME_MS, key=key))
    assert not one.viewer.episodes["unheard-of", 1, 1].completed_ms
    one.say(event(Kind.HEARTBEAT, T0 + RUNTIME_MS, RUNTIME_MS, key=key, duration=RUNTIME_MS))
    assert one.viewer.episodes["unheard-of", 1, 1].completed_ms


def test_to_continue_is_where_the_latest_report_left_it() -> None:
    one = Watching()
    one.say(event(Kind.START, T0 + HOUR, 20 * MINUTE, key=("tv", *KEY)))
    one.say(event(Kind.STOP, T0 + HOUR + MINUTE, 21 * MINUTE, key=("tv", *KEY)))
    one.say(event(Kind.START, T0, 0, key=("phone", *KEY)))
    one.say(event(Kind.STOP, T0 + MINUTE, MINUTE, key=("phone", *KEY)))
    episode = one.viewer.episodes[KEY]
    assert (episode.position_ms, episode.seen_ms) == (21 * MINUTE, T0 + HOUR + MINUTE)


@pytest.mark.parametrize(("days", "weight"), [(3, 1.0), (10, 2.0)])
def test_watching_it_again_counts_again_only_after_a_week(days: int, weight: float) -> None:
    one = Watching()
    at = one.watch(1, T0)
    one.wait(at + days * DAY)
    one.watch(1, at + days * DAY, run="again")
    one.wait(at + days * DAY + HOUR)
    total = one.viewer.taste.lasting.current()["genre:comedy"]
    decayed = 2 ** (-days / 90)
    assert total == pytest.approx(1 if days == 3 else 1 + decayed, rel=0.01)
    assert round(total) == weight


def test_details_are_forgotten_30_days_after_they_were_last_watched() -> None:
    one = Watching()
    at = one.watch(1, T0)
    one.wait(at + 30 * DAY - 1)
    assert KEY in one.viewer.episodes
    one.wait(at + 30 * DAY)
    assert KEY not in one.viewer.episodes
    assert one.viewer.shelf[KEY] == at


def test_what_was_forgotten_still_counts_for_the_season() -> None:
    one = Watching()
    at = one.watch(1, T0)
    one.wait(at + 40 * DAY)
    one.watch(1, at + 40 * DAY, run="glance", share=0.1)
    assert one.viewer.journeys["office", 1].completed == 1
    assert one.viewer.episodes[KEY].coverage_ms() == RUNTIME_MS // 10


def test_the_hour_is_the_local_band_in_which_it_began() -> None:
    for offset, band in ((0, 20), (60, 20), (120, 0), (-300, 16)):
        one = Watching()
        one.watch(1, T0 + HOUR, offset=offset)  # 22:20 UTC
        assert one.viewer.episodes[KEY].hour() == band
