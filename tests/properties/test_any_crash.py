"""Whatever fails, dies, hangs or is done again, in whatever order: what comes out is the same.

Real lanes run over a store and a broker in memory while Hypothesis picks what goes wrong at which
call. At the end an undisturbed worker catches up, and everything that anyone can read is compared
with a model that takes one record after the other and to which nothing happens.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import orjson
import pytest
from crash_machine import FAULTS, FEW_TIMERS, SOURCES, WHO, CrashMachine
from decided_state import decided
from faulty_world import WORLD, Fault
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from output_topics import as_seen
from plain_model import Plain, as_said, plain
from raw_records import GAPS, NOISE, Said, one_evening, shifted, tick_at, value_of, viewings
from strategies import DAY, HOUR, RULES, RUNTIME_MS, T0, event

from streams.viewing.knots import Kind
from streams.viewing.timers import NEVER, earliest
from streams.worker.store import Kept, Mark

pytestmark = pytest.mark.timeout(600)  # much to work out; seconds on a machine of one's own

VIEWERS = {"ann": 0, "fay": 0, "gus": 0, "hal": 0, "dora": 1, "emil": 1}
"""And the partition that each one's records go to."""
PLAYBACK = ("viewer", "playback_id", "title_id", "season", "episode")
MINUTE = 60_000
Record = tuple[bytes | None, bytes | None]
"""Key and value."""
QUIET_S = st.sampled_from([6, 700, 2000, 90_000])


class Exactly(CrashMachine):
    """Each viewer's records lie in one partition: there is one right outcome, byte for byte."""

    small = FEW_TIMERS | {"streams.viewing.knots.MAX_STRUCTURAL": 8}

    @initialize(lots=st.lists(st.tuples(viewings(viewers=list(VIEWERS)), GAPS), max_size=3))
    def players_have_reported(self, lots: list[tuple[list[Said], int]]) -> None:
        for said, gap in lots:
            self.players_report(said, gap)

    @rule(said=viewings(viewers=list(VIEWERS)), gap=GAPS)
    def players_report(self, said: list[Said], gap: int) -> None:
        began = self.now_ms
        for viewer, report in said:
            one = shifted(report, began - T0)
            self.now_ms = max(self.now_ms, one.knot.at_ms)
            self.append(VIEWERS[viewer], viewer.encode(), value_of(one, viewer))
        self.now_ms += gap

    @rule(noise=st.lists(st.sampled_from(NOISE), max_size=2), partition=WHO, gap=GAPS)
    def a_tick_comes_among_noise(self, noise: list[Any], partition: int, gap: int) -> None:
        for key, value in noise:
            self.append(partition, key, value)
        self.now_ms += gap
        self.append(partition, None, tick_at(self.now_ms))

    @rule(partition=WHO, quiet_s=QUIET_S, faults=FAULTS)
    def a_partition_is_quiet_for_a_while(
        self, partition: int, quiet_s: int, faults: dict[int, Fault]
    ) -> None:
        source = SOURCES[partition]
        worker = self.owner(source)
        lane = self.free_lane(worker, source)
        if lane is None:
            return
        if lane.mark.offset + 1 == len(self.records[source]):
            # Half a millisecond more, so that the floor of it does not hang on the machine's clock.
            worker.quiet[source] = lane._quiet_since + quiet_s + 0.0005
        self.start(worker, source, lane.idle(), faults)
        worker.quiet.pop(source, None)

    @rule()
    def the_store_is_saved(self) -> None:
        self.snapshot = deepcopy(self.kept)

    @precondition(lambda self: self.snapshot is not None)
    @rule()
    def the_store_comes_back_older(self) -> None:
        """All workers notice (tests/contracts) and end; others start over from its marks."""
        assert self.snapshot is not None
        self.kept = deepcopy(self.snapshot)
        for number in (0, 1):
            self.dies(number)

    def compare(self) -> None:
        self.tick_everywhere(self.now_ms + self.last_gap)
        self.catch_up()
        models = [
            plain(source, self.records[source], [(o, c) for s, o, c in self.moves if s == source])
            for source in SOURCES
        ]
        assert set(self.kept.states) == {name for m in models for name in m.viewers}
        for model in models:
            same_marks_and_timers(self.kept, model)
            for name in model.viewers:
                same_viewer(self.kept, model.store.kept, name)
        ours, theirs = as_seen(self.topics), as_said(models)
        assert ours.said == theirs.said, "lineage hangs on where slices ended"
        assert ours.sessions == theirs.sessions
        assert ours.signals == theirs.signals
        assert ours.rejects == theirs.rejects
        assert ours.progress == theirs.progress


