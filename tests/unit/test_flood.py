"""When rejects are a flood: their share, over a window that slides."""

from __future__ import annotations

from collections import Counter

import pytest

from config.settings import Settings
from streams.worker import metrics
from streams.worker.flood import Rejects, Totals, totals

SETTINGS = Settings(
    reject_flood_share=0.5, reject_flood_window_s=60, reject_flood_least=100, web_port=0
)


class Stream:
    """Records that come in second by second."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.now = 0.0
        self.taken = 0
        self.rejected: Counter[str] = Counter()
        self.rejects = Rejects(settings, self._read, lambda: self.now)

    def _read(self) -> Totals:
        return Totals(self.taken, Counter(self.rejected))

    def runs(self, seconds: int, taken: int, **rejected: int) -> Stream:
        for _ in range(seconds):
            self.now += 1
            self.taken += taken
            self.rejected.update(rejected)
            self.rejects.sample()
        return self


def test_a_stream_without_rejects_or_without_anything_is_no_flood():
    assert Stream().runs(100, taken=10).rejects.flood() is None
    assert Stream().runs(100, taken=0).rejects.flood() is None


def test_more_than_the_share_is_a_flood_that_names_its_top_reasons():
    stream = Stream().runs(60, taken=4, field=4, not_json=2)
    assert stream.rejects.flood() == (
        "60% of the records of the last 60 s were rejected, 360 in all: field 240, not_json 120"
    )


@pytest.mark.parametrize(("taken", "is_flood"), [(11, False), (10, False), (9, True)])
def test_exactly_the_share_is_none_yet(taken, is_flood):
    stream = Stream().runs(60, taken=taken, field=10)
    assert bool(stream.rejects.flood()) is is_flood


def test_few_rejects_are_no_flood_even_if_nothing_else_comes():
    stream = Stream().runs(60, taken=0, field=1)
    assert stream.rejects.share == 1
    assert stream.rejects.flood() is None


def test_a_flood_is_seen_within_seconds_not_at_the_end_of_the_window():
    assert Stream().runs(3, taken=0, field=50).rejects.flood()


def test_it_is_over_once_the_window_has_passed_it():
    stream = Stream().runs(100, taken=5).runs(30, taken=0, field=50)
    assert stream.rejects.flood()
    assert stream.runs(59, taken=100).rejects.rejected.total() > 0
    assert stream.runs(1, taken=100).rejects.rejected.total() == 0
    assert stream.rejects.flood() is None


def test_what_was_rejected_before_the_window_does_not_count():
    stream = Stream().runs(1000, taken=0, field=50).runs(60, taken=10)
    assert stream.rejects.share == 0


def test_the_totals_are_those_of_the_metrics():
    before = totals()
    metrics.EVENTS.inc(5)
    metrics.REPEATED.inc(2)
    metrics.REJECTS.labels("field").inc(3)
    after = totals()
    assert after.taken - before.taken == 7
    assert after.rejected - before.rejected == Counter(field=3)
