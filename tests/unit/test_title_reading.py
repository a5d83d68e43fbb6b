"""What a reader makes of a title's hashes: what is missing, what is new, and what is broken."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
import title_hashes as hashes

from consumers.engagement import GroupCurve, Season
from consumers.titles import BadTitleError, Title, read_engagement, read_facts


def read(**changes):
    return read_engagement("dark", hashes.as_fields(hashes.engagement(**changes)))


def test_every_field_of_the_contract_has_its_place():
    found = read()
    season = found.seasons[1]
    assert (found.starters, found.hours, found.completion_7d) == (1500, 5230.5, 0.3125)
    assert found.updated_at == datetime(2026, 11, 22, 20, 15, 30, 250_000, UTC)
    assert (season.figures.completers, season.figures.rewatch_starters) == (455, 12)
    assert season.episodes["1"].rewatched_s == 3600
    assert max(season.dropoff["1"]) == 0.2
    assert (season.curve.c, season.curve.n[0]) == (hashes.C, 1200)
    assert (season.hook.k, season.hook.of, season.hook.since.year) == (3, 8, 2026)
    assert season.countries["DE"].hook.k == 2
    assert found.audience.country == {"DE": 800, "FR": 450, "AT": 100}
    assert found.reach.travels[0].value == "FR"
    assert (found.voices.labels, found.voices.exposure) == (("local-hub", "new"), 0.01)
    assert found.voices.by_label["new"].ratio == 1.5
    assert (found.voices.breakthrough[0].label, found.voices.breakthrough[0].peers) == ("new", 12)


def test_a_title_that_few_have_watched_has_only_what_is_published():
    found = read_engagement("dark", {"updated_at": "2026-11-22T20:15:30Z", "starters": "3"})
    assert (found.starters, found.completion_28d, found.audience) == (3, None, None)
    assert found.seasons == {}


@pytest.mark.parametrize("name", sorted(hashes.engagement()))
def test_any_field_may_be_missing(name):
    assert read(**{name: None}) is not None


def test_what_a_newer_worker_adds_is_ignored():
    found = read(
        **{
            "curve:1": hashes.curve(shape="new"),
            "curve:1:DE:tv": {"new": 1},
            "dropoff:1:DE": "new",
            "curve:first": "new",
            "mood": "new",
            "audience": {"n": 100, "mood": {"good": 50}},
        }
    )
    assert found.seasons[1].curve.version == "1795376130"
    assert list(found.seasons[1].countries) == ["DE"]
    assert found.audience.n == 100


def test_a_curve_of_an_older_worker_still_says_who_goes_on_to_the_end():
    newer = ("h", "h_low", "h_high", "high", "se", "n_eff", "horizon_s", "provisional")
    curve = read(**{"curve:1": hashes.curve(**dict.fromkeys(newer))}).seasons[1].curve
    assert curve.finish() == pytest.approx(hashes.to_the_end(hashes.C), abs=1e-4)
    assert (curve.h_low, curve.horizon_s) == ((), None)


def test_a_country_may_have_a_curve_and_no_hook_point():
    found = read(**{"hook:1:DE": None})
    assert found.seasons[1].countries["DE"].hook is None
    assert read(**{"curve:1:DE": None}).seasons[1].countries["DE"].curve is None


def test_languages_are_kept_apart_from_countries_and_what_is_neither_is_left_out():
    more = {"curve:1:language:fr": hashes.curve(), "curve:1:city:paris": {"new": 1}}
    found = read_engagement("dark", hashes.as_fields(hashes.engagement(**more)))
    assert set(found.seasons[1].languages) == {"fr"}
    assert set(found.seasons[1].countries) == {"DE"}


def test_a_season_that_only_a_country_has_is_not_lost():
    found = read_engagement("dark", {"hook:2:DE": orjson.dumps({"k": None}).decode()})
    [country] = found.seasons[2].countries.values()
    assert found.seasons[2] == Season(countries={"DE": GroupCurve(hook=country.hook)})


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("starters", "many", "int"),
        ("hours", "x", "float"),
        ("updated_at", "yesterday", "datetime"),
        ("updated_at", "2026-11-22T20:15:30", "timezone"),
        ("hook:1", "{", "truncated"),
        ("hook:1", {"k": "three"}, r"\$.k"),
        ("curve:1", {"version": "1"}, "episodes"),
        ("curve:1", hashes.curve(c=[0.5]), "c has 1 entries for 8 episodes"),
        ("curve:1:DE", hashes.curve(h=[0.5]), "h has 1 entries for 8 episodes"),
        ("audience", {"country": {"DE": "all"}}, r"\$.country"),
        ("reach", "[]", "object"),
        ("dropoff:1", {"1": ["x"]}, "float"),
    ],
)
def test_what_cannot_be_read_is_named_by_title_and_field(name, value, why):
    with pytest.raises(BadTitleError, match=rf"engagement of title dark .* field {name}: .*{why}"):
        read(**{name: value})


def test_the_facts_of_a_title_are_those_of_the_catalogue():
    found = read_facts("dark", hashes.as_fields(hashes.facts()))
    assert (found.name, found.original, found.genres) == ("Dark", True, ("drama", "mystery"))
    assert found.seasons[0].runtimes_s() == {str(number): 3000 for number in range(1, 9)}


def test_a_title_that_has_only_a_name_is_read():
    found = read_facts("dark", {"name": "Dark", "kind": "film"})
    assert (found.original, found.duration_s, found.seasons) == (None, None, ())


def test_broken_facts_are_named():
    with pytest.raises(BadTitleError, match=r"facts of title dark .* field seasons"):
        read_facts("dark", {"name": "Dark", "seasons": '[{"season": "one"}]'})


def test_a_title_without_a_name_goes_by_its_id():
    assert Title("dark", None, None).name == "dark"
    assert not Title("dark", None, None).known
