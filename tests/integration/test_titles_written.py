"""A title that the agent's store has written to Redis, as a reader and the commands find it."""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr
from title_watching import AROUND, FINISHERS, VIEWERS, watched_title
from typer.testing import CliRunner

from consumers.titles import TitleReader
from hookpoint.cli import app
from streams.audience.report import report_of
from streams.audience.title import day_of
from streams.worker.audience_store import Rank, RedisAudienceStore, TitleWrite
from streams.worker.redis_store import RedisStore

pytestmark = pytest.mark.integration


@pytest.fixture(params=["single", "cluster"])
async def written(request, settings):
    """Settings of a Redis to which the agent's store has just written a title, in full."""
    if request.param == "cluster":
        url = SecretStr(request.getfixturevalue("cluster").redis_url)
        settings = settings.model_copy(update={"redis_url": url, "redis_cluster": True})
    title = watched_title()
    report = report_of(title, AROUND)
    day = day_of(title.clock_ms)
    viewers = {day: [f"v{number}" for number in range(VIEWERS)]}
    store = RedisStore(settings)
    titles = RedisAudienceStore(settings, store)
    await titles.write([TitleWrite("dark", 0, {}, b"", report.fields, day, viewers)])
    await titles.rank([Rank(key, "dark", score) for key, score in report.ranks.items()])
    await store.close()
    return settings


def test_what_the_agent_writes_is_what_a_reader_finds(written):
    with TitleReader(written) as reader:
        found = reader.title("dark")
        assert found.engagement.starters == VIEWERS
        assert found.engagement.completers == FINISHERS
        assert found.engagement.viewers == pytest.approx(VIEWERS, rel=0.05)
        assert found.engagement.seasons[1].hook.k == 2
        [hours] = reader.top("hours")
        assert (hours.title, hours.score) == (found, found.engagement.hours)
        [hooked] = reader.top("hooked")
        [low, *_] = found.engagement.seasons[1].curve.h_low
        assert hooked.score == pytest.approx(low, abs=0.002)


def test_the_commands_show_what_the_agent_has_written(written):
    env = {
        "HOOKPOINT_REDIS_URL": written.redis_url.get_secret_value(),
        "HOOKPOINT_REDIS_CLUSTER": str(written.redis_cluster),
        "HOOKPOINT_KEY_PREFIX": written.key_prefix,
    }
    report = CliRunner(env=env).invoke(app, ["title", "dark"])
    assert report.exit_code == 0, report.output
    assert re.search(rf"starters \(2 minutes\) +{VIEWERS}", report.stdout)
    assert re.search(r"^2 .* hook point *$", report.stdout, re.MULTILINE)
    page = CliRunner(env=env).invoke(app, ["title", "dark", "--country", "FR", "--html", "-"])
    assert page.exit_code == 0, page.output
    assert "Who goes on in FR" in page.stdout
    page = CliRunner(env=env).invoke(app, ["title", "dark", "--language", "fr", "--html", "-"])
    assert page.exit_code == 0, page.output
    assert "Who goes on in fr audio" in page.stdout
    assert "fr (language, S1)" in page.stdout
    ranked = CliRunner(env=env).invoke(app, ["titles", "--top", "hooked"])
    assert re.search(r"1 +dark +dark +\d+ % +1 +2 +6 ", ranked.stdout), ranked.output
