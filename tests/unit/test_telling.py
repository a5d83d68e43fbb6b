"""What a title hears of one viewer: thresholds, life-table rows, and the seat they count in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from strategies import DAY, HOUR, RULES, RUNTIME_MS, T0, Store, Watching, event

from streams.audience.records import Declared, Flags, Passage, Progress, Row, Seat, read
from streams.catalogue import Season
from streams.viewing.knots import Kind

if TYPE_CHECKING:
    from collections.abc import Callable


def told(one: Watching) -> list[Progress]:
    records = [read(out.body.encode()) for out in one.viewer.outbox if out.topic == "p"]
    return [record for record in records if isinstance(record, Progress)]


def rows(one: Watching) -> dict[int, Row]:
    """The rows of the first season, as the records leave them."""
    found: dict[int, Row] = {}
    for record in told(one):
        for passage in record.passages:
            assert found.get(passage.k) == passage.before
            if passage.now is None:
                del found[passage.k]
            else:
                found[passage.k] = passage.now
    return found


def test_whoever_watches_an_episode_is_behind_it_until_they_begin_the_next() -> None:
    one = Watching()
    left = one.watch(1, T0)
    assert rows(one) == {0: Row(left, 0), 1: Row(left, 0)}
    again = one.watch(2, left + 12 * HOUR, share=0.2)
    assert rows(one) == {0: Row(left, 0), 1: Row(left, again)}


def test_whoever_joins_later_is_counted_from_there() -> None:
    one = Watching()
    left = one.watch(3, T0)
    assert rows(one) == {0: Row(left, 0), 3: Row(left, 0)}


def test_whoever_skips_an_episode_has_gone_on_all_the_same() -> None:
    one = Watching()
    left = one.watch(1, T0)
    later = one.watch(3, left + HOUR)
    assert rows(one)[1] == Row(left, later)
    assert 2 not in rows(one)


def test_whoever_looks_at_what_came_before_has_not_gone_on_from_it() -> None:
    one = Watching()
    left = one.watch(3, T0)
    first = one.watch(1, left + HOUR)
    assert rows(one)[1] == Row(first, 0)


def test_whoever_had_begun_the_next_went_on_without_a_gap() -> None:
    one = Watching()
    left = one.watch(2, T0, share=0.2)
    first = one.watch(1, left + HOUR)
    assert rows(one)[1] == Row(first, first)


def test_a_season_that_is_completed_passes_its_row() -> None:
    one = Watching()
    at = T0
    for episode in (1, 2, 3, 4):
        at = one.watch(episode, at)
    assert rows(one)[0] == Row(T0 + RUNTIME_MS, at)
    assert one.words()[-1] == "completed"


def test_a_season_that_is_watched_anew_says_so_and_has_no_rows() -> None:
    one = Watching()
    at = T0
    for episode in (1, 2, 3, 4):
        at = one.watch(episode, at)
    one.wait(at + 60 * DAY)
    one.viewer.outbox.clear()
    one.watch(1, at + 60 * DAY, run="anew")
    (record,) = told(one)
    assert record.again
    assert record.passages == ()


def watch_film(one: Watching, at_ms: int, share: float = 1.0, **facts: str) -> int:
    key, length = (f"p{at_ms}", "heat", 0, 0), round(2 * RUNTIME_MS * share)
    left = at_ms + length
    one.say(
        event(Kind.START, at_ms, 0, key=key, **facts),
        event(Kind.STOP, left, length, key=key, **facts),
    )
    return left


def test_a_season_that_was_not_begun_anew_after_all_takes_that_back_as_such() -> None:
    one = Watching()
    at = T0
    for episode in (1, 2, 3, 4):
        at = one.watch(episode, at)
    at += 60 * DAY
    one.wait(at)
    one.viewer.outbox.clear()
    key = ("anew", "office", 1, 1)
    one.say(event(Kind.START, at, 0, key=key), event(Kind.STOP, at + HOUR // 4, HOUR // 4, key=key))
    one.say(event(Kind.PAUSE, at + HOUR // 60, HOUR // 60, key=key))  # it came late
    began, back = told(one)
    assert (began.again, began.now.started) == (True, True)
    assert (back.again, back.before.started, back.now.started) == (True, True, False)


def test_a_film_is_begun_and_completed() -> None:
    one = Watching()
    left = watch_film(one, T0)
    (record,) = told(one)
    assert (record.season, record.episode, record.again) == (0, 0, False)
    assert record.passages == (Passage(0, None, Row(left, left)),)


@pytest.mark.parametrize("key", [("heat", 0, 0), ("dark", 2, 1)])
def test_nothing_is_completed_before_it_is_begun_whenever_a_late_report_completes_it(
    key: tuple[str, int, int],
) -> None:
    one, length = Watching(), 2 * RUNTIME_MS
    one.world.catalogue.titles["dark"].seasons[2] = Season(1, {1: RUNTIME_MS})
    first, second = ("p1", *key), ("p2", *key)
    one.say(
        event(Kind.START, T0 + HOUR, 0, key=first),
        event(Kind.STOP, T0 + 2 * HOUR, HOUR // 2, key=first),
        event(Kind.STOP, T0 + length, length, key=second),
        event(Kind.START, T0, 0, key=second),  # it came late, and with it all that follows from it
    )
    row = rows(one)[0]
    assert row.passed_ms >= row.entered_ms > T0


@pytest.fixture(params=["in memory", "put away", "stored"])
def keep(request: pytest.FixtureRequest) -> Callable[[Watching], None]:
    """What happens to a viewer who has not been seen for long."""

    def keep(one: Watching) -> None:
        store = Store()
        store.write(one.viewer, one.world)
        one.viewer.outbox.clear()
        if request.param == "stored":
            one.viewer = store.read()
            one.viewer.outbox.clear()
        elif request.param == "put away":
            one.viewer.put_away(RULES)
            assert one.viewer.away

    return keep


def test_a_completed_film_that_is_watched_after_a_month_is_watched_again(
    keep: Callable[[Watching], None],
) -> None:
    one = Watching()
    at = watch_film(one, T0, device="tv") + 31 * DAY
    for _ in range(2):
        one.wait(at)
        keep(one)
        at = watch_film(one, at, device="phone") + 31 * DAY
        (record,) = told(one)
        assert (record.again, record.passages) == (True, ())
        assert (record.before, record.now) == (Flags(), Flags(True, True, True))
        assert record.seat.device == "tv"


def test_a_film_that_was_left_and_is_completed_after_a_month_has_one_starter_and_completer(
    keep: Callable[[Watching], None],
) -> None:
    one = Watching()
    left = watch_film(one, T0, 0.1)
    (begun,) = told(one)
    one.wait(left + 31 * DAY)
    keep(one)
    ended = watch_film(one, left + 31 * DAY)
    (record,) = told(one)
    assert (record.again, record.seat) == (False, begun.seat)
    assert (record.before, record.now) == (begun.now, Flags(True, True, True))
    assert record.passages == (Passage(0, Row(left, 0), Row(left, ended)),)


def test_a_film_that_was_left_is_begun_once_however_often_it_is_left(
    keep: Callable[[Watching], None],
) -> None:
    one = Watching()
    at = watch_film(one, T0, 0.1)
    for _ in range(2):
        one.wait(at + 31 * DAY)
        keep(one)
        at = watch_film(one, at + 31 * DAY, 0.2)
        assert told(one) == []


def test_a_film_that_is_watched_again_and_left_is_still_watched_again_when_it_is_ended(
    keep: Callable[[Watching], None],
) -> None:
    one = Watching()
    at = watch_film(one, T0)
    for share, before, now in (
        (0.1, Flags(), Flags(True)),
        (1.0, Flags(True), Flags(True, True, True)),
    ):
        one.wait(at + 31 * DAY)
        keep(one)
        at = watch_film(one, at + 31 * DAY, share)
        (record,) = told(one)
        assert (record.again, record.before, record.now) == (True, before, now)
        assert record.passages == ()


def test_the_seat_is_taken_when_a_season_is_begun_and_kept() -> None:
    one = Watching()
    left = one.watch(1, T0, country="DE", language="de", device="tv")
    one.watch(2, left + 8 * HOUR, country="FR", language="fr", device="mobile")
    first, *others = told(one)
    assert first.seat == Seat("DE", "de", "tv", 20)
    assert {record.seat for record in others} == {first.seat}


def test_a_seat_has_the_age_that_was_declared_and_places_that_the_player_does_not_say() -> None:
    one = Watching()
    one.viewer.declared = Declared("25-34", "DE", "de")
    left = one.watch(1, T0, country="FR")
    assert told(one)[0].seat == Seat("FR", "de", "", 20, "", "25-34")
    watch_film(one, left + HOUR)
    assert told(one)[-1].seat == Seat("DE", "de", "", 20, "comedy", "25-34")


def test_what_is_declared_or_withdrawn_later_changes_no_seat_that_is_taken() -> None:
    one = Watching()
    left = one.watch(1, T0)
    one.viewer.declared = Declared("25-34")
    left = one.watch(2, left + HOUR)
    assert {record.seat.age for record in told(one)} == {""}
    left = watch_film(one, left + HOUR)
    one.viewer.declared = Declared()
    one.watch(1, left + HOUR, title="dark")
    ages = {record.title_id: record.seat.age for record in told(one)}
    assert ages == {"office": "", "heat": "25-34", "dark": ""}


def test_a_seat_knows_the_genre_that_its_viewer_watched_most_before() -> None:
    one = Watching()
    one.watch(1, watch_film(one, T0) + HOUR)
    assert [record.seat.genre for record in told(one)] == ["", "drama"]
