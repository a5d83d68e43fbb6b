"""The simulated audience: one seed, one stream; true to its own truth, fit for the contract."""

from __future__ import annotations

import hashlib
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from itertools import islice, pairwise

import orjson
import pytest

from producers.simulator import Audience, AudienceOptions, Truth
from producers.simulator.catalogue import Season, Title, make_catalogue
from producers.simulator.truth import TruePlayback, length
from streams.audience.records import Declared
from streams.catalogue import creator_labels, creator_names, parse_title
from streams.contract import decode_declared
from streams.decoder import decode
from streams.rules import Rules

SMALL = AudienceOptions(viewers=60, weeks=2.0, titles=15)
CLEAN = AudienceOptions(
    viewers=60, weeks=2.0, titles=15, messy_share=0.0, duplicate_share=0.0, late_share=0.0
)

DIGEST = """
import hashlib
from producers.simulator import Audience, AudienceOptions
digest = hashlib.sha256()
for record in Audience(AudienceOptions(viewers=60, weeks=2.0, titles=15)).records():
    digest.update(record.key + record.value + repr(record.time_s).encode())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def messy():
    audience = Audience(SMALL)
    return list(audience.records()), audience.truth()


@pytest.fixture(scope="module")
def clean():
    audience = Audience(CLEAN)
    return list(audience.records()), audience.truth()


def time_of(event):
    return datetime.fromisoformat(event["time"]).timestamp()


# -- the stream ------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_in_another_process(messy):
    digest = hashlib.sha256()
    for record in messy[0]:
        digest.update(record.key + record.value + repr(record.time_s).encode())
    other = subprocess.run(
        [sys.executable, "-c", DIGEST],
        env={"PYTHONHASHSEED": "4711"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert other.stdout.strip() == digest.hexdigest()


def test_who_declares_what_is_valid_and_changes_nothing_that_anybody_watches(messy):
    asked = Audience(replace(SMALL, declared_share=0.8))
    declared = asked.declared()
    viewers = {record.key.decode() for record in messy[0]}
    assert 0.6 * SMALL.viewers < len(declared) < SMALL.viewers
    assert declared.keys() <= viewers
    for viewer, said in declared.items():
        assert decode_declared(viewer.encode(), orjson.dumps(said)) == (viewer, Declared(**said))
        assert all(said.values())
    assert list(islice(asked.records(), 1000)) == messy[0][:1000]
    assert Audience(SMALL).declared() == {}


def test_another_seed_gives_another_audience(messy):
    other = Audience(AudienceOptions(viewers=60, weeks=2.0, titles=15, seed=8))
    assert next(other.records()) != messy[0][0]
    assert other.catalogue() != Audience(SMALL).catalogue()


def test_two_iterators_of_one_audience_do_not_disturb_each_other(messy):
    audience = Audience(SMALL)
    first, second = audience.records(), audience.records()
    taken = [next(stream) for _ in range(200) for stream in (first, second)]
    assert taken[::2] == taken[1::2] == messy[0][:200]


def test_records_come_in_order_of_arrival_and_never_before_their_event(messy):
    records, _ = messy
    assert all(one.time_s <= other.time_s for one, other in pairwise(records))
    late_s = [record.time_s - time_of(orjson.loads(record.value)) for record in records]
    assert min(late_s) >= -0.001
    assert max(late_s) <= 6 * 3600 + 0.001


def test_an_endless_audience_starts_at_once_and_keeps_no_truth():
    audience = Audience(AudienceOptions(viewers=50, weeks=float("inf"), keep_truth=False))
    assert len(list(islice(audience.records(), 5000))) == 5000
    with pytest.raises(ValueError, match="no truth"):
        audience.truth()


def test_every_record_fits_the_contract_and_is_keyed_by_its_viewer(messy):
    for record in messy[0]:
        event = decode(record.key, record.value, (), int(record.time_s * 1000) + 1, Rules())
        assert event.viewer.encode() == record.key


def test_one_percent_comes_twice_and_five_percent_late(messy):
    records, _ = messy
    copies = Counter(orjson.loads(record.value)["id"] for record in records)
    twice = sum(count == 2 for count in copies.values()) / len(copies)
    assert max(copies.values()) == 2
    assert twice == pytest.approx(0.01, abs=0.003)
    arrivals = {}
    for record in records:
        event = orjson.loads(record.value)
        delay = record.time_s - time_of(event)
        arrivals[event["id"]] = min(delay, arrivals.get(event["id"], delay))
    late = sum(delay >= 59.9 for delay in arrivals.values()) / len(arrivals)
    assert late == pytest.approx(0.05, abs=0.01)


def test_a_clean_audience_comes_once_in_order_and_on_time(clean):
    kinds = Counter(orjson.loads(record.value)["type"] for record in clean[0])
    assert set(kinds) == {
        "playback.started",
        "playback.heartbeat",
        "playback.completed",
        "playback.stopped",
    }
    assert all(
        abs(record.time_s - time_of(orjson.loads(record.value))) < 0.001 for record in clean[0]
    )


def test_messy_players_pause_seek_stall_change_their_rate_and_die(messy):
    records, truth = messy
    kinds = {orjson.loads(record.value)["type"].removeprefix("playback.") for record in records}
    assert {"paused", "resumed", "seeked", "rate_changed", "buffering", "buffered"} <= kinds
    assert any(playback.reported_s < playback.covered_s - 1 for playback in truth.playbacks)


def test_heartbeats_come_every_thirty_to_sixty_seconds(clean):
    by_playback = defaultdict(list)
    for record in clean[0]:
        event = orjson.loads(record.value)
        by_playback[event["data"]["playback_id"]].append(time_of(event))
    beats = [
        later - earlier for times in by_playback.values() for earlier, later in pairwise(times[:-1])
    ]
    assert min(beats) >= 29.99
    assert max(beats) <= 60.01
    assert statistics.median(beats) == pytest.approx(45, abs=5)


# -- the truth -------------------------------------------------------------------------------------


def test_nobody_watches_two_things_at_once(messy):
    ends: dict[str, float] = {}
    for playback in sorted(messy[1].playbacks, key=lambda it: it.started_s):
        assert playback.started_s >= ends.get(playback.viewer, 0.0)
        ends[playback.viewer] = playback.ended_s


def test_true_taste_is_shares_that_add_up_to_one(messy):
    for shares in messy[1].taste.values():
        assert sum(shares.values()) == pytest.approx(1.0)
        assert min(shares.values()) > 0


def test_viewers_watch_what_they_like():
    truth = Audience(AudienceOptions(viewers=150, weeks=6.0, titles=60, heartbeat_s=900)).truth()
    agreement = []
    for viewer, shares in truth.taste.items():
        favourite = max(shares, key=lambda genre: shares[genre])
        titles = [truth.titles[it.episode[0]] for it in truth.playbacks if it.viewer == viewer]
        agreement.append(sum(favourite in title.genres for title in titles) / len(titles))
    by_chance = statistics.fmean(
        len(title.genres) / len(next(iter(truth.taste.values()))) for title in truth.titles.values()
    )
    assert statistics.fmean(agreement) > 2 * by_chance


def test_viewers_go_on_as_often_as_the_title_makes_them():
    truth = Audience(AudienceOptions(viewers=2000, weeks=5.0, titles=15, heartbeat_s=900)).truth()
    begun = defaultdict(set)
    for playback in truth.playbacks:
        if playback.episode[1]:
            begun[playback.episode].add(playback.viewer)
    checked = 0
    for title in truth.titles.values():
        for season in title.seasons:
            for episode in range(2, len(season.runtimes_s)):
                here = begun[title.title_id, season.number, episode]
                if len(here) < 150:
                    continue
                went_on = len(here & begun[title.title_id, season.number, episode + 1]) / len(here)
                # A few are still within their gap when the weeks end.
                assert went_on == pytest.approx(season.goes_on[episode - 1], abs=0.09)
                checked += 1
    assert checked >= 5


def test_the_gap_between_two_episodes_has_a_median_of_half_a_day():
    truth = Audience(AudienceOptions(viewers=400, weeks=12.0, heartbeat_s=900)).truth()
    gaps = []
    last: dict[str, TruePlayback] = {}
    for playback in truth.playbacks:
        before = last.get(playback.viewer)
        last[playback.viewer] = playback
        if before is not None and before.episode[0] == playback.episode[0]:
            gaps.append(playback.started_s - before.ended_s)
    slept = [gap for gap in gaps if gap > 20]
    assert statistics.median(slept) == pytest.approx(12 * 3600, rel=0.15)
    assert len(slept) < len(gaps)  # some go on at once


def playback(episode, *spans, viewer="v", ended_s=0.0):
    return TruePlayback("p", viewer, ("t", 1, episode), 0.0, ended_s, spans, spans, 0.0, 0.0)


def a_truth(*playbacks):
    season = Season(1, (1000.0, 1000.0), (0.9,))
    title = Title("t", "T", (), "US", "en", (), (), False, 1.0, 0.0, (season,), 0.0)
    return Truth({"t": title}, playbacks=list(playbacks))


def test_seconds_played_twice_are_covered_once():
    assert length([(0.0, 600.0), (1200.0, 1800.0), (1500.0, 1750.0)]) == 1200.0
    assert length([]) == 0.0


def test_coverage_of_an_episode_is_the_union_of_its_playbacks():
    truth = a_truth(playback(1, (0.0, 500.0)), playback(1, (400.0, 900.0)))
    assert truth.covered() == {"v": {("t", 1, 1): 900.0}}
    assert truth.completed_episodes() == {"v": {("t", 1): [1]}}


def test_a_season_is_finished_when_ninety_percent_of_its_runtime_are_covered():
    almost = (playback(1, (0.0, 1000.0), ended_s=1.0), playback(2, (0.0, 799.0), ended_s=2.0))
    assert a_truth(*almost).finished_seasons() == {}
    rest = playback(2, (799.0, 801.0), ended_s=3.0)
    assert a_truth(*almost, rest).finished_seasons() == {("v", "t", 1): 3.0}


# -- the catalogue ---------------------------------------------------------------------------------


def test_the_catalogue_fits_the_contract_and_names_no_person():
    titles = Audience(AudienceOptions(titles=200)).catalogue()
    assert len({title["title_id"] for title in titles}) == 200
    assert {title["kind"] for title in titles} == {"series", "film"}
    for title in titles:
        assert parse_title(title).title_id == title["title_id"]
        assert all(name.startswith("studio-") for name in creator_names(title))
        for season in title.get("seasons", ()):
            assert 4 <= len(season["episodes"]) <= 10
            assert all(18 * 60 <= it["duration_s"] <= 66 * 60 for it in season["episodes"])


def test_a_few_creators_are_marked_and_always_the_same_ones():
    titles = make_catalogue(200, 3)
    found: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for title in titles:
        found.setdefault(creator_labels(title.facts()), set()).add(title.creators)
    assert {labels: len(creators) for labels, creators in found.items()} == {
        (): 9, ("new",): 1, ("new", "under-represented"): 1, ("local-hub",): 1,
    }  # fmt: skip


def test_the_true_hook_point_is_the_first_episode_from_which_seventy_percent_finish():
    assert Season(1, (1.0,) * 5, (0.6, 0.6, 0.9, 0.9)).hook_point() == 3
    assert Season(1, (1.0,) * 5, (0.6, 0.9, 0.9, 0.9)).hook_point() == 2
    assert Season(1, (1.0,) * 4, (0.6, 0.6, 0.6)).hook_point() is None


def test_a_catalogue_is_the_same_by_the_same_seed():
    assert make_catalogue(40, 3) == make_catalogue(40, 3)


@pytest.mark.parametrize(
    "wrong",
    [{"viewers": 0}, {"titles": 0}, {"titles": 401}, {"weeks": 0.0}, {"messy_share": 1.1}],
)
def test_impossible_audiences_are_refused(wrong):
    with pytest.raises(ValueError, match=r"."):
        AudienceOptions(**wrong)
