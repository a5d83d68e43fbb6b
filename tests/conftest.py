"""Servers, settings and names that every test may ask for.

A test owns its topics, its consumer group and its key prefix, so tests share the servers without
seeing each other, and none has to clean up.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import brokers
import hypothesis
import pytest
import redis
from pydantic import SecretStr

from config.settings import Settings, TopicNames
from hookpoint.redis_cluster import RedisCluster
from hookpoint.stack import Existing, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hookpoint.topics import TopicReport

TESTS = Path(__file__).parent
TEST_PARTITIONS = 4
LONGEST_FIRST = ("faults", "bench", "integration", "contracts", "properties", "unit")

# The suite starts hundreds of processes: none is to compile our modules anew, and no Java is to
# optimise the code of a broker that lives for seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

hypothesis.settings.register_profile("default", deadline=None, max_examples=100)
hypothesis.settings.register_profile(
    "ci", deadline=None, max_examples=300, derandomize=True, print_blob=True
)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default")
)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which broker the run was on; a header would be lost with ``--quiet``."""
    terminalreporter.write_line(f"Kafka of this run: {brokers.title()}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, or a run ends with one process at work.

    Those marked ``slow`` come first, then one folder after the other; files stay whole.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def turn(item: pytest.Item) -> tuple[bool, int]:
        return item.path not in slow, LONGEST_FIRST.index(item.path.relative_to(TESTS).parts[0])

    items.sort(key=turn)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """A developer's own HOOKPOINT_* variables and .env file must not change what tests see."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("HOOKPOINT_") and not name.startswith("HOOKPOINT_TEST_"):
                patch.delenv(name)
        patch.setitem(Settings.model_config, "env_file", None)
        yield


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Broker and Redis for the whole run; tests/brokers.py says which broker."""
    with brokers.a_stack() as running:
        yield running


@pytest.fixture(scope="session")
def apache_stack(stack: Stack) -> Iterator[Stack]:
    """As ``stack``, but never on the embedded broker: for what that one cannot do."""
    if not brokers.is_embedded():
        yield stack
        return
    # A machine that is busy for some seconds must not make its only broker fence itself.
    patient = {"broker.session.timeout.ms": "30000"}
    with brokers.an_apache_kafka(options=patient) as kafka:
        existing = Existing(kafka_bootstrap=kafka.bootstrap, redis_url=stack.redis_url)
        with Stack(existing=existing) as running:
            yield running


@pytest.fixture(scope="session")
def cluster() -> Iterator[RedisCluster]:
    """Three Redis nodes in cluster mode for the whole run."""
    with RedisCluster() as running:
        yield running


@pytest.fixture
def settings(stack: Stack) -> Settings:
    """Settings with names that no other test uses."""
    own = uuid.uuid4().hex[:10]
    names = {role: f"{field.default}-{own}" for role, field in TopicNames.model_fields.items()}
    return Settings(
        kafka_bootstrap=stack.kafka_bootstrap,
        redis_url=SecretStr(stack.redis_url),
        topics=TopicNames(**names),
        partitions=TEST_PARTITIONS,
        group=f"hookpoint-{own}",
        key_prefix=f"test-{own}:",
        # The embedded broker takes half of it to form a group.
        session_timeout_s=6.0,
    )


@pytest.fixture
def redis_client(stack: Stack) -> Iterator[redis.Redis]:
    """A plain client, as a reader of the profiles would use it."""
    with redis.Redis.from_url(stack.redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def make_topics() -> Callable[[Settings], list[TopicReport]]:
    """Create all topics of some settings; returns what ``hookpoint topics`` would print."""
    from hookpoint.topics import ensure_topics  # noqa: PLC0415  slow to import, for unit tests

    return ensure_topics
