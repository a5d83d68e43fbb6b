"""A viewer's state in words, whose records are whose, and which viewers a file names."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import typer
from players import an_event
from strategies import DAY, HOUR, MINUTE, RULES, RUNTIME_MS, SOURCE, T0, Watching, event

from consumers.records import RawRecord
from consumers.statement import says_nothing, statement
from consumers.traces import Search
from hookpoint.commands._viewer_data import _write_private, read_ids
from streams.headers import as_json
from streams.viewing import packing
from streams.viewing.knots import Kind
from streams.viewing.settled import dump_rest, dump_sums
from streams.viewing.viewer import Viewer
from streams.viewing.wire import (
    BrokenState,
    NewerFormat,
    Stored,
    dump_live,
    dump_out,
    load,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[int | str, ...]


# -- the state in words ----------------------------------------------------------------------------
def every_kind_of_viewing() -> Watching:
    """A finished season that has faded, one that is hooking, films, devices, and some of today."""
    one = Watching()
    film = ("p-film", "heat", 0, 0)
    one.say(
        event(Kind.START, T0 - DAY, 0, key=film, device="tv"),
        event(Kind.STOP, T0 - DAY + HOUR, HOUR, key=film, device="tv"),
    )
    at = T0
    for episode in range(1, 5):
        at = one.watch(episode, at, title="dark", device="tv") + MINUTE
    at = one.watch(1, at + DAY, device="tv")
    at = one.watch(1, at + DAY, title="never-again")
    at += 40 * DAY
    one.wait(at)
    for episode in (1, 2, 3):  # the first has faded: what it was before counts
        at = one.watch(episode, at + HOUR, run="hooking", autoplay=episode > 2) + MINUTE
    at = one.watch(4, at, share=0.1)
    one.wait(at + 9 * DAY)
    for episode in (1, 2):
        at = one.watch(episode, at + 10 * DAY, run="another-time", device="phone")
    one.wait(at + 2 * DAY)
    at = one.watch(3, at + 2 * DAY + HOUR, run="once-more", device="phone", country="DE")
    for episode in (1, 2, 3):
        at = one.watch(episode, at + HOUR, title="unheard-of", duration=RUNTIME_MS)
    one.wait(at + 3 * DAY)
    at = one.watch(3, at + 3 * DAY + HOUR, run="and-again", device="tv", share=0.3)
    at = one.watch(0, at + HOUR, title="heat", last=Kind.PAUSE, bare=True)
    numbered = {"key": ("p-numbered", "dark", 1, 2), "offset": 60, "duration": RUNTIME_MS}
    one.say(
        event(Kind.START, at + HOUR, 0, seq=1, **numbered),
        event(Kind.SEEK, at + HOUR + MINUTE, 900_000, seq=2, origin_ms=MINUTE, **numbered),
        event(Kind.HEARTBEAT, at + HOUR + 2 * MINUTE, 990_000, seq=3, rate=1.5, **numbered),
    )
    return one


PARTS = ("live", "rest", "sums", "out")


def stored(viewer: Viewer) -> Stored:
    return Stored(7, dump_live(viewer), dump_rest(viewer), dump_sums(viewer), dump_out(viewer))


def leaves(value: Any, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every number, text, bool and null in nested lists and dicts, with the way to it."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from leaves(inner, (*at, key))
    else:
        yield at, value


def changed(value: Any, at: Path, leaf: Any) -> Any:
    value = copy.deepcopy(value)
    inner = value
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = leaf
    return value


def others(leaf: Any) -> list[Any]:
    """Values of the same kind that may make sense in the place of ``leaf``."""
    if leaf is None:
        return [1]
    if isinstance(leaf, bool):
        return [not leaf]
    if isinstance(leaf, int | float):
        return [leaf + 1] if leaf < 0 else [leaf + 1, leaf * 2]  # all below 0 is "none"
    return [leaf + "x", "hooked", '{"k": 1}']


def read_back(parts: dict[str, Any]) -> tuple[Stored, bytes]:
    """What is kept of a state, and what the statement says of it."""
    made = Stored(7, *(packing.plain(parts[name]) for name in PARTS))
    viewer = load("v", made, RULES)
    return stored(viewer), orjson.dumps(statement(viewer))


@pytest.mark.parametrize("part", PARTS)
def test_whatever_is_stored_is_in_the_statement(part: str) -> None:
    viewer = every_kind_of_viewing().viewer
    assert viewer.shelf
    assert viewer.films
    assert viewer.attendance.folded_to
    assert viewer.taste.now.negative
    assert any(journey.past and journey.state for journey in viewer.journeys.values())
    assert any(journey.faded[0] or journey.epoch for journey in viewer.journeys.values())
    assert any(episode.floor for episode in viewer.episodes.values())
    assert any(episode.view and episode.old for episode in viewer.episodes.values())
    before = stored(viewer)
    parts = {name: packing.unpack(getattr(before, name)) for name in PARTS}
    kept, said = read_back(parts)
    told, untold, unreadable = 0, [], 0
    for at, leaf in leaves(parts[part]):
        for other in others(leaf):
            try:
                kept_now, said_now = read_back(parts | {part: changed(parts[part], at, other)})
            except (BrokenState, NewerFormat, ValueError, TypeError):
                unreadable += 1
                continue
            told += said_now != said
            if kept_now != kept and said_now == said:
                untold.append((at, leaf, other))
    assert untold == []
    assert told > unreadable
    assert told > 40


def test_the_statement_speaks_in_seconds_times_and_words() -> None:
    one = Watching()
    one.watch(1, T0, share=0.5, device="tv")
    said = statement(one.viewer)
    (playback,) = said["playbacks"]["data"]
    assert [report["what"] for report in playback["reports"]] == ["start", "stop"]
    assert playback["watched"] == [[0, RUNTIME_MS / 2000]]
    assert playback["player_said"]["device"]["value"] == "tv"
    assert playback["reports"][0]["at"] == "2026-03-01T21:20:00.000Z"
    (episode,) = said["coverage"]["data"]
    assert (episode["title_id"], episode["season"], episode["episode"]) == ("office", 1, 1)
    assert episode["covered_s"] == RUNTIME_MS / 2000
    assert said["marks"]["data"] == {SOURCE: 1}
    assert {each["topic"] for each in said["outbox"]["data"]} >= {"viewing-sessions"}


def test_every_part_of_the_statement_says_what_it_is() -> None:
    for part in statement(Viewer("v", RULES)).values():
        assert part["what"].endswith(".")
        assert "data" in part


def test_marks_alone_say_nothing_of_a_viewer() -> None:
    nobody = Viewer("v", RULES)
    nobody.marks = {SOURCE: 1042}
    assert says_nothing(load("v", stored(nobody), RULES), RULES)
    one = Watching()
    one.say(event(Kind.START, T0, 0))
    assert not says_nothing(one.viewer, RULES)


# -- whose records ---------------------------------------------------------------------------------
def record(value: bytes, sent_under: bytes = b"x", **headers: bytes) -> RawRecord:
    return RawRecord("any", 0, 0, sent_under, value, headers, 0)


NAME = 'zoë "7"'
EVENT = an_event(NAME, "started", T0 / 1000, 0)
THEIRS = {
    "key": record(b"{}", NAME.encode()),
    "subject": record(orjson.dumps(EVENT)),
    "subject, escaped": record(orjson.dumps(EVENT).replace("ë".encode(), b"\\u00eb")),
    "viewer": record(orjson.dumps({"viewer": NAME})),
    "viewer in data": record(orjson.dumps({"subject": "dark", "data": {"viewer": NAME}})),
    "binary event": record(b"{}", ce_subject=NAME.encode()),
    "key of a dead letter": record(b"\xff", b"e/0/1", key=NAME.encode()),
    "binary event in a dead letter": record(
        b"{}", headers=orjson.dumps(as_json([("ce_subject", NAME.encode())]))
    ),
    "torn value": record(orjson.dumps(EVENT)[:-5]),
}
OTHERS = {
    "another": record(orjson.dumps(an_event("zoë", "started", T0 / 1000, 0)), b"zo\xc3\xab"),
    "named elsewhere": record(orjson.dumps({"viewer": "a", "title_id": NAME})),
    "nothing": RawRecord("any", 0, 0, None, None, {}, 0),
    "no object": record(orjson.dumps([NAME])),
    "headers not kept": record(b"{}", headers=b"null"),
}


@pytest.mark.parametrize("one", THEIRS.values(), ids=THEIRS)
def test_a_record_that_names_the_viewer_is_theirs(one: RawRecord) -> None:
    assert Search(NAME, by_key=True).finds(one)


@pytest.mark.parametrize("one", OTHERS.values(), ids=OTHERS)
def test_a_record_of_somebody_else_is_not(one: RawRecord) -> None:
    assert not Search(NAME, by_key=True).finds(one)


def test_a_title_that_is_called_like_the_viewer_makes_no_record_theirs() -> None:
    one = record(orjson.dumps({"viewer": "a"}), NAME.encode())
    assert not Search(NAME, by_key=False).finds(one)


def test_an_id_without_a_plain_letter_is_found_as_well() -> None:
    assert Search("ë", by_key=True).finds(record(b'{"viewer": "\\u00EB"}'))


# -- files -----------------------------------------------------------------------------------------
def test_a_file_names_viewers_one_a_line_each_once(tmp_path) -> None:
    file = tmp_path / "ids"
    file.write_bytes("\ufeffa\r\nb c\n\na\nzo\u2028ë\n".encode())
    assert read_ids(str(file)) == ["a", "b c", "zo\u2028ë"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a\n\xff\n"])
def test_a_file_that_is_empty_or_not_utf8_is_refused_whole(tmp_path, content: bytes) -> None:
    file = tmp_path / "ids"
    file.write_bytes(content)
    with pytest.raises(typer.BadParameter):
        read_ids(str(file))


def test_what_was_readable_for_all_is_not_after_it_is_written(tmp_path) -> None:
    file = tmp_path / "out.json"
    file.write_text("old")
    file.chmod(0o644)
    _write_private(file, "zoë")
    assert file.read_text(encoding="utf-8") == "zoë"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["out.json"]
