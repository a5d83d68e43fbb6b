"""Settings come from the environment, turn into client arguments, and keep their secrets."""

from __future__ import annotations

import io
import logging
import ssl
import sys

import orjson
import pytest
import structlog
from kafka.admin import KafkaAdminClient
from pydantic import SecretStr, ValidationError

from config.kafka import aiokafka_security, kafka_problem, kafka_python_security, redis_kwargs
from config.logging import configure_logging
from config.settings import KafkaSecurity, Settings
from config.topics import topic_specs
from hookpoint.topics import kept

# With characters that URLs, Python and JSON each spell in a way of their own.
AWKWARD = 'p@ss"w\\ord'


def with_sasl(protocol="SASL_PLAINTEXT", **more):
    security = KafkaSecurity(protocol=protocol, username="ann", password=SecretStr(AWKWARD), **more)
    return Settings(kafka=security)


class TestEnvironment:
    def test_nested_names_take_a_double_underscore(self, monkeypatch):
        monkeypatch.setenv("HOOKPOINT_TOPICS__EVENTS", "plays")
        monkeypatch.setenv("HOOKPOINT_RULES__HOOKED_AT", "0.8")
        monkeypatch.setenv("HOOKPOINT_KAFKA__PASSWORD", AWKWARD)
        settings = Settings()
        assert settings.topics.events == "plays"
        assert settings.topics.titles == "titles"
        assert settings.rules.hooked_at == 0.8
        assert settings.kafka.password.get_secret_value() == AWKWARD

    @pytest.mark.parametrize(
        ("name", "value"), [("PARTITIONS", "0"), ("LOG_LEVEL", "LOUD"), ("IO_TIMEOUT_S", "-1")]
    )
    def test_a_value_that_makes_no_sense_is_refused_by_name(self, monkeypatch, name, value):
        monkeypatch.setenv(f"HOOKPOINT_{name}", value)
        with pytest.raises(ValidationError, match=name.lower()):
            Settings()

    def test_secrets_do_not_show_when_settings_are_printed(self):
        settings = with_sasl()
        settings.redis_url = SecretStr("redis://:hunter2@cache:6379/0")
        assert AWKWARD not in f"{settings!r} {settings.model_dump_json()}"
        assert "hunter2" not in f"{settings!r} {settings.model_dump_json()}"

    def test_every_topic_gets_the_number_of_partitions_that_is_set(self):
        assert {spec.partitions for spec in topic_specs(Settings(partitions=3))} == {3}

    def test_retention_reads_as_people_say_it(self):
        said = {spec.name: kept(spec) for spec in topic_specs(Settings())}
        assert said["titles"] == "latest per key"
        assert said["playback-events"] == "7 days"
        assert said["engagement-signals"] == "30 days"


class TestKafkaSecurity:
    @pytest.mark.parametrize("arguments", [aiokafka_security, kafka_python_security])
    def test_plaintext_needs_nothing_else(self, arguments):
        assert arguments(Settings()) == {"security_protocol": "PLAINTEXT"}

    @pytest.mark.parametrize("arguments", [aiokafka_security, kafka_python_security])
    def test_sasl_hands_over_mechanism_name_and_password(self, arguments):
        assert arguments(with_sasl()) == {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": "ann",
            "sasl_plain_password": AWKWARD,
        }

    def test_tls_verifies_the_broker_and_its_name(self):
        context = aiokafka_security(with_sasl("SASL_SSL"))["ssl_context"]
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2

    @pytest.mark.parametrize("variable", ["ca_file", "cert_file"])
    def test_a_certificate_that_cannot_be_used_is_an_error_that_names_variable_and_file(
        self, variable, tmp_path
    ):
        empty = tmp_path / "empty.pem"
        empty.touch()
        for file in (empty, tmp_path / "missing.pem"):
            with pytest.raises(ValueError, match=f"{variable.upper()} {file}"):
                KafkaSecurity(protocol="SSL", **{variable: str(file)})

    @pytest.mark.parametrize(
        "missing",
        [{"username": "ann"}, {"password": SecretStr("x")}, {"username": "a", "password": ""}],
    )
    def test_sasl_without_name_or_password_names_the_variables(self, missing):
        with pytest.raises(ValueError, match=r"HOOKPOINT_KAFKA__USERNAME and .*__PASSWORD"):
            KafkaSecurity(protocol="SASL_SSL", **missing)

    def test_where_no_broker_lets_us_in_it_is_said_what_to_look_at(self):
        said = kafka_problem(with_sasl(), OSError("Unable to bootstrap from [('h', 9)]"))
        assert "HOOKPOINT_KAFKA_BOOTSTRAP" in said
        assert "HOOKPOINT_KAFKA__PROTOCOL=SASL_PLAINTEXT" in said
        assert "__USERNAME, __PASSWORD and __MECHANISM" in said
        assert "__PASSWORD" not in kafka_problem(Settings(), OSError("Unable to bootstrap"))
        assert kafka_problem(Settings(), OSError("reset by peer")) == "reset by peer"

    def test_the_libraries_know_every_argument(self):
        from inspect import signature  # noqa: PLC0415

        from aiokafka import AIOKafkaConsumer  # noqa: PLC0415

        names = set(aiokafka_security(with_sasl("SASL_SSL")))
        assert names <= set(signature(AIOKafkaConsumer).parameters)
        assert names <= set(KafkaAdminClient.DEFAULT_CONFIG)


