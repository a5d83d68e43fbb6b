"""One input, and what comes of it undisturbed: what every fault is measured by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from brokers import a_stack
from faults.runs import Input, Run, give_input, with_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from outcomes import Outcome


@pytest.fixture(scope="session")
def given(tmp_path_factory) -> Iterator[Input]:
    """A broker that holds catalogue and events, and a Redis that knows the catalogue."""
    with a_stack() as stack:
        yield give_input(stack, tmp_path_factory.mktemp("first"))


@pytest.fixture
def start(given, tmp_path) -> Callable[..., Run]:
    """Make a run by name."""
    return lambda name, **more: with_catalogue(Run(given, tmp_path, name, **more))


@pytest.fixture(scope="session")
def quiet(given, tmp_path_factory) -> Outcome:
    """What one worker makes of it that nobody disturbs."""
    run = with_catalogue(Run(given, tmp_path_factory.mktemp("quiet"), "quiet"))
    with run.worker() as worker:
        found = run.finish(worker)
    assert len(found.sessions) > 200
    assert len(found.signals) > 20
    assert sum(map(len, found.titles.values())) > 1000
    assert found.title_signals
    return found
