"""What every store keeps to: one suite against memory, a Redis, and a Redis Cluster of three."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest
import redis
from pydantic import SecretStr

from streams.keys import Keys
from streams.viewing.public import Write
from streams.viewing.timers import NEVER
from streams.viewing.wire import Stored
from streams.worker.outage import Patience
from streams.worker.redis_store import RedisStore
from streams.worker.store import (
    FRESH,
    NO_TIMERS,
    Conflict,
    Due,
    Fenced,
    Mark,
    MemoryStore,
    Move,
    StoreAway,
    StoreWentBack,
    Timers,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from config.settings import Settings

SOURCE = ("playback-events", 3)
NEXT = ("playback-events", 4)
WITHOUT_EXPIRY = ("mark:", "due:", "catalogue:")
PUBLIC = ("taste", "progress", "hooked")


def a_write(viewer="viewer-7", version=0, **more):
    """A write that sets something of everything."""
    fields = {
        "live": f"live-{version}".encode(),
        "rest": f"rest-{version}".encode(),
        "sums": f"sums-{version}".encode(),
        "out": b"",
        "taste": {"genre:drama": f"0.{version}"},
        "progress": {f"dark:1:{version + 1}": b"{}"},
        "progress_gone": [],
        "hooked": {},
        "hooked_gone": [],
    }
    return Write(viewer=viewer, version=version, **(fields | more))


class InMemory:
    """The store in memory, and a look at what it holds."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def another(self):
        """The store of another worker, over the same data."""
        return MemoryStore(self.store.kept)

    def hash(self, kind, viewer):
        held = getattr(self.store.kept, kind).get(viewer, {})
        return {name: as_text(value) for name, value in held.items()}


class InRedis:
    """A store on servers, and a look at what a plain client finds there."""

    def __init__(self, store: RedisStore, client, settings: Settings) -> None:
        self.store = store
        self.client = client
        self.settings = settings
        self.keys = Keys(settings.key_prefix)
        self.others = []

    def another(self):
        """The store of another worker, over the same data."""
        self.others.append(RedisStore(self.settings))
        return self.others[-1]

    def hash(self, kind, viewer):
        return self.client.hgetall(getattr(self.keys.viewer(viewer), kind))


def as_text(value):
    return value.decode() if isinstance(value, bytes) else value


def client_for(settings):
    make = redis.RedisCluster if settings.redis_cluster else redis.Redis
    return make.from_url(settings.redis_url.get_secret_value(), decode_responses=True)


def own_settings(request, kind):
    settings = request.getfixturevalue("settings")
    if kind == "cluster":
        nodes = request.getfixturevalue("cluster")
        update = {"redis_url": SecretStr(nodes.redis_url), "redis_cluster": True}
        settings = settings.model_copy(update=update)
    return settings


async def on_servers(request, kind) -> AsyncIterator[InRedis]:
    settings = own_settings(request, kind)
    store = RedisStore(settings)
    client = client_for(settings)
    found = InRedis(store, client, settings)
    yield found
    for one in (store, *found.others):
        await one.close()
    without = [
        name
        for name in client.scan_iter(match=f"{settings.key_prefix}*", count=1000)
        if client.ttl(name) < 0
        and not name.removeprefix(settings.key_prefix).startswith(WITHOUT_EXPIRY)
    ]
    client.close()
    assert not without, "keys that never expire"


@pytest.fixture(params=["memory", "redis", "cluster"])
async def held(request):
    """A store of each kind. Redis is searched for keys without an expiry at the end."""
    if request.param == "memory":
        yield InMemory(MemoryStore())
    else:
        async for found in on_servers(request, request.param):
            yield found


@pytest.fixture(params=["redis", "cluster"])
async def served(request):
    """The stores that others can reach."""
    async for found in on_servers(request, request.param):
        yield found


# -- compare and set -------------------------------------------------------------------------------
async def test_an_unknown_viewer_has_version_zero_and_nothing_else(held):
    assert await held.store.load(["nobody", "no one"]) == [FRESH, FRESH]
    assert FRESH.version == 0


async def test_loading_nobody_gives_nothing(held):
    assert await held.store.load([]) == []
    await held.store.write([])


async def test_a_write_on_the_version_held_is_stored_and_counts_it_up(held):
    await held.store.write([a_write()])
    await held.store.write([a_write(version=1, out=b"[]")])
    assert await held.store.load(["viewer-7"]) == [
        Stored(2, b"live-1", b"rest-1", b"sums-1", b"[]")
    ]


