"""Scores of probabilities and signals, by examples worked out by hand."""

from __future__ import annotations

import pytest

from hookpoint.evaluate.hooked_scores import (
    ENOUGH,
    Call,
    Case,
    brier_difference,
    reliability,
    score,
    warned,
    wilson,
)


def cases(*told: tuple[float, bool]) -> list[Case]:
    return [Case(f"viewer-{number}", p, came) for number, (p, came) in enumerate(told)]


def test_brier_is_the_mean_square_of_what_was_missed() -> None:
    found = score(cases((0.9, True), (0.6, False)))
    assert found
    assert found.brier == pytest.approx((0.1**2 + 0.6**2) / 2)
    assert (found.mean_p, found.share) == (pytest.approx(0.75), 0.5)


def test_skill_is_what_is_better_than_knowing_the_share() -> None:
    prophet = score(cases((1.0, True), (0.0, False), (0.0, False), (0.0, False)))
    guesser = score(cases(*[(0.25, came) for came in (True, False, False, False)]))
    worse = score(cases((0.0, True), (1.0, False)))
    assert prophet
    assert guesser
    assert worse
    assert (prophet.skill, guesser.skill, worse.skill) == (1, 0, -3)


def test_where_all_come_true_there_is_no_skill_to_speak_of() -> None:
    found = score(cases((0.9, True)))
    assert found
    assert found.skill is None
    assert score([]) is None


def test_a_bin_holds_its_lower_edge_and_the_last_holds_one() -> None:
    bins = reliability(cases((0.1, True), (0.19, False), (0.2, True), (1.0, True), (0.95, False)))
    assert [(it.low, it.cases) for it in bins] == [(0.1, 2), (0.2, 1), (0.9, 2)]
    assert (bins[0].mean_p, bins[0].share) == (pytest.approx(0.145), 0.5)
    assert bins[0].gap == pytest.approx(-0.355)


def test_a_bin_is_held_to_the_bar_from_200_cases_on() -> None:
    few = score(cases(*[(0.05, True)] * (ENOUGH - 1), *[(0.5, True), (0.5, False)] * ENOUGH))
    enough = score(cases(*[(0.05, True)] * ENOUGH, *[(0.5, True), (0.5, False)] * ENOUGH))
    assert few
    assert enough
    assert few.worst_gap == 0
    assert enough.worst_gap == pytest.approx(-0.95)


def test_the_error_of_a_difference_counts_journeys_not_cases() -> None:
    ours = [Case(who, 1.0, came=True) for who in "aabb"]
    theirs = [Case(who, p, came=True) for who, p in zip("aabb", (0.0, 0.0, 1.0, 1.0), strict=True)]
    found = brier_difference(ours, theirs)
    assert found.mean == 0.5
    # Two journeys, +1 and -1 away from the mean in sum: sqrt(1 + 1) / 4 cases.
    assert found.error == pytest.approx(2**0.5 / 4)


def test_only_the_same_cases_are_compared() -> None:
    with pytest.raises(ValueError, match="different cases"):
        brier_difference([Case("a", 0.5, came=True)], [Case("a", 0.5, came=False)])


def test_a_signal_is_right_if_the_season_is_finished_and_foresees_it_if_that_is_later() -> None:
    hour = 3600.0
    finished_s = {"early": 10 * hour, "late": 10 * hour, "unseen": 10 * hour}
    calls = {"early": Call(4 * hour, 5), "late": Call(11 * hour, 0), "wrong": Call(hour, 6)}
    found = warned(calls, finished_s)
    assert (found.said, found.right, found.finished, found.foreseen) == (3, 2, 3, 1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(1 / 3)
    assert (found.lead_h, found.lead_episodes, found.leads_h) == (6, 5, (6,))


def test_without_a_signal_there_is_no_precision() -> None:
    found = warned({}, {"anyone": 1.0})
    assert (found.precision, found.recall, found.lead_h) == (None, 0, None)


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10)[0] == pytest.approx(0, abs=1e-12)
    assert wilson(0, 10)[1] == pytest.approx(0.2775, abs=1e-4)
