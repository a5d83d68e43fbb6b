"""What a worker and its Redis used while events were absorbed: the system and Redis tell."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from hookpoint.bench.measuring import TICK_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

US = 1e6
PREFIX = "cmdstat_"
SCRIPTS = ("eval", "evalsha")


class Calls(NamedTuple):
    """Of one command of Redis: how often, and for how many seconds it kept Redis."""

    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Reading:
    """How it stood at one instant. Seconds since something began: only differences say anything."""

    at_s: float
    absorbed: int
    cpu_s: float
    """User and system time of all threads of the worker."""
    queued_s: float | None
    """For how long its threads were ready to run and had no core, summed; None if nobody counts."""
    redis_cpu_s: float
    commands: Mapping[str, Calls]
    """By name. What a script calls is within the script, and counted once more by its own name."""


@dataclass(frozen=True, slots=True)
class Span:
    """The difference of two readings."""

    events: int
    wall_s: float
    cpu_s: float
    queued_s: float | None
    redis_cpu_s: float
    commands: Mapping[str, Calls]

    @property
    def cores(self) -> float:
        """How many threads of the worker were on a core at a time, on average."""
        return self.cpu_s / self.wall_s

    @property
    def waiting(self) -> float:
        """Share of the wall clock in which no thread of it was on a core, at least (0..1).

        It is more where two were at the same time.
        """
        return max(0.0, 1 - self.cores)

    @property
    def queued(self) -> float | None:
        """How many of its threads were ready to run and had no core, on average."""
        return None if self.queued_s is None else self.queued_s / self.wall_s

    @property
    def scripts_s(self) -> float:
        """Seconds in Lua scripts, with the commands that they called."""
        return sum(self.commands[it].seconds for it in SCRIPTS if it in self.commands)

    @property
    def commands_s(self) -> float:
        """Seconds in all other commands, those that scripts called included."""
        return sum(it.seconds for name, it in self.commands.items() if name not in SCRIPTS)

    def per_event_us(self, seconds: float) -> float:
        """Microseconds per event."""
        return US * seconds / self.events


def between(first: Reading, last: Reading) -> Span:
    """What was used between two readings.

    Raises:
        ValueError: nothing was absorbed.
    """
    if last.absorbed <= first.absorbed:
        raise ValueError("nothing was absorbed")
    used: dict[str, Calls] = {}
    for name, now in last.commands.items():
        then = first.commands.get(name, Calls(0, 0.0))
        if now.calls > then.calls:
            used[name] = Calls(now.calls - then.calls, now.seconds - then.seconds)
    queued_s = None
    if first.queued_s is not None and last.queued_s is not None:
        queued_s = max(
            0.0, last.queued_s - first.queued_s
        )  # a thread that ended takes its own along
    return Span(
        events=last.absorbed - first.absorbed,
        wall_s=last.at_s - first.at_s,
        cpu_s=max(last.cpu_s - first.cpu_s, TICK_S),
        queued_s=queued_s,
        redis_cpu_s=last.redis_cpu_s - first.redis_cpu_s,
        commands=used,
    )


class Meter:
    """Reads what a worker and its Redis have used.

    Args:
        pid: the worker, a single process.
        client: of ``consumers.connection.connect``, to one Redis.
        absorbed: how many records it has absorbed.
    """

    def __init__(self, pid: int, client: Any, absorbed: Callable[[], int]) -> None:
        self._process = psutil.Process(pid)
        self._client = client
        self._absorbed = absorbed

    def read(self) -> Reading:
        """How it stands now."""
        absorbed = self._absorbed()
        at_s, cpu = time.monotonic(), self._process.cpu_times()
        queued_s = _queued_s(self._process.pid)
        of_redis, commands = self._client.info("cpu"), self._client.info("commandstats")
        return Reading(
            at_s=at_s,
            absorbed=absorbed,
            cpu_s=cpu.user + cpu.system,
            queued_s=queued_s,
            redis_cpu_s=of_redis["used_cpu_user"] + of_redis["used_cpu_sys"],
            commands={
                name.removeprefix(PREFIX): Calls(it["calls"], it["usec"] / US)
                for name, it in commands.items()
                if name.startswith(PREFIX)
            },
        )


def _queued_s(pid: int) -> float | None:
    """Seconds that threads of a process have waited for a core so far; Linux counts them."""
    total_ns = 0
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total_ns += int((thread / "schedstat").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return total_ns / 1e9
