"""Readiness and its reasons, and what the web server makes of them, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from http.client import HTTPConnection
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from ports import a_port
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from config.settings import Settings
from config.wrong import WrongSettingError
from streams.worker.flood import Rejects, Totals
from streams.worker.guard import Guard
from streams.worker.health import TURN_EVERY_S, Health, Watched
from streams.worker.lag import End, Lag, Position
from streams.worker.lane import WAITING
from streams.worker.outage import KAFKA, REDIS, TOPICS, Outage, Patience
from streams.worker.redis_store import RedisStore
from streams.worker.store import Mark
from streams.worker.web import CannotServe, serve

SOURCE = ("playback-events", 3)


class ALane:
    def __init__(self, mark: int = 9) -> None:
        self.mark = Mark(mark, 0)
        self.doing = WAITING
        self.doing_since = time.monotonic()


class AWorker:
    """The real parts of a worker that nothing has been connected to, and their health."""

    def __init__(self, **more) -> None:
        self.settings = Settings(**{"reject_flood_least": 10, "web_port": 0} | more)
        self.patience = Patience(60)
        self.lag = Lag(self.settings, self._no_positions)
        self.totals = Totals(0, Counter())
        self.seconds = 0.0
        self.rejects = Rejects(self.settings, lambda: self.totals, lambda: self.seconds)
        self.guard = Guard(self.settings, RedisStore(self.settings), lambda _: None)
        self.lanes = {SOURCE: ALane()}
        self.health = Health(
            self.settings,
            Watched(self.patience, self.lag, self.rejects, self.guard, lambda: self.lanes),
        )

    async def _no_positions(self):
        return {}

    def ready(self) -> AWorker:
        self.health.starting = ""
        self.health.has_place = self.health.knows_catalogue = True
        return self

    def why(self) -> list[str]:
        return [reason.text for reason in self.health.why()]

    def holds(self, end: int) -> None:
        """What the broker was last seen to hold."""
        handed = self.lanes[SOURCE].mark.offset
        self.lag._ends[SOURCE] = End(end, Position(handed + 1, handed), time.monotonic())


# -- why not ---------------------------------------------------------------------------------------
def test_a_worker_that_has_all_it_needs_is_ready():
    assert AWorker().ready().why() == []


def test_the_start_says_what_it_waits_for_and_then_the_group_and_the_catalogue():
    worker = AWorker()
    worker.health.starting = "the start waits for Redis"
    said = [worker.why()]
    worker.health.starting = ""
    said.append(worker.why())
    worker.health.has_place = True
    said.append(worker.why())
    worker.health.knows_catalogue = True
    said.append(worker.why())
    assert said == [
        ["the start waits for Redis"],
        ["the worker has no place in the consumer group yet"],
        ["titles that were sent earlier are still being read"],
        [],
    ]


def test_a_server_that_is_away_is_named_with_its_error_and_for_how_long():
    worker = AWorker().ready()
    worker.patience.outages[REDIS] = Outage("ConnectionError: refused", time.monotonic() - 12)
    assert worker.why() == ["Redis has been away for 12 s: ConnectionError: refused"]


def test_kafka_is_away_if_it_does_not_answer_though_no_lane_needs_it():
    worker = AWorker().ready()
    worker.lag.away_since, worker.lag.problem = time.monotonic() - 7, "TimeoutError: "
    assert worker.why() == ["Kafka has been away for 7 s: TimeoutError"]


def test_kafka_is_said_once_with_the_longer_time_where_lanes_and_lag_both_miss_it():
    worker = AWorker().ready()
    worker.patience.outages[KAFKA] = Outage("not confirmed", time.monotonic() - 30)
    worker.lag.away_since, worker.lag.problem = time.monotonic() - 7, "TimeoutError: "
    assert worker.why() == ["Kafka has been away for 30 s: not confirmed"]
    worker.lag.away_since = time.monotonic() - 60
    assert worker.why() == ["Kafka has been away for 60 s: TimeoutError"]


def test_a_topic_that_is_missing_at_the_start_is_named_and_kafka_is_not_away():
    worker = AWorker().ready()
    worker.patience.outages[TOPICS] = Outage("no topic x at h:1: run `hookpoint topics`")
    assert worker.why() == ["no topic x at h:1: run `hookpoint topics`"]
    assert worker.health.report()["outages"] == {}


def test_a_topic_that_the_broker_does_not_know_is_named():
    worker = AWorker().ready()
    worker.guard.missing["playback-events"] = time.monotonic()
    assert worker.why() == ["the broker knows no topic playback-events"]


def test_a_flood_of_rejects_is_red_and_green_again_when_it_is_over():
    worker = AWorker().ready()
    worker.totals, worker.seconds = Totals(10, Counter(field=90)), 1
    worker.rejects.sample()
    assert worker.why() == [
        "90% of the records of the last 60 s were rejected, 90 in all: field 90"
    ]
    worker.seconds += 60
    worker.rejects.sample()
    assert worker.why() == []


def test_lag_that_nobody_works_off_is_red_long_before_the_watchdog_ends_the_worker(monkeypatch):
    worker = AWorker(stuck_after_s=60, io_timeout_s=10).ready()
    worker.holds(end=20)
    now = time.monotonic()
    monkeypatch.setattr(worker.health.progress, "_clock", lambda: now)
    worker.health.progress.look()
    for _ in range(29):
        now += 1
        assert worker.why() == []
    now += 2
    assert "there is work, and no lane has come further for 3" in worker.why()[0]
    assert worker.health.alive() is None


def test_a_worker_that_stops_says_why_and_nothing_of_its_place_in_the_group():
    worker = AWorker().ready()
    worker.health.has_place = False
    worker.health.stops = "it was told to"
    assert worker.why() == ["the worker ends: it was told to"]


def test_the_time_after_which_a_worker_is_stuck_leaves_room_for_two_timeouts():
    assert AWorker(stuck_after_s=60, io_timeout_s=30).health.stuck_after_s == 60
    assert AWorker(stuck_after_s=60, io_timeout_s=90).health.stuck_after_s == 180


# -- what the log says -----------------------------------------------------------------------------
async def test_each_change_is_said_once_however_long_it_lasts():
    worker = AWorker().ready()

    async def looks(number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(TURN_EVERY_S)

    with capture_logs() as lines:
        keeping = asyncio.create_task(worker.health.keep())
        await looks(3)
        worker.patience.outages[REDIS] = Outage("gone")
        await looks(3)
        del worker.patience.outages[REDIS]
        await looks(3)
        keeping.cancel()
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("worker is ready", "info"),
        ("worker is not ready", "warning"),
        ("worker is ready", "info"),
    ]
    assert lines[1]["why"] == ["Redis has been away for 0 s: gone"]


# -- over HTTP -------------------------------------------------------------------------------------
class Answer(NamedTuple):
    status: int
    kind: str
    text: str


def ask(url: str, method: str = "GET") -> Answer:
    where = urlsplit(url)
    connection = HTTPConnection(where.netloc, timeout=5)
    try:
        connection.request(method, where.path)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers["content-type"], answer.read().decode())
    finally:
        connection.close()


def served(**more) -> tuple[AWorker, str]:
    worker = AWorker(web_port=a_port(), **more)
    url = serve(worker.settings, worker.health)
    assert url == f"http://127.0.0.1:{worker.settings.web_port}"
    return worker, url


def test_readyz_is_503_with_the_reasons_and_200_once_they_are_gone():
    worker, url = served()
    answer = ask(f"{url}/readyz")
    assert (answer.status, answer.kind) == (503, "application/json")
    assert json.loads(answer.text)["why"] == ["the worker is starting"]
    worker.ready()
    answer = ask(f"{url}/readyz")
    assert answer.status == 200
    assert json.loads(answer.text)["ready"] is True


def test_readyz_tells_of_every_lane_its_lag_and_what_it_does_and_of_every_outage():
    worker, url = served()
    worker.ready()
    worker.holds(end=20)
    worker.lanes[SOURCE].doing = "publishing to Kafka"
    worker.lanes[SOURCE].doing_since -= 3
    worker.patience.outages[KAFKA] = Outage("not confirmed", time.monotonic() - 2)
    told = json.loads(ask(f"{url}/readyz").text)
    lane = told["partitions"]["playback-events/3"]
    assert (lane["mark"], lane["lag"], lane["doing"]) == (9, 10, "publishing to Kafka")
    assert 3 <= lane["for_s"] < 5
    assert told["outages"]["Kafka"]["problem"] == "not confirmed"
    assert 2 <= told["outages"]["Kafka"]["for_s"] < 4


def test_livez_answers_while_the_event_loop_stands_still_and_says_so_in_the_end():
    worker, url = served(stuck_after_s=5, io_timeout_s=1)
    assert ask(f"{url}/livez") == Answer(200, "text/plain; charset=utf-8", "ok\n")

    async def stand_still():
        keeping = asyncio.create_task(worker.health.keep())
        await asyncio.sleep(0.1)
        time.sleep(7)  # noqa: ASYNC251  that is the fault
        keeping.cancel()

    loop = threading.Thread(target=asyncio.run, args=(stand_still(),))
    loop.start()
    answers = []
    while loop.is_alive():
        answers.append(ask(f"{url}/livez"))
        time.sleep(0.2)
    assert answers[0].status == 200
    late = next(answer for answer in answers if answer.status == 503)
    assert late.text == "the event loop has not turned for 5 s\n"


def test_metrics_say_whether_it_is_ready_even_if_the_loop_does_not_turn():
    worker, url = served()
    worker.ready()

    async def keep_for_a_moment():
        keeping = asyncio.create_task(worker.health.keep())
        await asyncio.sleep(0.1)
        keeping.cancel()

    def is_ready() -> float:
        families = text_string_to_metric_families(ask(f"{url}/metrics").text)
        (value,) = (it.value for f in families for it in f.samples if it.name == "hookpoint_ready")
        return value

    worker.holds(end=20)
    asyncio.run(keep_for_a_moment())
    assert is_ready() == 1
    worker.patience.outages[REDIS] = Outage("gone")
    assert is_ready() == 0


def test_lag_is_gauged_by_partition_and_forgotten_with_it():
    worker, url = served()
    worker.ready()
    worker.holds(end=20)
    worker.health._gauge()
    assert 'hookpoint_lag_records{partition="playback-events/3"} 10.0' in ask(f"{url}/metrics").text
    worker.lanes.clear()
    worker.health._gauge()
    assert 'partition="playback-events/3"} 10' not in ask(f"{url}/metrics").text


def test_the_front_page_links_to_the_others_and_all_else_is_not_found():
    _, url = served()
    page = ask(f"{url}/")
    assert page.kind.startswith("text/html")
    for path in ("/livez", "/readyz", "/metrics"):
        assert f'href="{path}"' in page.text
    assert ask(f"{url}/anything").status == 404


def test_head_gets_the_status_without_a_body():
    _, url = served()
    assert (ask(f"{url}/readyz", "HEAD").status, ask(f"{url}/readyz", "HEAD").text) == (503, "")


def test_secrets_do_not_get_out():
    worker, url = served(redis_url="redis://:hunter2@127.0.0.1:1/0")
    worker.patience.outages[REDIS] = Outage("no route to redis://:hunter2@127.0.0.1:1/0")
    text = ask(f"{url}/readyz").text
    assert "hunter2" not in text
    assert "redis://:***@127.0.0.1:1/0" in text


# -- the port --------------------------------------------------------------------------------------
@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_no_port_turns_it_off():
    worker = AWorker(web_port=0)
    assert serve(worker.settings, worker.health) is None


def test_a_port_that_was_set_and_is_taken_is_an_error_that_names_it(taken):
    worker = AWorker(web_port=taken)
    with pytest.raises(CannotServe, match=f"HOOKPOINT_WEB_PORT {taken}: Address already in use"):
        serve(worker.settings, worker.health)


def test_where_the_default_port_is_taken_a_free_one_is_said(taken):
    worker = AWorker()
    by_default = worker.settings.model_copy(update={"web_port": taken})
    by_default.__pydantic_fields_set__.discard("web_port")
    with capture_logs() as lines:
        url = serve(by_default, worker.health)
    assert url is not None
    assert not url.endswith(f":{taken}")
    assert ask(f"{url}/livez").status == 200
    assert lines[0] == {
        "event": "port is taken, answering on another",
        "log_level": "warning",
        "port": taken,
    }
    assert lines[1]["url"] == url


def test_a_host_that_is_not_ours_is_an_error_that_names_it():
    worker = AWorker(web_port=a_port(), web_host="192.0.2.1")
    with pytest.raises(WrongSettingError, match=r"HOOKPOINT_WEB_HOST 192\.0\.2\.1"):
        serve(worker.settings, worker.health)
