"""What the contenders are checked against follows from the records alone, and equals the truth."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import orjson
import pytest

from hookpoint.bench.reference import Reference, summed
from hookpoint.bench.taste import expected_shares
from producers.records import Record
from producers.send import partition_of
from producers.simulator import Audience, AudienceOptions

PARTITIONS = 4


@pytest.fixture(scope="module")
def audience():
    return Audience(AudienceOptions(viewers=60, weeks=0.4, seed=11))


@pytest.fixture(scope="module")
def reference(audience):
    reference = Reference(PARTITIONS, viewers=60, wanted=60, seed=3)
    for _ in reference.noting(audience.records()):
        pass
    return reference


@pytest.fixture(scope="module")
def genres(audience):
    return {title.title_id: title.genres for title in audience.titles}


def test_records_pass_unchanged_and_are_counted_by_partition(audience, reference):
    again = Reference(PARTITIONS, viewers=60, wanted=60, seed=3)
    records = list(audience.records())
    assert list(again.noting(iter(records))) == records
    assert again.counts == reference.counts
    partitions = Counter(partition_of(it.key, PARTITIONS) for it in records)
    assert again.counts == [partitions[it] for it in range(PARTITIONS)]


def test_watch_time_equals_what_the_simulated_players_knew(audience, reference, genres):
    true = Counter()
    for playback in audience.truth().playbacks:
        true[playback.viewer] += playback.reported_wall_s
    assert reference.viewers
    for viewer in reference.viewers:
        sums = summed(reference.seen(viewer), genres)
        assert sums.watched_s == pytest.approx(true[viewer], abs=1.0)
        assert sum(sums.genres.values()) == pytest.approx(sums.watched_s)


def test_a_title_of_two_genres_gives_each_half(reference):
    viewer = reference.viewers[0]
    seen = reference.seen(viewer)
    two = {it.title_id: ("drama", "crime") for it in seen}
    sums = summed(seen, two)
    assert sums.genres == pytest.approx({"drama": sums.watched_s / 2, "crime": sums.watched_s / 2})


def test_a_contender_that_stopped_is_asked_only_for_what_it_took(reference):
    viewer = next(it for it in reference.viewers if len(reference.seen(it)) > 10)
    seen = reference.seen(viewer)
    partition = partition_of(viewer.encode(), PARTITIONS)
    assert reference.seen(viewer, {}) == []
    assert reference.seen(viewer, {partition: seen[5].offset}) == seen[:5]
    assert reference.seen(viewer, {partition: reference.counts[partition]}) == seen


def test_a_sample_is_of_about_the_size_that_was_asked_for():
    reference = Reference(PARTITIONS, viewers=2000, wanted=100, seed=5)
    value = b"{}"
    keys = [f"viewer-{number}".encode() for number in range(2000)]
    wanted = {it for it in keys if reference.samples(it)}
    assert 60 < len(wanted) < 200
    others = [Record(it, value, 0.0) for it in keys if it not in wanted]
    assert len(list(reference.noting(others))) == len(others)
    assert reference.viewers == []


def test_one_film_watched_to_its_end_is_worth_one_viewing(audience):
    reference = Reference(PARTITIONS, viewers=60, wanted=60, seed=3)
    truth = audience.truth()
    film = next(it for it in truth.titles.values() if not it.seasons)
    records = [
        _record(film, seq, position_s)
        for seq, position_s in enumerate((0.0, film.duration_s / 2, film.duration_s))
    ]
    assert len(list(reference.noting(records))) == 3
    shares = expected_shares(reference.seen("v"), truth)
    titles = truth.titles.values()
    for genre in film.genres:
        prior = sum(1 / len(it.genres) for it in titles if genre in it.genres) / len(titles)
        assert shares[genre] == pytest.approx((1 / len(film.genres) + 5 * prior) / 6)
    assert set(shares) == set(film.genres)


def _record(film, seq, position_s):
    at = datetime.fromtimestamp(1_767_571_200 + position_s, tz=UTC)
    data = {"playback_id": "p", "title_id": film.title_id, "position_s": position_s, "seq": seq}
    event = {"type": "playback.heartbeat", "time": at.isoformat(), "data": data}
    return Record(b"v", orjson.dumps(event), 0.0)
