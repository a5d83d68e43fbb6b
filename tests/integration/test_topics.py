"""``hookpoint topics``: creates what is missing, reports what differs, changes nothing."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
from kafka.admin import ConfigResource, KafkaAdminClient
from terminal import on_a_terminal
from typer.testing import CliRunner

from config.settings import Settings
from config.topics import topic_specs
from hookpoint.cli import app
from hookpoint.processes import free_port
from hookpoint.topics import BrokerError, ensure_topics

pytestmark = pytest.mark.integration

STAMPED = {"message.timestamp.type": "LogAppendTime"}


@pytest.fixture
def admin(stack):
    with KafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap) as client:
        yield client


@pytest.fixture(autouse=True)
def _logging_as_before():
    """The command turns the client's own log off."""
    client = logging.getLogger("kafka")
    yield
    client.propagate = True
    client.handlers.clear()


@pytest.fixture
def run(settings, monkeypatch):
    """Run ``hookpoint topics`` with the test's own settings; gives (exit code, output)."""
    monkeypatch.setenv("HOOKPOINT_KAFKA_BOOTSTRAP", settings.kafka_bootstrap)
    monkeypatch.setenv("HOOKPOINT_PARTITIONS", str(settings.partitions))
    for role, name in settings.topics.model_dump().items():
        monkeypatch.setenv(f"HOOKPOINT_TOPICS__{role.upper()}", name)

    def invoke(*arguments):
        result = CliRunner().invoke(app, ["topics", *arguments])
        return result.exit_code, result.output

    return invoke


def create(admin, name, partitions=4, **configs):
    wanted = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
    admin.create_topics({name: wanted}, wait_for_metadata=True)


def by_name(reports):
    return {report.spec.name: report for report in reports}


def test_creates_every_topic_of_the_contract_with_its_partitions_and_retention(settings, admin):
    reports = ensure_topics(settings)
    assert [report.spec for report in reports] == list(topic_specs(settings))
    assert {report.state for report in reports} == {"created"}
    described = {t["name"]: t for t in admin.describe_topics([r.spec.name for r in reports])}
    resources = [ConfigResource("TOPIC", report.spec.name) for report in reports]
    told = admin.describe_configs(resources, config_filter="all")["topic"]
    for report in reports:
        assert len(described[report.spec.name]["partitions"]) == settings.partitions
        values = {name: entry["value"] for name, entry in told[report.spec.name].items()}
        assert values.items() >= report.spec.config().items()


def test_what_viewers_declare_has_a_topic_where_that_is_turned_on(settings):
    assert settings.topics.viewers not in by_name(ensure_topics(settings))
    on = settings.model_copy(update={"demographics": True})
    reports = by_name(ensure_topics(on))
    assert reports[settings.topics.viewers].state == "created"
    assert reports[settings.topics.viewers].spec.compacted
    states = {report.state for name, report in reports.items() if name != settings.topics.viewers}
    assert states == {"exists"}


def test_a_second_run_finds_them_all_and_creates_nothing(settings):
    ensure_topics(settings)
    again = ensure_topics(settings)
    assert {(report.state, report.differences) for report in again} == {("exists", ())}


def test_creates_only_what_is_missing(settings, admin):
    titles = topic_specs(settings)[0]
    create(admin, titles.name, **titles.config())
    states = {name: report.state for name, report in by_name(ensure_topics(settings)).items()}
    assert states.pop(titles.name) == "exists"
    assert set(states.values()) == {"created"}


def test_four_at_once_create_each_topic_once(settings):
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(ensure_topics, [settings] * 4))
    for reports in zip(*runs, strict=True):
        states = sorted(report.state for report in reports)
        assert states == ["created", "exists", "exists", "exists"]


def test_names_every_difference_of_an_existing_topic_and_leaves_it_alone(settings, admin):
    events = settings.topics.events
    create(admin, events, 2, **{"cleanup.policy": "compact", "retention.ms": "1000"}, **STAMPED)
    report = by_name(ensure_topics(settings))[events]
    assert report.state == "differs"
    assert report.differences == (
        "2 partitions instead of 4",
        "cleanup.policy is compact instead of delete",
        "retention.ms is 1000 instead of 604800000",
    )
    assert by_name(ensure_topics(settings))[events] == report
    assert len(admin.describe_topics([events])[0]["partitions"]) == 2


