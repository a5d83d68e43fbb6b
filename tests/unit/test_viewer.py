"""Sessions, timers and everything that one viewer's events bring about."""

from __future__ import annotations

import pytest
from strategies import DAY, HOUR, MINUTE, RUNTIME_MS, SOURCE, T0, Watching, context, event

from streams.events import Event, Reject
from streams.signals import stamp
from streams.viewing.knots import MAX_STRUCTURAL, Kind
from streams.viewing.public import taste_fields, write_of
from streams.viewing.viewer import MAX_LIVE

KEY = ("p1", "office", 1, 1)


def started(**facts: object) -> Watching:
    one = Watching()
    one.say(event(Kind.START, T0, 0, **facts))
    return one


# -- sessions close ------------------------------------------------------------------------
@pytest.mark.parametrize("last", [Kind.COMPLETE, Kind.STOP])
def test_a_session_closes_at_once_when_the_player_says_so(last: Kind) -> None:
    one = started(device="tv", country="DE")
    one.say(event(last, T0 + 5 * MINUTE, 5 * MINUTE, device="tv", country="DE"))
    [session] = one.sent("s")
    del session["id"]
    assert session == {
        "viewer": "v", "playback_id": "p1", "title_id": "dark", "season": 1, "episode": 1,
        "device": "tv", "country": "DE", "language": None, "started_at": stamp(T0),
        "ended_at": stamp(T0 + 5 * MINUTE), "wall_s": 300.0, "advanced_s": 300.0,
        "coverage_s": 300.0, "rewatched_s": 0.0, "from_position_s": 0.0, "position_s": 300.0,
        "imputed": False, "revision": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("last", "minutes"), [(Kind.HEARTBEAT, 10), (Kind.PAUSE, 30)])
def test_a_session_closes_after_silence(last: Kind, minutes: int) -> None:
    one = started()
    one.say(event(last, T0 + 5 * MINUTE, 5 * MINUTE))
    one.wait(T0 + (5 + minutes) * MINUTE - 1)
    assert one.sent("s") == []
    one.wait(T0 + (5 + minutes) * MINUTE)
    [session] = one.sent("s")
    assert session["ended_at"] == stamp(T0 + 5 * MINUTE)


def test_silence_is_noticed_before_the_next_event_is_applied() -> None:
    one = started()
    one.say(event(Kind.PAUSE, T0 + MINUTE, MINUTE))
    one.wait(T0 + 12 * MINUTE)
    one.say(event(Kind.BUFFERED, T0 + 15 * MINUTE, MINUTE))
    one.clock_ms = T0 + 26 * MINUTE
    one.say(event(Kind.HEARTBEAT, T0 + 26 * MINUTE, 2 * MINUTE))
    assert [s["revision"] for s in one.sent("s")] == [1]


def test_completed_twice_completes_once() -> None:
    """A content end followed by a playback end, as some players report them."""
    one = started()
    for kind in (Kind.COMPLETE, Kind.COMPLETE, Kind.STOP):
        one.say(event(kind, T0 + RUNTIME_MS, RUNTIME_MS))
    assert len(one.sent("s")) == 1
    assert sum(p["what"] == "progress" for p in one.sent("p")) == 1


def test_a_late_event_sends_the_session_again() -> None:
    one = started()
    one.say(event(Kind.STOP, T0 + 10 * MINUTE, 10 * MINUTE))
    one.say(event(Kind.PAUSE, T0 + 4 * MINUTE, 4 * MINUTE))
    first, second = one.sent("s")
    assert (first["id"], first["revision"], first["coverage_s"]) == (second["id"], 1, 600.0)
    assert (second["revision"], second["coverage_s"]) == (2, 240.0)
    told = [p for p in one.sent("p") if p["what"] == "session"]
    assert [p["now"]["coverage_s"] for p in told] == [600.0, 240.0]
    assert [p["before"] for p in told] == [None, told[0]["now"]]


def test_a_late_event_that_says_nothing_new_sends_nothing() -> None:
    one = started()
    one.say(event(Kind.STOP, T0 + 10 * MINUTE, 10 * MINUTE))
    sent = len(one.viewer.outbox)
    one.say(
        event(Kind.HEARTBEAT, T0 + 5 * MINUTE, 5 * MINUTE),
        event(Kind.STOP, T0 + 10 * MINUTE, 10 * MINUTE),
        event(Kind.START, T0, 0),
    )
    assert len(one.viewer.outbox) == sent


