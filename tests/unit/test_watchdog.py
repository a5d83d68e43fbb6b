"""When a worker counts as stuck, and when standing still is nobody's fault."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from structlog.testing import capture_logs

from streams.worker.lane import WAITING
from streams.worker.store import Mark
from streams.worker.watchdog import FAILED, STARVED_TIMES, SUSPENDED_S, Progress, View, Watchdog

AFTER_S = 60.0
A, B = ("events", 0), ("events", 1)


@dataclass(eq=False)
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class ALane:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.mark = Mark(9, 0)
        self.lag = 0
        self.does(WAITING)

    def does(self, doing: str) -> None:
        self.doing, self.doing_since = doing, self._clock.now


class World:
    """A worker seen from outside, second by second."""

    def __init__(self, *sources: tuple[str, int]) -> None:
        self.clock = Clock()
        self.lanes = {source: ALane(self.clock) for source in sources or (A,)}
        self.excused = False
        view = View(lambda: self.lanes, self._behind, lambda: self.excused)
        self.progress = Progress(view, self.clock)

    def _behind(self, source: tuple[str, int], offset: int) -> int:
        assert offset == self.lanes[source].mark.offset
        return self.lanes[source].lag

    def pass_s(self, seconds: float, *, turning: bool = True) -> str | None:
        """Let time pass with a look every second; returns the first verdict, or the last."""
        for _ in range(int(seconds)):
            self.clock.now += 1
            if turning:
                self.progress.turn()
            found = self.progress.stuck(AFTER_S)
            if found:
                return found
        return None


def test_an_idle_worker_is_never_stuck():
    assert World().pass_s(10 * AFTER_S) is None


def test_a_loop_that_stands_still_is_stuck_after_the_time_and_not_before():
    world = World()
    world.pass_s(5)
    assert world.pass_s(AFTER_S - 1, turning=False) is None
    assert "the event loop has not turned for 60 s" in world.pass_s(1, turning=False)


def test_a_loop_that_has_not_begun_or_has_ended_is_not_stuck():
    world = World()
    assert world.pass_s(3 * AFTER_S, turning=False) is None
    world.pass_s(5)
    world.progress.rest()
    assert world.pass_s(3 * AFTER_S, turning=False) is None


def test_lag_that_nobody_works_off_is_noticed():
    """The consumer hands out nothing, though the broker holds records."""
    world = World(A, B)
    world.lanes[A].lag = 7
    assert world.pass_s(AFTER_S - 1) is None
    assert "there is work, and no lane has come further for 60 s" in world.pass_s(2)


def test_lag_after_hours_of_quiet_has_its_full_time():
    world = World()
    world.pass_s(20 * AFTER_S)
    world.lanes[A].lag = 1
    assert world.pass_s(AFTER_S - 1) is None


def test_a_lane_that_hangs_is_named_if_another_comes_further():
    world = World(A, B)
    world.lanes[A].does("publishing to Kafka")
    found = None
    while found is None:
        world.lanes[B].does("reading viewers from Redis")
        found = world.pass_s(1)
    assert found == "events/0 has been publishing to Kafka for 60 s"


def test_a_lane_whose_turn_does_not_come_for_long_is_given_more_time_while_others_are_served():
    world = World(A, B)
    world.lanes[A].lag = world.lanes[B].lag = 10_000
    for _ in range(int(AFTER_S * STARVED_TIMES) - 1):
        world.lanes[B].does("publishing to Kafka")
        assert world.pass_s(1) is None
    world.lanes[B].does("moving the mark in Redis")
    assert "events/0 has been waiting for records for 300 s" in world.pass_s(2)


def test_a_lane_whose_steps_change_is_slow_and_not_stuck():
    world = World()
    world.lanes[A].lag = 10_000
    for number in range(40):
        world.lanes[A].does(f"step {number % 4}")
        assert world.pass_s(AFTER_S / 2) is None


def test_what_is_excused_does_not_count_and_time_begins_anew_after_it():
    """An outage, a rebalance, a catalogue that is being read."""
    world = World()
    world.lanes[A].lag = 5
    world.pass_s(AFTER_S - 5)
    world.excused = True
    assert world.pass_s(10 * AFTER_S) is None
    world.excused = False
    assert world.pass_s(AFTER_S - 1) is None
    assert world.pass_s(2)


def test_an_excuse_for_lanes_is_none_for_a_loop_that_stands_still():
    world = World()
    world.excused = True
    world.pass_s(5)
    assert world.pass_s(AFTER_S + 1, turning=False)


def test_a_process_that_was_suspended_gets_its_full_time_before_it_is_judged():
    world = World()
    world.lanes[A].does("publishing to Kafka")
    world.pass_s(10)
    world.clock.now += 24 * 3600
    assert world.progress.stuck(AFTER_S) is None
    assert world.progress.loop_still_s() == 0
    assert world.pass_s(AFTER_S - 1, turning=False) is None
    assert world.pass_s(2, turning=False)


def test_whoever_asks_first_after_a_suspension_sees_it():
    """A probe over HTTP may come before the watchdog's own look."""
    world = World()
    world.pass_s(5)
    world.clock.now += SUSPENDED_S + 100
    assert world.progress.loop_still_s() == 0


