"""A row of automatic starts is what the players' words say by now, in whatever order they came."""

from __future__ import annotations

from itertools import permutations

import pytest
from strategies import RUNTIME_MS, T0, Watching, event

from streams.events import Event
from streams.viewing.knots import Kind

KEY = ("p1", "office", 1, 1)
AUTOMATIC = event(Kind.START, T0, 0, key=KEY, autoplay=True)
CHOSEN = event(Kind.RESUME, T0, 0, key=KEY, autoplay=False)
END = event(Kind.STOP, T0 + RUNTIME_MS, RUNTIME_MS, key=KEY)


@pytest.mark.parametrize("reports", permutations([AUTOMATIC, CHOSEN, END]))
def test_the_last_automatic_start_that_turns_out_chosen_counts_as_chosen(
    reports: tuple[Event, ...],
) -> None:
    one = Watching()
    one.say(*reports)
    assert one.viewer.playbacks[KEY].streak == 0
    episode = one.viewer.episodes[KEY[1:]]
    assert episode.credit.weight == 1
    assert episode.step().deliberate
