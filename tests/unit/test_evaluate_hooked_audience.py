"""The audience that the hooked signal is judged on, and the core that lives through it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from hookpoint.evaluate.hooked_audience import Crowd, Life
from hookpoint.evaluate.hooked_curves import KnownCurves, LearnedCurves
from hookpoint.evaluate.hooked_fold import Features, Fold, Found, Point
from hookpoint.evaluate.hooked_rivals import PILOT, THREE, rivals
from hookpoint.evaluate.hooked_seasons import FEWEST, MOST, WEEK_S
from streams.rules import Rules

SMALL = Crowd(viewers=400, titles=4, weeks=4.0, seed=3)


@pytest.fixture(scope="module")
def lived() -> tuple[Life, Found]:
    life = Life(SMALL)
    known = KnownCurves(life.titles, SMALL.seed).at(0).curves
    fold = Fold([it.facts() for it in life.titles], LearnedCurves(life.titles), known, Rules())
    return life, fold.run(life.records())


def test_equal_crowds_are_equal_byte_for_byte() -> None:
    crowd = Crowd(viewers=30, titles=3, weeks=1.0)
    assert list(Life(crowd).records()) == list(Life(crowd).records())
    other = Crowd(viewers=30, titles=3, weeks=1.0, seed=8)
    assert list(Life(crowd).records()) != list(Life(other).records())


def test_seasons_have_six_to_sixteen_episodes_and_some_come_weekly() -> None:
    life = Life(Crowd(viewers=1, titles=40))
    lengths = {len(title.seasons[0].runtimes_s) for title in life.titles}
    assert min(lengths) >= FEWEST
    assert max(lengths) <= MOST
    assert len(lengths) > 6
    weekly = [title for title in life.titles if title.released_s >= life.crowd.start_s]
    assert len(weekly) == 10


def test_every_outcome_is_known_at_the_end(lived: tuple[Life, Found]) -> None:
    life, _ = lived
    assert life.settled == SMALL.viewers
    assert 0 < len(life.truth.finished_seasons()) < SMALL.viewers


def test_no_episode_is_played_before_it_is_out(lived: tuple[Life, Found]) -> None:
    life, _ = lived
    for playback in life.truth.playbacks:
        title = life.truth.titles[playback.episode[0]]
        assert playback.started_s >= title.released_s + (playback.episode[2] - 1) * WEEK_S


def test_viewers_go_on_as_often_as_the_title_has_it() -> None:
    life = Life(Crowd(viewers=3000, titles=1, weeks=4.0, seed=2))
    for _ in life.records():
        pass
    share = life.titles[0].seasons[0].goes_on[1]
    seen = {(it.viewer, it.episode[2]) for it in life.truth.playbacks}
    second = {viewer for viewer, episode in seen if episode == 2}
    went_on = sum((viewer, 3) in seen for viewer in second)
    error = math.sqrt(share * (1 - share) / len(second))
    assert went_on / len(second) == pytest.approx(share, abs=4 * error)


def test_the_core_predicts_after_each_completed_episode_but_the_last(
    lived: tuple[Life, Found],
) -> None:
    life, found = lived
    completed = life.truth.completed_episodes()
    fresh = [it for it in found.points if not it.idle_days]
    assert found.refused == 0
    of_viewer: dict[str, list[Point]] = {}
    for point in fresh:
        of_viewer.setdefault(point.viewer, []).append(point)
    for points in of_viewer.values():
        # An episode that is mended later leaves the viewer as far as before.
        assert all(a.features.k <= b.features.k for a, b in pairwise(points))
        assert all(1 <= it.features.k < it.of for it in points)
    with_two = {
        who for who, seasons in completed.items() if any(len(it) > 1 for it in seasons.values())
    }
    assert with_two <= of_viewer.keys()


def test_the_curve_known_is_the_probability_that_viewers_were_made_with(
    lived: tuple[Life, Found],
) -> None:
    life, found = lived
    for point in found.points:
        if not point.idle_days:
            season = life.truth.titles[point.title_id].seasons[0]
            rest = season.goes_on[point.features.k - 1 :]
            # Begun already or not, and with or without the last, which a long season may not need.
            made_with = [rest, rest[1:], rest[:-1], rest[1:-1]]
            assert any(point.p_known == pytest.approx(math.prod(it)) for it in made_with)


def test_idle_time_is_looked_at_only_while_nobody_has_gone_on(lived: tuple[Life, Found]) -> None:
    _, found = lived
    fresh = {(it.viewer, it.at_ms): it for it in found.points if not it.idle_days}
    idle = [it for it in found.points if it.idle_days]
    assert idle
    for point in idle:
        before = fresh[point.viewer, point.at_ms - point.idle_days * 86_400_000]
        assert point.features.k == before.features.k
        assert point.p_known <= before.p_known + 1e-12


# -- rivals ---------------------------------------------------------------------------------------
def point(viewer: str, k: int, in_24h: int) -> Point:
    features = Features(k, k / 10, in_24h, 0.0, 0)
    return Point(viewer, "dark", 10, 0, 0, 0.5, 0.5, False, k >= 1, False, features)


def test_a_rule_is_as_sure_as_it_was_right_in_training() -> None:
    training = [point(f"t{n}", 3, 3) for n in range(4)] + [
        point(f"t{n}", 3, 1) for n in range(4, 9)
    ]
    finished = {"t0", "t1", "t2", "t4"}
    judged = [point("a", 3, 3), point("b", 3, 2)]
    found = {it.name: it for it in rivals(training, judged, finished, 0.7)}
    assert found[THREE].p == (3 / 4, 1 / 5)
    assert found[THREE].yes == (True, False)
    assert found[PILOT].p == (4 / 9, 4 / 9)


def test_the_regression_learns_from_those_who_train_alone() -> None:
    training = [point(f"t{n}", 1 + n % 9, 1) for n in range(900)]
    finished = {it.viewer for it in training if it.features.k >= 5}
    found = {
        it.name: it for it in rivals(training, [point("a", 1, 1), point("b", 9, 1)], finished, 0.7)
    }
    low, high = found["logistic regression"].p
    assert low < 0.05
    assert high > 0.95
    assert found["logistic regression"].yes == (False, True)
