"""The whole way: an export through a real broker, a real Redis and a real worker."""

from __future__ import annotations

import csv
import json
import random
import sys
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "properties"))

from netflix_exports import PLAYBACK_HEADER, household, write

from hookpoint.netflix_demo import run_netflix_demo
from producers.netflix.agreement import agreements
from producers.netflix.events import import_export

pytestmark = pytest.mark.integration

PLAIN = Path(__file__).parent.parent / "data" / "netflix" / "plain"


def demo(where: Path, tmp_path: Path) -> dict[str, object]:
    out = tmp_path / "out.json"
    run_netflix_demo(where, out)
    result: dict[str, object] = orjson.loads(out.read_bytes())
    return result


def test_sessions_agree_with_the_truth_of_the_household(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    made = household(random.Random(11), playbacks=150)
    result = demo(write(made, folder), tmp_path)
    assert {it["playback_id"] for it in result["sessions"]} == {
        it.playback_id for it in import_export(folder).selection.playbacks
    }
    started = {(it["viewer"], it["started_at"][:19].replace("T", " ")) for it in result["sessions"]}
    assert started == set(made.truth)
    for it in agreements(import_export(folder).selection.playbacks, result["sessions"]):
        assert it.close_share >= 0.94
        assert abs(it.total_difference) <= 0.01
        assert it.bookmark_share >= 0.94


def test_the_json_holds_profiles_and_names_what_was_left_out(tmp_path, capsys):
    result = demo(PLAIN, tmp_path)
    assert {it["why"] for it in result["left_out"]} == {"empty trace", "promotion (TRAILER)"}
    assert set(result["profiles"]) == {"Mia", "Tom, Jr."}
    progress = {
        (it["title_id"], it["season"], it["episode"]): it["position_s"]
        for it in result["profiles"]["Mia"]["progress"]
    }
    assert progress["the-lighthouse", 1, 7] == 600.0
    shown = capsys.readouterr().out
    assert "Tom, Jr." in shown
    assert "100.0% agree within 5 s or 5 %" in " ".join(shown.split())


def test_a_season_watched_in_one_day_hooks(tmp_path):
    start = datetime(2023, 3, 1, 18)  # noqa: DTZ001 - Netflix writes UTC without saying so
    names = ("eventType", "sessionOffsetMs", "mediaOffsetMs")
    rows = []
    for episode in range(1, 7):
        end = 2_700_000 + episode * 7_000
        events = [("start", 0, 0), ("playing", 5_000, 0), ("stopped", 5_001 + end, end)]
        trace = json.dumps([dict(zip(names, event, strict=True)) for event in events])
        title = f'The Lighthouse: Season 1: "Episode {episode}"'
        when = start + timedelta(seconds=2_800 * episode)
        rows.append(["Mia", title, "TV", f"{when:%Y-%m-%d %H:%M:%S}", "BR", trace])
    with (tmp_path / "PlaybackRelatedEvents.csv").open("w", newline="") as file:
        csv.writer(file).writerows([PLAYBACK_HEADER, *reversed(rows)])
    signals = demo(tmp_path, tmp_path)["signals"]
    assert [it["type"] for it in signals] == ["viewer.hooked", "viewer.cooled"]
    assert signals[0]["data"]["title_id"] == "the-lighthouse"
