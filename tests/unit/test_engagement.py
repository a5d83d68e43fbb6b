"""Starters, watchers, completers, hours and views of a title, by worked examples."""

from __future__ import annotations

import msgspec
import pytest
from title_records import DAY_MS, HOUR_MS, NOTHING, RUNTIME_S, T0, progress, session

from streams.audience.counts import left_in
from streams.audience.engagement import Engagement
from streams.audience.records import Figures, Flags, Row, Seat, read
from streams.catalogue import Season, Title
from streams.rules import Rules

SEAT = Seat(country="DE")
LEAST = Rules().least_viewers
STARTED, WATCHED, COMPLETED = Flags(True), Flags(True, True), Flags(True, True, True)
PILOT, SECOND, FILM, WHOLE = (1, 1), (1, 2), (0, 0), (1, 0)
TITLE = Title("t", "T", (), {1: Season(2, {1: 2_700_000, 2: 2_700_000})}, 5_400_000)


@pytest.fixture
def engagement() -> Engagement:
    return Engagement(Rules())


def played(wall_s=600.0, start_s=0.0, end_s=600.0, **figures) -> Figures:
    advanced = figures.pop("advanced_s", end_s - start_s)
    coverage = figures.pop("coverage_s", advanced)
    return Figures(wall_s, advanced, coverage, start_s, end_s, **figures)


def begin(engagement: Engagement, viewers: int, season: int = 1) -> None:
    for _ in range(viewers):
        said = ((NOTHING, None), (STARTED, Row(T0, 0)))
        engagement.progress(progress((season, 1), SEAT, *said))


def finish(engagement: Engagement, season: int, took_ms: int) -> None:
    """A viewer who began a season, and finished it if ``took_ms`` is above 0."""
    row = Row(T0, T0 + took_ms if took_ms else 0)
    engagement.progress(progress((season, 0), SEAT, (NOTHING, None), (NOTHING, row)))


def test_an_episode_counts_each_threshold_once(engagement):
    engagement.progress(progress(PILOT, SEAT, (NOTHING, None), (STARTED, Row(T0, 0))))
    engagement.progress(progress(PILOT, SEAT, (STARTED, None), (COMPLETED, None)))
    engagement.progress(progress(PILOT, SEAT, (NOTHING, None), (WATCHED, Row(T0, 0))))
    assert engagement.episodes(1, TITLE)["1"] == {
        "starters": 2, "watchers": 2, "completers": 1, "hours": 0.0, "views": 0.0,
    }  # fmt: skip
    assert engagement.season(1, TITLE)["starters"] == 2
    assert engagement.season(1, TITLE)["completers"] == 0


def test_a_late_event_takes_a_completion_back(engagement):
    engagement.progress(progress(PILOT, SEAT, (NOTHING, None), (COMPLETED, None)))
    engagement.progress(progress(PILOT, SEAT, (COMPLETED, None), (STARTED, None)))
    pilot = engagement.episodes(1, None)["1"]
    assert (pilot["starters"], pilot["watchers"], pilot["completers"]) == (1, 0, 0)


def test_who_watches_a_finished_season_anew_is_no_new_starter(engagement):
    began = Row(T0, T0 + DAY_MS)
    engagement.progress(progress(PILOT, SEAT, (NOTHING, None), (COMPLETED, began)))
    engagement.progress(progress(PILOT, SEAT, (NOTHING, None), (COMPLETED, None), again=True))
    season = engagement.season(1, TITLE)
    assert (season["starters"], season["completers"], season["rewatch_starters"]) == (1, 1, 1)
    assert engagement.episodes(1, TITLE)["1"]["completers"] == 1


def test_a_session_that_turns_out_to_have_been_chosen_counts_as_no_automatic_start(engagement):
    begin(engagement, LEAST)
    engagement.session(session(PILOT, None, played(), autoplay=True))
    engagement.session(session(PILOT, played(), played(), autoplay=False, autoplay_before=True))
    assert engagement.scalars(TITLE)["autoplay_share"] == 0


