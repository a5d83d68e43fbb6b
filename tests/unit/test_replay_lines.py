"""Reading lines, judging only what is needed to send them, and keeping their pace."""

from __future__ import annotations

import gzip
import random

import orjson
import pytest

from producers.lines import Lines, UnreadableError
from producers.live import from_now_on, live_audience
from producers.pacing import Pace
from producers.replay import LONGEST_LINE, RefusedLineError, read_line, read_titles
from producers.send import partition_of, tick
from producers.simulator import AudienceOptions
from streams.decoder import decode
from streams.events import Tick
from streams.rules import Rules


def read_all(path):
    found = []
    with Lines(str(path)) as lines:
        while block := lines.read():
            found += block
    return found


# -- lines -----------------------------------------------------------------------------------------


def test_lines_come_without_their_ends_and_the_last_needs_none(tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"one\n\ntwo\nthree")
    assert read_all(file) == [b"one", b"", b"two", b"three"]


def test_a_gzipped_file_is_known_by_its_bytes_not_by_its_name(tmp_path):
    file = tmp_path / "events"
    file.write_bytes(gzip.compress(b"one\ntwo\n"))
    assert read_all(file) == [b"one", b"two"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path, pack):
    file = tmp_path / "events.jsonl"
    file.write_bytes(pack(b'\xef\xbb\xbf{"a":1}\n\xef\xbb\xbfkept'))
    assert read_all(file) == [b'{"a":1}', b"\xef\xbb\xbfkept"]


def test_a_line_longer_than_a_read_stays_one_line(tmp_path):
    file = tmp_path / "events.jsonl"
    long = random.Random(1).randbytes(3_000_000).replace(b"\n", b"")
    file.write_bytes(b"one\n" + long + b"\nlast\n")
    assert read_all(file) == [b"one", long, b"last"]


def test_a_file_that_breaks_off_gives_its_lines_and_then_says_so(tmp_path):
    whole = gzip.compress(b"".join(b"%d %d\n" % (n, n * n) for n in range(500_000)))
    file = tmp_path / "cut.gz"
    file.write_bytes(whole[: len(whole) // 2])
    with Lines(str(file)) as lines:
        assert lines.read()[0] == b"0 0"
        with pytest.raises(UnreadableError, match=r"cut\.gz"):
            list(iter(lines.read, []))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableError, match=r"gone\.jsonl"), Lines(str(tmp_path / "gone.jsonl")):
        pass


def test_the_position_reaches_the_size_of_the_file_on_disk(tmp_path):
    file = tmp_path / "events.gz"
    file.write_bytes(gzip.compress(b"line\n" * 100_000))
    with Lines(str(file)) as lines:
        assert lines.position < file.stat().st_size
        while lines.read():
            pass
        assert lines.position == lines.size == file.stat().st_size


# -- judging ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"nonsense", "not JSON"),
        (b"\xff{}", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"type":"playback.paused"}', "no `subject`"),
        (b'{"subject":""}', "no `subject`"),
        (b'{"subject":7}', "no `subject`"),
        (b'{"subject":"v","x":"' + b"x" * LONGEST_LINE + b'"}', "more than a broker takes"),
    ],
)
def test_only_lines_that_cannot_be_sent_are_refused(text, reason):
    with pytest.raises(RefusedLineError, match=reason):
        read_line(text)


def test_everything_else_is_for_the_worker_to_judge_and_passes_untouched():
    text = b'  {"subject" : "viewer-7", "type": "no.such.type", "time": "yesterday"} '
    line = read_line(text)
    assert (line.key, line.value, line.time_s) == (b"viewer-7", text, None)


@pytest.mark.parametrize(
    "time", ["2026-01-05T01:00:00+01:00", "2026-01-05T00:00:00Z", "2026-01-05T00:00:00"]
)
def test_the_time_of_a_line_is_read_for_its_pace(time):
    line = read_line(orjson.dumps({"subject": "v", "time": time}))
    assert line.time_s == 1_767_571_200.0


def test_a_tick_in_a_file_has_no_key_for_it_goes_to_every_partition():
    assert read_line(tick(60.0)).key is None


def test_our_own_tick_fits_the_contract():
    event = decode(None, tick(1_767_571_200.25), (), 1_767_571_201_000, Rules())
    assert isinstance(event, Tick)
    assert event.at_ms == 1_767_571_200_250


def test_titles_are_read_from_lines_and_a_wrong_one_is_named(tmp_path):
    file = tmp_path / "titles.jsonl"
    file.write_bytes(b'{"title_id":"dark"}\n\n{"title_id":"sea"}\n')
    assert [title["title_id"] for title in read_titles(str(file))] == ["dark", "sea"]
    file.write_bytes(b'{"title_id":"dark"}\n{"name":"nameless"}\n')
    with pytest.raises(UnreadableError, match=r"titles\.jsonl:2"):
        read_titles(str(file))


# -- pace and partition ----------------------------------------------------------------------------


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_a_pace_of_sixty_puts_an_hour_into_a_minute():
    clock = Clock()
    pace = Pace(60.0, clock=clock)
    assert pace.wait_s(5000.0) == 0.0
    assert pace.wait_s(5000.0 + 3600) == pytest.approx(60.0)
    clock.now += 45.0
    assert pace.wait_s(5000.0 + 3600) == pytest.approx(15.0)


def test_what_is_overdue_goes_at_once():
    clock = Clock()
    pace = Pace(1.0, begins_s=5000.0, clock=clock)
    clock.now += 10.0
    assert pace.wait_s(5005.0) == 0.0
    assert pace.wait_s(4000.0) == 0.0
    assert pace.wait_s(5011.0) == pytest.approx(1.0)


def test_a_live_audience_is_in_full_swing_when_it_is_switched_on():
    now_s = 1_780_000_000.0
    audience, _ = live_audience(AudienceOptions(viewers=500), now_s)
    stream = from_now_on(audience)
    first = [next(stream) for _ in range(100)]
    assert now_s <= first[0].time_s <= first[-1].time_s < now_s + 600
    kinds = {orjson.loads(record.value)["type"] for record in first}
    assert "playback.heartbeat" in kinds


@pytest.mark.parametrize(
    ("key", "murmur2"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_partitions_are_those_of_kafkas_own_partitioner(key, murmur2):
    """The hashes are the reference values of Kafka's own tests (UtilsTest.testMurmur2)."""
    for partitions in (1, 7, 8, 96):
        assert partition_of(key, partitions) == (murmur2 & 0x7FFFFFFF) % partitions
