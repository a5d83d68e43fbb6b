"""The bench's check of the answer notices a wrong one."""

from __future__ import annotations

import orjson
import pytest

from hookpoint.bench.check import check_hookpoint, check_peer
from hookpoint.bench.peers.job import profile_key
from hookpoint.bench.reference import Reference, summed
from hookpoint.bench.taste import expected_shares
from producers.simulator import Audience, AudienceOptions
from producers.simulator.truth import length
from streams.keys import Keys

pytestmark = pytest.mark.integration


@pytest.fixture
def audience():
    """One viewer, with players that report everything."""
    return Audience(AudienceOptions(viewers=1, titles=3, weeks=2, messy_share=0))


@pytest.fixture
def reference(audience):
    reference = Reference(8, viewers=1, wanted=10, seed=1)
    for _ in reference.noting(audience.records()):
        pass
    return reference


@pytest.fixture
def truth(audience):
    return audience.truth()


@pytest.fixture
def publish(settings, redis_client, reference, truth):
    """Writes the profile as docs/redis.md has it, with errors to order. Returns its episodes."""
    (viewer,) = reference.viewers
    keys = Keys(settings.key_prefix).viewer(viewer)

    def write(off_s=0.0, leave_out=0, watched_off_s=0.0, share_off=0.0):
        spans = {}
        for playback in truth.playbacks:
            spans.setdefault(playback.episode, []).extend(playback.reported_spans)
        for (title, season, episode), played in list(spans.items())[leave_out:]:
            field = f"{title}:{season}:{episode}" if season else title
            value = [0.0, length(played) + off_s, None, False, 1767571200]
            redis_client.hset(keys.progress, field, orjson.dumps(value))
        watched_s = sum(playback.reported_wall_s for playback in truth.playbacks)
        taste = {"watched_s": f"{watched_s + watched_off_s:.0f}"}
        for genre, share in expected_shares(reference.seen(viewer), truth).items():
            taste[f"genre:{genre}"] = f"{share + share_off:.4f} 0"
        redis_client.hset(keys.taste, mapping=taste)
        for key in (keys.progress, keys.taste):
            redis_client.expire(key, 60)
        return len(spans)

    return write


def test_a_profile_that_equals_the_truth_agrees(settings, truth, reference, publish):
    episodes = publish()
    found = check_hookpoint(settings, truth, reference)
    assert found.agrees
    assert (found.viewers, found.right) == (1, 1)
    assert found.figures > episodes


@pytest.mark.parametrize(
    "error",
    [{"off_s": 2.0}, {"leave_out": 1}, {"watched_off_s": 3.0}, {"share_off": 0.01}],
    ids=["coverage two seconds off", "an episode missing", "watch time off", "taste off"],
)
def test_a_profile_with_one_error_does_not_agree(settings, truth, reference, publish, error):
    publish(**error)
    found = check_hookpoint(settings, truth, reference)
    assert not found.agrees
    assert found.right == 0


@pytest.fixture
def check_sums(settings, redis_client, reference, audience):
    """Writes a peer's sums of the whole stream, some of them wrong, and checks them."""
    (viewer,) = reference.viewers
    genres = {title.title_id: title.genres for title in audience.titles}

    def check(positions=None, **wrong):
        sums = summed(reference.seen(viewer), genres)
        fields = {f"genre:{genre}": seconds for genre, seconds in sums.genres.items()}
        key = profile_key(settings.key_prefix, viewer)
        redis_client.hset(key, mapping={"watched_s": sums.watched_s} | fields | wrong)
        redis_client.expire(key, 60)
        ends = dict(enumerate(reference.counts)) if positions is None else positions
        return check_peer(settings, redis_client, reference, genres, ends)

    return check


def test_a_peers_sums_that_follow_from_its_records_agree(check_sums):
    found = check_sums()
    assert found.agrees
    assert found.found_s == pytest.approx(found.true_s)


@pytest.mark.parametrize("field", ["watched_s", "genre:made-up"])
def test_a_peers_sum_two_seconds_off_does_not_agree(check_sums, field):
    assert not check_sums(**{field: 1e6}).agrees


def test_a_peer_that_took_nothing_is_asked_for_nothing(check_sums):
    found = check_sums(positions={})
    assert (found.viewers, found.agrees) == (0, False)
