"""Marks, claims and timers: one suite against memory, a Redis, and a Redis Cluster of three."""

from __future__ import annotations

import pytest
from contracts.stores import NEXT, SOURCE, a_write

from streams.viewing.timers import NEVER
from streams.worker.outage import Patience
from streams.worker.store import (
    NO_TIMERS,
    Due,
    Fenced,
    Mark,
    Move,
    StoreAway,
    StoreWentBack,
    Timers,
)


# -- marks -----------------------------------------------------------------------------------------
async def test_a_source_without_a_mark_is_left_out(held):
    await held.store.move_mark(SOURCE, Mark(7, 1000), NO_TIMERS, 10)
    other = (SOURCE[0], SOURCE[1] + 1)
    assert await held.store.marks([SOURCE, other]) == {SOURCE: Mark(7, 1000)}
    assert await held.store.marks([]) == {}


async def test_a_mark_never_moves_back(held):
    await held.store.move_mark(SOURCE, Mark(7, 1000), NO_TIMERS, 10)
    await held.store.move_mark(SOURCE, Mark(6, 9000), NO_TIMERS, 10)
    assert await held.store.marks([SOURCE]) == {SOURCE: Mark(7, 1000)}


async def test_the_clock_moves_on_at_one_offset_but_never_back(held):
    for clock_ms in (1000, 3000, 2000):
        await held.store.move_mark(SOURCE, Mark(7, clock_ms), NO_TIMERS, 10)
    assert await held.store.marks([SOURCE]) == {SOURCE: Mark(7, 3000)}


async def test_before_the_first_record_a_partition_may_have_a_clock(held):
    await held.store.move_mark(SOURCE, Mark(-1, 500), NO_TIMERS, 10)
    assert await held.store.marks([SOURCE]) == {SOURCE: Mark(-1, 500)}
    await held.store.move_mark(SOURCE, Mark(0, 600), NO_TIMERS, 10)
    assert await held.store.marks([SOURCE]) == {SOURCE: Mark(0, 600)}


async def test_offsets_beyond_32_bits_and_real_clocks_are_kept_exactly(held):
    far = Mark(2**40 + 1, 4_102_444_800_123)
    await held.store.move_mark(SOURCE, far, NO_TIMERS, 10)
    await held.store.move_mark(SOURCE, Mark(2**40, 0), NO_TIMERS, 10)
    assert await held.store.marks([SOURCE]) == {SOURCE: far}


async def test_whether_the_stream_was_live_is_kept_with_the_mark(held):
    await held.store.move_mark(SOURCE, Mark(7, 1000, live=True), NO_TIMERS, 10)
    assert await held.store.marks([SOURCE]) == {SOURCE: Mark(7, 1000, live=True)}
    await held.store.move_mark(SOURCE, Mark(8, 1000, live=False), NO_TIMERS, 10)
    assert await held.store.claim([SOURCE]) == {SOURCE: Mark(8, 1000, live=False)}


# -- claims ----------------------------------------------------------------------------------------
async def test_a_claim_gives_the_mark_where_there_is_one(held):
    other = (SOURCE[0], SOURCE[1] + 1)
    assert await held.store.claim([SOURCE, other]) == {}
    await held.store.move_mark(SOURCE, Mark(7, 1000), NO_TIMERS, 10)
    assert await held.another().claim([SOURCE, other]) == {SOURCE: Mark(7, 1000)}
    assert await held.store.claim([]) == {}


async def test_who_holds_a_claim_moves_the_mark_again_and_again(held):
    await held.store.claim([SOURCE])
    for offset in range(5):
        await held.store.move_mark(SOURCE, Mark(offset, offset), NO_TIMERS, 10)
        await held.store.still_ours(SOURCE)
    assert await held.store.marks([SOURCE]) == {SOURCE: Mark(4, 4)}


