"""A row of automatic starts is what the players' words say by now, in whatever order they came."""

from __future__ import annotations

from itertools import permutations

import pytest
from strategies import DAY, HOUR, MINUTE, RULES, RUNTIME_MS, T0, Watching, event

from streams.audience.engagement import Engagement
from streams.audience.records import Session, read
from streams.events import Event
from streams.signals import PROGRESS
from streams.viewing.forms import read_playback
from streams.viewing.knots import Kind
from streams.viewing.packing import inflated
from streams.viewing.shapes import READ_LIVE
from streams.viewing.wire import dump_live

KEY = ("p1", "office", 1, 1)
AUTOMATIC = event(Kind.START, T0, 0, key=KEY, autoplay=True)
CHOSEN = event(Kind.RESUME, T0, 0, key=KEY, autoplay=False)
END = event(Kind.STOP, T0 + RUNTIME_MS, RUNTIME_MS, key=KEY)


@pytest.mark.parametrize("reports", permutations([AUTOMATIC, CHOSEN, END]))
def test_the_last_automatic_start_that_turns_out_chosen_counts_as_chosen(
    reports: tuple[Event, ...],
) -> None:
    one = Watching()
    one.say(*reports)
    assert one.viewer.playbacks[KEY].streak == 0
    episode = one.viewer.episodes[KEY[1:]]
    assert episode.credit.weight == 1
    assert episode.step().deliberate


@pytest.mark.parametrize("reports", permutations([AUTOMATIC, CHOSEN, END]))
def test_a_title_counts_an_automatic_start_by_the_last_word_on_it(
    reports: tuple[Event, ...],
) -> None:
    one, counts = Watching(), Engagement(RULES)
    one.say(*reports)
    for out in one.viewer.outbox:
        record = read(out.body.encode()) if out.topic == PROGRESS else None
        if isinstance(record, Session):
            counts.session(record)
    episode = counts.seasons[1].episodes[1]
    assert (episode.sessions, episode.autoplayed) == (1, 0)


def test_a_playback_follows_none_that_began_after_it_even_if_that_is_sealed() -> None:
    one = Watching()
    long, short = ("long", "heat", 0, 0), ("short", "office", 1, 2)
    one.say(
        event(Kind.START, T0, 0, key=long, autoplay=True, device="tv"),
        event(Kind.START, T0 + MINUTE, 0, key=short, autoplay=True, device="phone"),
        event(Kind.STOP, T0 + HOUR // 2, HOUR // 2 - MINUTE, key=short),
        event(Kind.STOP, T0 + HOUR, HOUR, key=long),
    )
    assert [one.viewer.playbacks[key].streak for key in (long, short)] == [1, 2]
    one.wait(T0 + HOUR // 2 + DAY)
    assert short not in one.viewer.playbacks
    one.watch(3, one.clock_ms)  # its end has all that are left counted anew
    assert one.viewer.playbacks[long].streak == 1


def test_a_session_that_was_told_before_its_start_was_is_not_told_anew_for_that() -> None:
    one = Watching()
    one.say(AUTOMATIC, END)
    form = READ_LIVE.decode(inflated(dump_live(one.viewer))).playbacks[0]
    assert form.sent is not None
    old = read_playback(form._replace(sent=form.sent[:-1]), RULES)
    assert old.sent == one.viewer.playbacks[KEY].sent
