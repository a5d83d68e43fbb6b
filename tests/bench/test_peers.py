"""The peers' packages, and what they are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hookpoint.bench
from hookpoint.bench.peer import PEERS
from hookpoint.bench.peers.job import Job, Limit
from hookpoint.bench.peers.plain_faust import TELL_EVERY
from hookpoint.kafka_jars import KAFKA_VERSION

JOB = Job("b", "t", "g", "p:", "/catalogue", 6.0, 8000, stop_events=100, stop_s=30.0)


def test_kafka_streams_is_of_the_brokers_release():
    pom = (Path(hookpoint.bench.__file__).parent / "java" / "pom.xml").read_text()
    found = re.search(r"<artifactId>kafka-streams</artifactId>\s*<version>([^<]+)<", pom)
    assert found is not None
    assert found[1] == KAFKA_VERSION


def test_a_slow_peer_stops_after_enough_events_or_seconds():
    assert Limit(JOB).reached(99) is False
    assert Limit(JOB).reached(100) is True
    impatient = Limit(Job("b", "t", "g", "p:", "/catalogue", 6.0, 8000, 0, stop_s=1e-9))
    impatient.reached(1)
    assert impatient.reached(1) is True


def test_a_peer_without_limits_never_stops():
    endless = Limit(Job("b", "t", "g", "p:", "/catalogue", 6.0, 8000, 0, 0.0))
    assert not any(endless.reached(events) for events in (0, 1, 10**9))


def test_the_plain_agent_is_waited_for_in_its_own_steps():
    faust = next(peer for peer in PEERS if peer.key == "faust")
    assert faust.tells_every == TELL_EVERY


@pytest.mark.parametrize("peer", PEERS, ids=lambda it: it.key)
def test_every_peer_says_what_it_leaves_out(peer):
    assert peer.left_out.endswith(".")
