"""Titles and curves as they are published, and what is wrong with those that are not taken."""

from __future__ import annotations

import math
from typing import Any

import pytest

from streams.catalogue import Catalogue, Curve, catalogue_shares, parse_title

SERIES: dict[str, Any] = {
    "title_id": "dark", "kind": "series", "name": "Dark", "genres": ["drama", "mystery"],
    "language": "de", "country": "DE", "creators": ["someone"], "themes": [], "original": True,
    "seasons": [{"season": 1, "episodes": [{"episode": 1, "duration_s": 3060},
                                           {"episode": 2, "duration_s": 2940.5}]}],
}  # fmt: skip
CURVE: dict[str, Any] = {
    "version": "3", "episodes": 3, "c": [0.6, 0.9], "low": [0.5, 0.9], "n": [60, 50],
    "gap_s": [0, 60], "gap_cdf": [0, 1],
}  # fmt: skip


def test_a_series_is_read() -> None:
    title = parse_title(SERIES)
    assert title.seasons[1].of == 2
    assert title.seasons[1].runtime_ms() == 6_000_500
    assert title.episode_runtime_ms(1, 2) == 2_940_500
    assert title.episode_runtime_ms(1, 3) == title.episode_runtime_ms(2, 1) == 0
    assert dict(title.facets) == {
        "genre:drama": 0.5, "genre:mystery": 0.5, "creator:someone": 1.0, "language:de": 1.0,
        "country:DE": 1.0, "original:true": 1.0,
    }  # fmt: skip


def test_a_title_says_where_it_comes_from() -> None:
    title = parse_title(SERIES)
    assert (title.country, title.language, title.labels) == ("DE", "de", ())
    bare = parse_title({"title_id": "x", "kind": "film", "name": "X"})
    assert (bare.country, bare.language, bare.labels) == ("", "", ())


def test_creators_may_carry_the_service_s_own_labels() -> None:
    creators = [
        {"name": "someone", "labels": ["new", "local-hub"]},
        {"name": "another", "labels": ["new"]},
        "a third",
        {"name": "a fourth"},
    ]
    title = parse_title({**SERIES, "creators": creators})
    assert title.labels == ("local-hub", "new")
    facets = {name: part for name, part in title.facets if name.startswith("creator:")}
    assert facets == dict.fromkeys(
        ["creator:a fourth", "creator:a third", "creator:another", "creator:someone"], 0.25
    )


def test_a_season_knows_when_its_episodes_came_out() -> None:
    episodes = [
        {"episode": 1, "released_at": "2017-12-01T00:00:00Z"},
        {"episode": 2, "released_at": "2017-12-08T01:00:00.5+01:00"},
        {"episode": 3},
        {"episode": 4, "released_at": None},
    ]
    season = parse_title({**SERIES, "seasons": [{"season": 1, "episodes": episodes}]}).seasons[1]
    first = 1_512_086_400_000
    assert season.released_ms == {1: first, 2: first + 7 * 86_400_000 + 500}
    assert parse_title(SERIES).seasons[1].released_ms == {}


def test_a_film_has_one_runtime() -> None:
    film = parse_title({"title_id": "heat", "kind": "film", "name": "Heat", "duration_s": 600})
    assert film.episode_runtime_ms(0, 0) == 600_000


def test_a_season_that_goes_on_has_no_length_yet() -> None:
    season = {**SERIES["seasons"][0], "complete": False}
    assert parse_title({**SERIES, "seasons": [season]}).seasons[1].of == 0


def test_a_season_with_an_unknown_runtime_has_none_in_all() -> None:
    season = {"season": 1, "episodes": [{"episode": 1, "duration_s": 60}, {"episode": 2}]}
    assert parse_title({**SERIES, "seasons": [season]}).seasons[1].runtime_ms() == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title_id": ""}, "title_id"), ({"name": None}, "name"), ({"kind": "show"}, "kind"),
        ({"genres": "drama"}, "genres"), ({"language": 7}, "language"),
        ({"seasons": {"season": 1}}, "seasons"),
        ({"seasons": [{"season": 0}]}, "season"), ({"seasons": [{"season": True}]}, "season"),
        ({"seasons": [{"season": 1, "episodes": [{"episode": 1.0}]}]}, "episode"),
        ({"seasons": [{"season": 1, "episodes": [{"episode": 1, "duration_s": -1}]}]},
         "duration_s"),
        ({"kind": "film", "duration_s": "60"}, "duration_s"),
        ({"creators": "someone"}, "creators"), ({"creators": [7]}, "creators"),
        ({"creators": [{"labels": ["new"]}]}, "creators"),
        ({"creators": [{"name": "x", "labels": "new"}]}, "labels"),
        ({"creators": [{"name": "x", "labels": [""]}]}, "labels"),
        ({"seasons": [{"season": 1, "episodes": [{"episode": 1, "released_at": "2017-12-01"}]}]},
         "released_at"),
        ({"seasons": [{"season": 1, "episodes": [{"episode": 1, "released_at": 1512086400}]}]},
         "released_at"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_title_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        parse_title({**SERIES, **change})


@pytest.mark.parametrize("data", [None, [], "x"])
def test_a_title_is_an_object(data: Any) -> None:
    with pytest.raises(ValueError, match="not an object"):
        parse_title(data)


def test_each_title_counts_once_towards_the_catalogue_s_shares() -> None:
    titles = [parse_title(SERIES), parse_title({**SERIES, "title_id": "x", "genres": ["drama"]})]
    assert catalogue_shares(titles)["genre:drama"] == pytest.approx(0.75)
    catalogue = Catalogue({t.title_id: t for t in titles})
    del catalogue.titles["x"]
    catalogue.refresh_prior()
    assert catalogue.prior["genre:drama"] == pytest.approx(0.5)


def test_a_curve_is_read() -> None:
    curve = Curve.parse(CURVE)
    assert (curve.of, curve.c, curve.n, curve.gap_cdf) == (3, (0.6, 0.9), (60, 50), (0.0, 1.0))
    assert Curve.parse({**CURVE, "horizon_s": 3600}).horizon_s == 3600
    assert curve.horizon_s == math.inf


@pytest.mark.parametrize(
    "change",
    [{"c": None}, {"c": [0.6]}, {"c": [0.6, 1.1]}, {"low": [0.7, 0.9]}, {"low": [-0.1, 0.9]},
     {"n": [1]}, {"episodes": 2}, {"gap_s": [0]}, {"gap_s": [1, 60]}, {"gap_s": [60, 0]},
     {"gap_cdf": [0, 0.9]}, {"gap_cdf": [0.5, 1]}, {"gap_cdf": [1, 0]},
     {"gap_s": [], "gap_cdf": []},
     {"episodes": 1, "c": [], "low": [], "n": []}, {"c": [float("nan"), 0.9]},
     {"horizon_s": None}, {"horizon_s": -1}],
)  # fmt: skip
def test_a_curve_that_cannot_be_one_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="curve"):
        Curve.parse({**CURVE, **change})
