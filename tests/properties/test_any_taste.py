"""Tastes do not depend on the order in which they are made up, or on what was taken back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.viewing.taste import DecayingSums, shares

DAY_MS = 86_400_000
T0 = 1_772_400_000_000
H_MS = 7 * DAY_MS
NAMES = st.sampled_from(["genre:a", "genre:b", "language:de", "hour:20"])
CREDITS = st.lists(
    st.tuples(st.integers(0, 900 * DAY_MS), NAMES, st.sampled_from([-0.3, 0.5, 1.0])), max_size=12
)


def summed(given_credits: list[tuple[int, str, float]]) -> DecayingSums:
    sums = DecayingSums(H_MS)
    for at, name, weight in given_credits:
        sums.add(T0 + at, [(name, 1.0)], weight)
    return sums


@given(CREDITS)
def test_sums_are_what_the_formula_says(given_credits: list[tuple[int, str, float]]) -> None:
    sums, now = summed(given_credits), max((at for at, *_ in given_credits), default=0)
    for name in {name for _, name, _ in given_credits}:
        plain = [(at, w) for at, n, w in given_credits if n == name and w > 0]
        expected = math.fsum(w * 2 ** ((at - now) / H_MS) for at, w in plain)
        assert sums.value(name, T0 + now) == pytest.approx(expected, abs=1e-9)


@given(CREDITS, CREDITS, st.randoms(use_true_random=False))
def test_order_and_what_was_taken_back_leave_no_trace(
    given_credits: list[tuple[int, str, float]], undone: list[tuple[int, str, float]], random
) -> None:
    shuffled = random.sample(given_credits + undone, len(given_credits + undone))
    one, other = summed(given_credits), summed(shuffled)
    for at, name, weight in undone:
        other.take_back(T0 + at, [(name, 1.0)], weight)
    now = T0 + 900 * DAY_MS
    for name in ("genre:a", "genre:b", "language:de", "hour:20"):
        assert one.value(name, now) == pytest.approx(other.value(name, now), abs=1e-9)


@given(
    st.dictionaries(NAMES, st.floats(0, 1e6)),
    st.dictionaries(NAMES, st.floats(0, 0.5)),
    st.floats(0.1, 100),
)
def test_shares_lie_between_nothing_and_all(
    sums: dict[str, float], prior: dict[str, float], weight: float
) -> None:
    found = shares(sums, prior, weight)
    assert found.keys() == sums.keys()
    assert all(0 <= share <= 1 for share in found.values())
    genres = [share for name, share in found.items() if name.startswith("genre:")]
    assert sum(genres) <= 1 + 1e-9
