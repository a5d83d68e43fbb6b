"""A row of automatic starts is counted the same while playbacks are sealed one after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from strategies import HOUR, MINUTE, RULES, T0, event

from streams.viewing.knots import Kind
from streams.viewing.playback import Playback
from streams.viewing.sittings import Chain, count_streaks

LENGTHS = st.sampled_from([MINUTE, HOUR // 2, HOUR, 3 * HOUR, 30 * HOUR])


@st.composite
def days(draw: st.DrawFn) -> list[Playback]:
    """Playbacks of any number of devices, no two of which begin at once."""
    starts = draw(st.lists(st.integers(1, 200), unique=True, max_size=8))
    return [
        playback(number, T0 + start * 10 * MINUTE, draw(LENGTHS), automatic=draw(st.booleans()))
        for number, start in enumerate(starts)
    ]


def playback(number: int, begin_ms: int, length_ms: int, *, automatic: bool) -> Playback:
    one = Playback((f"p{number}", "dark", 1, 1), f"s{number}", 0)
    for report in (
        event(Kind.START, begin_ms, 0, autoplay=automatic),
        event(Kind.STOP, begin_ms + length_ms, length_ms),
    ):
        one.learn(report.facts, report.knot.at_ms)
        one.add(report.knot, RULES)
    return one


@given(days())
def test_sealing_changes_no_streak(live: list[Playback]) -> None:
    chain = Chain(0, 0, 0)
    count_streaks(live, chain, RULES)
    for first in sorted(live, key=lambda it: it.last_ms):
        live.remove(first)
        chain = chain.after(first)
        assert count_streaks(live, chain, RULES) == []


@given(days(), days())
def test_what_is_sealed_counts_for_what_follows_as_if_it_were_not(
    before: list[Playback], after: list[Playback]
) -> None:
    for number, one in enumerate(after):
        one.key = (f"later-{number}", *one.key[1:])
    later = [one for one in after if all(it.first_ms < one.first_ms for it in before)]
    count_streaks([*before, *later], Chain(0, 0, 0), RULES)
    expected = [one.streak for one in later]
    chain = Chain(0, 0, 0)
    for one in sorted(before, key=lambda it: it.last_ms):
        chain = chain.after(one)
    for one in later:
        one.streak = 0
    count_streaks(later, chain, RULES)
    assert [one.streak for one in later] == expected