def test_a_setting_that_the_broker_does_not_tell_is_unknown_and_not_a_difference(stack, settings):
    if stack.kafka not in stack.servers():
        pytest.skip("only the embedded broker keeps its defaults to itself")
    with KafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap) as admin:
        create(admin, settings.topics.events)
    report = by_name(ensure_topics(settings))[settings.topics.events]
    assert (report.state, report.differences) == ("exists", ())
    assert report.unknown == ("cleanup.policy", "retention.ms", *STAMPED)


def test_the_command_lists_topics_and_ends_with_0_when_all_is_well(run, settings):
    code, output = run()
    assert code == 0, output
    rows = [" ".join(line.split()) for line in output.splitlines()]
    assert f"{settings.topics.titles} title_id 4 latest per key created" in rows
    assert f"{settings.topics.events} viewer 4 7 days created" in rows
    assert f"{settings.topics.rejects} source record 4 30 days created" in rows
    assert run()[0] == 0


def test_the_command_ends_with_3_and_says_what_differs(run, settings, admin):
    create(admin, settings.topics.signals, 1)
    code, output = run()
    assert code == 3
    assert f"{settings.topics.signals} differs: 1 partition instead of 4" in output


def test_json_tells_the_same_to_machines(run, settings, admin):
    create(admin, settings.topics.signals, 1, **{"retention.ms": "2592000000"}, **STAMPED)
    code, output = run("--json")
    records = {record["topic"]: record for record in orjson.loads(output)}
    assert code == 3
    assert set(records) == set(settings.topics.model_dump().values()) - {settings.topics.viewers}
    assert records[settings.topics.signals]["differences"] == ["1 partition instead of 4"]
    assert records[settings.topics.titles]["compacted"] is True
    assert records[settings.topics.events]["retention_ms"] == 7 * 86_400_000


def test_a_broker_that_is_away_is_one_line_and_exit_code_1(run, monkeypatch):
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("HOOKPOINT_KAFKA_BOOTSTRAP", address)
    monkeypatch.setattr("hookpoint.topics.CONNECT_WITHIN_MS", 300)
    code, output = run()
    assert code == 1
    assert len(output.strip().splitlines()) == 1
    assert f"Kafka at {address} failed 3 times" in output
    assert "is HOOKPOINT_KAFKA_BOOTSTRAP right" in " ".join(output.split())
    assert "ECONNREFUSED" in output


def test_what_the_broker_refuses_is_told_in_its_own_words(stack, settings):
    if stack.kafka in stack.servers():
        pytest.skip("the embedded broker refuses nothing; set HOOKPOINT_TEST_KAFKA_BOOTSTRAP")
    refused = settings.model_copy(update={"replication": 99})
    with pytest.raises(BrokerError, match=r"did not create topic titles-\w+: .*eplication"):
        ensure_topics(refused)


def test_topic_settings_go_by_kafkas_own_names():
    specs = {spec.name: spec for spec in topic_specs(Settings())}
    for_ever = {"cleanup.policy": "compact", "retention.ms": "-1"}
    assert specs["titles"].config() == for_ever | STAMPED
    keeps_a_day = dataclasses.replace(specs["playback-events"], retention_ms=86_400_000)
    a_day = {"cleanup.policy": "delete", "retention.ms": "86400000"}
    assert keeps_a_day.config() == a_day | STAMPED


def test_names_stay_whole_on_a_narrow_terminal(settings, tmp_path):
    env = {
        **os.environ,
        "HOOKPOINT_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        **{f"HOOKPOINT_TOPICS__{k.upper()}": v for k, v in settings.topics.model_dump().items()},
    }
    ensure_topics(settings)
    hookpoint = str(Path(sys.executable).with_name("hookpoint"))
    shown = on_a_terminal([hookpoint, "topics"], env, tmp_path, columns=40)
    assert "…" not in shown.text
    # The first column alone, from top to bottom.
    names = "".join(
        line[: re.match(r"\S* *", line).end()].strip() for line in shown.text.split("\n")
    )
    for spec in topic_specs(settings):
        assert spec.name in names
