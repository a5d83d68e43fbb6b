"""``hookpoint title`` and ``hookpoint titles`` on a real Redis, single and Cluster."""

from __future__ import annotations

import os
import re
import signal as os_signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import title_hashes as hashes
from pydantic import SecretStr
from terminal import on_a_terminal
from typer.testing import CliRunner

from consumers.connection import connect
from consumers.titles import BadTitleError, TitleReader
from hookpoint.cli import app
from streams.keys import Keys

if TYPE_CHECKING:
    from click.testing import Result

pytestmark = pytest.mark.integration

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
NASTY = "t\x1b[31m\x9b2J\u202eevil[bold]x[/bold]</title><script>"


@pytest.fixture
def env(settings) -> dict[str, str]:
    return {
        "HOOKPOINT_REDIS_URL": settings.redis_url.get_secret_value(),
        "HOOKPOINT_KEY_PREFIX": settings.key_prefix,
    }


@pytest.fixture
def run(env):
    return lambda *arguments: CliRunner(env=env).invoke(app, list(arguments))


@pytest.fixture(params=["single", "cluster"])
def redis_settings(request, settings):
    if request.param == "single":
        return settings
    nodes = request.getfixturevalue("cluster")
    update = {"redis_url": SecretStr(nodes.redis_url), "redis_cluster": True}
    return settings.model_copy(update=update)


@pytest.fixture
def dark(settings, redis_client) -> str:
    hashes.publish(redis_client, settings)
    return "dark"


def one_line(result: Result) -> str:
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr


# -- the reader ------------------------------------------------------------------------------------
def test_a_title_is_read_with_its_facts_from_one_server_and_from_a_cluster(redis_settings):
    with connect(redis_settings) as client:
        hashes.publish(client, redis_settings)
    with TitleReader(redis_settings) as reader:
        found = reader.title("dark")
        assert (found.name, found.known) == ("Dark", True)
        assert found.engagement.seasons[1].hook.k == 3
        assert not reader.title("nobody's").known


def test_rankings_are_read_best_first_with_what_is_known_of_each_title(redis_settings):
    keys = Keys(redis_settings.key_prefix)
    with connect(redis_settings) as client:
        hashes.publish(client, redis_settings)
        hashes.publish(client, redis_settings, "unnamed", about={})
        hashes.rank(client, keys.top("hours"), {"dark": 5230.5, "unnamed": 7000, "gone": 9000})
        hashes.rank(client, keys.trending("all"), {"unnamed": 3.5})
        hashes.rank(client, keys.trending("DE"), {"dark": 2.5})
    with TitleReader(redis_settings) as reader:
        found = reader.top("hours")
        names = [(it.rank, it.title.title_id, it.title.name, it.score) for it in found]
        assert names == [
            (1, "unnamed", "unnamed", 7000.0),
            (2, "dark", "Dark", 5230.5),
        ]
        assert [it.title.title_id for it in reader.top("hours", limit=1)] == ["unnamed"]
        assert [it.title.title_id for it in reader.top("trending")] == ["unnamed"]
        assert [it.title.title_id for it in reader.top("trending", "DE")] == ["dark"]
        assert reader.top("new-voices") == []
        with pytest.raises(ValueError, match="hooked is not kept by country"):
            reader.top("hooked", "DE")


def test_what_cannot_be_read_raises_with_title_and_field(settings, redis_client, dark):
    redis_client.hset(Keys(settings.key_prefix).engagement(dark), "hook:1", "{")
    with TitleReader(settings) as reader, pytest.raises(BadTitleError, match=r"dark .* hook:1"):
        reader.title(dark)


# -- hookpoint title -------------------------------------------------------------------------------
def test_the_report_names_the_title_its_figures_and_its_hook_point(run, dark):
    result = run("title", dark)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Dark  as of 2026-11-22 20:15:30 UTC")
    assert re.search(r"^3 .* hook point *$", result.stdout, re.MULTILINE)
    assert "until 2026-12-13" in result.stdout


def test_the_report_fits_a_terminal_and_loses_nothing_there(env, dark, tmp_path):
    shown = on_a_terminal([HOOKPOINT, "title", dark], {**os.environ, **env}, tmp_path, columns=110)
    assert shown.returncode == 0, shown.text
    assert max(map(len, shown.text.splitlines())) <= 110
    assert re.search(r"^ *3 .* hook point *$", shown.text, re.MULTILINE)
    narrow = on_a_terminal([HOOKPOINT, "title", dark], {**os.environ, **env}, tmp_path, columns=40)
    assert re.search(r"3 .*89 % \(80-95 %\) *550 *hook point", " ".join(narrow.text.split()))


