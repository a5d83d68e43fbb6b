"""Titles on their way from the topic to Redis and into what the worker decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from players import watched
from service import HOUR_S, a_title, running_service
from workers import read_topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service import Service

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def service(stack, tmp_path_factory) -> Iterator[Service]:
    with running_service(stack, tmp_path_factory.mktemp("worker")) as found:
        yield found


def test_facts_of_a_title_are_public_and_go_with_a_tombstone(service):
    creators = ["someone", {"name": "another", "labels": ["new"]}]
    service.titles([a_title("fleeting", name="Fleeting", creators=creators)])
    key = service.keys.title("fleeting")
    facts = service.client.hgetall(key)
    assert orjson.loads(facts["creators"]) == ["someone", "another"]
    assert orjson.loads(facts["labels"]) == ["new"]
    assert (facts["name"], facts["kind"], facts["original"]) == ("Fleeting", "series", "true")
    assert orjson.loads(facts["genres"]) == ["drama", "mystery"]
    service.titles([a_title("fleeting", name="Renamed")])
    renamed = service.client.hgetall(key)
    assert renamed["name"] == "Renamed"
    assert int(renamed["version"]) > int(facts["version"])
    service.titles([(b"fleeting", None, [])])
    assert not service.client.exists(key)


def test_a_title_that_arrives_counts_from_then_on_and_a_removed_one_no_more(service):
    began = service.another_time()
    service.report(watched("early", "later", 1, began))
    assert "genre:drama" not in service.hash("taste", "early")
    service.titles([a_title("later")])
    service.report(watched("in-time", "later", 1, began + HOUR_S))
    assert "genre:drama" in service.hash("taste", "in-time")
    service.titles([(b"later", None, [])])
    service.report(watched("too-late", "later", 1, began + 2 * HOUR_S))
    assert "genre:drama" not in service.hash("taste", "too-late")
    assert service.hash("taste", "too-late")["watched_s"] == "2700"


def test_events_that_follow_their_title_at_once_all_know_it(service):
    """Also in partitions whose lane is not the first to come to the title."""
    began = service.another_time()
    names = [f"eager-{number}" for number in range(60)]
    service.sender.send(service.settings.topics.titles, [a_title("brand-new")])
    service.report(event for name in names for event in watched(name, "brand-new", 1, began))
    told = [orjson.loads(service.hash("progress", name)["brand-new:1:1"]) for name in names]
    assert told == [[2700, 2700, 2700, True, int(began) + 2700]] * len(names)


def test_a_title_that_becomes_known_while_it_plays_counts(service):
    began = service.another_time()
    start, end = watched("patient", "came-later", 1, began)
    service.report([start])
    service.titles([a_title("came-later")])
    service.report([end])
    assert orjson.loads(service.hash("progress", "patient")["came-later:1:1"])[2:4] == [2700, True]
    assert "genre:drama" in service.hash("taste", "patient")


def test_a_title_that_breaks_the_contract_is_a_dead_letter_and_stops_nothing(service):
    broken = (b"broken", b'{"title_id": "broken"}', [])
    service.titles([a_title("before"), broken, (b"torn", b"{", []), a_title("after")])
    assert service.client.exists(service.keys.title("before"), service.keys.title("after")) == 2
    rejects = read_topic(service.settings, service.settings.topics.rejects)
    topic = service.settings.topics.titles.encode()
    found = {it.value: (it.headers["topic"], it.headers["reason"]) for it in rejects}
    assert found == {broken[1]: (topic, b"field"), b"{": (topic, b"not_json")}