async def test_states_come_back_in_the_order_asked_for(held):
    await held.store.write([a_write("a", live=b"A"), a_write("b", live=b"B")])
    found = await held.store.load(["b", "nobody", "a"])
    assert [state.live for state in found] == [b"B", b"", b"A"]


async def test_state_may_be_any_bytes_and_any_length(held):
    odd = bytes(range(256)) * 4000
    await held.store.write([a_write(live=odd, rest=odd[1:], sums=odd[3:], out=odd[2:])])
    assert await held.store.load(["viewer-7"]) == [Stored(1, odd, odd[1:], odd[3:], odd[2:])]


@pytest.mark.parametrize("viewer", ["{a}b", "a}b{c", "50%", "zoë ☃", "a:b:c", " ", "x" * 256])
async def test_a_viewer_may_be_called_anything(held, viewer):
    await held.store.write([a_write(viewer), a_write("other")])
    first, second = await held.store.load([viewer, "other"])
    assert (first.version, second.version) == (1, 1)
    assert held.hash("taste", viewer) == {"genre:drama": "0.0"}


@pytest.mark.parametrize("version", [0, 1, 3, 99])
async def test_a_write_on_any_other_version_is_a_conflict(held, version):
    for number in range(2):
        await held.store.write([a_write(version=number)])
    with pytest.raises(Conflict, match="viewer-7"):
        await held.store.write([a_write(version=version, live=b"zombie")])


async def test_a_refused_write_changes_nothing_at_all(held):
    await held.store.write([a_write(hooked={"dark:1": b"1"})])
    before = await held.store.load(["viewer-7"]), [held.hash(k, "viewer-7") for k in PUBLIC]
    zombie = a_write(
        version=5,
        live=b"zombie",
        taste={"genre:zombie": "1"},
        progress={"zombie:1:1": b"{}"},
        progress_gone=["dark:1:1"],
        hooked={"zombie:1": b"{}"},
        hooked_gone=["dark:1"],
    )
    with pytest.raises(Conflict):
        await held.store.write([zombie])
    after = await held.store.load(["viewer-7"]), [held.hash(k, "viewer-7") for k in PUBLIC]
    assert after == before


async def test_the_other_writes_of_a_call_are_applied_though_one_is_refused(held):
    await held.store.write([a_write("overtaken")])
    with pytest.raises(Conflict, match="overtaken"):
        await held.store.write(
            [a_write("first"), a_write("overtaken", live=b"late"), a_write("last")]
        )
    found = await held.store.load(["first", "overtaken", "last"])
    assert [state.version for state in found] == [1, 1, 1]
    assert held.hash("taste", "last") == {"genre:drama": "0.0"}


async def test_of_many_writers_on_one_version_exactly_one_wins(held):
    await held.store.write([a_write()])
    writers = [a_write(version=1, live=f"writer-{n}".encode()) for n in range(20)]
    answers = await asyncio.gather(
        *(held.store.write([write]) for write in writers), return_exceptions=True
    )
    won = [write for write, answer in zip(writers, answers, strict=True) if answer is None]
    assert len(won) == 1
    assert all(isinstance(answer, Conflict) for answer in answers if answer is not None)
    (state,) = await held.store.load(["viewer-7"])
    assert (state.version, state.live) == (2, won[0].live)


# -- what belongs together changes together --------------------------------------------------------
async def test_state_and_public_keys_change_in_one_write(held):
    write = a_write(
        progress={"dark:1:1": b'{"completed":true}'},
        hooked={"dark:1": b'{"state":"hooked"}'},
    )
    await held.store.write([write])
    assert held.hash("taste", "viewer-7") == {"genre:drama": "0.0"}
    assert held.hash("progress", "viewer-7") == {"dark:1:1": '{"completed":true}'}
    assert held.hash("hooked", "viewer-7") == {"dark:1": '{"state":"hooked"}'}


@pytest.mark.parametrize("part", ["rest", "sums"])
async def test_a_part_stays_where_none_is_given_and_empties_never(held, part):
    await held.store.write([a_write(**{part: b"as it was"})])
    await held.store.write([a_write(version=1, **{part: None})])
    (state,) = await held.store.load(["viewer-7"])
    assert (state.live, getattr(state, part)) == (b"live-1", b"as it was")


async def test_the_outbox_is_replaced_even_by_nothing(held):
    await held.store.write([a_write(out=b"[1]")])
    await held.store.write([a_write(version=1, out=b"")])
    (state,) = await held.store.load(["viewer-7"])
    assert state.out == b""


