"""What is done where a log does not hold the offset that a mark asks for next."""

from __future__ import annotations

import threading

import pytest
from structlog.testing import capture_logs

from config.settings import Settings
from streams.worker.guard import Guard, InputLost, _id
from streams.worker.metrics import LOST
from streams.worker.redis_store import RedisStore

SOURCE = ("playback-events", 3)


def a_guard(**more):
    settings = Settings(**more)
    told = []
    return Guard(settings, RedisStore(settings), told.append), told


def test_a_log_that_is_cut_short_stops_the_worker_whatever_the_settings():
    for policy in ("stop", "skip"):
        guard, told = a_guard(on_lost_records=policy)
        with pytest.raises(InputLost) as caught:
            guard.read_on(SOURCE, wanted=101, first=0, end=51)
        text = str(caught.value)
        assert "playback-events/3 was cut short: the mark is 100, and its log holds 0 to 50" in text
        assert "HOOKPOINT_TOPICS__EVENTS" in text
        assert "HOOKPOINT_KEY_PREFIX" in text
        assert told == [caught.value]


def test_an_empty_log_is_said_to_be_empty():
    guard, _ = a_guard()
    with pytest.raises(InputLost, match="its log is empty"):
        guard.read_on(SOURCE, wanted=1, first=0, end=0)


def test_records_that_retention_took_unread_stop_the_worker_by_default():
    guard, told = a_guard()
    with pytest.raises(InputLost) as caught:
        guard.read_on(SOURCE, wanted=11, first=2011, end=5000)
    assert "2,000 records of playback-events/3 were deleted before they were read" in str(told[0])
    assert "HOOKPOINT_ON_LOST_RECORDS=skip" in str(caught.value)


def test_by_setting_the_worker_goes_on_where_the_log_begins_and_counts_what_is_lost():
    guard, told = a_guard(on_lost_records="skip")
    before = LOST.labels("playback-events/3")._value.get()
    with capture_logs() as lines:
        assert guard.read_on(SOURCE, wanted=11, first=2011, end=5000) == 2011
    assert LOST.labels("playback-events/3")._value.get() - before == 2000
    (line,) = lines
    assert line["log_level"] == "error"
    assert (line["partition"], line["lost"], line["mark"]) == ("playback-events/3", 2000, 10)
    assert told == []


@pytest.mark.parametrize("wanted", [10, 30, 51])
def test_an_offset_that_the_log_holds_or_that_comes_next_is_read_from(wanted):
    guard, _ = a_guard()
    assert guard.read_on(SOURCE, wanted=wanted, first=10, end=51) == wanted


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("8735562a-09c1-4f5d-b20c-41fc70ec2e60", "8735562a-09c1-4f5d-b20c-41fc70ec2e60"),
        ("00000000-0000-0000-0000-000000000000", None),
        (None, None),
    ],
)
def test_a_broker_that_gives_no_ids_is_taken_as_it_is(given, kept):
    assert _id(given) == kept


class Client:
    """Takes its time to close."""

    def __init__(self):
        self.may_close, self.closed = threading.Event(), threading.Event()

    def close(self):
        self.may_close.wait(30)
        self.closed.set()


def test_a_client_that_does_not_close_holds_nobody_up():
    guard, _ = a_guard()
    client = guard._client = Client()
    guard.close()
    guard.close()
    assert not client.closed.is_set()
    client.may_close.set()
    assert client.closed.wait(30)


def test_a_client_is_not_closed_while_a_question_is_on_its_way():
    guard, _ = a_guard()
    client = guard._client = Client()
    client.may_close.set()
    with guard._asking:
        guard.close()
        assert not client.closed.wait(0.2)
    assert client.closed.wait(30)