async def test_a_worker_whose_partition_was_claimed_by_another_is_fenced(held):
    zombie, owner = held.store, held.another()
    await zombie.claim([SOURCE])
    await zombie.move_mark(SOURCE, Mark(7, 1000), Timers({"a": 1}, {}, ()), 10)
    await owner.claim([SOURCE])
    with pytest.raises(Fenced, match="playback-events/3"):
        await zombie.still_ours(SOURCE)
    with pytest.raises(Fenced, match="playback-events/3"):
        await zombie.move_mark(SOURCE, Mark(8, 2000), Timers({}, {"a": 99}, ()), 10)
    assert (await owner.move_mark(SOURCE, Mark(7, 1001), NO_TIMERS, 10)).due == [Due("a", 1)]
    await owner.still_ours(SOURCE)


async def test_claims_of_one_partition_leave_the_others_alone(held):
    other = (SOURCE[0], SOURCE[1] + 1)
    await held.store.claim([SOURCE, other])
    await held.another().claim([other])
    await held.store.move_mark(SOURCE, Mark(0, 0), NO_TIMERS, 10)
    with pytest.raises(Fenced):
        await held.store.move_mark(other, Mark(0, 0), NO_TIMERS, 10)


async def test_a_claim_may_be_taken_back(held):
    other = held.another()
    for store in (held.store, other, held.store):
        await store.claim([SOURCE])
    await held.store.move_mark(SOURCE, Mark(0, 0), NO_TIMERS, 10)
    with pytest.raises(Fenced):
        await other.move_mark(SOURCE, Mark(1, 0), NO_TIMERS, 10)


# -- timers ----------------------------------------------------------------------------------------
async def timers(held, clock_ms, most=10, **changes):
    wanted = Timers(changes.get("lower", {}), changes.get("put", {}), changes.get("drop", ()))
    return (await held.store.move_mark(SOURCE, Mark(1, clock_ms), wanted, most)).due


async def test_timers_are_due_at_their_time_and_not_before(held):
    assert await timers(held, 99, lower={"a": 100}) == []
    assert await timers(held, 100) == [Due("a", 100)]


async def test_a_timer_stays_due_until_it_is_put_later_or_dropped(held):
    await timers(held, 0, lower={"a": 100, "b": 100})
    assert await timers(held, 200) == await timers(held, 200) == [Due("a", 100), Due("b", 100)]
    assert await timers(held, 200, put={"a": 300}, drop=["b"]) == []
    assert await timers(held, 300) == [Due("a", 300)]


async def test_lower_brings_a_timer_forward_but_never_puts_it_off(held):
    await timers(held, 0, lower={"a": 100})
    await timers(held, 0, lower={"a": 200})
    assert await timers(held, 500) == [Due("a", 100)]
    await timers(held, 0, lower={"a": 50})
    assert await timers(held, 500) == [Due("a", 50)]


async def test_put_sets_a_timer_whatever_it_was(held):
    await timers(held, 0, put={"a": 100})
    await timers(held, 0, put={"a": 200})
    assert await timers(held, 500) == [Due("a", 200)]


async def test_due_viewers_come_by_time_then_by_name(held):
    await timers(held, 0, lower={"c": 10, "b": 20, "a": 20, "d": 15})
    assert await timers(held, 50) == [Due("c", 10), Due("d", 15), Due("a", 20), Due("b", 20)]


async def test_no_more_than_the_most_come_at_once_and_the_earliest_first(held):
    await timers(held, 0, lower={f"v{n:02}": n for n in range(1, 21)})
    assert await timers(held, 50, most=3) == [Due(f"v{n:02}", n) for n in (1, 2, 3)]


async def test_real_times_in_milliseconds_are_kept_exactly(held):
    at_ms = 4_102_444_800_123
    assert await timers(held, at_ms - 1, lower={"a": at_ms}) == []
    assert await timers(held, at_ms) == [Due("a", at_ms)]


async def test_a_move_tells_when_the_next_timer_after_those_that_are_due_is(held):
    async def next_ms(clock_ms, most=10):
        return (await held.store.move_mark(SOURCE, Mark(1, clock_ms), NO_TIMERS, most)).next_ms

    assert await next_ms(0) == NEVER
    at_ms = 4_102_444_800_123
    await timers(held, 0, lower={"a": 10, "b": 20, "c": 20, "d": at_ms})
    assert await next_ms(5) == 10
    assert await next_ms(10) == 20
    assert await next_ms(20) == at_ms
    assert await next_ms(20, most=2) == 20
    assert await next_ms(at_ms) == NEVER


