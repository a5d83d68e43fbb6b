"""Whatever players report, in whatever order and slices: the same viewer comes out."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import pytest
from decided_state import decided
from hypothesis import event as hypothesis_event
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from strategies import (
    DAY,
    RULES,
    SOURCE,
    T0,
    Store,
    accepted,
    context,
    evenings,
    months,
)

from streams.events import Event
from streams.signals import SESSIONS
from streams.viewing.public import taste_fields
from streams.viewing.settled import dump_rest, dump_sums
from streams.viewing.viewer import Viewer
from streams.viewing.wire import dump_live, dump_out

WORLD = context()
DUMPS = (dump_live, dump_rest, dump_sums, dump_out)
FAR = T0 + 400 * DAY


def absorbed(events: list[Event]) -> Store:
    """What is stored after ``events`` with the stream's clock held still, and then let go."""
    viewer, store = Viewer("v", RULES), Store()
    for offset, one in enumerate(events):
        viewer.absorb(SOURCE, offset, T0, one, WORLD)
    viewer.fire(T0 + 2 * DAY, WORLD)
    store.write(viewer, WORLD)
    return store


def last_sessions(store: Store) -> dict[tuple[str, str], dict[str, object]]:
    found: dict[tuple[str, str], dict[str, object]] = {}
    bodies = [orjson.loads(body) for topic, _, body in store.sent if topic == SESSIONS]
    for body in sorted(bodies, key=lambda body: body["revision"]):
        del body["revision"], body["id"]
        found[body["playback_id"], str(body["title_id"])] = body
    return found


