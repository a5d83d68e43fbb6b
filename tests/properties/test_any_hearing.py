"""Wherever batches end, whatever is heard twice, whoever carries on: one title, one outcome."""

from __future__ import annotations

from audiences import DAY, EVENTS, HOUR, RULES, T0, TITLE, in_order, journey, surroundings
from hypothesis import given
from hypothesis import strategies as st

from streams.audience.records import Lineage, Record
from streams.audience.report import report_of
from streams.audience.title import TitleAudience
from streams.audience.wire import dump_out, dump_parts, load

AROUND = surroundings()


@st.composite
def audiences(draw: st.DrawFn) -> list[Record]:
    """Up to 120 viewers who come within a week and leave somewhere."""
    lasts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=120))
    gap_h = draw(st.integers(1, 40))
    told: list[Record] = []
    for number, last in enumerate(lasts):
        begin_ms = T0 + draw(st.integers(0, 7 * 24)) * HOUR + number
        told += journey(f"v{number}", begin_ms, last, gap_ms=gap_h * HOUR)
    return in_order(told)


def absorbed(title: TitleAudience, records: list[tuple[int, Record]], clock_ms: int) -> int:
    """Absorb records of a batch and let the hours after it pass; returns stream time."""
    for offset, record in records:
        title.absorb(EVENTS, Lineage(offset, 0, 0, 0), record, clock_ms, AROUND)
        clock_ms = max(clock_ms, record.at_ms)
    title.pass_time(clock_ms, AROUND)
    return clock_ms


@given(audiences(), st.data())
def test_batches_repeats_and_restarts_change_nothing(records: list[Record], data) -> None:
    told = list(enumerate(records))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(told))), label="batches end after"))

    whole = TitleAudience(TITLE, RULES)
    absorbed(whole, told, 0)

    title, clock_ms, begin = TitleAudience(TITLE, RULES), 0, 0
    stored: dict[str, bytes] = {}
    for end in sorted({*cuts, len(told)}):
        back = data.draw(st.integers(0, begin), label="heard again from")
        if back < begin:  # as after a crash: the mark of the partition is behind the titles'
            absorbed(title, told[back:begin], max([0, *(r.at_ms for _, r in told[:back])]))
        clock_ms = absorbed(title, told[begin:end], clock_ms)
        stored |= dump_parts(title)
        title = load(TITLE, 1, stored, dump_out(title), RULES)
        begin = end

    for one in (whole, title):
        one.pass_time(clock_ms + 30 * DAY, AROUND)
    assert {out.body for out in whole.outbox} == {out.body for out in title.outbox}
    assert dump_parts(whole, whole=True) == dump_parts(title, whole=True)
    assert report_of(whole, AROUND) == report_of(title, AROUND)