def same_marks_and_timers(kept: Kept, model: Plain) -> None:
    assert kept.marks[model.source][:2] == Mark(model.offset, model.clock_ms)[:2]
    for name, viewer in model.viewers.items():
        timer = earliest(viewer, WORLD)
        listed_ms = kept.timers[model.source].get(name, NEVER)
        assert listed_ms <= (timer.due_ms if timer else NEVER), "the index of timers is late"


def same_viewer(ours: Kept, theirs: Kept, name: str) -> None:
    one, other = (decided(name, kept.states[name], RULES) for kept in (ours, theirs))
    assert one[:2] == other[:2], "sums may end in different float dust"
    for kind in ("taste", "progress", "hooked"):
        assert getattr(ours, kind).get(name) == getattr(theirs, kind).get(name)


class Whole(CrashMachine):
    """Each viewer's records lie in both partitions: what was watched is whole in any order."""

    @initialize(said=one_evening(), lies=st.randoms())
    def players_have_reported(self, said: list[Said], lies: Any) -> None:
        self.players_report("ann", said, lies)

    @rule(viewer=st.sampled_from(["ann", "gus"]), said=one_evening(), lies=st.randoms())
    def players_report(self, viewer: str, said: list[Said], lies: Any) -> None:
        self.now_ms = T0 + 12 * HOUR
        for _, one in said:
            for partition in lies.choice([(0,), (1,), (0, 1)]):
                self.append(partition, viewer.encode(), value_of(one, viewer))

    def compare(self) -> None:
        self.catch_up()
        both = sorted([*self.records[SOURCES[0]], *self.records[SOURCES[1]]])
        self.tick_everywhere(T0 + 2 * DAY)  # after all is told: what was sealed is not mended
        self.catch_up()
        one = Plain(("both", 0))
        for offset, record in enumerate(both):
            one.take(record._replace(topic="both", partition=0, offset=offset))
        one.move_on(T0 + 2 * DAY)
        held = one.store.kept
        assert self.kept.progress == held.progress
        assert last_figures(as_seen(self.topics).sessions) == last_figures(as_said([one]).sessions)
        for name, fields in held.taste.items():
            ours = self.kept.taste[name]
            assert {k: ours[k] for k in ("watched_s", "updated_at")}.items() <= fields.items()
            for share, (lasting, now) in pairs(fields).items():
                assert pairs(ours)[share] == pytest.approx((lasting, now), abs=1.1e-4)


def pairs(taste: dict[str, str]) -> dict[str, tuple[float, ...]]:
    """Lasting share and share of now by name."""
    return {name: tuple(map(float, text.split())) for name, text in taste.items() if ":" in name}


def last_figures(sessions: dict[str, bytes]) -> dict[tuple[Any, ...], Any]:
    """What is said of each playback, however often it was told."""
    found = {}
    for value in sessions.values():
        body = orjson.loads(value)
        del body["revision"], body["id"]
        found[tuple(body[part] for part in PLAYBACK)] = body
    return found


