"""From what players report to the report on their title: through a running worker."""

from __future__ import annotations

import re

import orjson
import pytest
from letters import variables_of
from players import an_event, watched
from service import HOUR_S, LONG_AGO_S, running_service
from typer.testing import CliRunner

from consumers.signals import SignalReader
from consumers.titles import TitleReader
from hookpoint.cli import app

pytestmark = pytest.mark.integration

VIEWERS, LENGTH = 200, 6


def leaves(number: int) -> bool:
    """Two of five viewers leave in the middle of the first episode."""
    return number % 5 < 2


def viewing(number: int) -> list[dict]:
    """One viewer begins every hour; who stays sees an episode an hour."""
    viewer, begins_s = f"v{number}", LONG_AGO_S + number * HOUR_S
    about = {"country": ("DE", "DE", "FR")[number % 3], "language": "de", "device": "tv"}
    if leaves(number):
        first = {"playback_id": f"{viewer}-1"} | about
        return [
            an_event(viewer, "started", begins_s, 0, **first),
            an_event(viewer, "stopped", begins_s + 2000, 2000, **first),
        ]
    return [
        event
        for episode in range(1, LENGTH + 1)
        for event in watched(viewer, "dark", episode, begins_s + episode * HOUR_S, **about)
    ]


def of_everyone(data) -> bool:
    return data["country"] is None and data["language"] is None


@pytest.fixture(scope="module")
def service(stack, tmp_path_factory):
    with running_service(stack, tmp_path_factory.mktemp("worker")) as found:
        events = [event for number in range(VIEWERS) for event in viewing(number)]
        found.report(sorted(events, key=lambda event: event["time"]))
        # A day later: everything is closed, and the hours are decided on.
        found.tick(LONG_AGO_S + (VIEWERS + 30) * HOUR_S)
        with TitleReader(found.settings) as reader:

            def is_told() -> bool:
                engagement = reader.title("dark").engagement
                return engagement is not None and engagement.completers == VIEWERS * 3 // 5

            found.worker.wait_for("the title's report", is_told)
        yield found


@pytest.fixture
def run(service):
    env = variables_of(service.settings, PARTITIONS=str(service.settings.partitions))
    return lambda *arguments: CliRunner(env=env).invoke(app, list(arguments))


def test_the_report_counts_what_viewers_did(service):
    with TitleReader(service.settings) as reader:
        found = reader.title("dark")
        [first, *_] = reader.top("hours")
    engagement = found.engagement
    assert (found.name, engagement.starters) == ("Dark", VIEWERS)
    assert engagement.viewers == pytest.approx(VIEWERS, rel=0.05)
    stayed = VIEWERS * 3 // 5
    assert engagement.hours == pytest.approx((stayed * LENGTH * 2700 + 80 * 2000) / 3600, rel=0.01)
    episodes = engagement.seasons[1].episodes
    assert [episodes[str(number)].starters for number in (1, 2, 6)] == [VIEWERS, stayed, stayed]
    left = engagement.seasons[1].dropoff["1"]
    # 2,000 of 2,700 seconds lie in the fifteenth twentieth.
    assert left.index(max(left)) == 14
    assert left[14] == pytest.approx(0.4, abs=0.01)
    assert engagement.audience.country == {"DE": 100, "FR": 50}
    assert (first.title.title_id, first.score) == ("dark", engagement.hours)


def test_the_terminal_and_the_page_show_it(run):
    report = run("title", "dark")
    assert report.exit_code == 0, report.output
    assert re.search(rf"starters \(2 minutes\) +{VIEWERS}", report.stdout)
    assert re.search(r"70-75 %, 31:30-33:45: 40\.\d %", report.stdout)
    page = run("title", "dark", "--html", "-")
    assert page.exit_code == 0, page.output
    assert page.stdout.count("<svg") > 5


def test_signals_about_the_title_are_among_those_about_its_viewers(service, run):
    def about_titles():
        with SignalReader(service.settings) as reader:
            found = [signal for signal in reader.whats_there() if signal.is_about_title]
            assert not reader.bad
        return found if "title.hook_point" in {signal.type for signal in found} else None

    titles = service.worker.wait_for("the hook point to be told", about_titles)
    assert {signal.subject for signal in titles} == {"dark"}
    shown = [
        orjson.loads(line)
        for line in run("signals", "--type", "hook_point", "--json").stdout.splitlines()
    ]
    assert [it["data"]["k"] for it in shown if of_everyone(it["data"])][-1] == 2