def test_lanes_of_before_a_rebalance_are_forgotten():
    world = World()
    world.lanes[A].does("publishing to Kafka")
    world.pass_s(AFTER_S - 2)
    world.lanes[A] = ALane(world.clock)
    world.lanes[A].lag = 3
    assert world.pass_s(AFTER_S - 1) is None


def test_what_every_lane_does_is_told_in_words():
    world = World(A, B)
    world.lanes[B].does("publishing to Kafka")
    world.clock.now += 7
    assert world.progress.doings() == {
        "events/0": "waiting for records for 7 s",
        "events/1": "publishing to Kafka for 7 s",
    }


# -- the thread ------------------------------------------------------------------------------------
def test_the_watchdog_says_what_is_stuck_and_ends_the_process_with_its_own_code(capfd):
    world = World()
    world.lanes[A].does("publishing to Kafka")
    world.progress.turn()
    for _ in range(int(AFTER_S)):
        world.clock.now += 1
        world.progress.look()
    ended = threading.Event()
    codes = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    with capture_logs() as lines:
        Watchdog(world.progress, AFTER_S, end).start()
        assert ended.wait(10)
    assert codes == [FAILED] == [70]
    (line,) = lines
    assert line["log_level"] == "critical"
    assert line["why"] == "the event loop has not turned for 60 s"
    assert line["lanes"] == {"events/0": "publishing to Kafka for 60 s"}
    assert "_keep_looking" in capfd.readouterr().err, "no stacks of the threads"


def a_stuck_world():
    world = World()
    world.progress.turn()
    for _ in range(int(2 * AFTER_S)):
        world.clock.now += 1
        world.progress.look()
    assert world.progress.stuck(AFTER_S)
    return world


def test_a_worker_that_ends_by_itself_is_not_judged_any_more():
    ended = threading.Event()
    watchdog = Watchdog(a_stuck_world().progress, AFTER_S, lambda _: ended.set())
    # This process goes on after the test: its thread must not tell other tests that it hangs.
    watchdog._say = lambda _: None
    watchdog.start()
    watchdog.stop()
    assert not ended.wait(1.5)


def test_a_worker_that_was_to_end_and_does_not_is_ended(monkeypatch):
    monkeypatch.setattr("streams.worker.watchdog.END_WITHIN_LOOKS", 1)
    codes = []
    ended = threading.Event()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    watchdog = Watchdog(World().progress, AFTER_S, end)
    watchdog.start()
    with capture_logs() as lines:
        watchdog.stop()
        assert ended.wait(5)
    assert codes == [FAILED]
    assert lines[0]["why"] == "it was to end, and did not"


def test_a_log_that_cannot_be_written_does_not_keep_it_alive(monkeypatch):
    world = World()
    monkeypatch.setattr("streams.worker.watchdog.SAY_WITHIN_S", 0.2)
    forever = threading.Event()
    ended = threading.Event()
    watchdog = Watchdog(world.progress, AFTER_S, lambda _: ended.set())
    monkeypatch.setattr(watchdog, "_say", lambda _: forever.wait(20))
    world.progress.turn()
    for _ in range(int(AFTER_S)):
        world.clock.now += 1
        world.progress.look()
    watchdog.start()
    assert ended.wait(5)
    forever.set()
