"""Topic admin: create what is missing, say what differs, change nothing that exists."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from kafka.admin import ConfigResource, KafkaAdminClient
from kafka.errors import KafkaError, for_code
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from config.kafka import kafka_hint, kafka_problem, kafka_python_security
from config.topics import DAY_MS, TopicSpec, topic_specs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from config.settings import Settings

ATTEMPTS = 3
CONNECT_WITHIN_MS = 3_000
REQUEST_WITHIN_MS = 15_000
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0

TOPIC_ALREADY_EXISTS = 36

State = Literal["created", "exists", "differs"]


class BrokerError(RuntimeError):
    """The broker is away or refused; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What became of one topic.

    ``differences`` say, in words, where an existing topic is not as it should be.
    ``unknown`` names the topic settings that this broker does not tell.
    """

    spec: TopicSpec
    state: State
    partitions: int
    replication: int
    differences: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def kept(spec: TopicSpec) -> str:
    """How long the topic keeps a record, for people."""
    if spec.compacted:
        return "latest per key"
    return "for ever" if spec.retention_ms < 0 else f"{spec.retention_ms / DAY_MS:g} days"


def ensure_topics(settings: Settings) -> list[TopicReport]:
    """Create the topics of ``config/topics.py`` that are missing, and compare those that exist.

    Existing topics are never changed. Calling it twice, or from two places at once, is safe.

    Returns:
        One report per topic, in the order in which records flow.

    Raises:
        BrokerError: the broker could not be reached in three attempts, or refused.
        ValueError: see ``kafka_python_security``.
    """
    security = kafka_python_security(settings)
    retrying = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(FIRST_PAUSE_S, max=LONGEST_PAUSE_S),
        # Faults of the connection; what the broker refuses, it refuses again.
        retry=retry_if_exception_type((KafkaError, OSError)),
        reraise=True,
    )
    with _last_fault() as fault:
        try:
            return retrying(_ensure, settings, security)
        except (KafkaError, OSError) as problem:
            reason = (fault.text or kafka_problem(settings, problem)).splitlines()[0]
            hint = "" if "HOOKPOINT_" in reason else f"; {kafka_hint(settings)}"
            raise BrokerError(
                f"Kafka at {settings.kafka_bootstrap} failed {ATTEMPTS} times: {reason}{hint}"
            ) from problem


class _LastFault(logging.Handler):
    """Remembers why a connection was lost.

    The client's exception says only that no broker could be reached; whether it was the password,
    the certificate or the network, it tells its log alone.
    """

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage().rpartition("Connection lost: ")[2]


@contextmanager
def _last_fault() -> Iterator[_LastFault]:
    logger = logging.getLogger("kafka.net.connection")
    fault = _LastFault(level=logging.ERROR)
    logger.addHandler(fault)
    try:
        yield fault
    finally:
        logger.removeHandler(fault)


def _ensure(settings: Settings, security: dict[str, Any]) -> list[TopicReport]:
    specs = topic_specs(settings)
    with KafkaAdminClient(
        bootstrap_servers=settings.kafka_bootstrap.split(","),
        bootstrap_timeout_ms=CONNECT_WITHIN_MS,
        request_timeout_ms=REQUEST_WITHIN_MS,
        **security,
    ) as admin:
        # Listed, not asked for by name: asking some brokers for a topic makes it.
        present = set(admin.list_topics())
        missing = [spec for spec in specs if spec.name not in present]
        created = _create(admin, missing, settings.replication)
        return _compare(admin, specs, created, settings.replication)


def _create(admin: Any, missing: Sequence[TopicSpec], replication: int) -> set[str]:
    """Names of the topics that this call made."""
    if not missing:
        return set()
    wanted = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": replication,
            "configs": spec.config(),
        }
        for spec in missing
    }
    answer = admin.create_topics(wanted, raise_errors=False)
    codes = {topic["name"]: topic for topic in answer["topics"]}
    for name, topic in codes.items():
        if topic["error_code"] not in {0, TOPIC_ALREADY_EXISTS}:
            why = topic.get("error_message") or for_code(topic["error_code"]).__name__
            raise BrokerError(f"the broker did not create topic {name}: {why}")
    admin.wait_for_topics(list(codes), timeout_ms=REQUEST_WITHIN_MS)
    return {name for name, topic in codes.items() if topic["error_code"] == 0}


def _compare(
    admin: Any, specs: Iterable[TopicSpec], created: set[str], replication: int
) -> list[TopicReport]:
    specs = tuple(specs)
    described = {topic["name"]: topic for topic in admin.describe_topics([s.name for s in specs])}
    # All settings, though two would do: naming them makes Tansu hang up.
    resources = [ConfigResource("TOPIC", spec.name) for spec in specs]
    told = admin.describe_configs(resources, config_filter="all").get("topic", {})
    reports = [
        _report(spec, described[spec.name], told.get(spec.name, {}), replication) for spec in specs
    ]
    return [
        replace(report, state="created")
        if report.spec.name in created and report.state == "exists"
        else report
        for report in reports
    ]


def _report(
    spec: TopicSpec,
    described: dict[str, Any],
    told: dict[str, dict[str, Any]],
    replication: int,
) -> TopicReport:
    partitions = described["partitions"]
    replicas = min((len(p["replica_nodes"]) for p in partitions), default=0)
    differences = []
    if len(partitions) != spec.partitions:
        differences.append(f"{_count(len(partitions), 'partition')} instead of {spec.partitions}")
    if replicas < replication:
        differences.append(f"{_count(replicas, 'replica')} instead of {replication}")
    for name, wanted in spec.config().items():
        if name in told and told[name]["value"] != wanted:
            differences.append(f"{name} is {told[name]['value']} instead of {wanted}")
    return TopicReport(
        spec=spec,
        state="differs" if differences else "exists",
        partitions=len(partitions),
        replication=replicas,
        differences=tuple(differences),
        unknown=tuple(name for name in spec.config() if name not in told),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
