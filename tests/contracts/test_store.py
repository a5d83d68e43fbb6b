"""What stores keep of viewers: one suite against memory, a Redis, and a Redis Cluster of three."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from contracts.stores import PUBLIC, SOURCE, a_write

from streams.viewing.wire import Stored
from streams.worker.redis_store import RENEW_EVERY, RedisStore
from streams.worker.store import (
    FRESH,
    NO_TIMERS,
    Conflict,
    Mark,
    Timers,
)


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


BEAT = {"live": None, "rest": None, "sums": None, "taste": None, "beats": b"[]"}


async def test_of_heartbeats_written_together_only_what_was_overtaken_is_refused(held):
    names = [f"v{number}" for number in range(250)]
    await held.store.write([a_write(name) for name in names])
    overtaken = {"v7", "v100", "v249"}
    await held.store.write([a_write(name, version=1, live=b"other") for name in overtaken])

    news = [a_write(name, version=1, **BEAT, progress={"dark": name.encode()}) for name in names]
    mixed = [*news, a_write("new")]
    with pytest.raises(Conflict) as refusal:
        await held.store.write(mixed)

    assert any(name in str(refusal.value) for name in overtaken)
    found = await held.store.load([*names, "new"])
    assert found.pop().version == 1
    for name, state in zip(names, found, strict=True):
        assert state.version == 2
        assert (state.live, state.beats) == (
            (b"other", b"") if name in overtaken else (b"live-0", b"[]")
        )
        assert held.hash("progress", name).get("dark") == (None if name in overtaken else name)


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


async def test_heartbeats_put_the_expiry_off_every_so_many_writes(served):
    await served.store.write([a_write(hooked={"dark:1": b"{}"})])
    keys = served.keys.viewer("viewer-7")
    for name in (keys.state, keys.taste, keys.progress, keys.hooked):
        served.client.expire(name, 100)
    for version in range(1, 1 + RENEW_EVERY):
        await served.store.write([a_write(version=version, **BEAT, progress={"dark": b"[1]"})])
    assert served.hash("progress", "viewer-7")["dark"] == "[1]"
    left = [served.client.ttl(it) for it in (keys.state, keys.taste, keys.progress, keys.hooked)]
    assert min(left) > 100, left


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