async def test_whoever_lost_a_partition_is_told_so_when_it_asks_what_is_due(held):
    await held.store.claim([SOURCE])
    assert await held.store.due(SOURCE, 9, 10) == []
    other = held.another()
    await other.claim([SOURCE])
    with pytest.raises(Fenced):
        await held.store.due(SOURCE, 9, 10)
    assert await other.due(SOURCE, 9, 10) == []


async def test_whoever_lost_a_partition_is_told_so_when_it_writes(held):
    await held.store.claim([SOURCE])
    await held.store.write([a_write(viewer="a")], [SOURCE])
    other = held.another()
    await other.claim([SOURCE])
    with pytest.raises(Fenced):
        await held.store.write([a_write(viewer="b")], [SOURCE])
    with pytest.raises(Fenced):
        await held.store.write([], [SOURCE])
    await other.write([a_write(viewer="c")], [SOURCE])
    await other.write([a_write(viewer="d")], [NEXT])


async def test_whoever_lost_one_of_several_partitions_is_told_so_when_it_writes(held):
    await held.store.claim([SOURCE, NEXT])
    await held.store.write([a_write(viewer="a")], [SOURCE, NEXT])
    await held.another().claim([NEXT])
    with pytest.raises(Fenced, match=f"{NEXT[0]}/{NEXT[1]}"):
        await held.store.write([a_write(viewer="b")], [SOURCE, NEXT])
    await held.store.write([a_write(viewer="c")], [SOURCE])


async def test_several_marks_move_on_one_way(held):
    await held.store.claim([SOURCE, NEXT])
    first, second = await held.store.move_marks(
        [
            Move(SOURCE, Mark(3, 50), Timers({"a": 40, "b": 60}, {}, ())),
            Move(NEXT, Mark(7, 10), Timers({"c": 70}, {}, ())),
        ],
        10,
    )
    assert (first.due, first.next_ms) == ([Due("a", 40)], 60)
    assert (second.due, second.next_ms) == ([], 70)
    assert await held.store.marks([SOURCE, NEXT]) == {SOURCE: Mark(3, 50), NEXT: Mark(7, 10)}
    assert await held.store.move_marks([], 10) == []


async def test_a_partition_that_was_lost_keeps_none_of_the_others_from_moving(held):
    await held.store.claim([SOURCE, NEXT])
    await held.another().claim([SOURCE])
    moves = [Move(it, Mark(3, 50), NO_TIMERS) for it in (NEXT, SOURCE)]
    with pytest.raises(Fenced, match=f"{SOURCE[0]}/{SOURCE[1]}"):
        await held.store.move_marks(moves, 10)
    assert await held.store.marks([SOURCE, NEXT]) == {NEXT: Mark(3, 50)}
    await held.store.move_marks([Move(NEXT, Mark(4, 50), NO_TIMERS)], 10)


async def test_what_is_due_may_be_asked_without_moving_anything(held):
    await timers(held, 5, lower={"a": 10, "b": 20, "c": 20})
    assert await held.store.due(SOURCE, 9, 10) == []
    assert await held.store.due(SOURCE, 20, 10) == [Due("a", 10), Due("b", 20), Due("c", 20)]
    assert await held.store.due(SOURCE, 20, 2) == [Due("a", 10), Due("b", 20)]
    assert await held.store.marks([SOURCE]) == {SOURCE: Mark(1, 5)}
    assert await held.store.due((SOURCE[0], SOURCE[1] + 1), 20, 10) == []


async def test_each_partition_has_its_own_timers(held):
    await timers(held, 0, lower={"a": 100})
    other = (SOURCE[0], SOURCE[1] + 1)
    assert (await held.store.move_mark(other, Mark(1, 999), NO_TIMERS, 10)).due == []


async def test_timers_of_a_mark_that_stays_are_changed_all_the_same(held):
    await held.store.move_mark(SOURCE, Mark(9, 50), NO_TIMERS, 10)
    await held.store.move_mark(SOURCE, Mark(8, 0), Timers({"a": 10}, {}, ()), 10)
    assert await timers(held, 50) == [Due("a", 10)]


