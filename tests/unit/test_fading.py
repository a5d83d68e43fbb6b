"""What is left of a season long after it was watched."""

from __future__ import annotations

import orjson
import pytest
from strategies import DAY, HOUR, RUNTIME_MS, T0, Store, Watching, context, event

from streams.viewing.knots import Kind
from streams.viewing.public import write_of

EPISODES = context().catalogue.titles["office"].seasons[1].of


def finished_season() -> tuple[Watching, int]:
    """A viewer who has watched all of "office", and when that was over."""
    one = Watching()
    now = T0
    for episode in range(1, EPISODES + 1):
        now = one.watch(episode, now) + HOUR
    assert one.words()[-1] == "completed"
    return one, now


@pytest.fixture
def faded() -> tuple[Watching, int]:
    """The same viewer more than a month later; what was published before is written."""
    one, now = finished_season()
    write_of(one.viewer, one.world)
    one.viewer.written()
    one.wait(now + 40 * DAY)
    return one, now + 40 * DAY


def test_a_finished_season_shrinks_to_one_line_of_progress(faded: tuple[Watching, int]) -> None:
    one, _ = faded
    write = write_of(one.viewer, one.world)
    assert list(write.progress) == ["office:1"]
    assert orjson.loads(write.progress["office:1"])[0] == EPISODES
    assert sorted(write.progress_gone) == sorted(f"office:1:{e}" for e in range(1, EPISODES + 1))


def test_a_finished_season_leaves_no_episode_in_memory(faded: tuple[Watching, int]) -> None:
    one, _ = faded
    assert one.viewer.episodes == {}
    assert list(one.viewer.shelf) == [("office", 1, 0)]
    assert one.viewer.journeys["office", 1].steps == {}


def test_what_hooked_says_of_a_faded_season_stays_true(faded: tuple[Watching, int]) -> None:
    one, _ = faded
    journey = one.viewer.journeys["office", 1]
    assert (journey.state, journey.reached, journey.completed) == ("completed", EPISODES, EPISODES)


def test_an_unfinished_season_keeps_its_episodes_on_the_shelf() -> None:
    one = Watching()
    later = one.watch(1, T0)
    one.wait(later + 40 * DAY)
    assert list(one.viewer.shelf) == [("office", 1, 1)]
    assert one.viewer.journeys["office", 1].completed == 1


def test_a_rewatch_of_a_faded_season_is_a_journey_of_its_own(faded: tuple[Watching, int]) -> None:
    one, now = faded
    one.viewer.written()
    for episode in range(1, EPISODES + 1):
        now = one.watch(episode, now, run="again") + HOUR
    words = one.words()
    assert words.count("completed") == 2
    assert words[-1] == "completed"
    ids = [signal["id"] for signal in one.sent("g")]
    assert len(ids) == len(set(ids))
    assert "office:1" in write_of(one.viewer, one.world).progress_gone


def test_an_episode_that_is_begun_again_leaves_the_settled_part_as_it_is_stored() -> None:
    one, store = Watching(), Store()
    later = one.watch(1, T0)
    one.wait(later + 2 * DAY)
    store.write(one.viewer, one.world)
    settled = store.stored.rest
    one.say(event(Kind.START, later + 2 * DAY, 0, key=("again", "office", 1, 1)))
    store.write(one.viewer, one.world)
    back = store.read()
    assert store.stored.rest == settled
    assert back.episodes.keys() == one.viewer.episodes.keys()
    assert back.episodes["office", 1, 1].live
    assert back.episodes["office", 1, 1].coverage_ms() == RUNTIME_MS


def test_what_is_taken_off_the_shelf_is_not_found_there_again(
    faded: tuple[Watching, int],
) -> None:
    one, now = faded
    store = Store()
    store.write(one.viewer, one.world)
    one.say(event(Kind.START, now, 0, key=("again", "office", 1, 1)))
    store.write(one.viewer, one.world)
    assert store.read().shelf == one.viewer.shelf == {}
