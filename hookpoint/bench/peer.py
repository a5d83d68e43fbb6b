"""The peers: what they are, why one may not run here, and one round of one of them."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from consumers.connection import connect
from hookpoint.bench import kafka_streams
from hookpoint.bench.check import Spot, check_peer
from hookpoint.bench.measuring import Contender, measure
from hookpoint.bench.peers.job import EVENTS, REDIS_VARIABLE, STOPPED, Job, absorbed_key
from hookpoint.demo.worker import running_process
from hookpoint.processes import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from config.settings import Settings
    from hookpoint.bench.backlog import Backlog
    from hookpoint.bench.measuring import Figures
    from hookpoint.bench.reference import Reference

QUIX_PYTHON_VARIABLE = "HOOKPOINT_QUIX_PYTHON"
ROOT = Path(__file__).parents[2]
"""Where the packages lie: a Python of another environment finds the peers there."""
FAUST_TELLS_EVERY = 250
"""``plain_faust.TELL_EVERY``, which is not imported here: it loads Faust."""
NOT_EXACT = "a replay after a crash counts again"


@dataclass(frozen=True, slots=True)
class Peer:
    """One contender beside hookpoint.

    ``command`` makes the command of a job; ``obstacle`` says why it cannot run on these settings.
    """

    key: str
    name: str
    left_out: str
    """What it does not do, in one line."""
    command: Callable[[Job], Sequence[str]]
    obstacle: Callable[[Settings], str | None]
    exact: bool = True
    """Whether it promises the right sums as long as its process lives."""
    tells_every: int = 1
    """It says how far it is after every so many events."""
    stop_events: int = 0
    stop_s: float = 0.0
    """A slow one stops after so many events or seconds, whatever comes first; 0: it does not."""


def _module(name: str, python: str | None = None) -> Callable[[Job], Sequence[str]]:
    return lambda job: [python or _quix_python(), "-m", f"hookpoint.bench.peers.{name}", job.text()]


def _quix_python() -> str:
    return os.environ.get(QUIX_PYTHON_VARIABLE) or str(ROOT / ".venv-quix" / "bin" / "python")


def _runs(_settings: Settings) -> None:
    return None


def _no_quix(_settings: Settings) -> str | None:
    if Path(_quix_python()).is_file():
        return None
    return f"its environment is missing; `make bench` makes it, {QUIX_PYTHON_VARIABLE} names one"


@dataclass(frozen=True, slots=True)
class Stream:
    """What all contenders work off, and what they are checked against."""

    backlog: Backlog
    reference: Reference
    genres: Mapping[str, Sequence[str]]
    """Of each title."""


HAND_LOOP = Peer(
    "hand",
    "hand-written loop",
    f"It keeps all reports in memory for ever: {NOT_EXACT}, a second worker would not know what "
    "the first knew; checks no field, and has no coverage, decay, sessions, signals, rejects or "
    "erasure.",
    _module("hand_loop", sys.executable),
    _runs,
)
PEERS = (
    HAND_LOOP,
    Peer(
        "quix",
        "Quix Streams",
        f"State on the disk of one machine, no changelog (faster so); {NOT_EXACT}; keeps the "
        "reports of every playback for ever; no coverage, decay, sessions, signals, rejects or "
        "erasure.",
        _module("quix_agent"),
        _no_quix,
        stop_events=300_000,
        stop_s=30.0,
    ),
    Peer(
        "faust",
        "plain Faust agent",
        "One write per event; ignores what a late event says and forgets everything at a restart; "
        f"{NOT_EXACT}; no coverage, decay, sessions, signals, rejects or erasure.",
        _module("plain_faust", sys.executable),
        _runs,
        exact=False,
        tells_every=FAUST_TELLS_EVERY,
        stop_events=30_000,
        stop_s=20.0,
    ),
    Peer(
        "streams",
        "Kafka Streams",
        f"State in memory, no changelog (faster so); {NOT_EXACT}; keeps the reports of every "
        "playback for ever; no coverage, decay, sessions, signals, rejects or erasure.",
        kafka_streams.command,
        kafka_streams.obstacle,
    ),
)


def peer_round(
    peer: Peer,
    settings: Settings,
    stream: Stream,
    told: Callable[[int], None],
) -> tuple[Figures, Spot]:
    """One peer works off the backlog or its share of it, and its profiles are checked.

    Raises:
        StackError: it ended, never began or came to a halt.
    """
    events = stream.backlog.events
    goal = min(peer.stop_events or events, events) // peer.tells_every * peer.tells_every
    with (
        tempfile.TemporaryDirectory(prefix="hookpoint-") as folder,
        closing(connect(settings)) as client,
    ):
        catalogue = Path(folder) / "genres.json"
        catalogue.write_bytes(orjson.dumps(stream.genres))
        absorbed = Absorbed(settings, client)
        environment = {
            REDIS_VARIABLE: settings.redis_url.get_secret_value(),
            "PYTHONPATH": str(ROOT),
        }
        command = list(peer.command(_job(peer, settings, catalogue)))
        started_s = time.monotonic()
        with running_process(command, environment) as process:
            contender = Contender(
                peer.name,
                process.process.pid,
                started_s,
                process.check,
                absorbed.count,
                lambda: absorbed.stopped,
            )
            figures = measure(contender, goal, told)
        positions = absorbed.positions()
        return figures, check_peer(settings, client, stream.reference, stream.genres, positions)


def _job(peer: Peer, settings: Settings, catalogue: Path) -> Job:
    return Job(
        broker=settings.kafka_bootstrap,
        topic=settings.topics.events,
        group=settings.group,
        prefix=settings.key_prefix,
        catalogue=str(catalogue),
        session_timeout_s=settings.session_timeout_s,
        batch=settings.slice_max,
        stop_events=peer.stop_events,
        stop_s=peer.stop_s,
    )


class Absorbed:
    """How far a peer is, by what it says in Redis."""

    def __init__(self, settings: Settings, client: Any) -> None:
        self._client = client
        self._key = absorbed_key(settings.key_prefix)
        self.stopped = False

    def count(self) -> int:
        """Events absorbed so far."""
        events, stopped = self._client.hmget(self._key, EVENTS, STOPPED)
        self.stopped = stopped == "1"
        return int(events or 0)

    def positions(self) -> dict[int, int]:
        """Next offset by partition."""
        fields = self._client.hgetall(self._key)
        if not fields:
            raise StackError("a peer left no word of how far it was")
        return {int(name): int(value) for name, value in fields.items() if name.isdigit()}
