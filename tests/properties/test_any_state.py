"""Any state that can come about survives being written and read."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from strategies import DAY, RULES, Watching, months

from streams.events import Event
from streams.viewing.settled import dump_rest, dump_sums
from streams.viewing.timers import earliest
from streams.viewing.wire import Stored, dump_live, dump_out, load

DUMPS = (dump_live, dump_rest, dump_sums, dump_out)


@given(months(), st.sampled_from([0, 1, 8, 31, 60]))
def test_a_state_that_is_read_and_written_is_the_same_bytes(events: list[Event], days: int) -> None:
    one = Watching()
    one.say(*events)
    one.wait(one.clock_ms + days * DAY)
    before = Stored(4, *(dump(one.viewer) for dump in DUMPS))

    viewer = load("v", before, RULES)

    assert Stored(viewer.version, *(dump(viewer) for dump in DUMPS)) == before
    for key, playback in one.viewer.playbacks.items():
        assert viewer.playbacks[key].figures() == playback.figures()
        assert viewer.playbacks[key].cursor == playback.cursor
    for key, episode in one.viewer.episodes.items():
        assert viewer.episodes[key].coverage_ms() == episode.coverage_ms()
        assert viewer.episodes[key].step() == episode.step()
    mine, theirs = earliest(viewer, one.world), earliest(one.viewer, one.world)
    assert (mine and mine.due_ms) == (theirs and theirs.due_ms)
