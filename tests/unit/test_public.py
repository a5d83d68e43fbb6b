"""Fields of docs/redis.md, spelt as documented."""

from __future__ import annotations

import orjson
import pytest
from strategies import DAY, T0, Store, Watching

from streams.viewing.public import (
    LEAST_SHARE,
    _share,
    episode_field,
    season_field,
    taste_fields,
    write_of,
)


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
    assert published == ["hooked", None, "pace", at // 1000, 3, 4]


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
    pairs = [value.split() for name, value in taste.items() if name.startswith("genre:")]
    for shares in zip(*pairs, strict=True):
        assert len(shares) == 3
        assert sum(map(float, shares)) <= 1.0001


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0"), (0.00004, "0"), (0.5, ".5"), (0.12344, ".1234"), (0.99996, "1"), (1.0, "1")],
)
def test_a_share_is_written_without_a_zero_that_says_nothing(share: float, text: str) -> None:
    assert _share(share) == text
    assert float(text) == pytest.approx(share, abs=5.001e-5)


def test_traces_of_taste_are_not_published() -> None:
    one = Watching()
    one.watch(1, T0, title="dark")
    for sums in (one.viewer.taste.lasting, one.viewer.taste.now):
        sums.add(T0, [("creator:seen-once", 1.0)], 0.9 * LEAST_SHARE * 6)
        sums.add(T0, [("creator:well-known", 1.0)], 5.0)
    fields = taste_fields(one.viewer, one.world)
    assert "creator:well-known" in fields
    assert "creator:seen-once" not in fields


def test_the_longest_values_and_most_fields_stay_in_one_piece_in_redis() -> None:
    """``hash-max-listpack-value`` and ``-entries`` of Redis are 64 and 128."""
    one = Watching()
    at = T0 + 123
    for episode in (1, 2, 3):
        at = one.watch(episode, at)
    viewer = one.viewer
    viewer.journeys["office", 1].p = 0.1234
    for number in range(200):
        viewer.taste.lasting.add(at, [(f"creator:{number}", 1.0)], 9.0 + number % 7)
    far = viewer.episodes["office", 1, 1]
    far.live, far.old = [], [[0, 863_999_999]]
    far.runtime_ms = far.position_ms = 863_999_999
    write = write_of(viewer, one.world)
    assert write.taste
    assert 100 < len(write.taste) <= 128
    values = [*write.taste.values(), *write.progress.values(), *write.hooked.values()]
    assert write.progress["office:1:1"].startswith(b"[863999.999,863999.999,863999.999,true,")
    assert max(map(len, values)) <= 64
