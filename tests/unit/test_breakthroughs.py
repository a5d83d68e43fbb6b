"""A new voice breaks through when it surely hooks more than comparable seasons do."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.audience.breakthroughs import Breakthroughs
from streams.audience.voices import Line, Table
from streams.rules import Rules

NEW = ("new",)


def line(h1: float, low: float, n: int = 100, of: int = 8, labels: tuple[str, ...] = NEW) -> Line:
    return Line(200, 100, labels, h1, low, n, of)


def a_table(*h1: float, of: int = 8, labels: tuple[str, ...] = ()) -> Table:
    table = Table()
    for number, share in enumerate(h1):
        table.put(f"peer-{number}:1", line(share, share - 0.05, of=of, labels=labels))
    return table


PEERS = a_table(0.30, 0.35, 0.40, 0.45, 0.90)


@pytest.fixture
def breakthroughs() -> Breakthroughs:
    return Breakthroughs(Rules())


def test_a_new_voice_breaks_through_when_it_is_surely_above_the_typical_season(breakthroughs):
    assert breakthroughs.decide(line(0.55, 0.44), PEERS) == []  # typical is .40, and .45 is asked
    (found,) = breakthroughs.decide(line(0.55, 0.46, n=120), PEERS)
    assert found == (True, "new", 0.55, 0.46, 100, 0.40, 5)
    assert breakthroughs.decide(line(0.55, 0.46), PEERS) == []


def test_it_ends_when_it_is_no_longer_above(breakthroughs):
    breakthroughs.decide(line(0.55, 0.46), PEERS)
    assert breakthroughs.decide(line(0.42, 0.38), PEERS) == []
    (ended,) = breakthroughs.decide(line(0.39, 0.36), PEERS)
    assert (ended.begins, ended.h1, ended.typical) == (False, 0.39, 0.40)


@pytest.mark.parametrize(
    "said",
    [
        line(0.9, 0.8, n=49), line(0.9, 0.8, labels=()), line(0.9, 0.8, of=20),
        line(0.9, 0.8, of=0), Line(200, 100, NEW, of=8),
    ],
    ids=["too few viewers", "no label", "of another length", "length unknown", "no curve"],
)  # fmt: skip
def test_nothing_else_is_a_breakthrough(breakthroughs, said):
    assert breakthroughs.decide(said, PEERS) == []


def test_four_comparable_seasons_are_too_few(breakthroughs):
    assert breakthroughs.decide(line(0.9, 0.8), a_table(0.1, 0.1, 0.1, 0.1)) == []
    assert breakthroughs.decide(line(0.9, 0.8), a_table(*[0.1] * 9, labels=NEW)) == []


def test_a_table_that_is_away_takes_no_word_back(breakthroughs):
    breakthroughs.decide(line(0.9, 0.8), PEERS)
    assert breakthroughs.decide(line(0.9, 0.8), Table()) == []
    assert breakthroughs.report() == [
        {"label": "new", "h1": 0.9, "low": 0.8, "n": 100, "typical": 0.4, "peers": 5}
    ]


def test_a_label_that_is_taken_away_ends_it(breakthroughs):
    breakthroughs.decide(line(0.9, 0.8), PEERS)
    (ended,) = breakthroughs.decide(line(0.9, 0.8, labels=()), PEERS)
    assert (ended.begins, ended.label) == (False, "new")


LINES = st.builds(
    Line,
    labels=st.sampled_from([(), NEW, ("local-hub", "new")]),
    h1=st.none() | st.floats(0, 1), low=st.floats(0, 1), n=st.integers(0, 300),
    of=st.integers(5, 8),
)  # fmt: skip


@given(st.lists(LINES, max_size=20), st.lists(LINES, max_size=8))
def test_begins_and_ends_alternate_and_survive_being_stored(others, lines):
    table, breakthroughs, going = Table(), Breakthroughs(Rules()), set()
    for number, said in enumerate(others):
        table.put(f"{number}:1", said)
    for said in lines:
        stored = Breakthroughs(Rules())
        stored.load(orjson.loads(orjson.dumps(breakthroughs.dump())))
        changes = breakthroughs.decide(said, table)
        assert stored.decide(said, table) == changes
        for change in changes:
            assert change.begins == (change.label not in going)
            assert change.n % 50 == 0
            going ^= {change.label}
        assert {it["label"] for it in breakthroughs.report()} == going
