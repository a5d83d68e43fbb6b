"""The records that ``hookpoint bench titles`` draws are those that viewers really bring about."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from hookpoint.bench.crowd import catalogue_of
from hookpoint.bench.titles_journeys import Span, body, draw, spread_evenly, with_a_hit
from producers.simulator import Audience, AudienceOptions
from streams.audience.records import Progress, Record, read
from streams.audience.title import DAY_MS
from streams.catalogue import Catalogue, parse_title
from streams.rules import Rules
from streams.signals import PROGRESS
from streams.viewing.context import Context
from streams.viewing.viewer import Viewer
from streams.worker.decoding import decode_slice

TITLES = 6
NOW_MS = 1_767_571_200_000 + 28 * DAY_MS
SOURCE = ("playback-events", 0)


def really(viewers: int) -> list[bytes]:
    """What simulated players' events come to, by way of the viewers' own fold."""
    audience = Audience(AudienceOptions(viewers=viewers, titles=TITLES, weeks=3, heartbeat_s=240))
    catalogue = Catalogue({it["title_id"]: parse_title(it) for it in audience.catalogue()})
    context, clock_ms, told = Context(catalogue, Rules()), 0, []
    found: dict[str, Viewer] = {}
    batch = [
        SimpleNamespace(key=it.key, value=it.value, headers=[], timestamp=1 << 42, offset=number)
        for number, it in enumerate(audience.records())
    ]
    for begin in range(0, len(batch), 2_000):
        decoded = decode_slice(SOURCE, batch[begin : begin + 2_000], clock_ms, Rules(), 1 << 20)
        for name, works in decoded.viewers.items():
            viewer = found.setdefault(name, Viewer(name, Rules()))
            viewer.absorb_all("playback-events/0", works, context)
        clock_ms = decoded.time.clock_ms
        for viewer in found.values():
            if viewer.due_ms <= clock_ms:
                viewer.after("playback-events/0", begin)
                viewer.fire(clock_ms, context)
            told += [out.body.encode() for out in viewer.outbox if out.topic == PROGRESS]
            viewer.outbox.clear()
    return told


def kind(record: Record) -> tuple[object, ...]:
    film = record.season == 0
    if isinstance(record, Progress):
        return ("progress", film, bool(record.passages), record.now)
    return ("session", film)


def mix(bodies: list[bytes], *, film: bool) -> dict[tuple[object, ...], float]:
    """Shares of each kind among the records of films, or of series."""
    kinds = Counter(kind(read(it)) for it in bodies)
    counts = {it: count for it, count in kinds.items() if it[1] == film}
    return {it: count / sum(counts.values()) for it, count in counts.items()}


def test_the_mix_of_records_and_their_size_are_those_of_simulated_viewers():
    real = really(80)
    span = Span(NOW_MS - 28 * DAY_MS, NOW_MS, 100_000)
    drawn = draw(catalogue_of(TITLES, 7), spread_evenly(TITLES), 20_000, span, 7)
    bodies = [body(it.record).encode() for it in drawn]
    for film in (False, True):
        wanted, found = mix(real, film=film), mix(bodies, film=film)
        for it in wanted | found:
            assert found.get(it, 0) == pytest.approx(wanted.get(it, 0), abs=0.04), it
    sizes = [sum(map(len, some)) / len(some) for some in (real, bodies)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.08)


def test_each_title_draws_its_share_and_time_moves_on():
    titles = catalogue_of(TITLES, 7)
    span = Span(NOW_MS - 4 * DAY_MS, NOW_MS, 100_000)
    drawn = draw(titles, with_a_hit(TITLES, 0.3), 10_000, span, 7)
    counts = Counter(it.record.title_id for it in drawn)
    assert counts[titles[0].title_id] == pytest.approx(3_000, abs=5)
    for title in titles[1:]:
        assert counts[title.title_id] == pytest.approx(1_400, abs=5)
    times = [it.at_ms for it in drawn]
    assert times == sorted(times)
    assert span.start_ms < times[0] <= times[-1] < span.end_ms
    assert drawn == draw(titles, with_a_hit(TITLES, 0.3), 10_000, span, 7)