def watched(viewer: str, at_s: int = 0) -> list[Said]:
    """An episode from its beginning to its end, in two records; silence closes it."""
    key = ("dark1", "dark", 1, 1)
    start = event(Kind.RESUME, T0 + at_s * 1000, 0, key=key, bare=True)
    end = event(Kind.PAUSE, T0 + at_s * 1000 + RUNTIME_MS, RUNTIME_MS, key=key, bare=True)
    return [Said(viewer, start), Said(viewer, end)]


@pytest.mark.parametrize("part", [1, 2, 3, 4])
@pytest.mark.parametrize("call", [2, 3, 4, 5])
def test_what_a_timer_said_is_not_lost_when_a_long_slice_is_done_again_in_parts(
    part: int, call: int
) -> None:
    found = Exactly()
    found.players_report([*watched("ann"), *watched("fay", 4000), *watched("gus", 8000)], 0)
    found.workers_start(together=True, last_gap=HOUR)
    found.a_long_slice_breaks_off_and_is_done_in_parts(
        partition=0, call=call, fault=Fault.DEATH_AFTER, parts=[part] * 8
    )
    found.teardown()


def test_more_timers_fall_due_between_two_records_than_are_looked_at_at_once() -> None:
    found = Exactly()
    together = [said for viewer in ("gus", "hal", "ann", "fay") for said in watched(viewer)]
    found.players_report(together, 2 * HOUR)
    found.workers_start(together=True, last_gap=DAY)
    found.a_slice_is_taken(partition=0, most=8)
    for gap in (0, HOUR):
        found.a_tick_comes_among_noise([], 0, gap)
    found.a_slice_is_taken(partition=0, most=1000)
    found.teardown()


@pytest.mark.parametrize("call", [2, 3, 4, 5])
def test_what_a_timer_of_another_partition_said_when_a_record_came_is_not_lost(call: int) -> None:
    """The index of partition 1 knows nothing of ann before a slice ends with a record of hers."""
    here = [minute(120), *records(watched("ann", 3 * HOUR // 1000))]
    breaks_off_in_partition_1(records(watched("ann")), [], here, call)


@pytest.mark.parametrize("call", [2, 3, 4, 5])
def test_what_a_timer_of_another_partition_said_before_the_index_named_it_is_not_lost(
    call: int,
) -> None:
    """The index of partition 1 has ann looked at later than when the timer is due."""
    paused = event(Kind.PAUSE, T0, 0, key=("dark2", "dark", 1, 1))  # over by 00:30
    first = [*records([Said("ann", paused)]), minute(12)]
    plays = event(Kind.RESUME, T0 + 5 * MINUTE, 0, key=("dark1", "dark", 1, 1))  # over by 00:15
    here = [minute(20), minute(40), minute(60)]
    breaks_off_in_partition_1(records([Said("ann", plays)]), first, here, call)


def breaks_off_in_partition_1(
    there: list[Record], first: list[Record], here: list[Record], call: int
) -> None:
    """What partition 0 holds is taken after ``first``; then partition 1 goes on with ``here``."""
    found = Whole()
    found.now_ms = T0 + 12 * HOUR
    for key, value in there:
        found.append(0, key, value)
    for key, value in [*first, *here]:
        found.append(1, key, value)
    found.workers_start(together=True, last_gap=HOUR)
    if first:
        found.a_slice_is_taken(partition=1, most=len(first))
    found.a_slice_is_taken(partition=0, most=len(there))
    found.a_long_slice_breaks_off_and_is_done_in_parts(
        partition=1, call=call, fault=Fault.DEATH_AFTER, parts=[1] * 8
    )
    found.teardown()


def records(said: list[Said]) -> list[Record]:
    return [(viewer.encode(), value_of(one, viewer)) for viewer, one in said]


def minute(number: int) -> Record:
    """Stream time passes a minute."""
    return None, tick_at(T0 + number * MINUTE)


TestExactly = Exactly.TestCase
TestExactly.settings = settings(max_examples=2 * settings().max_examples, stateful_step_count=40)
TestWhole = Whole.TestCase
TestWhole.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=30)
