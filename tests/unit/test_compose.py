"""The container files agree with the code. No engine runs here, so they are read, not run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from typer.main import get_command

from config.settings import Settings
from hookpoint.cli import app

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
ONE_SHOT = {"topics"}
SENDS_ONLY = {"simulate"}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def ours():
    return {name: service for name, service in SERVICES.items() if "build" in service}


def setting_variables(model=Settings, prefix="HOOKPOINT_"):
    for name, field in model.model_fields.items():
        kind = field.annotation
        yield f"{prefix}{name.upper()}"
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from setting_variables(kind, f"{prefix}{name.upper()}__")


def test_runs_kafka_redis_topics_worker_and_on_demand_a_simulated_audience():
    assert set(SERVICES) == {"kafka", "redis", "topics", "worker", "simulate"}
    assert {n for n, service in SERVICES.items() if "profiles" in service} == {"simulate"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_to_a_full_version(name):
    assert re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name):
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_every_service_that_others_talk_to_has_a_healthcheck():
    serving = set(SERVICES) - ONE_SHOT - SENDS_ONLY
    assert {SERVICES[name]["healthcheck"]["test"][0] for name in serving} == {"CMD"}


def test_what_stays_up_is_restarted_and_what_runs_once_is_not():
    restarts = {name: service["restart"] for name, service in SERVICES.items()}
    assert {restarts.pop(name) for name in ONE_SHOT} == {"no"}
    assert set(restarts.values()) == {"unless-stopped"}


def test_a_service_waits_for_health_or_for_the_end_of_a_one_shot():
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert how == {"condition": expected}


def test_the_worker_starts_after_kafka_redis_and_the_topics():
    assert set(SERVICES["worker"]["depends_on"]) == {"kafka", "redis", "topics"}


@pytest.mark.parametrize("name", ours())
def test_every_variable_is_a_real_setting_and_its_value_is_valid(name, monkeypatch):
    environment = ours()[name]["environment"]
    assert set(environment) <= set(setting_variables())
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert Settings().kafka_bootstrap == "kafka:19092"


@pytest.mark.parametrize("name", ours())
def test_every_command_is_a_real_subcommand_with_options_that_it_knows(name):
    subcommand, *options = ours()[name]["command"]
    commands = get_command(app).commands
    assert subcommand in commands
    known = {option for parameter in commands[subcommand].params for option in parameter.opts}
    assert set(options) <= known


def test_the_image_starts_the_command_and_does_not_run_as_root():
    assert 'ENTRYPOINT ["hookpoint"]' in DOCKERFILE
    assert int(re.search(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)[1]) > 0


def test_the_image_is_built_on_a_pinned_python_that_the_project_supports():
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(images)) == 1
    assert re.fullmatch(r"python:3\.1[1-9]\.\d+-slim-\w+", images[0])


def test_the_image_copies_only_what_the_build_context_lets_in():
    let_in = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert names == set(let_in)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= names


def test_kafka_tells_each_side_an_address_that_it_can_reach():
    kafka = SERVICES["kafka"]["environment"]
    told = dict(part.split("://") for part in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert told["INSIDE"] == SERVICES["worker"]["environment"]["HOOKPOINT_KAFKA_BOOTSTRAP"]
    assert told["HOST"] == Settings().kafka_bootstrap


def test_kafka_makes_no_topics_by_itself():
    assert SERVICES["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_one_broker_can_hold_every_replica_that_is_asked_for():
    environment = SERVICES["kafka"]["environment"]
    asked = [int(value) for name, value in environment.items() if "REPLICATION" in name]
    asked.append(int(SERVICES["topics"]["environment"]["HOOKPOINT_REPLICATION"]))
    assert set(asked) == {1}


def test_redis_writes_every_change_down_and_evicts_nothing():
    arguments = SERVICES["redis"]["command"]
    directives = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    assert directives["--appendonly"] == "yes"
    assert directives["--maxmemory-policy"] == "noeviction"


def test_data_outlives_the_containers():
    for name in ("kafka", "redis"):
        volume, _, _ = SERVICES[name]["volumes"][0].partition(":")
        assert volume in COMPOSE["volumes"]


def test_the_worker_is_healthy_while_it_is_ready():
    worker = SERVICES["worker"]
    port = worker["environment"]["HOOKPOINT_WEB_PORT"]
    assert f"http://{Settings().web_host}:{port}/readyz" in worker["healthcheck"]["test"][-1]
