"""The arithmetic of a profile, on numbers that one can follow by hand."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing

import psutil
import pytest
from rich.console import Console

from consumers.connection import connect
from hookpoint.bench.profile import ProfileOptions, ProfileResult
from hookpoint.bench.profile_figures import Profile, share_error
from hookpoint.bench.profile_report import as_json, markdown, save_picture, tell
from hookpoint.bench.profile_span import Calls, Meter, Reading, between
from hookpoint.bench.profile_stages import Samples, Stage

FIRST = Reading(
    at_s=100.0,
    absorbed=10_000,
    cpu_s=5.0,
    queued_s=1.0,
    redis_cpu_s=2.0,
    commands={"evalsha": Calls(100, 0.5), "hget": Calls(400, 0.1), "info": Calls(3, 0.01)},
)
LAST = Reading(
    at_s=110.0,
    absorbed=110_000,
    cpu_s=13.0,
    queued_s=3.0,
    redis_cpu_s=3.0,
    commands={
        "evalsha": Calls(600, 1.1),
        "eval": Calls(1, 0.1),
        "hget": Calls(2400, 0.4),
        "info": Calls(3, 0.01),
    },
)


@pytest.fixture
def span():
    return between(FIRST, LAST)


@pytest.fixture
def profile(span):
    found = dict.fromkeys(Stage, 0) | {Stage.FOLD: 800, Stage.DECODE: 600, Stage.OTHER: 200}
    return Profile("backlog", span, Samples(found, torn=16), unreadable=20)


@pytest.fixture
def result(profile):
    facts = {"machine": {"core": "compiled"}, "servers": {"broker": "a broker", "redis": "Redis"}}
    return ProfileResult(ProfileOptions(), facts, [profile])


def test_a_worker_waits_while_it_has_no_core(span):
    assert (span.events, span.wall_s, span.cpu_s) == (100_000, 10.0, 8.0)
    assert span.cores == pytest.approx(0.8)
    assert span.waiting == pytest.approx(0.2)
    assert span.queued == pytest.approx(0.2)


def test_a_worker_on_more_than_one_core_is_not_said_to_wait():
    busy = between(FIRST, Reading(110.0, 110_000, 17.0, 3.0, 3.0, {}))
    assert busy.cores == pytest.approx(1.2)
    assert busy.waiting == 0


def test_scripts_are_told_apart_from_other_commands(span):
    assert span.per_event_us(span.redis_cpu_s) == pytest.approx(10.0)
    assert span.per_event_us(span.scripts_s) == pytest.approx(7.0)
    assert span.per_event_us(span.commands_s) == pytest.approx(3.0)
    assert span.commands["hget"].calls == 2000
    assert "info" not in span.commands


def test_nothing_absorbed_is_refused():
    with pytest.raises(ValueError, match="absorbed"):
        between(FIRST, FIRST)


def test_what_nobody_counts_is_not_told_as_none():
    uncounted = between(FIRST, Reading(110.0, 20_000, 6.0, None, 3.0, {}))
    assert uncounted.queued is None


def test_a_stage_has_its_share_of_the_processor_time(profile):
    costs = {it.stage: it for it in profile.costs()}
    assert list(costs) == list(Stage)
    assert profile.us_per_event == pytest.approx(80.0)
    assert costs[Stage.FOLD].share == pytest.approx(0.5)
    assert costs[Stage.FOLD].us_per_event == pytest.approx(40.0)
    assert costs[Stage.DECODE].us_per_event == pytest.approx(30.0)
    assert sum(it.share for it in costs.values()) == pytest.approx(1.0)
    assert sum(it.us_per_event for it in costs.values()) == pytest.approx(80.0)


def test_samples_say_how_many_threads_were_at_work(profile):
    assert profile.busy_threads == pytest.approx((1600 + 20) / (200 * 10.0))


def test_the_fewer_samples_the_less_is_known():
    assert share_error(50, 100) == pytest.approx(0.096, abs=0.001)
    assert share_error(5_000, 10_000) == pytest.approx(0.0098, abs=0.0001)
    assert share_error(0, 100) == pytest.approx(0.0185, abs=0.0001)
    with pytest.raises(ValueError, match="no samples"):
        share_error(0, 0)


def test_a_page_and_a_terminal_have_each_stage_and_what_is_beside(result, tmp_path):
    page = markdown(result)
    assert "| the fold | 800 | 50.0% | 2.4% | 40.00 | 1.96 |" in page
    assert "| the worker | 1,600 | 100.0% |  | 80.00 |  |" in page
    assert "| Redis: in Lua scripts, µs per event | 7.00 |" in page
    assert "| worker: of the wall clock, waiting at least | 20% |" in page
    with (tmp_path / "said").open("w+") as said:
        tell(Console(file=said, width=120), result)
        said.seek(0)
        shown = said.read()
    assert all(stage.value in shown for stage in Stage)


def test_a_picture_has_a_bar_for_each_stage(result, tmp_path):
    picture = tmp_path / "profile.svg"
    save_picture(result, picture)
    drawn = picture.read_text().replace("&#160;", " ")
    assert all(stage.value in drawn for stage in Stage)
    assert "40.0 µs (50%)" in drawn
    assert "url(http" not in drawn


def test_figures_for_others_say_what_they_were_made_from(result):
    (found,) = as_json(result)["profiles"]
    assert found["samples"] == sum(it["samples"] for it in found["stages"]) == 1600
    assert found["us_per_event"] == pytest.approx(80.0)
    assert found["redis"]["commands"]["evalsha"]["calls_per_event"] == pytest.approx(0.005)
    assert found["redis"]["scripts_us_per_event"] == pytest.approx(7.0)


@pytest.mark.integration
def test_a_meter_reads_a_process_and_redis(settings):
    with closing(connect(settings)) as client:
        absorbed = iter([1, 1001])
        meter = Meter(os.getpid(), client, lambda: next(absorbed))
        first = meter.read()
        client.eval("return redis.call('GET', KEYS[1])", 1, f"{settings.key_prefix}nothing")
        begun = psutil.Process().cpu_times().user
        while psutil.Process().cpu_times().user < begun + 0.1:
            sum(range(10_000))
        span = between(first, meter.read())
    assert span.events == 1000
    assert 0.09 < span.cpu_s < 10
    assert span.commands["eval"].calls >= 1
    assert span.scripts_s > 0
    assert span.commands["get"].calls >= 1
    if sys.platform == "linux":
        assert span.queued_s is not None
    assert time.monotonic() > first.at_s
