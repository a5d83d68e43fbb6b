"""What is waited out, for how long, and what is not."""

from __future__ import annotations

import time

import pytest
from structlog.testing import capture_logs

from streams.worker import outage
from streams.worker.outage import Patience
from streams.worker.publisher import BrokerAway
from streams.worker.store import Fenced, StoreAway


class Flaky:
    """Raises what it is given, one by one, then answers."""

    def __init__(self, *problems) -> None:
        self.problems = list(problems)
        self.calls = 0

    async def __call__(self, *arguments):
        self.calls += 1
        if self.problems:
            raise self.problems.pop(0)
        return arguments


@pytest.mark.parametrize("problem", [StoreAway("gone"), BrokerAway("gone")])
async def test_an_outage_is_waited_out_and_the_call_made_again(problem):
    call = Flaky(problem, problem)
    assert await Patience(30)(call, 1, 2) == (1, 2)
    assert call.calls == 3


@pytest.mark.parametrize("problem", [Fenced("late"), ValueError("a bug"), KeyError("a bug")])
async def test_a_fence_or_a_bug_is_raised_at_once(problem):
    call = Flaky(problem)
    with pytest.raises(type(problem)):
        await Patience(30)(call)
    assert call.calls == 1


async def test_an_outage_that_outlasts_patience_is_raised():
    began = time.monotonic()
    with pytest.raises(StoreAway):
        await Patience(0.3)(Flaky(*[StoreAway("gone")] * 1000))
    assert time.monotonic() - began < 0.3 + outage.LONGEST_PAUSE_S


async def test_each_outage_is_said_once_and_so_is_its_end():
    patience = Patience(30)
    with capture_logs() as lines:
        await patience(Flaky(*[StoreAway("gone")] * 3))
        await patience(Flaky())
        await patience(Flaky(BrokerAway("gone too")))
    said = [line["event"] for line in lines]
    assert said == ["outage, waiting for it to end", "outage is over, going on"] * 2
    assert lines[0]["error"] == "gone"