async def test_taste_is_replaced_whole(held):
    await held.store.write([a_write(taste={"genre:drama": "0.5", "genre:crime": "0.2"})])
    await held.store.write([a_write(version=1, taste={"genre:crime": "0.9"})])
    assert held.hash("taste", "viewer-7") == {"genre:crime": "0.9"}


async def test_taste_stays_where_none_is_given(held):
    await held.store.write([a_write(taste={"genre:drama": "0.5"})])
    await held.store.write([a_write(version=1, taste=None)])
    assert held.hash("taste", "viewer-7") == {"genre:drama": "0.5"}


async def test_taste_may_become_empty(held):
    await held.store.write([a_write(taste={"genre:drama": "0.5"})])
    await held.store.write([a_write(version=1, taste={})])
    assert held.hash("taste", "viewer-7") == {}


@pytest.mark.parametrize("kind", ["progress", "hooked"])
async def test_fields_are_added_changed_and_removed_one_by_one(held, kind):
    await held.store.write([a_write(**{"progress": {}, kind: {"a": b"1", "b": b"1", "c": b"1"}})])
    news = {"progress": {}, kind: {"b": b"2", "d": b"2"}, f"{kind}_gone": ["a", "never there"]}
    await held.store.write([a_write(version=1, **news)])
    assert held.hash(kind, "viewer-7") == {"b": "2", "c": "1", "d": "2"}


async def test_a_field_that_is_set_and_gone_in_one_write_is_gone(held):
    await held.store.write([a_write(progress={"a": b"1", "b": b"1"}, progress_gone=["a"])])
    assert held.hash("progress", "viewer-7") == {"b": "1"}


async def test_a_write_may_carry_as_many_fields_as_a_profile_ever_has(held):
    taste = {f"creator:{n}": "0.1" for n in range(1500)}
    progress = {f"t:1:{n}": b"{}" for n in range(1500)}
    await held.store.write([a_write(taste=taste, progress=progress)])
    assert held.hash("taste", "viewer-7") == taste
    assert len(held.hash("progress", "viewer-7")) == 1500


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


# -- on servers ------------------------------------------------------------------------------------
async def test_every_key_of_a_viewer_expires_after_the_time_set(served):
    write = a_write(hooked={"dark:1": b"{}"})
    await served.store.write([write])
    ttl = served.settings.viewer_ttl_s
    keys = served.keys.viewer("viewer-7")
    for name in (keys.state, keys.taste, keys.progress, keys.hooked):
        assert ttl - 5 <= served.client.ttl(name) <= ttl


async def test_every_write_puts_the_expiry_off_for_keys_it_does_not_change_too(served):
    await served.store.write([a_write(hooked={"dark:1": b"{}"})])
    keys = served.keys.viewer("viewer-7")
    for name in (keys.state, keys.taste, keys.progress, keys.hooked):
        served.client.expire(name, 100)
    await served.store.write([a_write(version=1, rest=None, taste=None, progress={})])
    left = {
        kind: served.client.ttl(getattr(keys, kind))
        for kind in ("state", "taste", "progress", "hooked")
    }
    assert min(left.values()) > 100, left


async def test_two_prefixes_never_see_each_other(served):
    settings = served.settings.model_copy(update={"key_prefix": f"test-{uuid.uuid4().hex[:10]}:"})
    other = RedisStore(settings)
    try:
        await served.store.write([a_write()])
        await served.store.move_mark(SOURCE, Mark(7, 100), Timers({"a": 1}, {}, ()), 10)
        assert await other.load(["viewer-7"]) == [FRESH]
        assert await other.marks([SOURCE]) == {}
        assert (await other.move_mark(SOURCE, Mark(0, 100), NO_TIMERS, 10)).due == []
        await other.write([a_write(live=b"other")])
        assert (await served.store.load(["viewer-7"]))[0].live == b"live-0"
    finally:
        await other.close()


async def test_two_groups_have_marks_of_their_own_over_one_set_of_viewers(served):
    settings = served.settings.model_copy(update={"group": f"{served.settings.group}-b"})
    other = RedisStore(settings)
    try:
        await served.store.move_mark(SOURCE, Mark(7, 100), NO_TIMERS, 10)
        assert await other.marks([SOURCE]) == {}
    finally:
        await other.close()


