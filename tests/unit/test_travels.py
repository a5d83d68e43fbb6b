"""A title travels where it hooks viewers about as well as at home."""

from __future__ import annotations

import math
import random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaincinv

from streams.audience.travels import Standing, Travels, lead_low
from streams.rules import Rules

AT_HOME = Standing(0.50, 0.47, 0.53, 800, 800)


@pytest.fixture
def travels() -> Travels:
    return Travels(Rules())


def there(h1: float, low: float, n: int = 120) -> Standing:
    return Standing(h1, low, min(1.0, 2 * h1 - low), n, n)


def test_the_bound_of_the_difference_takes_the_uncertainty_of_both_sides():
    expected = (0.58 - 0.9 * 0.50) - math.sqrt(0.10**2 + (0.9 * 0.03) ** 2)
    assert lead_low(there(0.58, 0.48), AT_HOME, 0.9) == pytest.approx(expected)


def test_it_begins_once_when_it_is_shown_and_ends_once_when_it_is_no_longer_so(travels):
    unsure, shown, doubtful, worse = (
        there(0.50, 0.40), there(0.58, 0.52), there(0.46, 0.40), there(0.44, 0.41),
    )  # fmt: skip
    said = [
        travels.decide("country", "KR", {"KR": AT_HOME, "US": standing})
        for standing in (unsure, shown, shown, doubtful, worse, worse)
    ]
    assert [[(it.begins, it.value) for it in changes] for changes in said] == [
        [], [(True, "US")], [], [], [(False, "US")], []
    ]  # fmt: skip


def test_it_says_the_numbers_that_decided_it(travels):
    travels.decide("country", "KR", {"KR": AT_HOME, "US": there(0.58, 0.52)})
    assert travels.report() == [
        {"to": "country", "value": "US", "h1": 0.5, "low": 0.181, "n": 100,
         "home": 0.5, "home_high": 0.561}
    ]  # fmt: skip


def test_too_few_viewers_decide_nothing(travels):
    assert travels.decide("country", "KR", {"KR": AT_HOME, "US": there(0.9, 0.8, 49)}) == []
    few_at_home = AT_HOME._replace(n=49)
    assert travels.decide("country", "KR", {"KR": few_at_home, "US": there(0.9, 0.8)}) == []


def test_with_an_unknown_home_nothing_begins(travels):
    assert travels.decide("country", "", {"": AT_HOME, "US": there(0.9, 0.8)}) == []


@pytest.mark.parametrize("standings", [{"US": there(0.9, 0.8)}, {"KR": AT_HOME}, {}])
def test_what_can_no_longer_be_compared_ends(travels, standings):
    travels.decide("country", "KR", {"KR": AT_HOME, "US": there(0.9, 0.8)})
    (ended,) = travels.decide("country", "KR", standings)
    assert (ended.begins, ended.to, ended.value) == (False, "country", "US")
    assert travels.report() == []


def test_a_country_that_turns_out_to_be_home_is_no_longer_abroad(travels):
    travels.decide("country", "KR", {"KR": AT_HOME, "US": there(0.9, 0.8)})
    standings = {"KR": there(0.2, 0.1), "US": there(0.9, 0.8)}
    (ended,) = travels.decide("country", "US", standings)
    assert (ended.begins, ended.value) == (False, "US")


def test_countries_and_languages_are_judged_apart(travels):
    travels.decide("country", "KR", {"KR": AT_HOME, "US": there(0.9, 0.8)})
    changes = travels.decide("language", "ko", {"ko": AT_HOME, "en": there(0.9, 0.8)})
    assert [(it.to, it.value) for it in changes] == [("language", "en")]
    assert [it["to"] for it in travels.report()] == ["country", "language"]


def test_nobody_hooked_at_home_is_no_reason_to_travel(travels):
    nothing = Standing(0.0, 0.0, 0.0, 100, 100)
    assert travels.decide("country", "KR", {"KR": nothing, "US": nothing}) == []


def test_a_title_that_hooks_just_nine_tenths_seldom_seems_to_travel_and_a_better_one_does():
    """At the border itself the bound lets through one in twenty, give or take (400 draws)."""
    rng = random.Random(11)

    def estimate(truth: float, n: int) -> Standing:
        hooked = sum(rng.random() < truth for _ in range(n))
        low, high = (float(betaincinv(hooked + 0.5, n - hooked + 0.5, q)) for q in (0.05, 0.95))
        return Standing(hooked / n, low, high, n, n)

    false = sum(lead_low(estimate(0.45, 150), estimate(0.50, 300), 0.9) >= 0 for _ in range(400))
    assert 0 < false <= 0.09 * 400
    found = sum(lead_low(estimate(0.60, 150), estimate(0.50, 300), 0.9) >= 0 for _ in range(400))
    assert found >= 0.85 * 400


SHARES = st.floats(0, 1)
STANDINGS = st.builds(
    lambda h1, down, up, n: Standing(h1, h1 * (1 - down), h1 + (1 - h1) * up, n, n),
    SHARES, SHARES, SHARES, st.integers(0, 200),
)  # fmt: skip
ROUNDS = st.lists(
    st.tuples(
        st.sampled_from(["", "KR", "US"]),
        st.dictionaries(st.sampled_from(["", "KR", "US", "DE"]), STANDINGS),
    ),
    max_size=8,
)


@given(ROUNDS)
def test_begins_and_ends_alternate_and_survive_being_stored(rounds):
    travels, going = Travels(Rules()), set()
    for home, standings in rounds:
        stored = Travels(Rules())
        stored.load(orjson.loads(orjson.dumps(travels.dump())))
        changes = travels.decide("country", home, standings)
        assert stored.decide("country", home, standings) == changes
        for change in changes:
            assert change.begins == (change.value not in going)
            assert change.n % 50 == 0
            going ^= {change.value}
        assert {it["value"] for it in travels.report()} == going
        assert not going or (home not in going and standings[home].n >= 50)
