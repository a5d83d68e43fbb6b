"""Looking at dead letters: chosen, summed up, shown safely, taken out whole."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from letters import POSITION, Letters, as_lines, bad, good, runner, some_letters

from consumers.rejects import REASONS
from streams.events import Reject
from streams.worker.decoding import KEPT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

NASTY = "v\x1b[31m\x9b2J\u202eevil[bold]x[/bold]"
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
TORN = Reject("not_json", "value", "unexpected end of data")
LARGE = Reject("too_large", "value", "too many bytes")


@pytest.fixture
def letters(settings) -> Iterator[Letters]:
    with some_letters(settings) as found:
        yield found


@pytest.fixture
def run(settings):
    return runner(settings)


@pytest.fixture
def four(letters) -> list[str]:
    """Two of one kind, one of another, one of another topic."""
    rate = Reject("field", "rate", "0 is not a number above 0 and at most 16")
    title = (b"heat", b"{", [])
    return [
        letters.reject(bad("a")),
        letters.reject(bad("b")),
        letters.reject(good("c", rate=0), rate),
        letters.reject(title, TORN, topic=letters.settings.topics.titles),
    ]


def places(result) -> list[str]:
    return sorted(f"{it['topic']}/{it['partition']}/{it['offset']}" for it in as_lines(result))


def test_reasons_fields_and_sources_can_be_chosen(run, settings, four):
    assert places(run("--json")) == sorted(four)
    assert places(run("--json", "--reason", "not_json")) == four[3:]
    assert places(run("--json", "--reason", "not_json", "--reason", "field")) == sorted(four)
    assert places(run("--json", "--field", "rate")) == four[2:3]
    assert places(run("--json", "--field", "rate", "--field", "value")) == sorted(four[2:])
    assert places(run("--json", "--topic", settings.topics.titles)) == four[3:]
    partition = four[0].split("/")[1]
    expected = [it for it in four if it.split("/")[1] == partition]
    assert places(run("--json", "--partition", partition)) == sorted(expected)


def test_a_span_of_time_can_be_chosen(run, four):
    at = [datetime.fromisoformat(it["rejected_at"]) for it in as_lines(run("--json"))]
    after = (max(at) + timedelta(milliseconds=1)).isoformat()
    assert places(run("--json", "--since", min(at).isoformat())) == sorted(four)
    assert places(run("--json", "--since", after)) == []
    assert places(run("--json", "--until", min(at).isoformat())) == []
    assert places(run("--json", "--since", "1h", "--until", after)) == sorted(four)
    assert run("--since", "yesterday").exit_code == 2


def test_an_unknown_reason_is_told_which_there_are(run):
    result = run("--reason", "typo")
    assert result.exit_code == 2
    said = re.sub(r"[^\w]+", " ", result.stderr)
    assert all(reason in said for reason in REASONS)


@pytest.mark.parametrize(
    "arguments",
    [("--count", "--follow"), ("--count", "--redrive"), ("--dry-run",), ("--mended", "x")],
)
def test_options_that_do_not_go_together_are_refused(run, arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.usefixtures("four")
def test_none_that_match_is_said_with_what_was_asked_for(run):
    said = run("--reason", "time", "--field", "time").stderr
    assert "none of the 4 rejects" in said
    assert "of reason time and about field time" in said
    assert "no rejects of reason time" in run("--count", "--reason", "time").stderr


def test_sums_have_each_kind_once_the_most_frequent_first(run, four):
    found = as_lines(run("--count", "--json"))
    assert [(it["reason"], it["field"], it["count"]) for it in found] == [
        ("field", "position_s", 2),
        ("field", "rate", 1),
        ("not_json", "value", 1),
    ]
    rejected = {
        it["offset"]: it["rejected_at"] for it in as_lines(run("--json", "--field", "rate"))
    }
    assert {found[1]["first"], found[1]["last"]} == set(rejected.values())
    printed = run("--count").stdout
    now = datetime.now(UTC)
    assert re.search(rf"field +position_s +2 +{now.year}-.*({four[0]}|{four[1]}) +'sixty'", printed)
    limited = run("--count", "--limit", "1")
    assert "rate" not in limited.stdout
    assert "and 2 of 2 more kinds" in limited.stderr


def test_a_long_value_is_cut_and_its_length_said(run, letters):
    letters.reject(bad(padding="x" * 5000))
    line = run().stdout.splitlines()[1]
    assert re.search(r"\(5,\d\d\d bytes\)$", line.rstrip())
    assert len(line) < 400


def test_a_value_of_nothing_but_controls_is_still_cut_and_counted(run, letters):
    letters.reject((b"v" * 100, b"\x1b" * 1000, []), TORN)
    line = run().stdout.splitlines()[1]
    assert line.count(r"\x1b") == 79
    assert "(1,000 bytes)" in line
    assert "(100 bytes)" in line


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_no_control_character_reaches_the_terminal(run, letters, more):
    wild = NASTY.encode()
    why = Reject("field", "position_s", NASTY)
    letters.reject((wild, wild + b"\x00\xff\x1b]0;x\x07", [(NASTY, wild)]), why)
    letters.reject(bad(device=NASTY), why)
    for arguments in (), ("--count",), ("--redrive", "--dry-run"):
        result = run(*arguments, *more, MAX_VALUE_BYTES="1024")
        assert result.exit_code == 0
        assert not UNSAFE.search(result.output), arguments


def test_json_has_every_byte_text_as_text_and_the_rest_in_base64(run, letters):
    headers = [("ce_type", b"playback.paused"), ("x", b"\xff"), ("x", b"")]
    letters.reject((b"\xfe", b"\xff{", headers), TORN)
    letters.reject(("zoë".encode(), "zoë".encode(), []), TORN)
    binary, text = sorted(as_lines(run("--json")), key=lambda it: it["size"])
    assert (binary["key"], binary["key_base64"]) == (None, "/g==")
    assert (binary["value"], binary["value_base64"]) == (None, "/3s=")
    assert binary["headers"] == [["ce_type", "playback.paused"], ["x", None, "/w=="], ["x", ""]]
    assert (text["key"], text["value"], text["headers"]) == ("zoë", "zoë", [])
    assert not {"key_base64", "value_base64"} & set(text)


def test_raw_writes_the_bytes_of_one_record_and_nothing_else(run, letters):
    value = b"\x00\xff\x1b[2J\r\n"
    letters.reject(bad("other"))
    place = letters.reject((b"k", value, []), TORN)
    result = run("--raw", place)
    assert (result.exit_code, result.stdout_bytes, result.stderr) == (0, value, "")


def test_raw_fetches_what_was_too_large_to_keep(run, letters):
    value = bytes(range(256)) * 1000
    place = letters.reject((b"k", value, []), LARGE)
    assert as_lines(run("--json"))[0]["size"] == len(value)
    assert run("--raw", place).stdout_bytes == value


def test_raw_of_what_is_gone_writes_nothing_and_says_so(run, letters):
    letters.reject(bad())  # lies at the same place, but is another record
    place = letters.letter(
        (b"k", b"x" * (KEPT_BYTES + 1), []), LARGE, (letters.settings.topics.events, 0, 0)
    )
    result = run("--raw", place)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "65,537 bytes; only the first 65,536 were kept" in result.stderr


def test_raw_of_an_unknown_place_is_one_clear_line(run, letters):
    letters.reject(bad(), POSITION)
    result = run("--raw", "playback-events/0/99")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("hookpoint: no dead letter of playback-events/0/99 on ")
    assert run("--raw", "nonsense").exit_code == 2