async def test_thousands_of_viewers_over_all_slots_are_written_in_one_call(served):
    names = [f"viewer-{n}" for n in range(3000)]
    await served.store.write([a_write(name, live=name.encode()) for name in names])
    found = await served.store.load(names)
    assert [state.live.decode() for state in found] == names
    if served.settings.redis_cluster:
        holders = {
            served.client.get_node_from_key(served.keys.viewer(name).state).port for name in names
        }
        assert len(holders) == 3


async def test_a_conflict_among_thousands_names_how_many(served):
    names = [f"viewer-{n}" for n in range(500)]
    await served.store.write([a_write(name) for name in names[::100]])
    with pytest.raises(Conflict, match="5 viewers"):
        await served.store.write([a_write(name, live=b"later") for name in names])
    found = await served.store.load(names)
    assert {state.version for state in found} == {1}
    assert sum(state.live == b"later" for state in found) == 495


async def test_writes_go_on_after_the_servers_have_forgotten_the_scripts(served):
    await served.store.write([a_write(f"viewer-{n}") for n in range(50)])
    await served.store.move_mark(SOURCE, Mark(1, 1), NO_TIMERS, 10)
    everywhere = {"target_nodes": "primaries"} if served.settings.redis_cluster else {}
    served.client.execute_command("SCRIPT FLUSH", **everywhere)
    await served.store.write([a_write(f"viewer-{n}", version=1) for n in range(50)])
    assert (await served.store.move_mark(SOURCE, Mark(2, 2), NO_TIMERS, 10)).due == []
    found = await served.store.load([f"viewer-{n}" for n in range(50)])
    assert {state.version for state in found} == {2}


async def test_a_write_whose_answer_was_lost_is_recognised_as_ours(served):
    """The answer of the first write never arrived, so the same write is tried again."""
    write = a_write(out=b"[[1]]")
    await served.store.write([write, a_write("other")])
    await served.store.write([write, a_write("other")])
    found = await served.store.load(["viewer-7", "other"])
    assert [state.version for state in found] == [1, 1]


async def test_beats_lie_beside_the_live_part_until_that_is_written(served):
    await served.store.write([a_write()])
    await served.store.write([a_write(version=1, live=None, beats=b"beats-1")])
    (found,) = await served.store.load(["viewer-7"])
    assert (found.version, found.live, found.beats) == (2, b"live-0", b"beats-1")
    await served.store.write([a_write(version=2)])
    (found,) = await served.store.load(["viewer-7"])
    assert (found.version, found.live, found.beats) == (3, b"live-2", b"")


async def test_another_worker_s_beats_on_the_same_version_are_not_taken_for_ours(served):
    await served.store.write([a_write()])
    await served.store.write([a_write(version=1, live=None, beats=b"ours")])
    with pytest.raises(Conflict):
        await served.store.write([a_write(version=1, live=None, beats=b"somebody else's")])


@pytest.mark.parametrize("part", ["live", "sums", "out"])
async def test_another_worker_s_write_on_the_same_version_is_not_taken_for_ours(served, part):
    await served.store.write([a_write()])
    with pytest.raises(Conflict):
        await served.store.write([a_write(**{part: b"somebody else's"})])


async def test_a_write_that_was_overtaken_since_is_not_taken_for_ours(served):
    await served.store.write([a_write(live=b"same")])
    await served.store.write([a_write(version=1, live=b"same")])
    with pytest.raises(Conflict):
        await served.store.write([a_write(live=b"same")])


async def test_a_reader_never_sees_half_a_write(served):
    """Taste, progress and state carry the same number; one transaction must read it thrice."""
    keys = served.keys.viewer("viewer-7")
    torn = []

    async def write_on():
        for number in range(300):
            text = str(number).encode()
            await served.store.write(
                [a_write(version=number, live=text, taste={"n": str(number)}, progress={"n": text})]
            )

    def look_on(done):
        while not done.is_set():
            # One script is as atomic as one write; MULTI would do as well outside a cluster.
            found = served.client.eval(
                "return {redis.call('HGET', KEYS[1], 'live'), redis.call('HGET', KEYS[2], 'n'),"
                " redis.call('HGET', KEYS[3], 'n')}",
                3, keys.state, keys.taste, keys.progress,
            )  # fmt: skip
            if len(set(found)) != 1:
                torn.append(found)

    done = asyncio.Event()
    looking = asyncio.create_task(asyncio.to_thread(look_on, done))
    await write_on()
    done.set()
    await looking
    assert torn == []


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
