"""What viewers do with a title, as its own audience: heard, counted, decided on and published."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import orjson
import pytest
from players import EPISODE_S, watched
from service import DAY_S, HOUR_S, a_title, running_service
from workers import read_topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service import Service

pytestmark = pytest.mark.integration

VIEWERS = 150
EPISODES = 6
LEAVES_AFTER_PILOT = 0.2
GAP_S = 3 * HOUR_S
FRESH_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def service(stack, tmp_path_factory) -> Iterator[Service]:
    with running_service(stack, tmp_path_factory.mktemp("titles")) as found:
        found.titles([a_title(it) for it in ("followed", "small", "sane")])
        yield found


def field(service: Service, title: str, name: str):
    value = service.client.hget(service.keys.engagement(title), name)
    return None if value is None else orjson.loads(value)


def wait_for_report(service: Service, title: str, condition) -> dict[str, str]:
    """The report of a title, once it says what is expected."""

    def said():
        found = service.client.hgetall(service.keys.engagement(title))
        return found if found and condition(found) else None

    return service.worker.wait_for(f"the report of {title}", said, FRESH_WITHIN_S)


def title_signals(service: Service, title: str) -> list[dict]:
    found = read_topic(service.settings, service.settings.topics.signals)
    return [orjson.loads(it.value) for it in found if it.key == title.encode()]


def season_of(viewer: str, title: str, last: int, time_s: float, **data) -> list[dict]:
    """A viewer who watches up to episode ``last``, three hours apart."""
    return [
        event
        for episode in range(1, last + 1)
        for event in watched(viewer, title, episode, time_s + (episode - 1) * GAP_S, **data)
    ]


@pytest.fixture(scope="module")
def followed(service) -> list[int]:
    """How far each of many viewers went through a season; a fifth leaves after the pilot."""
    rng, began = random.Random("followed"), service.another_time()
    lasts = [1 if rng.random() < LEAVES_AFTER_PILOT else EPISODES for _ in range(VIEWERS)]
    events = [
        event
        for number, last in enumerate(lasts)
        for event in season_of(
            f"f{number}", "followed", last, began + number * 60, country="DE", language="de",
            device="tv",
        )
    ]  # fmt: skip
    service.report(sorted(events, key=lambda event: event["time"]))
    # Decisions are taken when the title's hours pass, and one of its own records makes them.
    service.report(season_of("one more", "followed", 1, began + DAY_S, country="DE"))
    lasts.append(1)
    # Reports follow the counts within a second, so one may tell of a part of them.
    wait_for_report(service, "followed", lambda it: is_of_all(it, lasts))
    return lasts


def is_of_all(report: dict[str, str], lasts: list[int]) -> bool:
    counted = report["starters"], report["watchers"], report["completers"]
    everyone, hours = len(lasts), sum(lasts) * EPISODE_S / 3600
    return counted == (str(everyone), str(everyone), str(lasts.count(EPISODES))) and (
        float(report["hours"]) == pytest.approx(hours, abs=0.01)
    )


def test_a_report_counts_who_began_watched_and_finished(service, followed):
    finished = sum(last == EPISODES for last in followed)
    told = wait_for_report(service, "followed", lambda it: it["completers"] == str(finished))
    assert (told["starters"], told["watchers"]) == (str(len(followed)), str(len(followed)))
    hours = sum(followed) * EPISODE_S / 3600
    assert float(told["hours"]) == pytest.approx(hours, abs=0.01)
    assert float(told["views"]) == pytest.approx(hours / (EPISODES * EPISODE_S / 3600), abs=0.01)
    assert int(told["viewers"]) == pytest.approx(len(followed), rel=0.03)


def test_the_curve_is_that_of_its_viewers(service, followed):
    wait_for_report(service, "followed", lambda it: "curve:1" in it)
    stay = sum(last == EPISODES for last in followed) / len(followed)
    curve = field(service, "followed", "curve:1")
    assert curve["c"][0] == pytest.approx(stay, abs=0.02)
    assert curve["low"][0] < stay < curve["high"][0]
    assert curve["c"][1:] == [1.0] * (EPISODES - 2)
    assert curve["n"][0] == len(followed) // 50 * 50


def test_the_hook_point_is_said_as_it_is_published(service, followed):
    del followed
    told = wait_for_report(service, "followed", lambda it: orjson.loads(it["hook:1"])["k"])
    signals = title_signals(service, "followed")
    everyone = {"country": None, "language": None}
    hooks = [
        s for s in signals if s["type"] == "title.hook_point" and s["data"] | everyone == s["data"]
    ]
    assert hooks[0]["data"]["state"] == "found"
    assert hooks[-1]["data"]["k"] == orjson.loads(told["hook:1"])["k"] >= 2
    assert hooks[-1]["data"]["p"] >= 0.7
    assert len({it["id"] for it in hooks}) == len(hooks)
    assert {it["subject"] for it in hooks} == {"followed"}


def test_what_an_audience_did_decides_on_the_next_viewer(service, followed):
    """The curve goes all the way round: from viewers to their title, and back to a viewer."""
    del followed
    wait_for_report(service, "followed", lambda it: "curve:1" in it)

    def hooked_by_audience():
        began = service.another_time()
        viewer = f"late-{began:.0f}"
        service.report(season_of(viewer, "followed", 3, began))
        return [s for s in service.signals(viewer) if s["data"]["basis"] == "audience"]

    (signal, *_) = service.worker.wait_for("a signal on the curve", hooked_by_audience, 60)
    assert signal["type"] == "viewer.hooked"
    assert signal["data"]["p"] >= 0.7
    assert signal["data"]["because"]["viewers"] >= 50


def test_few_viewers_are_told_of_in_no_cell(service):
    began = service.another_time()
    events = [e for n in range(20) for e in season_of(f"s{n}", "small", 2, began, country="DE")]
    service.report(events)
    told = wait_for_report(service, "small", lambda it: it["starters"] == "20")
    audience = orjson.loads(told["audience"])
    assert audience["n"] == 0
    assert not any(audience[facet] for facet in ("country", "language", "device", "hour", "genre"))
    assert orjson.loads(told["reach"])["countries"] == {}
    assert "curve:1:DE" not in told


def test_titles_are_ranked_by_what_was_watched(service, followed):
    del followed
    ranking = f"{service.settings.key_prefix}top:hours"
    best = service.worker.wait_for(
        "a ranking", lambda: service.client.zrevrange(ranking, 0, 0), FRESH_WITHIN_S
    )
    assert best == ["followed"]


def test_what_cannot_be_read_goes_to_the_dead_letters_and_costs_nothing_else(service):
    topic = service.settings.topics.progress
    service.sender.send(topic, [(b"sane", b"{}", []), (b"sane", b"\xff", [])])
    began = service.another_time()
    service.report(season_of("v-sane", "sane", 1, began))
    wait_for_report(service, "sane", lambda it: it["starters"] == "1")
    rejects = read_topic(service.settings, service.settings.topics.rejects)
    letters = [it for it in rejects if it.headers["topic"] == topic.encode()]
    assert sorted(it.value for it in letters) == [b"{}", b"\xff"]
    assert {it.headers["reason"] for it in letters} == {b"field"}
