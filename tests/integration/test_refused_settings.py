"""What only a server can say of the settings: then, too, the worker ends with 2, and names it."""

from __future__ import annotations

import subprocess

import orjson
import pytest
from ports import a_port
from pydantic import SecretStr
from workers import BIN, WorkerProcess, environment, own_settings

pytestmark = pytest.mark.integration
ENDED_WITHIN_S = 30
WRONG_SETTING = 2


def at(stack, *, user="", database=""):
    return SecretStr(f"redis://{user}{stack.redis.address}{database}")


def as_refused(stack):
    return {
        "a password that Redis refuses": {"redis_url": at(stack, user="nobody:wrong@")},
        "a database that Redis has not": {"redis_url": at(stack, database="/99")},
    }


def told(settings, folder):
    """The one line with which a command that reads ends."""
    done = subprocess.run(
        [str(BIN / "hookpoint"), "taste", "viewer-7"],
        env=environment(settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=ENDED_WITHIN_S,
        check=False,
    )
    assert done.returncode == WRONG_SETTING, done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("what", ["a password that Redis refuses", "a database that Redis has not"])
def test_the_worker_ends_for_good_and_names_the_setting(stack, tmp_path, what):
    settings = own_settings(stack).model_copy(update=as_refused(stack)[what])
    with WorkerProcess(settings, tmp_path) as worker:
        assert worker.process.wait(ENDED_WITHIN_S) == WRONG_SETTING, worker.tail()
        said = orjson.loads(worker.log.splitlines()[-1])
        assert said["event"] == "worker cannot start"
        assert said["error"].startswith("HOOKPOINT_REDIS_URL: Redis ")


@pytest.mark.parametrize("what", ["a password that Redis refuses", "a database that Redis has not"])
def test_so_does_a_command_that_reads(stack, settings, tmp_path, what):
    refused = settings.model_copy(update=as_refused(stack)[what])
    assert told(refused, tmp_path).startswith("HOOKPOINT_REDIS_URL: Redis ")


def test_a_cluster_that_refuses_the_password_is_told_alike(cluster, settings, tmp_path):
    url = SecretStr(cluster.redis_url.replace("redis://", "redis://nobody:wrong@"))
    said = told(settings.model_copy(update={"redis_url": url, "redis_cluster": True}), tmp_path)
    assert said.startswith("HOOKPOINT_REDIS_URL: Redis refuses to log us in: ")


def test_a_host_to_be_asked_at_that_is_not_ours_is_a_wrong_setting(stack, tmp_path):
    settings = own_settings(stack, web_host="192.0.2.1", web_port=a_port())
    with WorkerProcess(settings, tmp_path) as worker:
        assert worker.process.wait(ENDED_WITHIN_S) == WRONG_SETTING, worker.tail()
        assert "HOOKPOINT_WEB_HOST 192.0.2.1" in worker.log.splitlines()[-1]


def test_a_variable_that_nothing_reads_is_said_once_in_the_log_of_the_worker(stack, tmp_path):
    settings = own_settings(stack)
    with WorkerProcess(settings, tmp_path, HOOKPOINT_SESION_TIMEOUT_S="3") as worker:
        worker.wait_until_ready()
        assert worker.said("is HOOKPOINT_SESSION_TIMEOUT_S meant?") == 1