class TestRedis:
    def test_without_tls_the_url_says_it_all(self):
        assert redis_kwargs(Settings()) == {}

    def test_with_tls_the_certificate_is_verified_against_the_ca_file(self):
        ca_file = ssl.get_default_verify_paths().openssl_cafile
        settings = Settings(redis_url=SecretStr("rediss://cache:6380/0"), redis_ca_file=ca_file)
        assert redis_kwargs(settings) == {
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_ca_certs": ca_file,
        }


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestLogging:
    @pytest.fixture(autouse=True)
    def _logging_as_before(self):
        root = logging.getLogger()
        before = (root.level, list(root.handlers))
        yield
        root.setLevel(before[0])
        root.handlers[:] = before[1]
        structlog.reset_defaults()

    @pytest.fixture
    def log(self, monkeypatch):
        """Configure with these settings; the returned function gives what was written since."""

        def configure(settings, stream=None):
            stream = stream or io.StringIO()
            monkeypatch.setattr(sys, "stderr", stream)
            configure_logging(settings)
            return stream.getvalue

        return configure

    def test_away_from_a_terminal_every_line_is_json(self, log):
        written = log(Settings())
        structlog.get_logger("ours").info("slice stored", partition=3)
        logging.getLogger("faust").warning("theirs %s", "too")
        ours, theirs = [orjson.loads(line) for line in written().splitlines()]
        assert (ours["event"], ours["partition"], ours["level"]) == ("slice stored", 3, "info")
        assert (theirs["event"], theirs["logger"]) == ("theirs too", "faust")
        assert ours["timestamp"].endswith("Z")

    def test_on_a_terminal_lines_are_for_people(self, log):
        written = log(Settings(), Terminal())
        structlog.get_logger().info("slice stored")
        assert "slice stored" in written()
        assert not written().startswith("{")

    def test_the_format_can_be_set(self, log):
        written = log(Settings(log_format="json"), Terminal())
        structlog.get_logger().info("slice stored")
        assert orjson.loads(written())["event"] == "slice stored"

    def test_a_traceback_stays_in_its_one_json_line(self, log):
        written = log(Settings())
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            structlog.get_logger().exception("slice failed")
        (line,) = written().splitlines()
        assert "ZeroDivisionError" in orjson.loads(line)["exception"]

    def test_libraries_that_chatter_are_heard_from_warning_up(self, log):
        written = log(Settings())
        for name in ("aiokafka.consumer.fetcher", "kafka.net", "mode.services"):
            logging.getLogger(name).info("all is well")
            logging.getLogger(name).warning("something is not")
        events = [orjson.loads(line)["event"] for line in written().splitlines()]
        assert events == ["something is not"] * 3

    def test_at_debug_they_are_heard_in_full(self, log):
        written = log(Settings(log_level="DEBUG"))
        logging.getLogger("aiokafka.consumer.fetcher").debug("all is well")
        assert "all is well" in written()

    def test_a_level_silences_what_lies_below_it(self, log):
        written = log(Settings(log_level="ERROR"))
        structlog.get_logger().warning("not heard")
        structlog.get_logger().error("heard")
        assert "not heard" not in written()
        assert "heard" in written()

    def test_configuring_twice_does_not_print_twice(self, log):
        log(Settings())
        written = log(Settings())
        structlog.get_logger().info("once")
        assert written().count("once") == 1

    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_a_secret_is_masked_however_a_library_prints_it(self, log, log_format):
        settings = with_sasl().model_copy(
            update={
                "log_level": "DEBUG",
                "log_format": log_format,
                "redis_url": SecretStr("redis://ann:hunter%402@cache:6379/0"),
            }
        )
        written = log(settings)
        # kafka-python prints its whole configuration like this.
        logging.getLogger("kafka.admin.client").debug(
            "Starting KafkaAdminClient with configuration: %s", kafka_python_security(settings)
        )
        structlog.get_logger().error("cannot log in", password=AWKWARD)
        structlog.get_logger().error("no answer from redis://ann:hunter%402@cache:6379/0")
        structlog.get_logger().error("wrong password hunter@2")
        text = written()
        assert text.count("***") == 4
        assert "p@ss" not in text
        assert "hunter" not in text


class TestRules:
    def test_thresholds_of_titles_are_settings(self, monkeypatch):
        monkeypatch.setenv("HOOKPOINT_RULES__LEAST_VIEWERS", "200")
        monkeypatch.setenv("HOOKPOINT_RULES__TRENDING_TAIL", "1e-4")
        rules = Settings().rules
        assert (rules.least_viewers, rules.trending_tail) == (200, 1e-4)

    @pytest.mark.parametrize(
        ("rules", "reason"),
        [
            ({"hook_kept_at": 0.96}, "hook_kept_at must not be above hook_found_at"),
            ({"trending_tail": 0.06}, "trending_tail must not be above trending_over"),
            ({"cooled_below": 0.9}, "cooled_below must not be above hooked_at"),
            ({"trending_room": 0.9}, "trending_room must be at least 1"),
            ({"breakthrough_margin": -0.1}, "breakthrough_margin is a share"),
            ({"least_viewers": 0}, "least_viewers must be above 0"),
        ],
    )
    def test_thresholds_that_would_take_back_what_they_say_are_refused(self, rules, reason):
        with pytest.raises(ValidationError, match=reason):
            Settings(rules=rules)
