"""Titles' signals on a real broker: each once, beside those of viewers, never mistaken for one."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from consumers.signals import SignalReader
from consumers.traces import traces
from hookpoint.cli import app

pytestmark = pytest.mark.integration


def an_event(number: int, kind: str, subject: str, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"id-{number}",
        "source": "hookpoint",
        "type": kind,
        "subject": subject,
        "time": f"2026-11-22T20:15:{number:02d}Z",
        "datacontenttype": "application/json",
        "data": {"title_id": "dark", "season": 1, **data},
    }


HOOK = an_event(1, "title.hook_point", "dark", country="DE", state="found", k=3, of=8, p=0.88,
                low=0.8, high=0.95, n=560, before=None)  # fmt: skip
BURST = an_event(2, "title.trending", "dark", country=None, state="begun", observed=90, p=1e-5)
HOOKED = an_event(3, "viewer.hooked", "v7", viewer="v7", state="hooked", k=4, of=8)
# A viewer whose id is that of a title.
NAMESAKE = an_event(4, "viewer.cooled", "dark", viewer="dark", state="cooled", k=4, of=8)


@pytest.fixture
def sent(settings, make_topics):
    make_topics(settings)
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        # The embedded broker does not know how to number producers.
        enable_idempotence=False,
    )
    for event in (HOOK, BURST, HOOK, HOOKED, NAMESAKE, BURST):
        value = orjson.dumps(event)
        producer.send(settings.topics.signals, key=event["subject"].encode(), value=value)
    producer.flush(10)
    producer.close()
    return settings


@pytest.fixture
def run(sent):
    env = {
        "HOOKPOINT_KAFKA_BOOTSTRAP": sent.kafka_bootstrap,
        "HOOKPOINT_TOPICS__SIGNALS": sent.topics.signals,
    }
    return lambda *arguments: CliRunner(env=env).invoke(app, ["signals", *arguments])


def ids(result) -> list[str]:
    assert result.exit_code == 0, result.output
    return sorted(orjson.loads(line)["id"] for line in result.stdout.splitlines())


def test_a_reader_gets_signals_of_titles_and_of_viewers_once_each(sent):
    with SignalReader(sent) as reader:
        found = {signal.id: signal for signal in reader.whats_there()}
        assert not reader.bad
    assert sorted(found) == ["id-1", "id-2", "id-3", "id-4"]
    assert (found["id-1"].k, found["id-1"].country, found["id-1"].who) == (3, "DE", None)
    assert (found["id-4"].title_id, found["id-4"].who) == ("dark", "dark")


def test_signals_of_titles_are_shown_and_given_out_as_they_were_sent(run):
    text = run().stdout
    columns = (
        "hook_point",
        "audience in DE",
        "dark S1",
        r"88 % \(80-95\)",
        "3 of 8",
        "found: n 560",
    )
    assert re.search(" +".join(columns), text), text
    assert "begun: observed 90, p 1e-05" in text
    found = [orjson.loads(line) for line in run("--json", "--type", "hook_point").stdout.split()]
    assert found == [HOOK]


def test_a_viewers_signals_leave_out_a_title_that_is_called_the_same(run):
    assert ids(run("--viewer", "dark", "--json")) == ["id-4"]
    assert ids(run("--viewer", "v7", "--json")) == ["id-3"]


def test_signals_about_a_title_are_its_own_and_its_viewers(run):
    assert ids(run("--title", "dark", "--json")) == ["id-1", "id-2", "id-3", "id-4"]
    assert ids(run("--title", "dark", "--type", "title.trending", "--json")) == ["id-2"]
    assert "is of title other" in run("--title", "other").stderr


def test_the_export_of_a_viewer_leaves_out_a_title_that_is_called_the_same(sent):
    found = traces(sent, "dark", lambda *_: None)[sent.topics.signals]
    assert [each["value"]["id"] for each in found] == ["id-4"]
