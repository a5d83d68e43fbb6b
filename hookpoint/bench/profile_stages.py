"""Which part of a worker's work a sampled stack belongs to. Pure.

A stack is a line as py-spy writes it with ``--format raw --nolineno``: frames from the thread's
beginning to where it is, ``name (file)`` each, joined by semicolons, then a space and how many
samples found it.

The frames of the shell decide (``streams/worker``), not those of the core that it calls: compiled,
the core has none.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stage(StrEnum):
    """What is told, in the order in which an event meets it."""

    FETCH = "fetching and parsing records"
    DECODE = "decoding and checking"
    VIEWERS = "viewers into and out of memory"
    LOOKUP = "titles and curves"
    FOLD = "the fold"
    BYTES = "state and profiles as bytes"
    REDIS = "the Redis protocol"
    PUBLISH = "publishing"
    MARKS = "marks and timers"
    TITLES = "the titles agent"
    UPKEEP = "health, metrics and logs"
    WORKER = "the rest of the worker"
    LOOP = "event loop, sockets and Faust"
    SELECT = "in select, or just woken there"
    OTHER = "other"


GROUP, LANE = "streams/worker/group_commit.py", "streams/worker/lane.py"

RULES: tuple[tuple[Stage, tuple[str, ...]], ...] = (
    # Of whatever thread. Whoever was woken and waits for a core is found here, too.
    (
        Stage.SELECT,
        ("selectors.py:EpollSelector.select", "selectors.py:KqueueSelector.select"),
    ),
    # All of the consumer's thread, whose first frame is of mode; and the way to the lanes.
    (
        Stage.FETCH,
        (
            "mode/threads.py",
            "aiokafka/consumer/",
            "faust/transport/",
            "streams/worker/fetching.py",
            "streams/worker/slices.py",
            "streams/worker/transport.py",
        ),
    ),
    # Whatever it does, Redis and publishing as well: so one sees what it costs.
    (
        Stage.TITLES,
        (
            "streams/worker/audience_lanes.py",
            "streams/worker/audience_store.py",
            "streams/worker/peers.py",
            "streams/worker/rankings.py",
        ),
    ),
    (Stage.UPKEEP, ("streams/worker/lag.py",)),
    (Stage.PUBLISH, ("streams/worker/publisher.py", "aiokafka/", f"{GROUP}:_said")),
    (
        Stage.REDIS,
        (
            "streams/worker/redis_client.py",
            "streams/worker/redis_pipeline.py",
            "streams/worker/redis_store.py",
            "redis/",
            "hiredis/",
        ),
    ),
    (
        Stage.LOOKUP,
        (
            "streams/worker/catalogue_store.py",
            "streams/worker/curves.py",
            "streams/worker/side_lanes.py",
            f"{GROUP}:on_the_way",
        ),
    ),
    (Stage.VIEWERS, ("streams/worker/cache.py", "streams/worker/declared_store.py")),
    (Stage.BYTES, (f"{GROUP}:write",)),
    (
        Stage.MARKS,
        (
            f"{GROUP}:GroupCommit._move",
            f"{LANE}:Lane._inner",
            f"{LANE}:Lane._next_look",
            f"{LANE}:Lane._reindex",
            f"{LANE}:Lane.change",
            f"{LANE}:Lane.changed",
        ),
    ),
    (
        Stage.DECODE,
        (
            "streams/worker/decoding.py",
            "streams/decoder.py",
            "streams/contract.py",
            "streams/headers.py",
            f"{LANE}:Lane._decode",
        ),
    ),
    (Stage.FOLD, (f"{GROUP}:GroupCommit._fold", f"{LANE}:Lane._attempt_timers")),
    (
        Stage.UPKEEP,
        (
            "config/logging.py",
            "logging/",
            "structlog/",
            "prometheus_client/",
            "kafka/",
            "streams/worker/flood.py",
            "streams/worker/garbage.py",
            "streams/worker/guard.py",
            "streams/worker/health.py",
            "streams/worker/metrics.py",
            "streams/worker/supervision.py",
            "streams/worker/watchdog.py",
            "streams/worker/web.py",
        ),
    ),
    # Agents are called by Faust's streams, and hand on what those give them.
    (Stage.LOOP, ("faust/",)),
    # Of the core alone, where a stack came without its beginning.
    (Stage.TITLES, ("streams/audience/",)),
    (Stage.WORKER, ("streams/",)),
    (Stage.LOOP, ("asyncio/", "selectors.py", "mode/")),
)
"""By which frames a stage is known. They are asked in this order, and the first rule that knows any
frame of the stack has it: what is called in a stage and has one of its own comes before it.

A frame is given by its file, by a folder (with ``/`` at the end), or by file and function. What is
defined within a function is the function's.
"""

STEM = "streams/worker/run.py"
"""The frame below all of the main thread's: it says nothing."""
BEGINNINGS = ("<module>", "Thread._bootstrap")
"""How whole stacks begin."""
_FRAME = re.compile(r"(?P<name>.*) \((?P<file>[^()]*?)(?::\d+)?\)")


class Samples(NamedTuple):
    """What a profiler saw: samples by stage (none is lost), and those without their beginning.

    A stack that was read while it changed may have lost its lower frames. It is sorted by the rest.
    """

    by_stage: Mapping[Stage, int]
    torn: int

    @property
    def total(self) -> int:
        """All samples."""
        return sum(self.by_stage.values())


def read_samples(raw: str) -> Samples:
    """Sort all stacks of a file of py-spy's.

    Raises:
        ValueError: a line does not end with a number.
    """
    found, torn = Counter(dict.fromkeys(Stage, 0)), 0
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        samples = int(count)
        found[stage_of(stack)] += samples
        if not stack.startswith(BEGINNINGS):
            torn += samples
    return Samples(dict(found), torn)


def stage_of(stack: str) -> Stage:
    """The stage of one stack; ``OTHER`` if no frame of it is known."""
    first = min(map(_rule_of, stack.split(";")))
    return RULES[first][0] if first < len(RULES) else Stage.OTHER


@lru_cache(maxsize=10_000)
def _rule_of(frame: str) -> int:
    """The number of the first rule that knows a frame; one more than there are if none does."""
    parts = _FRAME.fullmatch(frame)
    if parts is not None and parts["file"] != STEM:
        file, function = parts["file"], parts["name"].partition(".<locals>")[0]
        for number, (_, known) in enumerate(RULES):
            if any(_knows(it, file, function) for it in known):
                return number
    return len(RULES)


def _knows(known: str, file: str, function: str) -> bool:
    if known.endswith("/"):
        return file.startswith(known)
    return known in (file, f"{file}:{function}")