def test_a_record_that_does_not_say_what_was_said_of_autoplay_before_changes_no_count(engagement):
    begin(engagement, LEAST)
    engagement.session(session(PILOT, None, played(), autoplay=True))
    for autoplay in (True, False):
        told = msgspec.to_builtins(session(PILOT, played(), played(), autoplay=autoplay))
        del told["autoplay_before"]  # as it was before there was such a field
        engagement.session(read(msgspec.json.encode(told)))
    assert engagement.scalars(TITLE)["autoplay_share"] == 1


def test_binge_shares_are_of_those_who_finished_the_season(engagement):
    for took in (23 * HOUR_MS, DAY_MS, 3 * DAY_MS, 8 * DAY_MS, 0) * 20:
        finish(engagement, 1, took)
    season = engagement.season(1, TITLE)
    assert (season["starters"], season["completers"]) == (100, 80)
    assert (season["binge_24h"], season["binge_7d"]) == (0.5, 0.75)
    assert engagement.scalars(TITLE)["binge_7d"] == 0.75


def test_the_pace_of_a_handful_is_not_told_nor_left_over_from_that_of_all(engagement):
    for _ in range(LEAST):
        finish(engagement, 1, 3 * DAY_MS)
    for _ in range(LEAST - 1):
        finish(engagement, 2, HOUR_MS)
    assert "binge_24h" not in engagement.season(2, TITLE)
    assert engagement.scalars(TITLE)["binge_24h"] == engagement.season(1, TITLE)["binge_24h"] == 0
    finish(engagement, 2, HOUR_MS)
    assert engagement.season(2, TITLE)["binge_24h"] == 1
    assert engagement.scalars(TITLE)["binge_24h"] == 0.5


def test_how_a_handful_play_is_not_told_however_many_seasons_they_began(engagement):
    def shares() -> set[str]:
        told = {*engagement.scalars(TITLE), *engagement.episodes(1, TITLE)["1"]}
        return told & {"autoplay_share", "rewatched_share", "rewatched_s"}

    for season in (1, 2):
        begin(engagement, LEAST - 1, season)
        engagement.session(session((season, 1), None, played(), autoplay=True))
    assert shares() == set()
    begin(engagement, 1)
    assert shares() == {"autoplay_share", "rewatched_share", "rewatched_s"}


def test_a_film_has_no_binge_share(engagement):
    engagement.progress(progress(FILM, SEAT, (NOTHING, None), (COMPLETED, Row(T0, T0 + HOUR_MS))))
    assert engagement.season(0, TITLE)["completers"] == 1
    assert "binge_24h" not in engagement.season(0, TITLE)
    assert "binge_24h" not in engagement.scalars(TITLE)


def test_nothing_is_said_of_the_pace_of_a_season_that_nobody_finished(engagement):
    engagement.progress(progress(PILOT, SEAT, (NOTHING, None), (STARTED, Row(T0, 0))))
    assert "binge_24h" not in engagement.season(1, TITLE)


def test_at_least_as_many_watched_an_episode_as_watched_the_one_most_watched(engagement):
    for place in (PILOT, SECOND, SECOND):
        engagement.progress(progress(place, SEAT, (NOTHING, None), (WATCHED, None)))
    assert engagement.season(1, TITLE)["watchers"] == 2
    for _ in range(3):  # the season's own records know that these are three viewers
        engagement.progress(progress(WHOLE, SEAT, (NOTHING, None), (WATCHED, None)))
    assert engagement.season(1, TITLE)["watchers"] == 3
    assert "0" not in engagement.episodes(1, TITLE)


def test_views_are_hours_over_runtime(engagement):
    for _ in range(3):
        engagement.session(session(PILOT, None, played(wall_s=2700.0)))
    assert engagement.episodes(1, TITLE)["1"]["hours"] == 2.25
    assert engagement.episodes(1, TITLE)["1"]["views"] == 3.0
    assert engagement.season(1, TITLE)["views"] == 1.5  # the season lasts twice as long
    assert engagement.scalars(TITLE)["views"] == 1.5