def test_an_earlier_word_on_the_device_mends_the_session() -> None:
    one = started()
    one.say(event(Kind.STOP, T0 + 10 * MINUTE, 10 * MINUTE))
    one.say(event(Kind.START, T0, 0, device="tv"))
    assert [s["device"] for s in one.sent("s")] == [None, "tv"]


def test_a_playback_is_sealed_a_day_after_its_last_event() -> None:
    one = started()
    one.say(event(Kind.STOP, T0 + MINUTE, MINUTE))
    one.wait(T0 + MINUTE + DAY - 1)
    assert one.viewer.playbacks
    one.wait(T0 + MINUTE + DAY)
    assert not one.viewer.playbacks


def test_a_playback_that_goes_on_after_its_seal_is_a_new_session() -> None:
    one = started()
    one.say(event(Kind.STOP, T0 + MINUTE, MINUTE))
    one.wait(T0 + 2 * DAY)
    one.say(event(Kind.RESUME, T0 + 2 * DAY, MINUTE))
    one.say(event(Kind.STOP, T0 + 2 * DAY + MINUTE, 2 * MINUTE))
    first, second = one.sent("s")
    assert (first["playback_id"], first["revision"]) == (second["playback_id"], 1)
    assert first["id"] != second["id"]


# -- watch time gone wrong elsewhere ----------------------------------------------------------
def test_no_viewer_watches_more_than_24_hours_a_day_on_a_device() -> None:
    one = Watching()
    for tab in range(40):
        key = (f"tab{tab}", "unheard-of", 1, 1)
        one.say(event(Kind.START, T0, 0, key=key, device="tv"))
        one.say(event(Kind.STOP, T0 + HOUR, HOUR, key=key, device="tv"))
    one.say(event(Kind.START, T0, 0, key=("p", "heat", 0, 0), device="phone"))
    one.say(event(Kind.STOP, T0 + HOUR, HOUR, key=("p", "heat", 0, 0), device="phone"))
    assert one.viewer.watched_ms == 2 * HOUR
    one.wait(T0 + 100 * DAY)
    assert one.viewer.watched_ms == 2 * HOUR


def test_a_player_that_runs_for_days_shares_its_time_with_others_of_its_device() -> None:
    one = Watching()
    long, short = ("long", "unheard-of", 1, 1), ("short", "unheard-of", 1, 2)
    one.say(event(Kind.START, T0, 0, key=long, device="tv"))
    for minute in range(5, 8 * 24 * 60, 5):
        at = T0 + minute * MINUTE
        one.say(event(Kind.HEARTBEAT, at, minute * MINUTE, key=long, device="tv"))
        if minute == 60:
            one.say(event(Kind.START, at, 0, key=short, device="tv"))
            one.say(event(Kind.STOP, at + MINUTE, MINUTE, key=short, device="tv"))
    one.wait(T0 + 20 * DAY)
    assert one.viewer.watched_ms == (8 * 24 * 60 - 5) * MINUTE


def test_no_hours_are_credited_to_a_player_that_died() -> None:
    one = started()
    one.say(event(Kind.HEARTBEAT, T0 + MINUTE, MINUTE))
    one.wait(T0 + 3 * DAY)
    [session] = one.sent("s")
    assert (session["wall_s"], one.viewer.watched_ms) == (60.0, MINUTE)


def test_coverage_is_the_union_over_players_and_devices() -> None:
    one = Watching()
    for run, (start, end) in enumerate([(0, 10), (5, 15), (20, 25)]):
        key, at = (f"p{run}", "office", 1, 1), T0 + run * HOUR
        one.say(event(Kind.START, at, start * MINUTE, key=key, device=f"d{run}"))
        one.say(event(Kind.STOP, at + (end - start) * MINUTE, end * MINUTE, key=key))
    assert one.viewer.episodes["office", 1, 1].coverage_ms() == 20 * MINUTE
    one.wait(T0 + 20 * DAY)
    assert one.viewer.episodes["office", 1, 1].coverage_ms() == 20 * MINUTE


# -- bare words ------------------------------------------------------------------------------
def test_a_bare_play_is_imputed_up_to_the_viewer_s_next_event() -> None:
    one = Watching()
    one.say(event(Kind.RESUME, T0, 0, bare=True))
    one.say(event(Kind.RESUME, T0 + 5 * MINUTE, 0, key=("p2", "office", 1, 1), bare=True))
    one.wait(T0 + 3 * DAY)
    first = next(s for s in reversed(one.sent("s")) if s["playback_id"] == "p1")
    assert (first["imputed"], first["coverage_s"]) == (True, 300.0)
    second = next(s for s in reversed(one.sent("s")) if s["playback_id"] == "p2")
    assert (second["imputed"], second["coverage_s"]) == (False, 0.0)


