"""Chances behave like chances for every curve that can be published."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.catalogue import Curve
from streams.rules import Rules
from streams.viewing.hooked import chance, cools_after_s, trustworthy

RULES = Rules()


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    k = draw(st.integers(1, 9))
    c = draw(st.lists(st.floats(0, 1), min_size=k, max_size=k))
    low = [c_j * draw(st.floats(0, 1)) for c_j in c]
    edges = [0, *sorted(draw(st.sets(st.integers(1, 3_000_000), min_size=1, max_size=8)))]
    inner = len(edges) - 2
    cdf = sorted(draw(st.lists(st.floats(0, 1), min_size=inner, max_size=inner)))
    counts = draw(st.lists(st.integers(0, 999), min_size=k, max_size=k))
    return Curve.parse(
        {
            "version": 1, "episodes": k + 1, "c": c, "low": low, "n": counts,
            "gap_s": edges, "gap_cdf": [0, *cdf, 1],
        }
    )  # fmt: skip


IDLE = st.floats(0, 4_000_000)


@given(curves(), st.integers(1, 9), st.booleans(), IDLE)
def test_a_chance_lies_within_its_interval_and_within_0_and_1(
    curve: Curve, k: int, on_next: bool, idle_s: float
) -> None:
    found = chance(curve, min(k, curve.of), on_next=on_next, idle_s=0 if on_next else idle_s)
    assert 0 <= found.low <= found.p * (1 + 1e-12)
    assert found.p <= found.high + 1e-12 <= 1 + 1e-9


@given(curves(), st.integers(1, 9), IDLE, IDLE)
def test_waiting_never_raises_the_chance(curve: Curve, k: int, one_s: float, more_s: float) -> None:
    k = min(k, curve.of)
    soon = chance(curve, k, on_next=False, idle_s=one_s)
    late = chance(curve, k, on_next=False, idle_s=one_s + more_s)
    assert late.p <= soon.p * (1 + 1e-9)


@given(curves(), st.integers(1, 9))
def test_before_it_cools_the_chance_is_at_least_one_half(curve: Curve, k: int) -> None:
    k = min(k, curve.of)
    wait = cools_after_s(curve, k, RULES)
    assert 0 <= wait <= curve.gap_s[-1]
    if trustworthy(chance(curve, k, on_next=False), RULES) and wait > 0:
        before = chance(curve, k, on_next=False, idle_s=wait * 0.999)
        assert before.p >= RULES.cooled_below - 1e-6
