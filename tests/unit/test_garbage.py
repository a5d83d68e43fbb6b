"""Garbage is looked for among the young alone, and all that was there when a worker began stays."""

from __future__ import annotations

import gc
import weakref

import pytest

from streams.worker import garbage


class Knotted:
    """Refers to itself, so that counting alone never frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_it_was():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def make_young() -> list[list[int]]:
    """As many as are looked at together, and some."""
    return [[] for _ in range(2 * garbage.YOUNG)]


def test_the_young_are_still_looked_at():
    garbage.look_at_the_young_alone()
    gone = weakref.ref(Knotted())
    kept = make_young()
    assert gone() is None, f"{len(kept)} new objects made nobody look"


def test_who_outlives_its_youth_is_looked_at_with_all_the_others_alone():
    garbage.look_at_the_young_alone()
    old = Knotted()
    kept = make_young()
    gone = weakref.ref(old)
    del old
    kept += make_young()
    assert gone() is not None
    gc.collect()
    assert gone() is None