def test_the_report_as_json_has_all_that_is_published(run, dark):
    found = orjson.loads(run("title", dark, "--json").stdout)
    assert found["title_id"] == "dark"
    assert found["facts"]["name"] == "Dark"
    season = found["engagement"]["seasons"]["1"]
    assert season["curve"]["c"] == list(hashes.C)
    assert season["hook"]["since"] == "2026-11-20T18:00:00Z"
    assert season["countries"]["DE"]["hook"]["k"] == 2
    assert found["engagement"]["audience"]["country"]["DE"] == 800


def test_json_can_be_narrowed_to_a_season_and_a_country(run, settings, redis_client):
    second = {"season:2": {"starters": 90}, "curve:1:FR": hashes.curve()}
    hashes.publish(redis_client, settings, found=hashes.engagement(**second))
    found = orjson.loads(run("title", "dark", "--season", "1", "--country", "fr", "--json").stdout)
    assert list(found["engagement"]["seasons"]) == ["1"]
    assert list(found["engagement"]["seasons"]["1"]["countries"]) == ["FR"]
    assert found["engagement"]["seasons"]["1"]["languages"] == {}


def test_json_can_be_narrowed_to_a_language_whatever_its_region(run, dark):
    found = orjson.loads(run("title", dark, "--language", "fr-CA", "--json").stdout)
    season = found["engagement"]["seasons"]["1"]
    assert season["countries"] == {}
    assert season["languages"]["fr"]["hook"]["k"] == 4


@pytest.mark.parametrize("more", [[], ["--json"], ["--html", "-"]])
def test_an_unknown_title_is_one_clear_line_and_exit_code_1(run, more):
    assert one_line(run("title", "nothing", *more)) == (
        "hookpoint: title nothing: unknown title (`hookpoint titles` names some that are watched)\n"
    )


def test_a_season_of_which_nothing_is_known_is_one_clear_line(run, dark):
    said = one_line(run("title", dark, "--season", "4"))
    assert said == "hookpoint: title dark: nothing about season 4; there is 1\n"