def test_a_word_that_comes_late_corrects_what_was_imputed_without_a_flap() -> None:
    one = Watching()
    one.say(event(Kind.RESUME, T0, 0, bare=True))
    one.say(event(Kind.RESUME, T0 + HOUR, 0, key=("p2", "office", 1, 1), bare=True))
    assert one.viewer.episodes["dark", 1, 1].completed_ms
    before = [p for p in one.sent("p") if p["what"] == "progress"]
    one.say(event(Kind.RESUME, T0 + 1000, 1000, bare=True))
    assert one.viewer.episodes["dark", 1, 1].completed_ms
    assert [p for p in one.sent("p") if p["what"] == "progress"] == before
    one.say(event(Kind.PAUSE, T0 + MINUTE, MINUTE, bare=True))
    assert one.viewer.episodes["dark", 1, 1].coverage_ms() == MINUTE


# -- taste -----------------------------------------------------------------------------------
def lasting(one: Watching) -> dict[str, float]:
    return one.viewer.taste.lasting.current()


def test_watching_counts_towards_every_facet() -> None:
    one = Watching()
    one.watch(1, T0, title="dark", share=0.8)
    assert lasting(one) == pytest.approx(
        {"genre:drama": 0.4, "genre:mystery": 0.4, "language:de": 0.8, "hour:20": 0.8}
    )


def test_a_quiet_word_after_the_end_changes_taste_as_if_it_had_come_before() -> None:
    start, beat, stop = (
        event(Kind.START, T0, 0), event(Kind.HEARTBEAT, T0 + 3 * HOUR, 40 * MINUTE),
        event(Kind.STOP, T0 + 40 * MINUTE, 40 * MINUTE),
    )  # fmt: skip
    late, early = Watching(), Watching()
    late.say(start, stop, beat)
    early.say(start, beat, stop)
    for one in (late, early):
        one.wait(T0 + DAY)
    assert lasting(late) == pytest.approx(lasting(early), abs=1e-9)


def test_leaving_early_speaks_against_a_title_only_after_a_week() -> None:
    one = Watching()
    at = one.watch(1, T0, share=0.1)
    one.wait(at + 7 * DAY - 1)
    assert one.viewer.taste.lasting.negative == {}
    one.wait(at + 7 * DAY)
    assert one.viewer.taste.lasting.negative["genre:comedy"] == pytest.approx(0.3, rel=0.1)


def test_autoplay_in_a_row_counts_less_until_the_viewer_acts() -> None:
    one, at = Watching(), T0
    for episode in (1, 2, 3):
        at = one.watch(episode, at, autoplay=episode > 1)
    streaks = [p.streak for p in one.viewer.playbacks.values()]
    assert streaks == [0, 1, 2]
    assert lasting(one)["genre:comedy"] == pytest.approx(1 + 0.982 + 0.881, abs=1e-3)
    one.say(event(Kind.PAUSE, at - MINUTE, RUNTIME_MS - MINUTE, key=("office-3-", "office", 1, 3)))
    one.say(event(Kind.RESUME, at - MINUTE, RUNTIME_MS - MINUTE, key=("office-3-", "office", 1, 3)))
    assert [p.streak for p in one.viewer.playbacks.values()] == [0, 1, 0]
    assert lasting(one)["genre:comedy"] == pytest.approx(1 + 0.982 + 1, abs=1e-3)


# -- bounds and marks ----------------------------------------------------------------------
def test_a_record_at_its_mark_is_not_applied_again() -> None:
    one = started()
    again = event(Kind.STOP, T0 + MINUTE, MINUTE)
    assert not one.viewer.absorb(SOURCE, 0, T0, again, one.world)
    assert one.viewer.absorb("playback-events/1", 0, T0, again, one.world)


def test_a_player_that_reports_without_end_is_rejected() -> None:
    one = Watching()
    for i in range(MAX_STRUCTURAL):
        one.say(event(Kind.PAUSE, T0 + i, 0))
    with pytest.raises(Reject, match="more reports") as caught:
        one.say(event(Kind.PAUSE, T0 + MINUTE, 0))
    assert (caught.value.reason, caught.value.field) == ("too_many", "playback_id")
    assert one.viewer.marks[SOURCE] == MAX_STRUCTURAL


def test_a_feed_that_opens_playbacks_without_end_seals_the_oldest() -> None:
    one = Watching()
    for i in range(MAX_LIVE + 10):
        one.say(event(Kind.START, T0 + i, 0, key=(f"p{i}", "heat", 0, 0)))
    assert len(one.viewer.playbacks) == MAX_LIVE
    assert ("p0", "heat", 0, 0) not in one.viewer.playbacks


