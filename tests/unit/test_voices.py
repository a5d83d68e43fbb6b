"""What labelled creators' titles are given, and what they make of it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.audience.breakthroughs import Breakthroughs
from streams.audience.voices import Line, Table, length_class, read_line, voices_of
from streams.rules import Rules

NEW = ("new",)


def line(h1: float, low: float, n: int = 100, of: int = 8) -> Line:
    return Line(200, 100, NEW, h1, low, n, of)


def test_completion_above_exposure_says_that_a_label_keeps_more_of_its_viewers():
    table = Table()
    table.put("famous:1", Line(900, 300))
    table.put("debut:1", Line(100, 100, NEW))
    (new,) = table.report(50).values()
    assert (new["titles"], new["exposure"], new["completion"], new["ratio"]) == (1, 0.1, 0.25, 2.5)


def test_a_label_that_hardly_anyone_has_seen_is_not_told():
    table = Table()
    table.put("famous:1", Line(900, 300))
    table.put("debut:1", Line(49, 40, NEW))
    assert table.report(50) == {}


def test_before_anything_is_completed_there_is_no_completion_share():
    table = Table()
    table.put("debut:1", Line(100, 0, NEW))
    assert table.report(50)["new"]["completion"] is None
    assert table.report(50)["new"]["ratio"] is None


def test_what_a_label_reaches_is_as_diverse_as_its_viewers_countries():
    table = Table()
    table.put("a:1", Line(100, 0, NEW, countries={"DE": 50, "FR": 50}))
    table.put("b:1", Line(200, 0, NEW, countries={"DE": 50, "KR": 100, "BR": 100}))
    table.put("c:1", Line(900, 0, countries={"US": 900}))
    new = table.report(50)["new"]
    assert (new["entropy_bits"], new["evenness"]) == (1.950, 0.975)  # 100, 100, 100 and 50


def test_how_a_label_hooks_is_weighted_with_viewers():
    table = Table()
    table.put("a:1", line(0.6, 0.5, n=300))
    table.put("b:1", line(0.2, 0.1, n=100))
    table.put("c:1", Line(100, 10, NEW))
    assert table.report(50)["new"]["h1"] == 0.5


def test_a_line_is_what_the_table_holds():
    said = line(0.5, 0.4)
    assert read_line(msgspec.json.encode(said)) == said
    assert msgspec.json.encode(Line(1, 0)) == b'{"starters":1}'
    assert read_line(b'{"of": 8, "h1": 0.5, "n": 60}') == Line(h1=0.5, n=60, of=8)
    with pytest.raises(ValueError, match="starters"):
        read_line(b'{"starters": "many"}')


def test_a_table_is_read_as_it_is_stored():
    lines = {"famous:1": Line(900, 300), "debut:1": Line(100, 100, NEW)}
    table = Table.of({key: msgspec.json.encode(said) for key, said in lines.items()})
    assert table.label("new", 50) == table.report(50)["new"]
    assert table.label("unheard-of", 50) is None
    assert table.shares(100, 100) == (0.1, 0.25)
    assert Table().shares(100, 100) == (None, None)


@pytest.mark.parametrize(
    ("of", "peer"),
    [(0, 0), (1, 1), (2, 4), (5, 8), (9, 13), (14, 22), (23, 60)],
)
def test_seasons_of_about_the_same_length_are_compared(of, peer):
    assert length_class(of) == length_class(peer)
    assert length_class(of) < length_class(peer + 1) or of == 23


def test_the_report_of_a_title_puts_it_beside_its_labels():
    said = Line(100, 50, ("local-hub", "new"))
    table, broken = Table(), Breakthroughs(Rules())
    table.put("mine:1", said)
    table.put("mine:2", said)
    table.put("famous:1", Line(800, 100))
    broken.load([["new", 0.9, 0.8, 100, 0.4, 5]])
    report = voices_of({1: said, 2: said}, {1: broken, 2: Breakthroughs(Rules())}, table, 50)
    assert report == {
        "labels": ["local-hub", "new"], "exposure": 0.2, "completion": 0.5,
        "by_label": {"local-hub": table.label("local-hub", 50), "new": table.label("new", 50)},
        "breakthrough": [
            {"season": 1, "label": "new", "h1": 0.9, "low": 0.8, "n": 100, "typical": 0.4,
             "peers": 5}
        ],
    }  # fmt: skip


LINES = st.builds(
    Line,
    starters=st.integers(0, 500), completers=st.integers(0, 200),
    labels=st.sampled_from([(), NEW, ("local-hub", "new")]),
    h1=st.none() | st.floats(0, 1), low=st.floats(0, 1), n=st.integers(0, 300),
    of=st.integers(0, 12), countries=st.dictionaries(st.sampled_from(["DE", "FR"]), st.just(50)),
)  # fmt: skip
UPDATES = st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | LINES), max_size=20)


@given(UPDATES)
def test_a_table_knows_only_the_last_line_of_each(updates):
    table, fresh = Table(), Table()
    for key, said in updates:
        table.put(key, said)
    for key, said in dict(updates).items():
        fresh.put(key, said)
    assert table.report(1) == fresh.report(1)
    for of in range(13):
        assert sorted(table.peers(of, "new", 50)) == sorted(fresh.peers(of, "new", 50))
