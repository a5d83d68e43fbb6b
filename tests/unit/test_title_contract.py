"""What the titles agent publishes is what readers read: nothing is lost, nothing misunderstood."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import orjson
import pytest

from consumers.engagement import (
    Audience,
    Curve,
    Engagement,
    EpisodeFigures,
    Figures,
    Hook,
    Reach,
)
from consumers.records import RawRecord, parse_signal
from consumers.titles import read_engagement
from hookpoint.title_report.build import build_report, chosen_season
from streams.audience.records import Figures as Played
from streams.audience.records import Flags, Lineage, Passage, Progress, Row, Seat, Session
from streams.audience.report import report_of
from streams.audience.title import Surroundings, TitleAudience
from streams.catalogue import Catalogue, Season, Title
from streams.rules import Rules

HOUR_MS = 3_600_000
T0 = 20_000 * 24 * HOUR_MS
LENGTH, VIEWERS = 6, 600
NOTHING, COMPLETED = Flags(), Flags(started=True, watched=True, completed=True)
SEASON = Season(LENGTH, dict.fromkeys(range(1, LENGTH + 1), 3_000_000))
DARK = Title("dark", "Dark", (), {1: SEASON}, country="DE", language="de")
KNOWN = {
    "season": Figures,
    "episodes": EpisodeFigures,
    "curve": Curve,
    "hook": Hook,
    "audience": Audience,
    "reach": Reach,
}


def viewing(number: int, begun_ms: int) -> list[Progress | Session]:
    """One viewer, an episode an hour: two of five leave after the first, nobody later."""
    viewer, country = f"v{number}", ("DE", "DE", "FR")[number % 3]
    seat = Seat(country, "de", "tv", 20, "drama")
    far = 1 if number % 5 < 2 else LENGTH
    records: list[Progress | Session] = []
    for episode in range(1, far + 1):
        at_ms = begun_ms + episode * HOUR_MS
        rows = [Passage(episode, None, Row(at_ms, 0))] if episode < LENGTH else []
        if episode == 1:
            rows.append(Passage(0, None, Row(begun_ms, 0)))
        else:
            held = Row(at_ms - HOUR_MS, 0)
            rows.append(Passage(episode - 1, held, Row(held.entered_ms, at_ms - HOUR_MS // 2)))
        if episode == LENGTH:
            rows.append(Passage(0, Row(begun_ms, 0), Row(begun_ms, at_ms)))
        place = (viewer, "dark", 1, episode, at_ms)
        records.append(Progress(*place, seat, NOTHING, COMPLETED, tuple(rows)))
        played = Played(3000, 3000, 3000, 0, 1000 if far == 1 else 3000, country, "de", "tv")
        records.append(
            Session(*place, f"{viewer}-{episode}", 1, at_ms - HOUR_MS, played, runtime_s=3000)
        )
    return records


@pytest.fixture(scope="module")
def audience() -> TitleAudience:
    told = [it for number in range(VIEWERS) for it in viewing(number, T0 + number * HOUR_MS)]
    title = TitleAudience("dark", Rules())
    around = Surroundings(Catalogue({"dark": DARK}), Rules())
    for offset, record in enumerate(sorted(told, key=lambda it: it.at_ms)):
        title.absorb("events/0", Lineage(offset, 0, 0, 0), record, title.clock_ms, around)
    return title


@pytest.fixture(scope="module")
def published(audience) -> dict[str, str]:
    report = report_of(audience, Surroundings(Catalogue({"dark": DARK}), Rules()))
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
    assert (found.starters, season.figures.completers) == (VIEWERS, VIEWERS * 3 // 5)
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