# -- what is published ------------------------------------------------------------------------
def test_progress_and_taste_are_published_as_documented() -> None:
    one = Watching()
    at = one.watch(1, T0, title="dark", share=0.95, device="tv")
    write = write_of(one.viewer, one.world)
    assert write.progress.keys() == {"dark:1:1"}
    assert write.progress["dark:1:1"] == b"[2565,2565,2700,true,%d]" % (at // 1000)
    assert write.taste
    assert (write.taste["watched_s"], write.taste["updated_at"]) == ("2565", str(at // 1000))
    assert write.taste == taste_fields(one.viewer, one.world)
    weight, prior = 0.95 / 2, one.world.catalogue.prior["genre:drama"]
    assert float(write.taste["genre:drama"].split()[0]) == pytest.approx(
        (weight + 5 * prior) / (0.95 + 5), abs=1e-4
    )


def test_an_episode_that_is_opened_and_forgotten_in_one_slice_is_still_published() -> None:
    one = Watching()
    one.watch(1, T0)
    one.wait(T0 + 100 * DAY)
    assert not one.viewer.episodes
    assert write_of(one.viewer, one.world).progress.keys() == {"office:1:1"}


def test_a_season_whose_only_signal_was_retracted_is_not_published() -> None:
    one, at = Watching(), T0
    for episode in (1, 2, 3):
        at = one.watch(episode, at)
    assert write_of(one.viewer, one.world).hooked.keys() == {"office:1"}
    key = ("office-3-", "office", 1, 3)
    one.say(event(Kind.PAUSE, at - RUNTIME_MS + MINUTE, MINUTE, key=key))
    write = write_of(one.viewer, one.world)
    assert (write.hooked, write.hooked_gone) == ({}, ["office:1"])


def test_a_late_heartbeat_that_closes_a_gap_lengthens_the_run_of_automatic_starts() -> None:
    one, other = Watching(), ("p2", "office", 1, 2)
    one.say(event(Kind.START, T0, 0, key=KEY, autoplay=True))
    one.say(event(Kind.START, T0 + 70 * MINUTE, 0, key=other, autoplay=True))
    assert one.viewer.playbacks[other].streak == 1
    one.say(event(Kind.HEARTBEAT, T0 + 20 * MINUTE, 20 * MINUTE, key=KEY, autoplay=True))
    assert one.viewer.playbacks[other].streak == 2


def test_a_season_is_not_complete_any_more_once_a_late_seek_takes_back_what_made_it_so() -> None:
    """Three episodes whole and 1,650 s of the fourth are 9,750 of the 9,720 s that it takes."""

    def beat(key: tuple[str, str, int, int], began_ms: int, second: int) -> Event:
        return event(Kind.HEARTBEAT, began_ms + second * 1000, second * 1000, key=key)

    one = Watching(context(curve=None))
    begins = T0
    for episode in (1, 2, 3):
        one.watch(episode, begins, title="dark")
        begins += 2_800_000
    one.watch(4, begins, title="dark", share=1650 / 2700)
    assert one.words()[-1] == "completed"
    again, key = begins + 2_000_000, ("again", "dark", 1, 4)
    one.say(event(Kind.START, again, 0, key=key), beat(key, again, 100), beat(key, again, 200))
    skipped = T0 + 2_800_000 + 1_250_000
    second = ("dark-2-", "dark", 1, 2)
    one.say(event(Kind.SEEK, skipped, 1_350_000, key=second, origin_ms=1_250_000))
    for at_s in range(300, 700, 100):
        one.say(beat(key, again, at_s))
    assert one.words()[-1] == "retracted"
    assert one.viewer.journeys["dark", 1].state == "hooked"


def test_where_a_player_s_clock_was_set_back_the_position_is_that_of_its_latest_report() -> None:
    facts, one = (("device", "tv"),), Watching()
    key = ("p1", "dark", 1, 1)

    def report(kind: Kind, seq: int, at_s: int, position_s: int) -> Event:
        told = event(kind, T0 + at_s * 1000, position_s * 1000, key=key, seq=seq)
        return told._replace(playback=key, facts=facts)

    one.say(report(Kind.START, 0, 0, 0))
    told = [(130, 130), (200, 200), (150, 205), (160, 215), (170, 225), (180, 235)]
    for seq, (at_s, position_s) in enumerate(told, 1):
        one.say(report(Kind.HEARTBEAT, seq, at_s, position_s))
        assert one.viewer.episodes[key[1:]].position_ms == position_s * 1000
