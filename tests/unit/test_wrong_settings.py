"""A setting that cannot be right ends any command with code 2 and one line that names it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError
from redis.exceptions import AuthenticationError, RedisClusterException, ResponseError

from config.settings import Settings
from config.wrong import WrongSettingError, refused_by_redis, unknown_variables, wrong_settings
from hookpoint import cli

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))
ROOT = Path(__file__).parents[2]
VARIABLE = r"HOOKPOINT_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_])"
COMMANDS = (
    "topics", "up", "kafka", "replay x", "simulate", "demo", "taste v", "progress v", "signals",
    "sessions", "rejects", "viewer export v", "bench",
)  # fmt: skip
WRONG = {
    "KAFKA_BOOTSTRAP": ("127.0.0.1:99999", "127.0.0.1:0", "127.0.0.1:x", "kafka", "kafka://a:1"),
    "REDIS_URL": (
        "127.0.0.1", "redis://127.0.0.1:abc", "redis://127.0.0.1:99999", "redis://h:0",
        "redis://h/people", "redis://h/-1", "redis://h/0?socket_timeout=soon", "redis://[::1",
    ),
    "REDIS_CA_FILE": ("/no/such.pem",),
    "GROUP": ("", " "),
    "WEB_HOST": ("",),
    "KEY_PREFIX": ("{staging}:", "a{", "}"),
    "TOPICS__EVENTS": ("", ".", "..", "play events", "a/b", "ä", "e" * 250, "titles"),
    "TOPICS": ("plays",),
    "RULES__HOOKED_AT": ("2", "nan"),
    "RULES__TRENDING_ROOM": ("nan", "inf"),
    "RULES__TRAVELS_SHARE": ("5",),
    "AGENTS": ("", "viewers,tittles"),
    "KAFKA__PROTOCOL": ("TLS",),
    "PARTITIONS": ("0", "many"),
}  # fmt: skip


def told():
    """What is said of the settings as the environment has them now."""
    with pytest.raises((ValidationError, SettingsError)) as refused:
        Settings()
    return wrong_settings(refused.value)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in WRONG.items() for v in values])
def test_what_cannot_be_right_is_told_in_one_line_that_names_the_setting(monkeypatch, name, value):
    if name == "REDIS_CA_FILE":
        monkeypatch.setenv("HOOKPOINT_REDIS_URL", "rediss://cache")
    monkeypatch.setenv(f"HOOKPOINT_{name}", value)
    (line,) = told()
    assert f"HOOKPOINT_{name}" in line
    assert "\n" not in line
    assert "Value error" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_BOOTSTRAP", "kafka:9092, [::1]:65535"),
        ("REDIS_URL", "redis://ann:p%2Fw@cache"),
        ("REDIS_URL", "redis://[::1]:6379/15?socket_timeout=3"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "unix:///run/redis.sock?db=1"),
        ("TOPICS__EVENTS", "eu.Plays_2-x"),
        ("KEY_PREFIX", "staging:"),
    ],
)
def test_what_can_be_right_is_taken(monkeypatch, name, value):
    monkeypatch.setenv(f"HOOKPOINT_{name}", value)
    Settings()


def test_two_roles_on_one_topic_are_both_named(monkeypatch):
    monkeypatch.setenv("HOOKPOINT_TOPICS__SIGNALS", "playback-events")
    (line,) = told()
    assert line == (
        "HOOKPOINT_TOPICS__EVENTS and HOOKPOINT_TOPICS__SIGNALS are both playback-events: each "
        "needs its own"
    )


def test_a_cluster_has_one_database(monkeypatch):
    monkeypatch.setenv("HOOKPOINT_REDIS_CLUSTER", "true")
    monkeypatch.setenv("HOOKPOINT_REDIS_URL", "redis://cache/0")
    Settings()
    monkeypatch.setenv("HOOKPOINT_REDIS_URL", "redis://cache/1")
    assert told() == ["HOOKPOINT_REDIS_URL: a Redis Cluster has no database but 0"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"PROTOCOL": "SSL", "CA_FILE": "/no/such.pem"}, "HOOKPOINT_KAFKA__CA_FILE /no/such.pem"),
        ({"PROTOCOL": "SSL", "CERT_FILE": "/none.pem"}, "HOOKPOINT_KAFKA__CERT_FILE /none.pem"),
        ({"PROTOCOL": "SASL_SSL"}, "HOOKPOINT_KAFKA__USERNAME and HOOKPOINT_KAFKA__PASSWORD"),
    ],
)
def test_kafka_security_that_cannot_work_is_told_before_anything_connects(
    monkeypatch, given, named
):
    for name, value in given.items():
        monkeypatch.setenv(f"HOOKPOINT_KAFKA__{name}", value)
    (line,) = told()
    assert named in line


@pytest.mark.parametrize("url", ["redis://:pass/word@cache:6379", "redis://:pass\u2100@cache:x"])
def test_a_password_that_makes_the_url_wrong_is_not_shown(monkeypatch, url):
    monkeypatch.setenv("HOOKPOINT_REDIS_URL", url)
    (line,) = told()
    assert line.startswith("HOOKPOINT_REDIS_URL: ")
    assert ":pass" not in line
    assert "'pass" not in line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_with_code_2_and_that_line(monkeypatch, capsys, command):
    monkeypatch.setenv("HOOKPOINT_KAFKA_BOOTSTRAP", "127.0.0.1:99999")
    monkeypatch.setattr(sys, "argv", ["hookpoint", *command.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("HOOKPOINT_KAFKA_BOOTSTRAP: must be host:port")


def test_so_does_the_worker(monkeypatch, tmp_path):
    monkeypatch.setenv("HOOKPOINT_KAFKA_BOOTSTRAP", "127.0.0.1:99999")
    done = subprocess.run(
        [HOOKPOINT, "worker"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    (line,) = done.stderr.splitlines()
    assert (done.returncode, line.partition(" ")[0]) == (2, "HOOKPOINT_KAFKA_BOOTSTRAP:")


class TestRefusedByRedis:
    def test_a_refused_password_is_a_wrong_setting_whatever_wraps_it(self):
        error = RedisClusterException("cannot be connected")
        error.__cause__ = AuthenticationError("invalid username-password pair")
        wrong = refused_by_redis(error)
        assert isinstance(wrong, WrongSettingError)
        assert str(wrong) == (
            "HOOKPOINT_REDIS_URL: Redis refuses to log us in: invalid username-password pair"
        )

    def test_so_is_a_database_that_there_is_not(self):
        assert "no such database" in str(
            refused_by_redis(ResponseError("DB index is out of range"))
        )

    @pytest.mark.parametrize("error", [ResponseError("OOM"), ConnectionError("refused")])
    def test_an_outage_is_none(self, error):
        assert refused_by_redis(error) is None


class TestUnknownVariables:
    def test_each_is_named_with_the_setting_that_it_resembles(self, monkeypatch):
        monkeypatch.setenv("HOOKPOINT_SESION_TIMEOUT_S", "3")
        monkeypatch.setenv("HOOKPOINT_TOPICS__EVENT", "plays")
        monkeypatch.setenv("HOOKPOINT_RULES__HOOKED", "0.5")
        assert [(line.split()[0], line.split()[-2]) for line in unknown_variables()] == [
            ("HOOKPOINT_RULES__HOOKED", "HOOKPOINT_RULES__HOOKED_AT"),
            ("HOOKPOINT_SESION_TIMEOUT_S", "HOOKPOINT_SESSION_TIMEOUT_S"),
            ("HOOKPOINT_TOPICS__EVENT", "HOOKPOINT_TOPICS__EVENTS"),
        ]

    def test_one_that_resembles_none_is_named_alone(self, monkeypatch):
        monkeypatch.setenv("HOOKPOINT_ZZZ", "3")
        assert unknown_variables() == ["HOOKPOINT_ZZZ is set, and no such setting is known"]

    @pytest.mark.parametrize(
        "name",
        [
            "GROUP", "REDIS_URL", "TOPICS", "TOPICS__EVENTS", "RULES__KEEP_PROGRESS", "KAFKA_JARS",
            "KAFKA__CA_FILE", "COMPILE", "FAUST_CONSUMER_METADATA_MAX_AGE_MS", "TEST_KAFKA_NAME",
        ],
    )  # fmt: skip
    def test_what_something_reads_is_known(self, monkeypatch, name):
        monkeypatch.setenv(f"HOOKPOINT_{name}", "1")
        monkeypatch.setenv(f"hookpoint_{name.lower()}", "1")
        assert unknown_variables() == []

    def test_every_variable_that_code_and_docs_name_is_known(self, monkeypatch):
        """One that is added later, and read by other means, must be added here too."""
        rooms = ("config", "consumers", "hookpoint", "producers", "streams", "docs")
        files = [path for room in rooms for path in (ROOT / room).rglob("*.[pm][yd]")]
        named = {name for path in files for name in re.findall(VARIABLE, path.read_text())}
        assert {"HOOKPOINT_KAFKA_JARS", "HOOKPOINT_OUTAGE_MAX_S"} <= named
        for name in named:
            monkeypatch.setenv(name, "1")
        assert unknown_variables() == []

    def test_a_file_of_settings_is_looked_at_too(self, monkeypatch, tmp_path):
        file = tmp_path / "own.env"
        file.write_text("HOOKPOINT_GRUOP=a\nHOOKPOINT_GROUP=b\nOTHER=c\n")
        monkeypatch.setitem(Settings.model_config, "env_file", str(file))
        assert unknown_variables() == [
            "HOOKPOINT_GRUOP is set, and no such setting is known; is HOOKPOINT_GROUP meant?"
        ]

    def test_a_command_warns_once_and_goes_on(self, monkeypatch, capsys):
        monkeypatch.setenv("HOOKPOINT_GRUOP", "a")
        monkeypatch.setattr(sys, "argv", ["hookpoint", "kafka", "--", "no-such-command"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 127
        warned, ended_with = capsys.readouterr().err.splitlines()
        assert warned == (
            "hookpoint: HOOKPOINT_GRUOP is set, and no such setting is known; "
            "is HOOKPOINT_GROUP meant?"
        )
        assert ended_with == "no-such-command: command not found"
