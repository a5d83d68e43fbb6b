"""Simulated audiences are what they say they are, and judging them says what it should."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from hookpoint.cli import app
from hookpoint.evaluate.audience import Truth, draw
from hookpoint.evaluate.retention import by_day, days, naive, play, true_hook
from hookpoint.evaluate.retention_report import as_json, markdown, notes
from hookpoint.evaluate.run import Options, evaluate, judge
from hookpoint.evaluate.scenarios import DAY_S, EVEN, LAUNCH, SCENARIOS, Scenario
from streams.audience.retention import Retention
from streams.rules import Rules

LITTLE = replace(LAUNCH, name="little", viewers=1500)


def test_the_crowd_goes_on_as_often_and_as_soon_as_the_scenario_says():
    crowd = draw(LAUNCH, 100_000, np.random.default_rng(3))
    here = np.isfinite(crowd.entered[0])
    gaps = crowd.passed[0] - crowd.entered[0]
    assert here.all()
    assert np.isfinite(gaps).mean() == pytest.approx(LAUNCH.steps[0], abs=0.005)
    went = gaps[np.isfinite(gaps)] / 3600
    assert np.median(went) == pytest.approx(12, rel=0.03)
    assert np.log(went).std() == pytest.approx(1.6, rel=0.02)


def test_the_truth_of_a_formula_is_that_of_a_large_crowd():
    truth = Truth(LAUNCH, 1)
    crowd = draw(LAUNCH, 200_000, np.random.default_rng(4))
    for days_s in (DAY_S, 7 * DAY_S, math.inf):
        gaps = crowd.passed[0] - crowd.entered[0]
        assert truth.share(1, days_s) == pytest.approx((gaps < days_s).mean(), abs=0.004)
    assert truth.share(1, 0) == 0


def test_nobody_goes_on_to_a_weekly_episode_before_it_is_out():
    weekly = next(it for it in SCENARIOS if it.name == "weekly")
    crowd = draw(weekly, 5000, np.random.default_rng(5))
    for k in range(1, weekly.of):
        assert crowd.passed[k - 1].min() >= weekly.opens_s(k + 1)


def test_who_skips_an_episode_and_comes_back_passes_from_it_at_once():
    order = next(it for it in SCENARIOS if it.name == "order")
    crowd = draw(order, 20_000, np.random.default_rng(6))
    back = np.isfinite(crowd.entered[1]) & (crowd.entered[2] < crowd.entered[1])
    assert 0.04 < back.mean() < 0.09  # 80 % (are not joining) x 80 % x 10 % x 80 %
    assert (crowd.passed[1][back] == crowd.entered[1][back]).all()
    joined = np.isinf(crowd.entered[0])
    assert joined.mean() == pytest.approx(0.2, abs=0.01)
    assert np.isfinite(crowd.entered[4][joined]).all()


def test_what_is_fed_day_by_day_is_what_was_seen_by_the_look():
    crowd, season = draw(LITTLE, LITTLE.viewers, np.random.default_rng(7)), Retention(Rules())
    for clock_ms in days(LITTLE, 20_000 * 86_400_000, crowd, season):
        curve = season.curve(LITTLE.of, clock_ms)
    look_s = LITTLE.days * DAY_S
    for k in range(1, LITTLE.of):
        assert curve.steps[k - 1].n == (crowd.entered[k - 1] <= look_s).sum()
    went = (crowd.passed[0] <= look_s).sum()
    (_, tables), *_ = season.dump()
    assert sum(tables[0][1][4]) == went


def test_the_naive_ways_count_as_they_say():
    crowd = draw(LITTLE, 1000, np.random.default_rng(8))
    resolved_only, pending_gone = next(naive(LITTLE, crowd, 7 * DAY_S))
    assert resolved_only == 1  # nobody is gone for 28 days after seven
    seen = crowd.entered[0] <= 7 * DAY_S
    assert pending_gone == pytest.approx((crowd.passed[0][seen] <= 7 * DAY_S).mean())


def test_the_true_hook_point_is_the_first_from_2_on():
    assert true_hook([0.9, 0.6, 0.7, 0.8]) == 3
    assert true_hook([0.9, 0.6]) is None


def test_a_run_is_the_same_again_and_another_with_another_seed():
    truth = Truth(LITTLE, 1)
    assert play(LITTLE, truth, 5) == play(LITTLE, truth, 5)
    assert play(LITTLE, truth, 5) != play(LITTLE, truth, 6)


def test_seven_days_after_a_launch_ours_is_close_and_the_naive_are_not():
    truth = Truth(LAUNCH, 1)
    judged = judge(LAUNCH, truth, [play(LAUNCH, truth, seed) for seed in range(3)])
    first = judged.steps[0]
    assert abs(first.within_launch) < 0.015
    assert first.resolved_only > 0.1
    assert first.pending_gone < -0.1
    assert judged.hook_ever == 4


def test_a_constant_loss_makes_no_lift_however_young_the_show_is():
    even = Scenario("even", "constant loss", 4000, 9, EVEN)
    truth = Truth(even, 1)
    judged = judge(even, truth, [play(even, truth, seed) for seed in range(8)])
    assert max(map(abs, judged.lifts)) < 0.03


def test_bounds_that_are_too_narrow_are_found_out():
    truth = Truth(LITTLE, 1)
    outcomes = [play(LITTLE, truth, seed) for seed in range(4)]
    narrow = [
        it._replace(steps=tuple(step._replace(low=1.0, high=1.0) for step in it.steps))
        for it in outcomes
    ]
    assert all(it.covered == 0 for it in judge(LITTLE, truth, narrow).steps)


def test_a_show_is_read_on_every_day():
    readings = list(by_day(LITTLE, Truth(LITTLE, 1), 9, 1))
    assert len(readings) == 7
    assert readings[0].n < readings[-1].n
    assert readings[0].horizon_s <= DAY_S < readings[-1].horizon_s


def test_an_evaluation_says_which_bars_are_met():
    options = Options(runs=3, scenarios=(replace(LAUNCH, viewers=2000),), processes=2)
    found = evaluate(options, Console(quiet=True))
    bars = [it.partition(": launch, ") for it in notes(found)]
    assert [met for met, _, what in bars if "naive" in what] == ["met"]
    assert {met for met, _, _ in bars} <= {"met", "NOT MET"}
    assert "| episode k |" in markdown(found)
    assert as_json(found)["scenarios"][0]["steps"][0]["k"] == 1


def test_the_command_refuses_a_scenario_that_there_is_not():
    result = CliRunner().invoke(app, ["evaluate", "retention", "--only", "nonsense"])
    assert result.exit_code == 2
    assert "nonsense" in result.output


def test_the_command_writes_figures_and_plots(tmp_path):
    arguments = ["evaluate", "retention", "--runs", "2", "--only", "small", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    written = {it.name for it in tmp_path.iterdir()}
    assert written == {
        "retention.md", "retention.json", "retention-days.svg", "retention-coverage.svg",
    }  # fmt: skip
