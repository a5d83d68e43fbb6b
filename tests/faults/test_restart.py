"""What a worker decides does not depend on how long it has been running."""

from __future__ import annotations

import orjson
import pytest
import redis
from players import watched
from service import DAY_S, HOUR_S, LONG_AGO_S, a_title
from workers import WorkerProcess, absorbed, own_settings, read_topic, sending, settled

from producers.send import tick
from streams.keys import Keys

pytestmark = [pytest.mark.faults, pytest.mark.integration]

CURVE = {
    "version": "hand-made",
    "episodes": 6,
    "c": [0.97] * 5,
    "low": [0.96] * 5,
    "n": [500] * 5,
    "gap_s": [0, 3600, 86400, 28 * 86400],
    "gap_cdf": [0, 0.3, 0.8, 1],
}


def test_a_new_worker_judges_a_season_by_its_curve_though_its_first_records_name_another(
    stack, tmp_path
):
    """The first record of a viewer after a long time sets off what was due meanwhile."""
    # Without the titles agent, which would put its own curves in place of this one.
    agents = frozenset({"viewers", "catalogue"})
    settings = own_settings(stack, partitions=1, agents=agents)
    titles, events = settings.topics.titles, settings.topics.events
    with sending(settings) as sender, redis.Redis.from_url(stack.redis_url) as client:
        curves = Keys(settings.key_prefix).engagement("curved")
        client.hset(curves, "curve:1", orjson.dumps(CURVE))
        sender.send(titles, [a_title("curved"), a_title("other")])
        sender.events(
            [e for n in (1, 2, 3) for e in watched("fan", "curved", n, LONG_AGO_S + n * HOUR_S)]
        )

        def taken_in() -> bool:
            titles_in = absorbed(client, settings, titles, sender.ends[titles])
            return titles_in and settled(client, settings, sender.ends[events])

        for life in ("first", "second"):
            with WorkerProcess(settings, tmp_path, name=life) as worker:
                worker.wait_for("all that was sent", taken_in)
                assert worker.stop()[0] == 0
            if life == "first":  # one slice for the second: time moves on, then the viewer is back
                sender.to_every_partition(tick(LONG_AGO_S + 27 * DAY_S))
                sender.events(watched("fan", "other", 1, LONG_AGO_S + 27 * DAY_S))
    told = [orjson.loads(it.value) for it in read_topic(settings, settings.topics.signals)]
    said = [(it["type"], it["data"]["basis"]) for it in told]
    assert said == [("viewer.hooked", "audience"), ("viewer.cooled", "audience")]
