"""How exports of every shape are read, and what is left out by which name."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest

from producers.netflix.events import import_export
from producers.netflix.reading import ExportError, clock_seconds, country_code, read_export

DATA = Path(__file__).parent.parent / "data" / "netflix"
GUIDE = Path(__file__).parent.parent.parent / "docs" / "netflix.md"


def left_out(where: Path) -> list[tuple[str, str]]:
    return [(it.title, it.why) for it in import_export(where).selection.left_out]


def places(where: Path) -> dict[str, tuple[str, int | None, int | None]]:
    imported = import_export(where)
    found = {}
    for playback in imported.selection.playbacks:
        place = imported.catalogue.place(playback)
        found[playback.row.title] = (place.title_id, place.season, place.episode)
    return found


def test_an_export_is_found_in_depth_and_its_viewing_becomes_playbacks():
    assert places(DATA / "plain") == {
        'The Lighthouse: Season 1: "Tides"': ("the-lighthouse", 1, 7),
        'The Lighthouse: Season 1: "Wreck"': ("the-lighthouse", 1, 3),
        "Trailer: The Documentary": ("trailer-the-documentary", None, None),
        "A Quiet Harbour Part II": ("a-quiet-harbour-part-ii", None, None),
    }


def test_the_example_in_the_guide_is_an_export_that_can_be_imported(tmp_path):
    example = GUIDE.read_text().split("```csv\n")[1].split("```")[0]
    (tmp_path / "PlaybackRelatedEvents.csv").write_text(example)
    imported = import_export(tmp_path)
    assert imported.unreadable == []
    assert places(tmp_path) == {"Dark: Season 1: Secrets (Episode 1)": ("dark", 1, 1)}
    assert [
        (event["type"], event["data"]["position_s"])
        for event in (orjson.loads(record.value) for record in imported.events())
    ] == [("playback.started", 0), ("playback.heartbeat", 0), ("playback.stopped", 2400)]


def test_trailers_and_empty_traces_are_left_out_by_name():
    assert left_out(DATA / "plain") == [
        ('The Lighthouse: Season 1: "Wreck"', "empty trace"),
        ("Season 1 Trailer: The Lighthouse", "promotion (TRAILER)"),
    ]


def test_the_directory_of_the_files_and_a_zip_read_the_same(tmp_path):
    inner = DATA / "plain" / "netflix-report" / "CONTENT_INTERACTION"
    archive = shutil.make_archive(str(tmp_path / "export"), "zip", DATA / "plain")
    records = list(import_export(DATA / "plain").events())
    assert list(import_export(inner).events()) == records
    assert list(import_export(Path(archive)).events()) == records
    assert list(import_export(inner / "PlaybackRelatedEvents.csv").events()) == records


def test_other_column_order_unknown_columns_bom_crlf_and_quoted_line_breaks():
    (playback,) = import_export(DATA / "reordered").selection.playbacks
    assert playback.row.title == 'The Lighthouse: Season 1: "Tides"'
    assert playback.row.country == "BR"
    assert playback.row.device == ""
    assert len(playback.points) == 4


def test_a_file_that_a_spreadsheet_has_quoted_once_more_reads_the_same():
    spoilt = import_export(DATA / "respread")
    plain = {it.playback_id: it for it in import_export(DATA / "plain").selection.playbacks}
    assert len(spoilt.selection.playbacks) == 2
    for playback in spoilt.selection.playbacks:
        assert playback.points == plain[playback.playback_id].points
        assert playback.viewing is not None
    assert spoilt.unreadable == []


def test_what_cannot_be_read_is_named_and_the_rest_is_imported():
    imported = import_export(DATA / "broken")
    assert [(it.line, it.field) for it in imported.unreadable] == [
        (3, "playback start utc ts"),
        (4, "title description"),
        (6, "row"),
        (7, "playback start utc ts"),
        (3, "duration"),
        (5, "playtraces"),
    ]
    assert [it.why for it in imported.selection.left_out] == ["the same row again"]
    assert [it.row.profile for it in imported.selection.playbacks] == ["Mia", "(no name)"]


def test_missing_columns_are_named(tmp_path):
    (tmp_path / "PlaybackRelatedEvents.csv").write_text("Profile Name,Country\nMia,BR\n")
    with pytest.raises(ExportError, match="title description, playback start utc ts, playtraces"):
        read_export(tmp_path)


def test_a_directory_without_an_export_says_what_is_missing(tmp_path):
    with pytest.raises(ExportError, match=r"no PlaybackRelatedEvents\.csv"):
        read_export(tmp_path)
    with pytest.raises(ExportError, match="does not exist"):
        read_export(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:52:35", 3155),
        ("0:00:05", 5),
        ("26:00:00", 93600),
        ("Not latest view", None),
        ("", None),
    ],
)
def test_clocks(text, seconds):
    assert clock_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "code"), [("CA", "CA"), ("ca (Canada)", "CA"), ("Canada", None), ("", None)]
)
def test_countries(text, code):
    assert country_code(text) == code


def test_events_name_viewer_place_and_time_and_keep_their_ids():
    events = [orjson.loads(it.value) for it in import_export(DATA / "plain").events()]
    first = next(it for it in events if it["subject"] == "Mia" and "season" in it["data"])
    assert first["type"] == "playback.started"
    assert first["time"] == "2023-01-04T20:00:00.000Z"
    assert first["data"] == {
        "playback_id": first["data"]["playback_id"],
        "title_id": "the-lighthouse",
        "season": 1,
        "episode": 3,
        "position_s": 0.0,
        "seq": 0,
        "rate": 1.0,
        "device": "Acme DTV Smart TV",
        "country": "BR",
        "autoplay": True,
    }
    assert first["id"] == first["data"]["playback_id"] + "-0"


def test_the_catalogue_holds_what_the_export_shows():
    records = {it["title_id"]: it for it in import_export(DATA / "plain").titles()}
    assert records["the-lighthouse"] == {
        "title_id": "the-lighthouse",
        "kind": "series",
        "name": "The Lighthouse",
        "seasons": [
            {
                "season": 1,
                "complete": False,
                "episodes": [{"episode": 3, "name": "Wreck"}, {"episode": 7, "name": "Tides"}],
            }
        ],
    }
    assert records["a-quiet-harbour-part-ii"]["kind"] == "film"
