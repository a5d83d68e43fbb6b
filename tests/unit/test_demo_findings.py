"""The demo's comparisons, by hand: what counts as found, foreseen, finished, the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from consumers.records import RawRecord, Session, Signal, parse_signal
from hookpoint.demo import findings
from producers.simulator import Truth
from producers.simulator.catalogue import Season, Title
from producers.simulator.truth import TruePlayback

HOUR = 3600.0


def a_title(title_id, *, episodes=2, genres=("drama",)):
    season = Season(1, (1000.0,) * episodes, (0.8,) * (episodes - 1))
    return Title(title_id, title_id, genres, "US", "en", (), (), False, 1.0, 0.0, (season,), 0.0)


def a_playback(viewer, title_id, episode, begun_h, *, covered_s=1000.0, reported_s=None):
    reported_s = covered_s if reported_s is None else reported_s
    return TruePlayback(
        playback_id=f"{viewer}-{title_id}-{episode}",
        viewer=viewer,
        episode=(title_id, 1, episode),
        started_s=begun_h * HOUR,
        ended_s=begun_h * HOUR + 1000,
        spans=((0.0, covered_s),),
        reported_spans=((0.0, reported_s),),
        wall_s=covered_s,
        reported_wall_s=reported_s,
    )


def a_session(playback_id, coverage_s, *, name=None, revision=1):
    at = datetime.fromtimestamp(0, UTC)
    return Session(
        id=name or playback_id, viewer="v", playback_id=playback_id, title_id="t", season=1,
        episode=1, device=None, country=None, started_at=at, ended_at=at, wall_s=coverage_s,
        advanced_s=coverage_s, coverage_s=coverage_s, rewatched_s=0.0, position_s=coverage_s,
        imputed=False, revision=revision,
    )  # fmt: skip


def a_signal(viewer, kind, title_id, at_h, *, name=None, retracts=None) -> Signal:
    import orjson  # noqa: PLC0415 - one use

    body = {
        "id": name or f"{viewer}-{kind}-{title_id}",
        "source": "hookpoint",
        "type": f"viewer.{kind}",
        "subject": viewer,
        "time": datetime.fromtimestamp(at_h * HOUR, UTC).isoformat(),
        "data": {"viewer": viewer, "title_id": title_id, "season": 1, "k": 2, "of": 6}
        | ({"retracts": retracts} if retracts else {}),
    }
    return parse_signal(RawRecord("signals", 0, 0, viewer.encode(), orjson.dumps(body), {}, 0))


def a_truth(*playbacks, titles=("dark", "sea")):
    made = {title_id: a_title(title_id) for title_id in titles}
    return Truth(made, playbacks=list(playbacks))


def test_watch_time_is_compared_with_what_was_reported_per_playback():
    truth = a_truth(
        a_playback("v", "dark", 1, 0),
        a_playback("v", "dark", 2, 1, covered_s=900.0, reported_s=880.0),
        a_playback("v", "sea", 1, 2),
    )
    sessions = {
        "a": a_session("v-dark-1", 1000.4),
        # One playback may have two sessions, if it went on after it was sealed.
        "b": a_session("v-dark-2", 400.0, name="b"),
        "c": a_session("v-dark-2", 460.0, name="c"),
    }
    found = findings.compare_watch_time(truth, sessions)
    assert (found.playbacks, found.found, found.close) == (3, 2, 1)
    assert found.worst_s == pytest.approx(20.0)
    assert found.found_h * HOUR == pytest.approx(1860.4)
    assert found.reported_h * HOUR == pytest.approx(2880.0)
    assert found.true_h * HOUR == pytest.approx(2900.0)


def test_a_signal_that_was_taken_back_does_not_count():
    truth = a_truth(a_playback("v", "dark", 1, 0))
    completed = a_signal("v", "completed", "dark", 1, name="x")
    retracted = a_signal("v", "retracted", "dark", 2, retracts="x")
    assert findings.compare_completions(truth, [completed]).found == 1
    assert findings.compare_completions(truth, [completed, retracted]).found == 0


def test_completions_are_compared_viewer_by_viewer():
    truth = a_truth(a_playback("v", "dark", 1, 0), a_playback("v", "dark", 2, 1))
    right, wrong = (a_signal(viewer, "completed", "dark", 2) for viewer in "vw")
    found = findings.compare_completions(truth, [right, wrong])
    assert (found.true, found.found, found.both) == (1, 2, 1)


def test_a_hook_is_right_wrong_or_undecided():
    truth = a_truth(
        a_playback("right", "dark", 1, 0),
        a_playback("right", "dark", 2, 10),
        a_playback("wrong", "dark", 1, 0),
        a_playback("wrong", "sea", 1, 10),
        a_playback("undecided", "dark", 1, 0),
        a_playback("missed", "dark", 1, 0),
        a_playback("missed", "dark", 2, 10),
        a_playback("late", "dark", 1, 0),
        a_playback("late", "dark", 2, 10),
    )
    signals = [a_signal(viewer, "hooked", "dark", 5) for viewer in ("right", "wrong", "undecided")]
    signals.append(a_signal("late", "hooked", "dark", 11))
    found = findings.compare_hooks(truth, signals)
    assert (found.hooked, found.undecided, found.finished) == (4, 1, 2)
    assert found.precision == pytest.approx(2 / 3)
    # "late" finished before the signal, so that one foresaw nothing.
    assert (found.foreseen, found.finished_in_all) == (1, 3)
    assert found.recall == pytest.approx(1 / 3)
    assert found.lead_h == pytest.approx(5 + 1000 / HOUR)
    assert found.left == 4


def test_without_signals_there_is_no_precision_to_boast_of():
    found = findings.compare_hooks(a_truth(a_playback("v", "dark", 1, 0)), [])
    assert found.precision is None
    assert found.recall is None
    assert found.lead_h is None


def test_tastes_agree_where_favourite_and_shares_do():
    true = {"a": {"drama": 0.8, "crime": 0.2}, "b": {"drama": 0.1, "crime": 0.9}}
    found = findings.compare_tastes(true, {"a": {"drama": 0.4, "crime": 0.1}, "c": {"drama": 1.0}})
    assert (found.compared, found.same_favourite) == (1, 1)
    assert found.correlation == pytest.approx(1.0)
    opposite = findings.compare_tastes(true, {"b": {"drama": 0.9, "crime": 0.1}})
    assert (opposite.compared, opposite.same_favourite) == (1, 0)
    assert opposite.correlation == pytest.approx(-1.0)


def test_watched_genres_share_an_episode_out_and_leave_out_who_watched_little():
    truth = Truth(
        {"dark": a_title("dark", genres=("drama", "crime"), episodes=30)},
        taste={viewer: {"drama": 0.5, "crime": 0.4, "space": 0.1} for viewer in ("much", "little")},
        playbacks=[a_playback("much", "dark", episode, episode) for episode in range(1, 20)]
        + [a_playback("little", "dark", 1, 0)],
    )
    shares = findings.watched_shares(truth)
    assert set(shares) == {"much"}
    assert shares["much"] == pytest.approx({"drama": 9.5, "crime": 9.5, "space": 0.0})


def test_only_shares_with_enough_viewers_behind_them_are_compared():
    truth = Truth({"dark": a_title("dark", episodes=4)})
    found = findings.compare_curves(truth, {("dark", 1): ([0.7, 0.1, 0.85], [60.0, 49.0, 50.0])})
    assert found.compared == 2
    assert found.mean_error == pytest.approx((0.1 + 0.05) / 2)


def test_hook_points_are_compared_where_one_was_found_and_there_is_one():
    truth = Truth({"dark": a_title("dark", episodes=4)})
    true = truth.hook_points()["dark", 1]
    assert true is not None
    found = findings.compare_hook_points(
        truth, {("dark", 1): true + 1, ("dark", 9): 2, ("other", 1): None}
    )
    assert (found.found, found.both, found.same, found.close) == (2, 1, 0, 1)
