"""Every setting of every command, read from ``HOOKPOINT_*`` variables or a ``.env`` file."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from config.kafka import kafka_arguments, redis_kwargs
from streams.rules import Rules

HIGHEST_PORT = 65_535
Agent = Literal["viewers", "titles", "catalogue"]
AGENTS: tuple[Agent, ...] = get_args(Agent)
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")


class TopicNames(BaseModel):
    """What the topics are called on this broker (``HOOKPOINT_TOPICS__EVENTS`` and so on)."""

    events: str = "playback-events"
    titles: str = "titles"
    viewers: str = "viewers"
    sessions: str = "viewing-sessions"
    progress: str = "title-progress"
    signals: str = "engagement-signals"
    rejects: str = "playback-rejects"

    @field_validator("*")
    @classmethod
    def _is_a_name_that_kafka_takes(cls, name: str) -> str:
        if not _TOPIC.fullmatch(name) or name in {".", ".."}:
            raise ValueError(
                "must be 1 to 249 letters a-z, digits, dots, _ or -, as Kafka wants it"
            )
        return name

    @model_validator(mode="after")
    def _each_has_its_own(self) -> Self:
        roles: dict[str, str] = {}
        for role, name in self:
            variable = f"HOOKPOINT_TOPICS__{role.upper()}"
            if name in roles:
                raise ValueError(
                    f"{roles[name]} and {variable} are both {name}: each needs its own"
                )
            roles[name] = variable
        return self


class KafkaSecurity(BaseModel):
    """TLS and SASL towards Kafka (``HOOKPOINT_KAFKA__USERNAME`` and so on)."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        kafka_arguments(self)
        return self


