"""Watching a contender from outside while it works: how far it is, and what it costs."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from hookpoint.processes import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

QUARTERS = 4
STEADY = (0.1, 0.9)
STEADY_AT_LEAST = 0.5
"""Share of all events that lie between the two looks that count, or they say nothing ..."""
STEADY_STEPS = 6
"""... and so do fewer looks than this that found something new."""
LOOK_EVERY_S = 0.05
"""Each look costs a millisecond of a core that the contender could use."""
CHILDREN_EVERY = 20
"""Looking for children reads the whole table of processes: every so many looks."""
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
"""Processor time is told in whole ticks: what took less than one has taken no more than one."""
READY_WITHIN_S = 60.0
STALLED_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One round of one contender, while it worked off the middle of its backlog.

    ``events`` are those absorbed between two looks, from a tenth to nine tenths of all: what it had
    begun but not finished is then on both sides of the balance. ``cpu_s`` counts user and system
    time of all threads of the contender's process and its children, and of no other; memory
    likewise.
    """

    contender: str
    events: int
    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    """Largest resident memory at any look, from the process' start on."""
    rss_bytes_by_quarter: tuple[int, ...]
    """Largest resident memory while each quarter of the backlog was worked off."""
    startup_s: float
    """From the start of the process to the first event seen absorbed."""
    load: float
    """The machine's load average over the minute before the round."""
    busy: float
    """Share of all cores in use by anything during the round, 0..1."""
    steady: bool = True
    """Whether the backlog was long enough for figures that say something."""
    timers_s: float = 0.0
    """From the last event to the last timer that was due by then."""

    @property
    def per_second(self) -> float:
        """Events per second of wall clock."""
        return self.events / self.wall_s

    @property
    def per_cpu_second(self) -> float:
        """Events per second of processor time."""
        return self.events / self.cpu_s


class Look(NamedTuple):
    """What one look found: when, how many events absorbed by then, and at what CPU time."""

    at_s: float
    absorbed: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Contender:
    """A process that works, and how to tell how far it is.

    ``check`` raises if the process has ended; ``absorbed`` asks for the count so far.
    """

    name: str
    pid: int
    started_s: float
    """``time.monotonic`` at its start."""
    check: Callable[[], None]
    absorbed: Callable[[], int]
    stopped: Callable[[], bool] = lambda: False
    """Whether it takes no more by its own decision; asked after ``absorbed``."""


def measure(contender: Contender, goal: int, told: Callable[[int], None]) -> Figures:
    """Watch until ``goal`` is absorbed, or until the contender says that it has done enough.

    Raises:
        StackError: the contender ended, never began or came to a halt.
    """
    return _Watch(contender, goal, told).run()


def steady(looks: Sequence[Look]) -> tuple[Look, Look, bool]:
    """The looks between which it worked steadily, warm and with more to come, and whether it did.

    At the first and at the last look of all, what it has begun and not finished differs most: then
    it has taken all that it takes at once, and nothing. A stream that is too short for that is
    measured from the first look to the last, and is not steady.
    """
    whole = looks[-1].absorbed
    inner = [it for it in looks if STEADY[0] * whole <= it.absorbed <= STEADY[1] * whole]
    steps = len({it.absorbed for it in inner})
    if steps >= STEADY_STEPS and inner[-1].absorbed - inner[0].absorbed >= STEADY_AT_LEAST * whole:
        return inner[0], inner[-1], True
    return looks[0], looks[-1], False


class _Watch:
    def __init__(self, contender: Contender, goal: int, told: Callable[[int], None]) -> None:
        self._contender = contender
        self._goal = goal
        self._told = told
        self._process = psutil.Process(contender.pid)
        self._peak = 0
        self._quarters = [0] * QUARTERS
        self._children: list[Any] = []
        self._looks = 0
        self._load = os.getloadavg()[0]

    def run(self) -> Figures:
        begun = self._begin()
        psutil.cpu_percent()  # what it says next counts from here
        looks = [begun]
        moved = begun
        while looks[-1].absorbed < self._goal and not self._contender.stopped():
            time.sleep(LOOK_EVERY_S)
            looks.append(last := self._look())
            if last.absorbed > moved.absorbed:
                moved = last
            elif last.at_s - moved.at_s > STALLED_AFTER_S:
                raise StackError(f"{self._contender.name} halted at {last.absorbed:,} events")
        busy = psutil.cpu_percent() / 100
        first, last, was_steady = steady(looks)
        if last.absorbed == first.absorbed:
            raise StackError(
                f"{self._contender.name} was done before a second look at it: "
                "the stream is too short to measure anything"
            )
        return Figures(
            contender=self._contender.name,
            events=last.absorbed - first.absorbed,
            wall_s=last.at_s - first.at_s,
            cpu_s=max(last.cpu_s - first.cpu_s, TICK_S),
            peak_rss_bytes=self._peak,
            rss_bytes_by_quarter=tuple(self._quarters),
            startup_s=begun.at_s - self._contender.started_s,
            load=self._load,
            busy=busy,
            steady=was_steady,
        )

    def _begin(self) -> Look:
        patience = time.monotonic() + READY_WITHIN_S
        while not (look := self._look()).absorbed:
            if look.at_s > patience:
                raise StackError(f"{self._contender.name} absorbed nothing in {READY_WITHIN_S} s")
            time.sleep(LOOK_EVERY_S)
        return look

    def _look(self) -> Look:
        self._contender.check()
        absorbed = self._contender.absorbed()
        now = time.monotonic()
        cpu_s, resident = self._cost()
        self._peak = max(self._peak, resident)
        if absorbed:
            quarter = min(QUARTERS - 1, QUARTERS * absorbed // self._goal)
            self._quarters[quarter] = max(self._quarters[quarter], resident)
        self._told(absorbed)
        return Look(now, absorbed, cpu_s)

    def _cost(self) -> tuple[float, int]:
        """CPU seconds and resident bytes, children included."""
        if self._looks % CHILDREN_EVERY == 0:
            self._children = self._process.children(recursive=True)
        self._looks += 1
        cpu_s, resident = 0.0, 0
        for process in (self._process, *self._children):
            try:
                with process.oneshot():
                    cpu, memory = process.cpu_times(), process.memory_info()
            except psutil.NoSuchProcess:
                continue  # its parent counts it among the children that have ended
            cpu_s += cpu.user + cpu.system + cpu.children_user + cpu.children_system
            resident += memory.rss
        return cpu_s, resident
