"""What labelled creators' titles are given, what they make of it, and when one breaks through."""

from __future__ import annotations

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.audience.voices import Breakthroughs, Line, Table, length_class, read_line

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
    return Breakthroughs(threshold=50)


# -- exposure and completion -----------------------------------------------------------------------


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
    assert table.shares(lines["debut:1"]) == (0.1, 0.25)
    assert Table().shares(lines["debut:1"]) == (None, None)


# -- breaking through ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "peer"),
    [(0, 0), (1, 1), (2, 4), (5, 8), (9, 13), (14, 22), (23, 60)],
)
def test_seasons_of_about_the_same_length_are_compared(of, peer):
    assert length_class(of) == length_class(peer)
    assert length_class(of) < length_class(peer + 1) or of == 23


def test_a_new_voice_breaks_through_when_it_is_surely_above_the_typical_season(breakthroughs):
    assert breakthroughs.decide(line(0.55, 0.44), PEERS) == []  # typical is .40, and .45 is asked
    (found,) = breakthroughs.decide(line(0.55, 0.46, n=120), PEERS)
    assert found == (True, "new", 0.55, 0.46, 100, 0.40, 5)
    assert breakthroughs.decide(line(0.55, 0.46), PEERS) == []


def test_titles_are_ranked_by_how_far_they_are_surely_above_the_typical_season(breakthroughs):
    assert breakthroughs.score() is None
    breakthroughs.decide(line(0.55, 0.46), PEERS)
    assert breakthroughs.score() == pytest.approx(0.06)
    breakthroughs.decide(line(0.39, 0.36), PEERS)
    assert breakthroughs.score() is None


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
    assert [it["label"] for it in breakthroughs.report(line(0.9, 0.8), PEERS)["breakthrough"]] == [
        "new"
    ]


def test_a_label_that_is_taken_away_ends_it(breakthroughs):
    breakthroughs.decide(line(0.9, 0.8), PEERS)
    (ended,) = breakthroughs.decide(line(0.9, 0.8, labels=()), PEERS)
    assert (ended.begins, ended.label) == (False, "new")


def test_the_report_names_the_labels_and_the_numbers_behind_a_breakthrough(breakthroughs):
    said = line(0.9, 0.8, labels=("local-hub", "new"))
    table = a_table(*[0.4] * 5)
    table.put("mine:1", said)
    breakthroughs.decide(said, table)
    report = breakthroughs.report(said, table)
    assert report["labels"] == ["local-hub", "new"]
    assert (report["exposure"], report["completion"]) == (0.1667, 0.1667)  # one of six alike
    assert report["by_label"]["new"] == table.label("new", 50)
    assert report["breakthrough"] == [
        {"label": label, "h1": 0.9, "low": 0.8, "n": 100, "typical": 0.4, "peers": 5}
        for label in ("local-hub", "new")
    ]


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


@given(UPDATES, st.lists(LINES, max_size=8))
def test_begins_and_ends_alternate_and_survive_being_stored(updates, lines):
    table, breakthroughs, going = Table(), Breakthroughs(50), set()
    for key, said in updates:
        table.put(key, said)
    for said in lines:
        stored = Breakthroughs(50)
        stored.load(orjson.loads(orjson.dumps(breakthroughs.dump())))
        changes = breakthroughs.decide(said, table)
        assert stored.decide(said, table) == changes
        for change in changes:
            assert change.begins == (change.label not in going)
            assert change.n % 50 == 0
            going ^= {change.label}
        told = breakthroughs.report(said, table)["breakthrough"]
        assert {it["label"] for it in told} == going
