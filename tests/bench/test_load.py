"""The load of the benches: steady, of a realistic mix, and all of it valid."""

from __future__ import annotations

from collections import Counter

import pytest

from hookpoint.bench.crowd import Crowd, CrowdOptions, catalogue_of
from hookpoint.bench.latency_load import PROBE_TAKES_S, Schedule
from hookpoint.bench.latency_probes import begins, ends, probe_name, probe_number
from streams.decoder import decode
from streams.events import Event
from streams.rules import Rules
from streams.viewing.knots import HEARTBEAT

NOW_S = 1_800_000_000.0


@pytest.fixture(scope="module")
def events():
    """What 300 of 1,000 viewers send in three quarters of an hour, decoded."""
    crowd = Crowd(CrowdOptions(viewers=1000, watching=300), catalogue_of(40, seed=7))
    records = crowd.records(NOW_S, 45 / 300, 18_000)
    found = [decode(it.key, it.value, [], round(it.time_s * 1000), Rules()) for it in records]
    assert all(isinstance(it, Event) for it in found)
    return found


def test_most_events_are_heartbeats_as_they_are_where_players_send_them(events):
    kinds = Counter(it.knot.kind for it in events)
    assert 0.85 < kinds[HEARTBEAT] / len(events) < 0.97


def test_seats_are_taken_by_others_of_the_population(events):
    assert 500 < len({it.viewer for it in events}) <= 1000


def test_some_come_late_and_some_twice(events):
    seen, latest, late, again = set(), 0, 0, 0
    for event in events:
        late += event.knot.at_ms < latest
        again += (event.playback, event.knot.seq) in seen
        seen.add((event.playback, event.knot.seq))
        latest = max(latest, event.knot.at_ms)
    assert 0.03 < late / len(events) < 0.08
    assert 0.005 < again / len(events) < 0.02


def test_a_crowd_is_the_same_again_for_the_same_seed():
    def stream():
        return list(Crowd(CrowdOptions(50, 50), catalogue_of(5, 1)).records(NOW_S, 0.1, 2000))

    assert stream() == stream()


def test_a_catalogue_may_be_larger_than_there_are_names():
    titles = catalogue_of(1000, seed=7)
    assert len({it.title_id for it in titles}) == 1000


def test_a_schedule_is_steady():
    schedule = Schedule(rate=500, seconds=4, probes_per_s=10, first_probe=0)
    assert schedule.events == 2000
    assert schedule.at_s(1999) == pytest.approx(3.998)


def test_each_probe_begins_and_ends_once_and_some_seconds_apart():
    schedule = Schedule(rate=500, seconds=10, probes_per_s=10, first_probe=70)
    told = {number: schedule.probe(number) for number in range(schedule.events)}
    begun = {
        probe: schedule.at_s(n) for n, it in told.items() if it for probe, end in [it] if not end
    }
    ended = {probe: schedule.at_s(n) for n, it in told.items() if it for probe, end in [it] if end}
    assert min(begun) == min(ended) == 70
    assert len(begun) == 100 <= schedule.probes
    assert len(ended) == 80
    for probe, at_s in ended.items():
        assert at_s - begun[probe] == pytest.approx(PROBE_TAKES_S, abs=0.1)


def test_probes_take_their_events_from_the_rate():
    schedule = Schedule(rate=1000, seconds=20, probes_per_s=20, first_probe=0)
    ends_in_last_second = [it for n in range(19_000, 20_000) if (it := schedule.probe(n)) and it[1]]
    assert len(ends_in_last_second) == 20


def test_a_probe_is_known_by_its_name():
    assert probe_number(probe_name(17)) == 17
    assert probe_number("viewer-17") is None
    assert probe_number("probe-x") is None


def test_a_probe_is_one_playback_of_nine_minutes():
    start, end = (
        decode(it.key, it.value, [], round(NOW_S * 1000), Rules())
        for it in (begins(3, NOW_S), ends(3, NOW_S))
    )
    assert start.playback == end.playback
    assert end.knot.at_ms - start.knot.at_ms == 540_000
