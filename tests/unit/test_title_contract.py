"""What the titles agent publishes is what readers read: nothing is lost, nothing misunderstood."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import pytest
from title_watching import AROUND, FINISHERS, LENGTH, VIEWERS, watched_title

from consumers.records import RawRecord, Signal, parse_signal
from consumers.titles import read_engagement
from hookpoint.commands._views import SIGNALS
from hookpoint.title_report.build import build_report, chosen_season
from streams.audience.report import report_of

if TYPE_CHECKING:
    from consumers.engagement import Engagement


@pytest.fixture(scope="module")
def audience():
    return watched_title()


@pytest.fixture(scope="module")
def published(audience) -> dict[str, str]:
    report = report_of(audience, AROUND)
    return {name: _text(value) for name, value in report.fields.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def place_in(found: Engagement, name: str) -> Any:
    """What a reader has made of one field of the hash."""
    kind, *places = name.split(":")
    if not places:
        return getattr(found, name)
    part: Any = found.seasons[int(places[0])]
    if len(places) > 1:
        groups = part.languages if places[1] == "language" else part.countries
        part = groups[places[-1]]
    return getattr(part, "figures" if kind == "season" else kind)


def test_all_that_is_published_is_what_readers_find(published):
    found = read_engagement("dark", published)
    for name, text in published.items():
        read = msgspec.to_builtins(place_in(found, name))
        if name == "updated_at":
            assert datetime.fromisoformat(read) == datetime.fromisoformat(text)
        else:
            assert_has(read, orjson.loads(text), name)


def assert_has(read: Any, said: Any, where: str) -> None:
    """Fails where ``read`` lacks something that was ``said``, or has something else for it."""
    if isinstance(said, dict):
        assert said.keys() <= read.keys(), where
        for name, each in said.items():
            assert_has(read[name], each, f"{where}.{name}")
    elif isinstance(said, list):
        assert len(read) == len(said), where
        for place, each in enumerate(said):
            assert_has(read[place], each, f"{where}.{place}")
    elif where.endswith(".since") and said:
        assert datetime.fromisoformat(read) == datetime.fromisoformat(said), where
    else:
        assert read == said, where


def test_every_kind_of_field_is_among_what_is_compared(published):
    kinds = {name.partition(":")[0] for name in published}
    parts = {"season", "episodes", "dropoff", "curve", "hook", "audience", "reach", "voices"}
    assert parts <= kinds
    assert orjson.loads(published["reach"])["travels"]
    assert orjson.loads(published["voices"])["breakthrough"]
    assert orjson.loads(published["voices"])["by_label"]


def test_readers_see_the_counts_that_the_agent_has(audience, published):
    found = read_engagement("dark", published)
    season = found.seasons[1]
    assert (found.starters, season.figures.completers) == (VIEWERS, FINISHERS)
    assert season.episodes["1"].starters == VIEWERS
    assert season.curve.episodes == LENGTH
    assert season.curve.c[0] == pytest.approx(FINISHERS / VIEWERS, abs=0.03)
    assert season.curve.finish()[1] > 0.9
    assert season.hook.k == audience.decisions.hooks[1, ""].k == 2
    assert sum(season.dropoff["1"]) > 0
    assert found.updated_at.timestamp() * 1000 == audience.clock_ms


def test_a_countrys_curve_is_read_as_that_countrys(published):
    season = read_engagement("dark", published).seasons[1]
    assert set(season.countries) == {"DE", "FR"}
    assert season.countries["DE"].curve.n[0] > season.countries["FR"].curve.n[0]


def test_a_languages_curve_is_read_as_that_languages_whatever_the_region(published):
    season = read_engagement("dark", published).seasons[1]
    assert set(season.languages) == {"de", "fr"}
    assert season.languages["fr"].curve == season.countries["FR"].curve
    assert season.languages["fr"].hook.k == 2


def test_what_is_published_makes_a_report(published):
    from consumers.titles import Title as Read  # noqa: PLC0415  # another title than the catalogue's

    title = Read("dark", None, read_engagement("dark", published))
    assert chosen_season(title, None) == 1
    pairs = dict(pair for section in build_report(title).sections for pair in section.pairs)
    assert pairs["hook point"].startswith("episode 2 of 6: ")


def signals_of(audience) -> dict[str, list[Signal]]:
    found: dict[str, list[Signal]] = {}
    for out in audience.outbox:
        signal = parse_signal(RawRecord("signals", 0, 0, b"dark", out.body.encode(), {}, 1))
        found.setdefault(signal.type, []).append(signal)
    return found


def test_the_signal_of_a_hook_point_is_one_that_readers_read(audience):
    found = next(
        it for it in signals_of(audience)["title.hook_point"] if not it.country and not it.language
    )
    assert (found.title_id, found.season, found.who) == ("dark", 1, None)
    assert (found.state, found.k, found.of) == ("found", 2, LENGTH)
    low, high = found.interval
    assert 0.7 < low <= found.p <= high


def test_signals_of_travelling_and_of_breaking_through_are_ones_that_readers_read(audience):
    signals = signals_of(audience)
    travels, to_french, *_ = signals["title.travels"]
    assert (travels.state, travels.data["value"], travels.season) == ("begun", "FR", 1)
    assert (to_french.data["to"], to_french.data["value"]) == ("language", "fr")
    [broken, *_] = signals["title.breakthrough"]
    assert (broken.state, broken.data["labels"], broken.data["peers"]) == ("begun", ["new"], 6)
    for signal in (travels, to_french, broken):
        assert SIGNALS.row(signal)[-1].plain.startswith("begun: ")