@given(evenings(), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(events: list[Event], random) -> None:
    shuffled = events + random.sample(events, random.randint(0, len(events)))
    random.shuffle(shuffled)

    one, other = absorbed(events), absorbed(shuffled)

    assert last_sessions(one) == last_sessions(other)
    assert one.progress == other.progress
    tastes = [{k: list(map(float, v.split())) for k, v in s.taste.items()} for s in (one, other)]
    assert tastes[0].keys() == tastes[1].keys()
    for name, both in tastes[0].items():
        assert both == pytest.approx(tastes[1][name], abs=1.1e-4, rel=0)


@given(evenings(), st.randoms(use_true_random=False))
def test_order_changes_no_taste_even_before_rounding(events: list[Event], random) -> None:
    def sums(ordered: list[Event]) -> tuple[dict[str, float], dict[str, float]]:
        viewer = Viewer("v", RULES)
        for offset, one in enumerate(ordered):
            viewer.absorb(SOURCE, offset, T0, one, WORLD)
        viewer.fire(T0 + 2 * DAY, WORLD)
        return viewer.taste.now.current(), viewer.taste.lasting.current()

    shuffled = random.sample(events, len(events))
    for one, other in zip(sums(events), sums(shuffled), strict=True):
        assert one == pytest.approx(other, abs=1e-6)


@given(months(), st.data())
def test_slices_reloads_and_timers_change_nothing(events: list[Event], data) -> None:
    work = accepted(events)
    cuts = data.draw(st.sets(st.integers(1, len(work))), label="slices end after")
    fires = data.draw(st.sets(st.sampled_from([0, *cuts])), label="timers fire after")
    end = work[-1][0], max(clock for *_, clock in [(0, T0)] + [(0, e.knot.at_ms) for *_, e in work])

    whole, sliced = Store(), Store()
    viewer = whole.read()
    for offset, clock, one in work:
        viewer.absorb(SOURCE, offset, clock, one, WORLD)
    finish(viewer, whole, *end)
    viewer = sliced.read()
    for number, (offset, clock, one) in enumerate(work, 1):
        viewer.absorb(SOURCE, offset, clock, one, WORLD)
        if number in cuts:
            sliced.write(viewer, WORLD)
            viewer = sliced.read()
        if number in fires:
            viewer.after(SOURCE, offset)
            viewer.fire(max(clock, one.knot.at_ms), WORLD)
            sliced.write(viewer, WORLD)
        if not viewer.touched:  # all that went out is written, and so published
            viewer.forget_sent(SOURCE, offset - 1)
    finish(viewer, sliced, *end)

    for topic, _, body in whole.sent:
        event_type = orjson.loads(body).get("type", "nothing") if topic == "g" else topic
        hypothesis_event(event_type)
    assert whole.stored
    assert sliced.stored
    assert decided("v", whole.stored, RULES) == decided("v", sliced.stored, RULES)
    assert whole.progress == sliced.progress
    assert whole.hooked == sliced.hooked
    assert whole.taste == sliced.taste
    assert whole.sent == sliced.sent


def finish(viewer: Viewer, store: Store, offset: int, clock_ms: int) -> None:
    """Let all timers of the next 400 days fire, in two goes, and store the whole state."""
    for until in (clock_ms, FAR):
        viewer.after(SOURCE, offset)
        viewer.fire(until, WORLD)
    viewer.rest_changed = viewer.touched = True
    store.write(viewer, WORLD)


@given(months(), st.data())
def test_a_viewer_whose_past_is_put_away_goes_on_as_if_it_were_at_hand(
    events: list[Event], data
) -> None:
    work = accepted(events)
    puts = data.draw(st.sets(st.integers(1, len(work))), label="put away after")
    whole, spare = Viewer("v", RULES), Viewer("v", RULES)
    stores = Store(), Store()
    for number, (offset, clock, one) in enumerate(work, 1):
        for viewer, store in zip((whole, spare), stores, strict=True):
            assert viewer.absorb(SOURCE, offset, clock, one, WORLD)
            store.write(viewer, WORLD)
            viewer.forget_sent(SOURCE, offset)
        if number in puts:
            spare.put_away(RULES)
            assert spare.away
            assert set(spare.titles_begun()) == set(whole.titles_begun())
            assert spare.episodes.keys() == {key[1:] for key in spare.playbacks}
        assert stores[0].stored == stores[1].stored
    for viewer, store in zip((whole, spare), stores, strict=True):
        finish(viewer, store, len(events), FAR)
    assert vars(stores[0]) == vars(stores[1])


@given(months(), st.data())
def test_a_state_that_was_read_back_goes_on_as_if_it_had_never_left_memory(
    events: list[Event], data
) -> None:
    work = accepted(events)
    at = data.draw(st.integers(0, len(work)))
    stayed, store = Viewer("v", RULES), Store()
    for offset, clock, one in work[:at]:
        stayed.absorb(SOURCE, offset, clock, one, WORLD)
    stayed.touched = True
    store.write(stayed, WORLD)
    back = store.read()
    for offset, clock, one in work[at:]:
        for viewer in (stayed, back):
            viewer.absorb(SOURCE, offset, clock, one, WORLD)
    for viewer in (stayed, back):
        viewer.after(SOURCE, len(events))
        viewer.fire(FAR, WORLD)
    assert dump_live(stayed) == dump_live(back)
    assert dump_rest(stayed) == dump_rest(back)
    assert dump_sums(stayed) == dump_sums(back)
    assert dump_out(stayed) == dump_out(back)
    assert taste_fields(stayed, WORLD) == taste_fields(back, WORLD)


@given(months(), st.data())
def test_a_record_at_or_below_the_mark_changes_nothing(events: list[Event], data) -> None:
    work = accepted(events)
    viewer = Viewer("v", RULES)
    for offset, clock, one in work:
        assert viewer.absorb(SOURCE, offset, clock, one, WORLD)
    viewer.written()
    before = [dump(viewer) for dump in DUMPS]
    for offset, _, one in data.draw(st.lists(st.sampled_from(work))):
        assert not viewer.absorb(SOURCE, offset, FAR, one, WORLD)
    assert [dump(viewer) for dump in DUMPS] == before
    assert not viewer.touched


@given(months())
def test_no_viewer_watches_more_than_24_hours_a_day_per_device(events: list[Event]) -> None:
    viewer = Viewer("v", RULES)
    for offset, clock, one in accepted(events):
        viewer.absorb(SOURCE, offset, clock, one, WORLD)
    viewer.fire(FAR, WORLD)
    span = 0
    for device in ("tv", "phone"):
        days = {e.knot.at_ms // DAY for e in events if ("device", device) in e.facts}
        # a bare play is imputed up to the viewer's next event, on whatever device
        last = max(e.knot.at_ms for e in events) // DAY
        span += DAY * len(days | {d + 1 for d in days if d < last})
    assert 0 <= viewer.watched_ms <= span


@given(months())
def test_no_signal_is_sent_twice_and_ids_are_distinct(events: list[Event]) -> None:
    viewer = Viewer("v", RULES)
    for offset, clock, one in accepted(events):
        viewer.absorb(SOURCE, offset, clock, one, WORLD)
    viewer.fire(FAR, WORLD)
    ids = [orjson.loads(out.body)["id"] for out in viewer.outbox if out.topic == "g"]
    assert len(ids) == len(set(ids))
    revisions = [
        (body["id"], body["revision"])
        for body in (orjson.loads(out.body) for out in viewer.outbox if out.topic == SESSIONS)
    ]
    assert len(revisions) == len(set(revisions))
