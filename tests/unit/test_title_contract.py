"""What the titles agent publishes is what readers read: nothing is lost, nothing misunderstood."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import orjson
import pytest
from title_watching import AROUND, FINISHERS, LENGTH, VIEWERS, watched_title

from consumers.engagement import (
    Audience,
    Curve,
    Engagement,
    EpisodeFigures,
    Figures,
    Hook,
    Reach,
    Voices,
)
from consumers.records import RawRecord, parse_signal
from consumers.titles import read_engagement
from hookpoint.title_report.build import build_report, chosen_season
from streams.audience.report import report_of

KNOWN = {
    "season": Figures,
    "episodes": EpisodeFigures,
    "curve": Curve,
    "hook": Hook,
    "audience": Audience,
    "reach": Reach,
    "voices": Voices,
}


@pytest.fixture(scope="module")
def audience():
    return watched_title()


@pytest.fixture(scope="module")
def published(audience) -> dict[str, str]:
    report = report_of(audience, AROUND)
    return {name: _text(value) for name, value in report.fields.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def test_every_name_that_is_published_is_one_that_readers_know(published):
    scalars = {field.name for field in fields(Engagement)}
    for name, text in published.items():
        kind = name.partition(":")[0]
        if kind not in KNOWN:
            assert name in scalars or kind == "dropoff", name
            continue
        body = orjson.loads(text)
        parts = body.values() if kind == "episodes" else [body]
        known = {field.name for field in fields(KNOWN[kind])}
        for part in parts:
            assert part.keys() <= known, name


def test_readers_see_the_counts_that_the_agent_has(audience, published):
    found = read_engagement("dark", published)
    season = found.seasons[1]
    assert (found.starters, season.figures.completers) == (VIEWERS, FINISHERS)
    assert season.episodes["1"].starters == VIEWERS
    assert season.curve.episodes == LENGTH
    assert season.curve.c[0] == pytest.approx(0.6, abs=0.03)
    assert season.curve.finish()[1] > 0.9
    assert season.hook.k == audience.decisions.hooks[1, ""].k == 2
    assert sum(season.dropoff["1"]) > 0
    assert found.updated_at.timestamp() * 1000 == audience.clock_ms


def test_a_countrys_curve_is_read_as_that_countrys(published):
    season = read_engagement("dark", published).seasons[1]
    assert set(season.countries) == {"DE", "FR"}
    assert season.countries["DE"].curve.n[0] > season.countries["FR"].curve.n[0]


def test_what_is_published_makes_a_report(published):
    from consumers.titles import Title as Read  # noqa: PLC0415  # another title than the catalogue's

    title = Read("dark", None, read_engagement("dark", published))
    assert chosen_season(title, None) == 1
    pairs = dict(pair for section in build_report(title).sections for pair in section.pairs)
    assert pairs["hook point"].startswith("episode 2 of 6: ")


def test_the_signal_of_a_hook_point_is_one_that_readers_read(audience):
    [body, *_] = [out.body for out in audience.outbox]
    found = parse_signal(RawRecord("signals", 0, 0, b"dark", body.encode(), {}, 1))
    assert (found.type, found.title_id, found.season) == ("title.hook_point", "dark", 1)
    assert (found.state, found.k, found.of, found.who) == ("found", 2, LENGTH, None)
    low, high = found.interval
    assert 0.7 < low <= found.p <= high
