"""The bench's check of the answer notices a wrong one."""

from __future__ import annotations

import orjson
import pytest

from hookpoint.bench.check import check
from producers.simulator import Audience, AudienceOptions
from producers.simulator.truth import length
from streams.keys import Keys

pytestmark = pytest.mark.integration


@pytest.fixture
def truth():
    """One viewer and what they watched, with players that report everything."""
    return Audience(AudienceOptions(viewers=1, titles=3, weeks=2, messy_share=0)).truth()


@pytest.fixture
def publish(settings, redis_client, truth):
    """Writes the viewer's progress as docs/redis.md has it, every episode ``off_s`` too long."""

    def write(off_s, leave_out=0):
        spans = {}
        for playback in truth.playbacks:
            spans.setdefault(playback.episode, []).extend(playback.reported_spans)
        for (title, season, episode), played in list(spans.items())[leave_out:]:
            field = f"{title}:{season}:{episode}" if season else title
            value = {
                "position_s": 0.0,
                "coverage_s": length(played) + off_s,
                "runtime_s": None,
                "completed": False,
                "seen_at": "2026-01-05T00:00:00.000Z",
            }
            key = Keys(settings.key_prefix).viewer(truth.playbacks[0].viewer).progress
            redis_client.hset(key, field, orjson.dumps(value))
            redis_client.expire(key, 60)
        return len(spans)

    return write


def test_progress_that_equals_the_truth_agrees(settings, truth, publish):
    episodes = publish(off_s=0.0)
    found = check(settings, truth, seed=1)
    assert found.agrees
    assert (found.viewers, found.episodes, found.right) == (1, episodes, episodes)


def test_progress_two_seconds_off_does_not_agree(settings, truth, publish):
    publish(off_s=2.0)
    found = check(settings, truth, seed=1)
    assert not found.agrees
    assert found.right == 0
    assert found.worst_s == pytest.approx(2.0)


def test_an_episode_that_is_missing_does_not_agree(settings, truth, publish):
    episodes = publish(off_s=0.0, leave_out=1)
    found = check(settings, truth, seed=1)
    assert not found.agrees
    assert found.right == episodes - 1
