"""Fields of docs/redis.md, spelt as documented."""

from __future__ import annotations

import orjson
from strategies import DAY, T0, Store, Watching

from streams.signals import stamp
from streams.viewing.public import episode_field, season_field, write_of


def test_fields_escape_what_would_part_them() -> None:
    assert episode_field(("dark", 1, 3)) == "dark:1:3"
    assert episode_field(("heat", 0, 0)) == "heat"
    assert episode_field(("a:b%", 1, 2)) == "a%3Ab%25:1:2"
    assert season_field(("a:1", 2)) == "a%3A1:2"


def test_hooked_is_published_as_documented() -> None:
    one, at = Watching(), T0
    for episode in (1, 2, 3):
        at = one.watch(episode, at)
    published = orjson.loads(write_of(one.viewer, one.world).hooked["office:1"])
    assert published == {
        "state": "hooked", "p": None, "basis": "pace", "since": stamp(at), "k": 3, "of": 4,
    }  # fmt: skip


def test_a_write_holds_only_what_changed() -> None:
    one, store = Watching(), Store()
    at = one.watch(1, T0)
    store.write(one.viewer, one.world)
    one.watch(2, at, share=0.01)
    write = write_of(one.viewer, one.world)
    assert write.version == 1
    assert write.progress.keys() == {"office:1:2"}
    assert write.hooked == {}


def test_the_settled_part_is_written_only_when_something_settles() -> None:
    one, store = Watching(), Store()
    one.watch(1, T0)
    store.write(one.viewer, one.world)
    one.watch(1, T0 + DAY // 2, run="again", share=0.5)
    assert write_of(one.viewer, one.world).rest is None
    one.wait(T0 + 3 * DAY)
    assert write_of(one.viewer, one.world).rest is not None


def test_taste_shares_of_a_facet_add_up_to_one_at_most() -> None:
    one, at = Watching(), T0
    for episode in (1, 2, 3, 4):
        at = one.watch(episode, at, title="dark" if episode % 2 else "office")
    taste = write_of(one.viewer, one.world).taste
    assert taste
    for prefix in ("", "now:"):
        shares = [float(v) for k, v in taste.items() if k.startswith(f"{prefix}genre:")]
        assert len(shares) == 3
        assert sum(shares) <= 1.0001
