"""A whole worker on real servers: players report, and what is documented comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from players import a_run, an_event, as_binary, stamp, the_worked_example, watched
from service import DAY_S, HOUR_S, a_title, running_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service import Service

pytestmark = pytest.mark.integration

CURVE = {
    "version": "hand-made",
    "episodes": 6,
    "c": [0.97] * 5,
    "low": [0.96] * 5,
    "n": [500] * 5,
    "gap_s": [0, 3600, 86400, 28 * 86400],
    "gap_cdf": [0, 0.3, 0.8, 1],
}


@pytest.fixture(scope="module")
def service(stack, tmp_path_factory) -> Iterator[Service]:
    # Without the titles agent, which would put its own curves in place of this one.
    agents = frozenset({"viewers", "catalogue"})
    with running_service(stack, tmp_path_factory.mktemp("worker"), agents=agents) as found:
        found.titles([a_title(it) for it in ("curved", "paced")])
        found.client.hset(found.keys.engagement("curved"), "curve:1", orjson.dumps(CURVE))
        yield found


FIGURES = ("wall_s", "advanced_s", "coverage_s", "rewatched_s", "position_s", "imputed")


def figures(session):
    return [session[name] for name in FIGURES]


# -- one playback ----------------------------------------------------------------------------------
def test_every_type_of_event_ends_in_one_session_with_its_figures(service):
    began = service.another_time()
    service.report(a_run("all-types", began))
    (session,) = service.sessions("all-types")
    assert figures(session) == [2000, 2500, 2500, 0, 2700, False]
    assert session["started_at"] == stamp(began).replace("+00:00", "Z")
    about = {name: session[name] for name in ("viewer", "playback_id", "device", "country")}
    assert about == {
        "viewer": "all-types",
        "playback_id": "p-all-types",
        "device": "tv",
        "country": "DE",
    }
    assert (session["title_id"], session["season"], session["episode"]) == ("dark", 1, 1)
    assert session["revision"] == 1


def test_binary_events_say_the_same_as_structured_ones(service):
    began = service.another_time()
    service.report(a_run("structured", began))
    records = [as_binary(event) for event in a_run("binary", began)]
    service.sender.send(service.settings.topics.events, records)
    service.take_in()
    ours, theirs = service.sessions("binary"), service.sessions("structured")
    assert [figures(it) for it in ours] == [figures(it) for it in theirs] != []
    assert service.hash("progress", "binary") == service.hash("progress", "structured")
    assert service.hash("taste", "binary") == service.hash("taste", "structured")


def test_bare_words_are_credited_to_the_next_one(service):
    began = service.another_time()
    service.report(
        [
            an_event("bare", "play", began, 0),
            an_event("bare", "play", began + 600, 0, playback_id="next", episode=2),
            an_event("bare", "pause", began + 900, 300, playback_id="next", episode=2),
        ]
    )
    service.tick(began + 2 * HOUR_S)
    first, second = sorted(service.sessions("bare"), key=lambda it: it["episode"])
    assert (first["coverage_s"], first["imputed"]) == (600, True)
    assert (second["coverage_s"], second["imputed"]) == (300, False)


def test_the_worked_example_of_the_plan_comes_out_to_the_second(service):
    began = service.another_time()
    service.report(the_worked_example("example", began))
    service.tick(began + 2 * HOUR_S)
    (session,) = service.sessions("example")
    assert figures(session) == [1250, 1450, 1200, 250, 1750, False]


def test_a_player_that_died_is_closed_by_a_tick_and_not_before(service):
    began = service.another_time()
    service.report(
        [an_event("dead", "started", began, 0), an_event("dead", "heartbeat", began + 60, 60)]
    )
    service.tick(began + 60 + 599)
    assert service.sessions("dead") == []
    service.tick(began + 60 + 601)
    (session,) = service.sessions("dead")
    assert figures(session) == [60, 60, 60, 0, 60, False]


def test_a_late_event_mends_a_session_under_a_higher_revision(service):
    began = service.another_time()
    start, end = watched("mended", "dark", 1, began)
    late = an_event("mended", "paused", began + 900, 900, playback_id="mended-1")
    again = an_event("mended", "resumed", began + 1000, 1000, playback_id="mended-1")
    service.report([start, end])
    service.report([late, again])
    sessions = service.sessions("mended")
    assert [it["revision"] for it in sessions] == list(range(1, len(sessions) + 1))
    assert len({it["id"] for it in sessions}) == 1
    assert sessions[-1]["coverage_s"] == sessions[0]["coverage_s"] - 100


def test_an_event_that_comes_twice_counts_once(service):
    began = service.another_time()
    events = a_run("twice", began)
    service.report([event for event in events for _ in range(2)])
    service.report(events)
    (session,) = service.sessions("twice")
    assert figures(session) == [2000, 2500, 2500, 0, 2700, False]


# -- what others read ------------------------------------------------------------------------------
def test_progress_taste_and_their_expiry_are_as_documented(service):
    began = service.another_time()
    service.report(a_run("profile", began))
    progress = orjson.loads(service.hash("progress", "profile")["dark:1:1"])
    seen_s = int(began + 2071)
    assert progress == [2700, 2500, 2700, True, seen_s]
    taste = service.hash("taste", "profile")
    assert taste["watched_s"] == "2000"
    assert taste["updated_at"] == str(seen_s)
    shares = {name: text.split() for name, text in taste.items() if ":" in name}
    assert {"genre:drama", "genre:mystery", "language:de", "original:true", "hour:20"} <= set(
        shares
    )
    for lasting, now in shares.values():
        assert 0 < float(lasting) <= 1
        assert 0 < float(now) <= 1
    keys = service.keys.viewer("profile")
    for key in (keys.state, keys.taste, keys.progress):
        assert 399 * DAY_S < service.client.ttl(key) <= 400 * DAY_S


def test_what_the_profile_reader_gives_is_what_the_worker_wrote(service):
    from consumers.profiles import ProfileReader  # noqa: PLC0415 - a consumer, not the worker

    service.report(watched("read", "dark", 1, service.another_time()))
    with ProfileReader(service.settings) as reader:
        assert reader.taste("read").watched_s == 2700


# -- hooked ----------------------------------------------------------------------------------------
def test_three_episodes_in_a_day_hook_on_pace_where_there_is_no_curve(service):
    began = service.another_time()
    for episode in (1, 2, 3):
        assert not service.hash("hooked", "pacer")
        service.report(watched("pacer", "paced", episode, began + episode * HOUR_S))
    held = orjson.loads(service.hash("hooked", "pacer")["paced:1"])
    state, p, basis, _, k, of = held
    assert (state, p, basis, k, of) == ("hooked", None, "pace", 3, 6)
    (signal,) = service.signals("pacer")
    assert signal["type"] == "viewer.hooked"
    assert (signal["specversion"], signal["source"]) == ("1.0", "hookpoint")
    assert signal["subject"] == signal["data"]["viewer"] == "pacer"
    assert signal["data"]["basis"] == "pace"
    assert signal["data"]["interval"] is None


def test_a_curve_in_redis_hooks_on_the_audience_one_episode_earlier(service):
    began = service.another_time()
    for episode in (1, 2):
        service.report(watched("curved", "curved", episode, began + episode * HOUR_S))
    (signal,) = service.signals("curved")
    data = signal["data"]
    assert (signal["type"], data["basis"], data["curve_version"]) == (
        "viewer.hooked",
        "audience",
        "hand-made",
    )
    assert 0.7 <= data["p"] <= 1
    low, high = data["interval"]
    assert low <= data["p"] <= high
    assert (data["k"], data["of"]) == (2, 6)


def test_on_a_curve_too_an_idle_viewer_cools_and_lapses(service):
    began = service.another_time()
    for episode in (1, 2):
        service.report(watched("idle", "curved", episode, began + episode * HOUR_S))
    while service.another_time() < began + 30 * DAY_S:
        pass
    service.tick(service.another_time())
    types = [it["type"] for it in service.signals("idle")]
    assert types == ["viewer.hooked", "viewer.cooled", "viewer.lapsed"]
    assert orjson.loads(service.hash("hooked", "idle")["curved:1"])[0] == "lapsed"


def test_a_viewer_cools_and_lapses_by_event_time_alone(service):
    began = service.another_time()
    events = [e for n in (1, 2, 3) for e in watched("idler", "paced", n, began + n * HOUR_S)]
    service.report(events)
    idle_from = service.another_time()
    while idle_from < began + 30 * DAY_S:
        idle_from = service.another_time()
    service.tick(idle_from)
    assert [it["type"] for it in service.signals("idler")] == [
        "viewer.hooked",
        "viewer.cooled",
        "viewer.lapsed",
    ]
    assert orjson.loads(service.hash("hooked", "idler")["paced:1"])[0] == "lapsed"


def test_a_season_watched_to_its_end_is_completed(service):
    began = service.another_time()
    events = [e for n in range(1, 7) for e in watched("finisher", "paced", n, began + n * HOUR_S)]
    service.report(events)
    assert [it["type"] for it in service.signals("finisher")] == [
        "viewer.hooked",
        "viewer.completed",
    ]