def test_a_broken_field_is_one_clear_line(run, settings, redis_client, dark):
    redis_client.hset(Keys(settings.key_prefix).engagement(dark), "reach", "[")
    said = one_line(run("title", dark))
    assert said.startswith(
        "hookpoint: engagement of title dark in Redis is not as documented: field reach"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        ["--country", "Germany"],
        ["--language", "language:fr"],
        ["--language", "fr", "--country", "FR"],
        ["--season", "-1"],
        ["--html", "/nowhere/at/all.html"],
        ["--html", "-", "--json"],
        ["--html", "-", "--follow"],
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_read(run, wrong):
    result = run("title", "dark", *wrong)
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize("more", [[], ["--json"], ["--html", "-"]])
def test_a_nasty_title_is_written_out(run, settings, redis_client, more):
    about = hashes.facts(name=NASTY, genres=[NASTY])
    changes = {"reach": {"home_country": NASTY, "countries": {NASTY: 2.0}}}
    hashes.publish(redis_client, settings, NASTY, about=about, found=hashes.engagement(**changes))
    result = run("title", NASTY, *more)
    assert result.exit_code == 0, result.output
    assert not UNSAFE.search(result.output)
    assert "[bold]x[/bold]" in result.output
    assert ("<script" in result.output) == (more != ["--html", "-"])


def test_a_page_is_written_to_a_file_as_a_whole(run, dark, tmp_path):
    path = tmp_path / "dark.html"
    result = run("title", dark, "--html", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"written to {path}\n"
    page = path.read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert page.endswith("</html>\n")
    assert page.count("<svg") == 10


def test_without_matplotlib_a_page_is_refused_with_the_way_to_install_it(env, dark, tmp_path):
    # As where the extra was never installed: nothing by that name can be imported.
    (tmp_path / "matplotlib").mkdir()
    missing = 'raise ModuleNotFoundError("No module named matplotlib", name="matplotlib")\n'
    (tmp_path / "matplotlib" / "__init__.py").write_text(missing)
    done = subprocess.run(
        [HOOKPOINT, "title", dark, "--html", str(tmp_path / "page.html")],
        env={**os.environ, **env, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "hookpoint: --html draws with matplotlib, which is not installed: "
        "pip install 'hookpoint[plots]'\n"
    )
    assert not (tmp_path / "page.html").exists()


def test_the_report_in_a_terminal_needs_no_matplotlib(env, dark):
    code = """
import sys
from hookpoint.cli import app
try:
    app(["title", sys.argv[1]])
except SystemExit:
    print("matplotlib" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, dark],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("Dark")
    assert done.stdout.endswith("False\n")


def test_following_shows_a_title_once_it_is_there_and_again_when_it_changes(
    env, settings, redis_client
):
    follower = subprocess.Popen(
        [HOOKPOINT, "title", "dark", "--follow", "--json"],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with follower:
        assert follower.stderr.readline() == b"nothing about title dark yet; waiting\n"
        hashes.publish(redis_client, settings, about={})
        first = orjson.loads(follower.stdout.readline())
        redis_client.hset(Keys(settings.key_prefix).engagement("dark"), "starters", 1501)
        second = orjson.loads(follower.stdout.readline())
        follower.send_signal(os_signal.SIGINT)
        _, said = follower.communicate(timeout=30)
    assert [it["engagement"]["starters"] for it in (first, second)] == [1500, 1501]
    assert (said, follower.returncode) == (b"", 130)


# -- hookpoint titles ------------------------------------------------------------------------------
@pytest.fixture
def ranked(settings, redis_client) -> Keys:
    keys = Keys(settings.key_prefix)
    hashes.publish(redis_client, settings)
    film = {"starters": 60, "hours": 99.5, "viewers": 70, "updated_at": "2026-11-22T20:00:00Z"}
    about = {"name": "A film", "kind": "film"}
    hashes.publish(redis_client, settings, "film", about=about, found=film)
    for key, scores in (
        (keys.top("hours"), {"dark": 5230.5, "film": 99.5}),
        (keys.top("hooked"), {"dark": 0.37}),
        (keys.top("travelling"), {"dark": 0.55}),
        (keys.top("new-voices"), {"dark": 0.29}),
        (keys.trending("all"), {"film": 4.25, "dark": 2.0}),
        (keys.trending("DE"), {"dark": 6.0}),
    ):
        hashes.rank(redis_client, key, scores)
    return keys


@pytest.mark.usefixtures("ranked")
@pytest.mark.parametrize(
    ("arguments", "row"),
    [
        ([], r"1 +Dark +dark +5,230 +784 +1,623 +1,500 +455 +-"),
        ([], r"2 +A film +film +100 +- +70 +60 +- +-"),
        (["--top", "hooked"], r"1 +Dark +dark +37 % +1 +3 +8 +44 % +88 % +80 % +95 % +550 +\+26 p"),
        (["--top", "trending"], r"1 +A film +film +x 4.2 +- +70 +60 +99.5 h"),
        (["--top", "trending", "--country", "de"], r"1 +Dark +dark +x 6.0 +212 .*2,800 h"),
        (
            ["--top", "travelling"],
            r"1 +Dark +dark +55 % +DE +45 % +FR, fr +FR +61 % +55 % +44 % +300",
        ),
        (
            ["--top", "new-voices"],
            r"1 +Dark +dark +29 % +local-hub, new +1 +new +44 % +30 % +12 +1,200 +1 % +2 %",
        ),
    ],
)
def test_a_ranking_shows_name_score_and_the_numbers_behind(run, arguments, row):
    result = run("titles", *arguments)
    assert result.exit_code == 0, result.output
    assert re.search(rf"^ *{row}", result.stdout, re.MULTILINE), result.stdout


@pytest.mark.usefixtures("ranked")
def test_a_ranking_as_json_is_a_line_per_title(run):
    lines = run("titles", "--json").stdout.splitlines()
    found: list[dict[str, Any]] = [orjson.loads(line) for line in lines]
    assert [(it["rank"], it["title_id"], it["name"]) for it in found] == [
        (1, "dark", "Dark"),
        (2, "film", "A film"),
    ]
    [hooked] = map(orjson.loads, run("titles", "--top", "hooked", "--json").stdout.splitlines())
    assert (hooked["score"], hooked["season"], hooked["hook_point"], hooked["n"]) == (
        0.37, 1, 3, 550,
    )  # fmt: skip
    assert len(run("titles", "--limit", "1", "--json").stdout.splitlines()) == 1


def test_a_ranking_that_nothing_is_in_yet_is_said_and_is_no_error(run):
    result = run("titles", "--top", "trending", "--country", "PT")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("no titles by trending in PT yet")


@pytest.mark.parametrize(
    "wrong", [["--top", "best"], ["--top", "hooked", "--country", "DE"], ["--country", "DE"]]
)
def test_a_ranking_that_there_is_not_is_refused(run, wrong):
    result = run("titles", *wrong)
    assert result.exit_code == 2
    assert result.stdout == ""