def test_without_a_catalogue_the_runtime_is_what_sessions_say(engagement):
    engagement.session(session(PILOT, None, played(wall_s=1350.0)))
    assert engagement.season(1, None)["views"] == 0.5


def test_a_mended_session_replaces_what_was_said_of_it(engagement):
    begin(engagement, LEAST)
    first = played(wall_s=600.0, advanced_s=600.0, coverage_s=500.0)
    engagement.session(session(PILOT, None, first, autoplay=True))
    mended = played(wall_s=900.0, advanced_s=800.0, coverage_s=400.0)
    engagement.session(session(PILOT, first, mended, autoplay=True))
    engagement.session(session(PILOT, None, played()))
    assert engagement.episodes(1, TITLE)["1"]["rewatched_s"] == 400.0
    scalars = engagement.scalars(TITLE)
    assert scalars["hours"] == round(1500 / 3600, 2)
    assert scalars["autoplay_share"] == 0.5
    assert scalars["rewatched_share"] == round(400 / 1400, 2)


def test_a_viewer_leaves_where_the_session_ended(engagement):
    for _ in range(4):
        engagement.progress(progress(PILOT, SEAT, (NOTHING, None), (STARTED, None)))
    engagement.session(session(PILOT, None, played(end_s=1000.0)))
    assert engagement.drop_off(1, 1)["1"] == [*[0.0] * 7, 0.25, *[0.0] * 12]


def test_who_comes_back_has_not_left(engagement):
    engagement.progress(progress(PILOT, SEAT, (NOTHING, None), (STARTED, None)))
    engagement.session(session(PILOT, None, played(end_s=1000.0)))
    engagement.session(session(PILOT, None, played(start_s=1000.0, end_s=2600.0)))
    assert engagement.drop_off(1, 1)["1"] == [0.0] * 20


def test_a_player_that_rewinds_a_little_on_resuming_leaves_no_phantom_leaver(engagement):
    engagement.progress(progress(PILOT, SEAT, (NOTHING, None), (STARTED, None)))
    engagement.session(session(PILOT, None, played(end_s=1083.0)))  # the ninth twentieth
    engagement.session(session(PILOT, None, played(start_s=1078.0, end_s=2600.0)))  # the eighth
    assert engagement.drop_off(1, 1)["1"] == [0.0] * 20


def test_the_drop_off_is_told_with_two_digits(engagement):
    for _ in range(300):
        engagement.progress(progress(PILOT, SEAT, (NOTHING, None), (STARTED, None)))
    engagement.session(session(PILOT, None, played(end_s=1000.0)))
    assert engagement.drop_off(1, LEAST)["1"] == [0.0] * 20


def test_the_drop_off_of_a_handful_of_viewers_is_not_told(engagement):
    engagement.progress(progress(PILOT, SEAT, (NOTHING, None), (STARTED, None)))
    assert engagement.drop_off(1, 50) == {}


@pytest.mark.parametrize(
    ("position_s", "twentieth"),
    [(0, -1), (119.9, -1), (120, 0), (135, 1), (2429, 17), (2430, -1), (2700, -1)],
)
def test_nobody_leaves_before_two_minutes_or_after_ninety_percent(position_s, twentieth):
    assert left_in(position_s, RUNTIME_S, Rules()) == twentieth


def test_where_the_runtime_is_unknown_nobody_can_be_said_to_have_left():
    assert left_in(1000.0, 0.0, Rules()) == -1


def test_a_feed_that_invents_episodes_without_end_does_not_fill_the_memory(engagement):
    for episode in range(1, 6_000):
        engagement.session(session((1, episode), None, played()))
    assert len(engagement.seasons[1].episodes) == 5_000