class Settings(BaseSettings):
    """One deployment. Everything has a default that works on the embedded stack."""

    model_config = SettingsConfigDict(
        env_prefix="HOOKPOINT_", env_nested_delimiter="__", env_file=".env", extra="ignore"
    )

    # -- where things are ----------------------------------------------------------------------
    kafka_bootstrap: str = "127.0.0.1:9092"
    """Comma-separated ``host:port`` of Kafka brokers."""
    kafka: KafkaSecurity = Field(default_factory=KafkaSecurity)
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """``redis://`` or ``rediss://`` (TLS), with an ACL user and password if there is one."""
    redis_cluster: bool = False
    """The URL names one node of a Redis Cluster."""
    redis_ca_file: str | None = None
    redis_replicas: int = Field(default=0, ge=0)
    """Replicas of each primary that must hold a write before anything is published of it.

    With one per shard, a failover loses nothing that was confirmed.
    """

    @field_validator("redis_url")
    @classmethod
    def _redis_url_can_be_used(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if not text.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        if "?" in text:
            from redis.connection import parse_url  # noqa: PLC0415  slow to import, rarely needed

            parse_url(text)  # type: ignore[no-untyped-call]  # redis-py gives it none
        try:
            parts = urlsplit(text)
        except ValueError:  # whose text may hold the password
            raise ValueError("is not a URL") from None
        if parts.scheme == "unix":
            return url
        port = re.sub(r"^(\[.*\]|[^:]*)", "", parts.netloc.rpartition("@")[2])
        if port and not _is_a_port(port.removeprefix(":")):
            raise ValueError(
                f"must have a port of 1 to {HIGHEST_PORT} after the host (and, in a password, "
                "%2F for a slash, and so on)"
            )
        if not re.fullmatch(r"/?\d*", parts.path):
            raise ValueError("must end in the number of a database, or without one")
        return url

    @field_validator("kafka_bootstrap")
    @classmethod
    def _kafka_bootstrap_has_ports(cls, hosts: str) -> str:
        for host in hosts.split(","):
            name, _, port = host.strip().rpartition(":")
            if not re.fullmatch(r"[^\s/;@]+", name) or not _is_a_port(port):
                raise ValueError(
                    f"must be host:port, with a port of 1 to {HIGHEST_PORT}, or several with "
                    "commas between"
                )
        return hosts

    @model_validator(mode="after")
    def _redis_can_be_asked_so(self) -> Self:
        database = urlsplit(self.redis_url.get_secret_value()).path.strip("/")
        if self.redis_cluster and database.strip("0"):
            raise ValueError("HOOKPOINT_REDIS_URL: a Redis Cluster has no database but 0")
        redis_kwargs(self)
        return self

    # -- names ---------------------------------------------------------------------------------
    topics: TopicNames = Field(default_factory=TopicNames)
    partitions: int = Field(default=8, ge=1)
    replication: int = Field(default=1, ge=1)
    group: str = "hookpoint"
    """Consumer group of the workers, and the name under which their marks are kept."""
    key_prefix: str = ""
    """Goes before every Redis key, say ``staging:``."""

    @field_validator("group", "web_host")
    @classmethod
    def _is_not_empty(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("must not be empty")
        return text

    @field_validator("agents", mode="before")
    @classmethod
    def _are_told_by_commas(cls, agents: object) -> object:
        if not isinstance(agents, str):
            return agents
        names = [name.strip() for name in agents.split(",") if name.strip()]
        if unknown := [name for name in names if name not in AGENTS]:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(AGENTS)}")
        return names

    @field_validator("agents")
    @classmethod
    def _has_something_to_do(cls, agents: frozenset[Agent]) -> frozenset[Agent]:
        if not agents:
            raise ValueError(f"must name at least one of {', '.join(AGENTS)}")
        return agents

    @field_validator("key_prefix")
    @classmethod
    def _leaves_hash_tags_alone(cls, prefix: str) -> str:
        if "{" in prefix or "}" in prefix:
            raise ValueError(
                "must not hold { or }: Redis Cluster would go by what is between them, not by the "
                "viewer, and put keys that are written together into different slots"
            )
        return prefix

    # -- the worker ----------------------------------------------------------------------------
    agents: Annotated[frozenset[Agent], NoDecode] = frozenset(AGENTS)
    """What a worker of this process does (``HOOKPOINT_AGENTS=viewers,catalogue``).

    All of it, unless viewers and titles are to scale apart from each other. Every partition of
    every topic needs some worker; those of one group share them.
    """
    slice_max: int = Field(default=8000, ge=1)
    """The most records of one partition that are decided, written and published together."""
    cache_viewers: int = Field(default=100_000, ge=1)
    """Viewers whose state a worker keeps in memory, at some 20 KB each."""
    cache_whole_viewers: int = Field(default=10_000, ge=0)
    """Of them, those of whom all is at hand, at up to 90 KB each: whoever began, ended or crossed a
    threshold last. The others' past is kept packed."""
    cache_titles: int = Field(default=500, ge=1)
    """Titles whose audience a worker keeps in memory, per partition of ``title-progress``."""
    io_timeout_s: float = Field(default=30.0, gt=0)
    """How long one round trip to Redis or Kafka may take before it counts as an outage."""
    outage_max_s: float = Field(default=600.0, gt=0)
    """How long an outage is waited out before the worker gives up and ends."""
    session_timeout_s: float = Field(default=10.0, gt=0)
    idle_after_s: float = Field(default=5.0, gt=0)
    """A live partition without records for this long is moved on by the wall clock."""
    max_value_bytes: int = Field(default=262_144, ge=1024)
    """Larger event values are rejected unread."""
    viewer_ttl_s: int = Field(default=400 * 86400, ge=86400)
    """A viewer's keys expire this long after their last event."""
    demographics: bool = False
    """Take in what viewers have agreed to be counted under: the topic ``viewers``.

    Off, that topic is neither made nor read, and nothing of it is stored or looked up.
    """
    on_lost_records: Literal["stop", "skip"] = "stop"
    """What happens where retention has deleted records before they were read.

    ``skip`` says how many are lost, counts them, and reads on where the log begins now.
    """
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "console", "json"] = "auto"

    # -- how it is watched (docs/operations.md) ------------------------------------------------
    web_host: str = "127.0.0.1"
    """Where ``/livez``, ``/readyz`` and ``/metrics`` answer; anyone who reaches it may read them.
    """
    web_port: int = Field(default=6066, ge=0, le=65535)
    """0 turns them off. Where 6066 is taken and no port was set, a free one is, and is logged."""
    stuck_after_s: float = Field(default=60.0, ge=5)
    """A worker that comes no further for this long, with work and servers at hand, is ended.

    Twice ``io_timeout_s`` if that is longer: only then is it known whether a server is away.
    """
    reject_flood_share: float = Field(default=0.5, gt=0, le=1)
    """The worker is not ready while more than this share of the records is rejected."""
    reject_flood_window_s: float = Field(default=60.0, gt=0)
    """The time over which that share is taken."""
    reject_flood_least: int = Field(default=1000, ge=1)
    """Fewer rejects than this within the window are no flood, whatever their share."""
    reject_flood_stops: bool = False
    """A flood ends the worker, before more records pass by."""

    rules: Rules = Field(default_factory=Rules)
    """Thresholds of the core (``HOOKPOINT_RULES__HOOKED_AT`` and so on)."""


def _is_a_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST_PORT
