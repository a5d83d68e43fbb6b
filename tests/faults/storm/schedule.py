"""Which fault comes when: every kind once, in an order and with overlaps that the seed decides.

Those of the workers that do titles come in the same time, spread over it.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from faults.storm.report import Done

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults.storm.deeds import Deed
    from faults.storm.world import World

GAP_S = (0.2, 1.0)
OVERLAPPING = 0.4
"""So many faults begin while the one before is still on."""
OVER_WITHIN_S = 60.0


class Planned(NamedTuple):
    """A fault, and when it begins (seconds from the start)."""

    at_s: float
    deed: Deed


def plan(deeds: Sequence[Deed], rng: random.Random, begins_s: float) -> list[Planned]:
    """Every deed once."""
    order = list(deeds)
    rng.shuffle(order)
    planned, at_s = [], begins_s
    for deed in order:
        planned.append(Planned(at_s, deed))
        lasts_s = deed.seconds + rng.uniform(*GAP_S)
        at_s += rng.uniform(0.2, 0.6) * lasts_s if rng.random() < OVERLAPPING else lasts_s
    return planned


def spread(deeds: Sequence[Deed], rng: random.Random, over: Sequence[Planned]) -> list[Planned]:
    """Every deed once, all within the time that others are planned for."""
    order = list(deeds)
    rng.shuffle(order)
    begins_s, ends_s = over[0].at_s, over[-1].at_s
    every_s = (ends_s - begins_s) / max(1, len(order))
    times = [begins_s + (number + rng.random()) * every_s for number in range(len(order))]
    return [Planned(at_s, deed) for at_s, deed in zip(times, order, strict=True)]


def lasts_s(planned: Sequence[Planned]) -> float:
    """When the last fault is over, if all goes by the plan."""
    return max(at_s + deed.seconds for at_s, deed in planned)


@dataclass(slots=True)
class Schedule:
    """Carries a plan out; each fault in a thread of its own, so that they may overlap."""

    world: World
    planned: Sequence[Planned]
    seed: str
    done: list[Done] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def carry_out(self, began: float) -> None:
        """From the first fault to the end of the last.

        Raises:
            AssertionError: a fault could not be done, or the run has failed meanwhile.
        """
        for at_s, deed in self.planned:
            while time.monotonic() - began < at_s:
                self.world.check()
                time.sleep(0.05)
            record = Done(deed.name, time.monotonic() - began)
            self.done.append(record)
            thread = threading.Thread(target=self._do, args=(deed, record, began), daemon=True)
            thread.start()
            self._threads.append(thread)
        for thread in self._threads:
            thread.join(OVER_WITHIN_S)
        self.world.check()
        undone = [f"{it.name}: {it.said or 'not over'}" for it in self.done if not it.ended_s]
        undone += [f"{it.name}: {it.said}" for it in self.done if it.failed]
        assert not undone, "\n".join(undone)

    def _do(self, deed: Deed, record: Done, began: float) -> None:
        world = self.world.beside if deed.of_titles else self.world
        try:
            record.said = deed.do(world, random.Random(f"{self.seed} {deed.name}"))
        except Exception as problem:  # noqa: BLE001 - told by ``carry_out``, in another thread
            record.said, record.failed = f"{type(problem).__name__}: {problem}", True
        record.ended_s = time.monotonic() - began
