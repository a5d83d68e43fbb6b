"""When a partition counts as quiet, and how far behind a worker is."""

from __future__ import annotations

import pytest

from config.settings import Settings
from streams.worker.lag import End, Lag, Position

SOURCE = ("playback-events", 3)
ASKED_AT = 1000.0


async def nowhere():
    return {}


def looked(end, *, next_offset, handed):
    """A look that found the partition ending at ``end`` while the consumer was at a position."""
    lag = Lag(Settings(), nowhere)
    lag._ends[SOURCE] = End(end, Position(next_offset, handed), ASKED_AT)
    return lag


def test_a_partition_that_was_never_looked_at_is_not_known_to_be_quiet():
    assert Lag(Settings(), nowhere).quiet_at(SOURCE, 7) is None


def test_a_partition_is_quiet_when_all_that_it_holds_is_done():
    lag = looked(8, next_offset=8, handed=7)
    assert lag.quiet_at(SOURCE, 7) == ASKED_AT
    assert lag.behind(SOURCE, 7) == 0


def test_an_empty_partition_is_quiet():
    assert looked(0, next_offset=0, handed=-1).quiet_at(SOURCE, -1) == ASKED_AT


def test_records_that_are_not_fetched_yet_make_it_busy():
    lag = looked(20, next_offset=8, handed=7)
    assert lag.quiet_at(SOURCE, 7) is None
    assert lag.behind(SOURCE, 7) == 12


def test_records_that_are_fetched_but_not_done_make_it_busy():
    lag = looked(8, next_offset=8, handed=7)
    assert lag.quiet_at(SOURCE, 4) is None
    assert lag.behind(SOURCE, 4) == 3


def test_the_marker_that_ends_a_transaction_is_nothing_to_wait_for():
    """The last offset is 8, of a marker; the last record is 7."""
    lag = looked(9, next_offset=9, handed=7)
    assert lag.quiet_at(SOURCE, 7) == ASKED_AT
    assert lag.behind(SOURCE, 7) == 0


@pytest.mark.parametrize("end", [0, 5])
def test_a_broker_that_reports_an_end_too_low_does_no_harm(end):
    """As the embedded one does: it answers with the first offset of the last batch."""
    lag = looked(end, next_offset=8, handed=7)
    assert lag.quiet_at(SOURCE, 7) == ASKED_AT
    assert lag.quiet_at(SOURCE, 6) is None
    assert lag.behind(SOURCE, 6) == 1
