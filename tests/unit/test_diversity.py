"""Entropy of what is watched, by worked examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.audience.diversity import diversity_of_taste, entropy_bits, evenness

AMOUNTS = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("amounts", "bits", "even"),
    [
        ([], 0.0, None), ([7.0], 0.0, None), ([1, 1], 1.0, 1.0), ([5, 5, 5, 5, 0], 2.0, 1.0),
        ([3, 1], 0.8113, 0.8113), ([2, 1, 1], 1.5, 0.9464),
    ],
)  # fmt: skip
def test_entropy_is_in_bits_and_evenness_its_share_of_the_most(amounts, bits, even):
    assert entropy_bits(amounts) == pytest.approx(bits, abs=1e-4)
    assert evenness(amounts) == (None if even is None else pytest.approx(even, abs=1e-4))


def test_a_taste_is_as_diverse_as_its_facets():
    shares = {
        "genre:drama": 0.4, "genre:crime": 0.4, "language:de": 0.9, "now:genre:drama": 1.0,
        "updated_at": 0.0, "watched_s": 7200.0, "hour:20": 0.0,
    }  # fmt: skip
    found = diversity_of_taste(
        {name: share for name, share in shares.items() if not name.startswith("now:")}
    )
    assert found == {"genre": 1.0, "language": 0.0}


@given(AMOUNTS, st.floats(0.01, 100))
def test_entropy_does_not_depend_on_the_unit_or_the_order(amounts, factor):
    bits = entropy_bits(amounts)
    scaled = [it * factor for it in reversed(amounts)]
    assert entropy_bits(scaled) == pytest.approx(bits, abs=1e-9)
    assert 0 <= bits <= entropy_bits([1] * len(amounts)) + 1e-9


@given(AMOUNTS)
def test_putting_parts_together_never_makes_it_more_diverse(amounts):
    together = [sum(amounts[:2]), *amounts[2:]]
    assert entropy_bits(together) <= entropy_bits(amounts) + 1e-9