# -- a store that comes back older than it was -----------------------------------------------------
async def with_older_mark(served, name, change):
    """A store that has made three moves, over a server that came back from before the last."""
    await served.store.claim([SOURCE])
    for offset in range(2):
        await served.store.move_mark(SOURCE, Mark(offset, offset), NO_TIMERS, 10)
    key = served.keys.mark(served.settings.group, *SOURCE)
    before = served.client.hget(key, name)
    await served.store.move_mark(SOURCE, Mark(2, 2), NO_TIMERS, 10)
    change(key, before)


async def test_a_move_that_the_store_has_forgotten_is_noticed_at_the_next(served):
    await with_older_mark(served, "step", lambda key, was: served.client.hset(key, "step", was))
    with pytest.raises(StoreWentBack, match="playback-events/3"):
        await served.store.move_mark(SOURCE, Mark(3, 3), NO_TIMERS, 10)
    assert (await served.store.marks([SOURCE]))[SOURCE].offset == 2


async def test_a_claim_that_the_store_has_forgotten_is_noticed_at_the_next_move(served):
    await with_older_mark(served, "step", lambda key, _: served.client.delete(key))
    with pytest.raises(StoreWentBack):
        await served.store.move_mark(SOURCE, Mark(3, 3), NO_TIMERS, 10)


@pytest.mark.parametrize("served", ["redis"], indirect=True)  # a cluster may hold it elsewhere
async def test_a_server_that_has_forgotten_a_move_is_not_written_to_after_reconnecting(served):
    await with_older_mark(served, "step", lambda key, was: served.client.hset(key, "step", was))
    cut_all_others(served)
    with pytest.raises((StoreWentBack, StoreAway)):
        await served.store.write([a_write()])
    with pytest.raises(StoreWentBack):  # where the cut was what the first one met
        await served.store.load(["viewer-7"])
    assert served.hash("taste", "viewer-7") == {}


@pytest.mark.parametrize("served", ["redis"], indirect=True)  # a cluster may hold it elsewhere
async def test_a_move_that_overtakes_the_look_at_a_new_connection_is_no_forgetting(served):
    """Lanes work side by side: one reconnects while another moves its mark."""
    await served.store.claim([SOURCE])
    await served.store.move_mark(SOURCE, Mark(0, 0), NO_TIMERS, 10)

    class Overtaken:
        """A connection whose answer is on its way while a move goes through on another."""

        def __init__(self, connection) -> None:
            self.send_command = connection.send_command
            self._connection = connection

        async def read_response(self, **options):
            answer = await self._connection.read_response(**options)
            await served.store.move_mark(SOURCE, Mark(1, 1), NO_TIMERS, 10)
            return answer

    pool = served.store._redis.connection_pool
    connection = await pool.get_connection()
    try:
        await served.store.inspect(Overtaken(connection))
    finally:
        await pool.release(connection)
    assert (await served.store.marks([SOURCE]))[SOURCE].offset == 1


async def test_a_server_that_remembers_everything_is_gone_on_with_after_reconnecting(served):
    await served.store.claim([SOURCE])
    await served.store.move_mark(SOURCE, Mark(7, 7), NO_TIMERS, 10)
    cut_all_others(served)
    patience = Patience(10)
    await patience(served.store.write, [a_write()])
    await patience(served.store.move_mark, SOURCE, Mark(8, 8), NO_TIMERS, 10)
    assert served.hash("taste", "viewer-7") == {"genre:drama": "0.0"}


async def test_a_move_whose_answer_was_lost_may_be_made_again(served):
    await served.store.claim([SOURCE])
    await served.store.move_mark(SOURCE, Mark(7, 7), NO_TIMERS, 10)
    served.store._claims[SOURCE].step -= 1  # as if the answer had not arrived
    await served.store.move_mark(SOURCE, Mark(7, 7), Timers({"a": 5}, {}, ()), 10)
    assert (await served.store.move_mark(SOURCE, Mark(8, 8), NO_TIMERS, 10)).due == [Due("a", 5)]


def cut_all_others(served):
    """Close every client's connection, as a restart or a proxy would."""
    clients = [served.client]
    if served.settings.redis_cluster:
        nodes = served.client.get_primaries()
        clients = [served.client.get_redis_connection(node) for node in nodes]
    for client in clients:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
