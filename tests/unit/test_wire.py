"""A viewer's state as bytes: refused if it is not ours, bounded however long one watches."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from strategies import DAY, RULES, RUNTIME_MS, T0, Store, Watching, event

from streams.catalogue import Catalogue, Season, Title
from streams.viewing import packing
from streams.viewing.context import Context
from streams.viewing.knots import Kind
from streams.viewing.settled import FORMAT, dump_rest, dump_sums
from streams.viewing.wire import (
    BrokenState,
    NewerFormat,
    Stored,
    dump_live,
    dump_out,
    load,
)

DUMPS = (dump_live, dump_rest, dump_sums, dump_out)


def stored(one: Watching) -> Stored:
    return Stored(1, *(dump(one.viewer) for dump in DUMPS))


def some_state() -> Stored:
    one = Watching()
    at = one.watch(1, T0, device="tv", autoplay=True)
    one.watch(2, at)
    one.wait(at + 2 * DAY)
    one.watch(3, at + 3 * DAY, share=0.3, last=Kind.HEARTBEAT)
    return stored(one)


def some_state_at_rest() -> Stored:
    one = Watching()
    one.watch(2, one.watch(1, T0))
    return stored(one)


@pytest.mark.parametrize("state", ["some_state", "some_state_at_rest"])
def test_what_is_read_is_what_was_written(state: str) -> None:
    before = globals()[state]()
    viewer = load("v", before, RULES)
    assert viewer.version == 1
    assert Stored(1, *(dump(viewer) for dump in DUMPS)) == before


def test_a_playback_that_turned_out_not_to_be_bare_is_written_as_it_is_read_back() -> None:
    one = Watching()
    at = one.watch(1, T0, last=Kind.PAUSE, bare=True)
    end = one.watch(2, at, last=Kind.PAUSE, bare=True)
    one.say(event(Kind.STOP, end, RUNTIME_MS, key=("office-1-", "office", 1, 1)))
    before = stored(one)
    assert dump_live(load("v", before, RULES)) == before.live


@pytest.mark.parametrize("part", ["live", "rest", "sums"])
def test_a_newer_format_is_refused(part: str) -> None:
    newer = packing.unpack(getattr(some_state(), part))
    newer[0] = FORMAT + 1
    with pytest.raises(NewerFormat, match=f"format {FORMAT + 1}.*upgrade"):
        load("v", some_state()._replace(**{part: packing.plain(newer)}), RULES)


@pytest.mark.parametrize("part", ["live", "rest", "sums"])
def test_a_format_that_was_never_released_is_not_guessed_at(part: str) -> None:
    older = packing.unpack(getattr(some_state(), part))
    older[0] = FORMAT - 1
    with pytest.raises(BrokenState, match=f"format {FORMAT - 1} is from before the first"):
        load("v", some_state()._replace(**{part: packing.plain(older)}), RULES)


def test_a_state_is_packed_while_nothing_plays_and_plain_where_speed_counts() -> None:
    one = Watching()
    at = one.watch(1, T0, last=Kind.HEARTBEAT)
    playing = stored(one)
    assert playing.live[:1] == playing.out[:1] == b"["
    one.say(event(Kind.STOP, at + 1, RUNTIME_MS, key=("office-1-", "office", 1, 1)))
    over = stored(one)
    assert over.live[:1] == over.out[:1] == over.rest[:1] == over.sums[:1] == packing.PACKED
    assert len(over.out) < len(packing.plain(packing.unpack(over.out))) / 2


@pytest.mark.parametrize("part", ["live", "rest", "sums", "out"])
def test_a_packed_part_that_was_cut_or_goes_on_is_broken_state(part: str) -> None:
    whole = getattr(some_state_at_rest(), part)
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole + b"z"):
        with pytest.raises(BrokenState, match="'v'"):
            load("v", some_state_at_rest()._replace(**{part: damaged}), RULES)


@pytest.mark.parametrize("part", ["live", "rest", "sums", "out"])
@pytest.mark.parametrize(
    "garbage", [b"{", b"\xff", b"7", b"null", b"[1]", b'["x"]', b'{"a":1}', b"z", b"zz"]
)
def test_garbage_is_broken_state(part: str, garbage: bytes) -> None:
    with pytest.raises(BrokenState, match="'v'"):
        load("v", some_state()._replace(**{part: garbage}), RULES)


@pytest.mark.parametrize("part", ["live", "rest", "sums"])
def test_any_damage_to_the_shape_is_broken_state_or_reads_as_it_stands(part: str) -> None:
    random = Random(3)
    for _ in range(300):
        damaged = packing.unpack(getattr(some_state(), part))
        where = damaged
        while isinstance(where, list) and where and random.random() < 0.8:
            at = random.randrange(len(where))
            if isinstance(where[at], list) and random.random() < 0.7:
                where = where[at]
            else:
                where[at] = random.choice([None, "x", [], {}, -1])
                break
        with suppress(BrokenState, NewerFormat):  # and nothing else
            load("v", some_state()._replace(**{part: packing.plain(damaged)}), RULES)


def year_of_viewing(episodes_a_day: int) -> tuple[list[int], Watching]:
    """Sizes of the state, day by day, of someone who watches a new season every ten episodes."""
    seasons = {1: Season(10, dict.fromkeys(range(1, 11), RUNTIME_MS))}
    facets = [((f"genre:{i % 7}", 1.0), (f"creator:{i}", 1.0)) for i in range(400)]
    titles = {f"t{i}": Title(f"t{i}", "T", facets[i], seasons) for i in range(400)}
    one = Watching(Context(Catalogue(titles), RULES))
    sizes, watched = [], 0
    for day in range(365):
        at = T0 + day * DAY
        for _ in range(episodes_a_day):
            key = (f"p{watched}", f"t{watched // 10}", 1, watched % 10 + 1)
            watched += 1
            one.say(event(Kind.START, at, 0, key=key, device="tv"))
            for minute in range(1, 45):
                ms = minute * 60_000
                one.say(event(Kind.HEARTBEAT, at + ms, ms, key=key, device="tv"))
            at += RUNTIME_MS
            one.say(event(Kind.STOP, at, RUNTIME_MS, key=key, device="tv"))
        one.viewer.forget_sent("playback-events/0", one.offset)
        sizes.append(sum(map(len, stored(one)[1:])))
    return sizes, one


def test_a_year_of_viewing_leaves_a_state_no_larger_than_its_second_quarter_did() -> None:
    """The bound: 120 episodes of at most 120 bytes, 40 journeys of ten steps of 60 bytes, tastes
    of 2 x 2 x 60 values of 40 bytes, and two days of playbacks come to under 64 KiB, packed to an
    eighth.
    """
    sizes, one = year_of_viewing(3)
    assert max(sizes) < 8 * 1024
    assert max(sizes[270:]) < 1.2 * max(sizes[90:180])
    assert len(one.viewer.episodes) + len(one.viewer.shelf) <= RULES.keep_progress + 1
    assert len(one.viewer.journeys) <= RULES.keep_journeys + 1


def test_a_year_of_viewing_keeps_at_most_120_fields_of_progress() -> None:
    one, store = Watching(), Store()
    for week in range(52):
        for number in range(7):
            key = (f"p{week}-{number}", f"film {week}-{number}", 0, 0)
            at = T0 + week * 7 * DAY + number * DAY
            one.say(event(Kind.START, at, 0, key=key))
            one.say(event(Kind.STOP, at + RUNTIME_MS, RUNTIME_MS, key=key))
        store.write(one.viewer, one.world)
    assert len(store.progress) <= RULES.keep_progress + 7


def test_the_bytes_do_not_tell_when_a_state_was_last_read() -> None:
    one = Watching()
    long, short = ("p1", "office", 1, 1), ("p2", "dark", 1, 2)
    one.say(event(Kind.START, T0, 0, key=long), event(Kind.START, T0 + 1, 0, key=short))
    one.say(event(Kind.STOP, T0 + 60_000, 60_000, key=short))
    one.say(event(Kind.STOP, T0 + 7_200_000, 60_000, key=long))
    one.wait(T0 + DAY + 120_000)
    back = load("v", stored(one), RULES)
    one.wait(T0 + 2 * DAY)
    back.fire(T0 + 2 * DAY, one.world)
    assert not back.playbacks
    assert dump_rest(back) == dump_rest(one.viewer)
    assert dump_live(back) == dump_live(one.viewer)
