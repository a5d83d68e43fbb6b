"""What the log lets through: all of ours, and of libraries each thing once a minute."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import warnings

import orjson
import pytest
import structlog
from pydantic import SecretStr

from config.logging import (
    SAME_AGAIN_AFTER_S,
    FewWords,
    configure_logging,
    hush_libraries,
    log_what_nobody_catches,
    masker,
)
from config.settings import KafkaSecurity, Settings
from streams.worker.store import Fenced


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def few_words(clock):
    return FewWords(clock)


def line(message, *arguments, name="aiokafka", level=logging.ERROR, error=None):
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord(name, level, "file.py", 1, message, arguments, exc_info)


def test_the_same_message_of_a_library_passes_once_a_minute(few_words, clock):
    passed = []
    for second in range(120):
        clock.now = second
        passed.append(few_words.filter(line("Unable connect to node with id %s: %s", second, "no")))
    assert [second for second, it in enumerate(passed) if it] == [0, SAME_AGAIN_AFTER_S]


def test_the_next_one_says_how_many_were_left_out(few_words, clock):
    for _ in range(48):
        few_words.filter(line("again"))
    clock.now = SAME_AGAIN_AFTER_S
    late = line("again")
    assert few_words.filter(late)
    assert late.left_out == 47


def test_numbers_and_addresses_in_a_message_make_no_other_message(few_words):
    assert few_words.filter(line("<Task 17 at 0x7f3a> failed"))
    assert not few_words.filter(line("<Task 18 at 0x90bc> failed"))


@pytest.mark.parametrize(
    "other",
    [
        line("another"),
        line("again", name="kafka"),
        line("again", level=logging.WARNING),
    ],
)
def test_another_message_logger_or_level_passes(few_words, other):
    assert few_words.filter(line("again"))
    assert few_words.filter(other)


def test_what_is_critical_always_passes(few_words):
    assert all(few_words.filter(line("the end", level=logging.CRITICAL)) for _ in range(3))


def test_memory_of_messages_is_bounded(few_words):
    for number in range(5000):
        few_words.filter(line("a" * number))
    assert len(few_words._said) <= 1000


def test_a_library_that_reports_an_error_of_ours_gives_no_traceback(few_words):
    ours, theirs = line("crashed", error=Fenced("late")), line("broke", error=KeyError("a bug"))
    assert few_words.filter(ours)
    assert few_words.filter(theirs)
    assert ours.exc_info is None
    assert theirs.exc_info is not None


@pytest.fixture
def configured():
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "aiokafka", "faust", "mode")}
    configure_logging(Settings(log_format="json"))
    yield
    for handler in [it for it in root.handlers if it.get_name() == "hookpoint"]:
        root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("configured")
def test_our_own_lines_all_pass(capfd):
    configure_logging(Settings(log_format="json"))  # standard error as it is within the test
    log = structlog.get_logger("streams.worker.anything")
    for _ in range(5):
        log.warning("again")
        logging.getLogger("aiokafka").warning("again and again")
    out = capfd.readouterr().err
    assert out.count('"again"') == 5
    assert out.count('"again and again"') == 1


class EndsBadly:
    def __del__(self):
        raise ValueError("swordfish")


@pytest.fixture
def hooks(monkeypatch):
    """As they were, afterwards."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    yield
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("configured", "hooks")
def test_what_nobody_catches_is_in_the_log_without_secrets(capfd):
    configure_logging(Settings(log_format="json", redis_url="redis://:swordfish@127.0.0.1/0"))
    log_what_nobody_catches()
    thread = threading.Thread(target=int, args=("swordfish",), name="reader")
    thread.start()
    thread.join()
    EndsBadly()
    gc.collect()
    warnings.showwarning("swordfish is old", DeprecationWarning, "file.py", 1)
    out = capfd.readouterr().err
    assert "swordfish" not in out
    lines = [orjson.loads(it) for it in out.splitlines()]
    assert [it["event"] for it in lines[:2]] == ["a thread has failed", "an error came too late"]
    assert lines[0]["thread"] == "reader"
    assert "ValueError" in lines[0]["exception"]
    assert "is old" in lines[2]["event"]


@pytest.mark.usefixtures("configured")
def test_libraries_are_hushed_where_an_error_of_ours_explains_the_end():
    faust = logging.getLogger("faust")
    hush_libraries(KeyError("a bug"))
    assert faust.isEnabledFor(logging.ERROR)
    hush_libraries(Fenced("late"))
    assert not faust.isEnabledFor(logging.CRITICAL)


def test_secrets_are_masked_in_any_text():
    word = SecretStr("swordfish")
    settings = Settings(
        redis_url="redis://:hunter2@127.0.0.1/0",
        kafka=KafkaSecurity(username="u", password=word),
    )
    assert masker(settings)("hunter2 and swordfish") == "*** and ***"
