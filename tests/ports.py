"""Ports for what tests have listen: each test process has its own, so none is taken meanwhile."""

from __future__ import annotations

import itertools
import os
import random

from hookpoint.processes import PORTS, port_is_free

PER_PROCESS = 500
FIRST = PORTS.stop
"""Servers take theirs at random below it; clients' own lie above 32,768."""


def _ports_of_this_process() -> itertools.cycle[int]:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw19").removeprefix("gw")) % 20
    start = FIRST + number * PER_PROCESS
    ports = list(range(start, start + PER_PROCESS))
    turn = random.randrange(PER_PROCESS)  # another run may be under way beside this one
    return itertools.cycle(ports[turn:] + ports[:turn])


_PORTS = _ports_of_this_process()


def a_port() -> int:
    """A free one, that was not given before for as long as there are others."""
    return next(port for port in _PORTS if port_is_free(port))
