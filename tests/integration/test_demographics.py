"""What viewers agreed to be counted under: taken in, counted, withdrawn, handed out, erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from players import watched
from service import DAY_S, HOUR_S, Service, a_title, running_service
from viewer_data import exported, run_on
from workers import WorkerProcess, absorbed, own_settings, read_topic, sending, wait_until

from consumers.viewers import ViewerData
from hookpoint.topics import ensure_topics
from streams.audience.records import NOTHING_DECLARED, Declared
from streams.keys import Keys
from streams.worker.declared_store import Declaration, RedisDeclared
from streams.worker.redis_store import RedisStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from config.settings import Settings

pytestmark = pytest.mark.integration

FRESH_WITHIN_S = 20.0
YOUNG = {"age_band": "18-24", "country": "DE", "language": "de"}


@pytest.fixture(scope="module")
def service(stack, tmp_path_factory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("demographics")
    with running_service(stack, folder, demographics=True) as found:
        found.titles([a_title(it) for it in ("first", "second", "small", "plain")])
        yield found


@pytest.fixture(scope="module", autouse=True)
def off(service, stack, tmp_path_factory) -> Iterator[Settings]:
    """Where it is not turned on: a worker beside the service, on the same topics."""
    settings = own_settings(stack)
    names = ("events", "titles", "viewers")
    inputs = {name: getattr(service.settings.topics, name) for name in names}
    topics = settings.topics.model_copy(update=inputs)
    settings = settings.model_copy(update={"topics": topics})
    assert topics.viewers not in {it.spec.name for it in ensure_topics(settings)}
    with WorkerProcess(settings, tmp_path_factory.mktemp("off")) as worker:
        yield settings
        worker.wait_until_ready()
        assert worker.stop()[0] == 0, worker.tail()


def declare(service: Service, declared: Mapping[str, Mapping | bytes | None]) -> None:
    """Send what viewers declare (None: withdrawn) and let it be taken in."""
    topic = service.settings.topics.viewers
    service.sender.send(
        topic,
        [
            (name.encode(), orjson.dumps(said) if isinstance(said, dict) else said, [])
            for name, said in declared.items()
        ],
    )
    ends = service.sender.ends[topic]
    service.worker.wait_for(
        "declarations", lambda: absorbed(service.client, service.settings, topic, ends)
    )


def held(service: Service, viewer: str) -> dict[str, str]:
    """What Redis holds of what a viewer declared, without the offsets."""
    found = service.client.hgetall(service.keys.declared(viewer))
    return {name: text for name, text in found.items() if "/" not in name}


def audience(service: Service, title: str, starters: int) -> dict:
    """Who watches a title, once so many have begun it."""
    key = service.keys.engagement(title)

    def said():
        found = service.client.hgetall(key)
        return found if found.get("starters") == str(starters) else None

    told = service.worker.wait_for(f"the report of {title}", said, FRESH_WITHIN_S)
    return orjson.loads(told["audience"])


def crowd(name: str, count: int) -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


def begin(service: Service, title: str, viewers: list[str], time_s: float, **data) -> None:
    service.report([event for who in viewers for event in watched(who, title, 1, time_s, **data)])


def test_age_is_counted_of_those_who_agreed_and_told_from_fifty_viewers_on(service):
    now = service.another_time()
    viewers = crowd("counted", 90)
    declare(service, dict.fromkeys(viewers[:60], YOUNG))
    declare(service, {who: {"age_band": "65+"} for who in viewers[60:80]})
    begin(service, "first", viewers[:49], now)
    assert audience(service, "first", 49)["age"] == {}
    begin(service, "first", viewers[49:], now + HOUR_S)
    told = audience(service, "first", 90)
    assert told["n"] == 50
    assert told["age"] == {"18-24": 50}


def test_places_that_were_declared_count_where_the_player_says_none(service):
    viewers = crowd("placed", 50)
    declare(service, dict.fromkeys(viewers, YOUNG))
    begin(service, "second", viewers, service.another_time(), country="FR")
    told = audience(service, "second", 50)
    assert (told["country"], told["language"]) == ({"FR": 50}, {"de": 50})


def test_whoever_withdraws_is_not_counted_under_it_from_the_next_title_on(service):
    now = service.another_time()
    viewers = crowd("withdrawn", 50)
    declare(service, dict.fromkeys(viewers, YOUNG))
    begin(service, "small", viewers, now)
    assert audience(service, "small", 50)["age"] == {"18-24": 50}
    # In memory just now, and all the same not counted by what they were known as.
    declare(service, dict.fromkeys(viewers))
    assert held(service, viewers[0]) == {}
    begin(service, "plain", viewers, now + DAY_S / 2)
    assert audience(service, "plain", 50)["age"] == {}
    assert audience(service, "small", 50)["age"] == {"18-24": 50}


def test_a_bad_record_is_a_dead_letter_that_names_the_field_and_nothing_else_is_lost(service):
    bad = b'{"age_band": "31", "country": "DE"}'
    declare(service, {"bad": YOUNG, "fine": {"country": "FR"}})
    declare(service, {"bad": bad, "fine": {"country": "IT"}})
    topics = service.settings.topics
    (letter,) = [it for it in read_topic(service.settings, topics.rejects) if it.value == bad]
    headers = {name: raw.decode() for name, raw in letter.headers.items()}
    assert (headers["topic"], headers["reason"]) == (topics.viewers, "field")
    assert (headers["field"], headers["key"]) == ("age_band", "bad")
    assert "'31' is none of 13-17, 18-24" in headers["detail"]
    assert held(service, "bad") == YOUNG
    assert held(service, "fine") == {"country": "IT"}


def test_an_export_shows_what_was_declared_and_an_erase_withdraws_it_everywhere(service):
    declare(service, {"asks": YOUNG})
    found = exported(run_on(service.settings, "export", "asks", "--topics"))
    assert found["declared"]["data"] == YOUNG
    assert found["declared"]["expires_at"] > "2027"
    topic = service.settings.topics.viewers
    assert [it["value"] for it in found["records"][topic]["data"]] == [YOUNG]

    result = run_on(service.settings, "erase", "asks", "--yes")
    assert result.exit_code == 0, result.output
    assert "deleted: declared" in result.stdout
    assert f"withdrawn on Kafka: what {topic} holds, by a tombstone" in result.stdout
    assert held(service, "asks") == {}
    assert run_on(service.settings, "export", "asks").exit_code == 1
    records = [it.value for it in read_topic(service.settings, topic) if it.key == b"asks"]
    assert records == [orjson.dumps(YOUNG), None]
    declare(service, {"asks": {"age_band": "65+"}})  # agrees anew
    assert held(service, "asks") == {"age_band": "65+"}


def test_an_erase_of_a_file_of_viewers_withdraws_each(service, tmp_path):
    viewers = crowd("filed", 3)
    declare(service, dict.fromkeys(viewers, YOUNG))
    file = tmp_path / "ids"
    file.write_text("\n".join(viewers))
    result = run_on(service.settings, "erase", "--file", str(file), "--yes", "--json")
    assert [orjson.loads(it)["keys"] for it in result.stdout.splitlines()] == [["declared"]] * 3
    records = read_topic(service.settings, service.settings.topics.viewers)
    assert {it.key.decode() for it in records if it.value is None} >= set(viewers)


async def test_what_lies_unread_when_a_viewer_is_erased_is_skipped(settings, make_topics):
    settings = settings.model_copy(update={"demographics": True})
    make_topics(settings)
    topic, store = settings.topics.viewers, RedisStore(settings)
    declared, young = RedisDeclared(settings, store), Declared(**YOUNG)
    try:
        with sending(settings) as sender, ViewerData(settings) as data:
            sent = sender.send(topic, [(b"v", orjson.dumps(YOUNG), [])] * 2)
            (partition, last) = sent[-1]
            source = f"{topic}/{partition}"
            line = data.draw_line()
            assert line.declared == {source: last}
            assert data.erase("v", line).keys == ()
            for offset in (0, last):  # a worker gets there
                await declared.put({"v": Declaration(young, source, offset)})
                assert await declared.load(["v"]) == [NOTHING_DECLARED]
            await declared.put({"v": Declaration(young, source, last + 1)})
            assert await declared.load(["v"]) == [young]
            assert data.erase("v", line).keys == ("declared",)
    finally:
        await store.close()


# -- a worker that reads it all again, and one that is not to read it ----------------------
def test_a_replay_changes_nothing_and_brings_nothing_back(service, tmp_path):
    declare(service, dict.fromkeys(("stays", "changes", "withdraws", "erased"), YOUNG))
    declare(service, {"changes": {"age_band": "65+"}, "withdraws": None})
    # Another group has no marks: to it all lies unread, and it begins at the beginning.
    again = service.settings.model_copy(update={"group": f"{service.settings.group}-again"})
    assert run_on(again, "erase", "erased", "--yes").exit_code == 0
    pattern = service.keys.declared("x").replace("{x}", "*")
    before = {key: service.client.hgetall(key) for key in service.client.scan_iter(pattern)}
    before.pop(service.keys.declared("erased"))  # the tombstone is on its way
    ends = service.sender.ends[again.topics.viewers]
    with WorkerProcess(again, tmp_path) as worker:
        worker.wait_for(
            "all of it", lambda: absorbed(service.client, again, again.topics.viewers, ends)
        )
        assert worker.stop()[0] == 0, worker.tail()
    assert {key: service.client.hgetall(key) for key in before} == before
    assert held(service, "stays") == YOUNG
    assert held(service, "changes") == {"age_band": "65+"}
    assert held(service, "withdraws") == held(service, "erased") == {}


def test_where_it_is_off_nothing_of_it_is_read_stored_or_counted(service, off):
    viewers = crowd("quiet", 60)
    declare(service, dict.fromkeys(viewers, YOUNG))
    begin(service, "dark", viewers, service.another_time())
    assert audience(service, "dark", 60)["age"] == {"18-24": 50}
    client = service.client
    key = Keys(off.key_prefix).engagement("dark")
    wait_until("its report", lambda: client.hget(key, "starters") == "60", FRESH_WITHIN_S)
    assert orjson.loads(client.hget(key, "audience"))["age"] == {}
    assert list(client.scan_iter(f"{off.key_prefix}*declared*")) == []
    assert list(client.scan_iter(f"{off.key_prefix}mark:*{off.topics.viewers}*")) == []
    assert run_on(off, "erase", viewers[0], "--yes").exit_code == 0
    records = read_topic(service.settings, off.topics.viewers)
    assert (viewers[0].encode(), None) not in {(it.key, it.value) for it in records}
