"""Dead letters there and back: a worker refuses records, they are sent again, it takes them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from letters import as_lines, runner
from players import a_run, an_event, as_binary, watched
from service import DAY_S, LONG_AGO_S, Service, running_service
from workers import WorkerProcess, own_settings, read_topic, sending

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

NASTY = "tv\x1b]0;x\x07"
SMALL, RAISED = "1024", "200000"


@pytest.fixture(scope="module")
def service(stack, tmp_path_factory) -> Iterator[Service]:
    with running_service(stack, tmp_path_factory.mktemp("worker")) as found:
        yield found


def rejected(service: Service, count: int) -> list[dict]:
    """All dead letters, once there are so many."""
    run = runner(service.settings)

    def found() -> list[dict]:
        lines = as_lines(run("--json", "--from-start", "--limit", "1000"))
        return lines if len(lines) >= count else []

    return service.worker.wait_for(f"{count} dead letters", found)


def take_in_what_was_sent_again(service: Service) -> None:
    topic = service.settings.topics.events
    found = read_topic(service.settings, topic)
    service.sender.note(topic, [(record.partition, record.offset) for record in found])
    service.take_in()


def without_names(found: list[dict]) -> list[dict]:
    """Sessions of two viewers, made comparable."""
    return [
        {k: v for k, v in it.items() if k not in {"id", "viewer", "playback_id"}} for it in found
    ]


def test_mended_records_are_taken_in_and_a_second_redrive_sends_nothing(service):
    """Of two viewers one plays on a device whose positions come as text, one in binary mode."""
    run, at = runner(service.settings), service.another_time()
    start, end = watched("text", "dark", 1, at, device=NASTY)
    end["data"]["position_s"] = "2700"
    key, value, headers = as_binary(an_event("binary", "heartbeat", at + 60, 60))
    value = value.replace(b'"position_s":60', b'"position_s":"60"')
    opening = as_binary(an_event("binary", "started", at, 0))
    topic = service.settings.topics.events
    service.sender.send(
        topic,
        [(b"text", orjson.dumps(each), []) for each in (start, end)]
        + [opening, (key, value, headers)],
    )
    lines = rejected(service, 2)
    assert {line["key"] for line in lines} == {"text", "binary"}
    assert "\x1b" not in run().output

    for line in lines:
        event = orjson.loads(line["value"])
        data = event.get("data", event)
        data["position_s"] = float(data["position_s"])
        line["value"] = orjson.dumps(event).decode()
    mended = b"\n".join(map(orjson.dumps, lines))
    assert run("--redrive", "--mended", "-", stdin=mended).stdout == "2 sent again, 0 left\n"
    take_in_what_was_sent_again(service)

    (session,) = service.sessions("text")
    assert (session["coverage_s"], session["device"]) == (2700, NASTY)
    progress = orjson.loads(service.hash("progress", "binary")["dark:1:1"])
    assert progress[:2] == [60, 60]

    again = run("--redrive", "--mended", "-", stdin=mended).stdout
    assert again == "0 sent again, 2 left (sent before: 2)\n"
    assert run("--redrive").stdout == again
    found = [it for it in read_topic(service.settings, topic) if "redriven" in it.headers]
    assert len(found) == 2
    assert len(rejected(service, 2)) == 2


def test_an_event_that_comes_a_second_time_changes_nothing(service):
    """What a redrive that is killed halfway relies on: its last batch is sent twice."""
    at = service.another_time()
    once, twice = a_run("once", at), a_run("twice", at)
    service.report([*once, *twice])
    again = [(b"twice", orjson.dumps(each), [("redriven", b"t/0/1")]) for each in twice]
    topic = service.settings.topics.events
    service.sender.send(topic, again[:6])
    service.tick(at + 3600)
    service.sender.send(topic, again)
    service.tick(at + DAY_S / 2)
    assert service.hash("progress", "twice") == service.hash("progress", "once")
    assert service.hash("taste", "twice") == service.hash("taste", "once")
    sessions = without_names(service.sessions("twice"))
    assert sessions == without_names(service.sessions("once"))
    assert [it["coverage_s"] for it in sessions] == [2500]


def test_what_is_refused_again_is_not_sent_for_ever(stack, tmp_path, redis_client):
    """A limit was raised here, but the workers still run with the old one."""
    settings = own_settings(stack)
    run = runner(settings)
    with (
        sending(settings) as sender,
        WorkerProcess(settings, tmp_path, HOOKPOINT_MAX_VALUE_BYTES=SMALL) as worker,
    ):
        service = Service(settings, redis_client, sender, worker)
        events = watched("v", "dark", 1, LONG_AGO_S)
        sender.events(event | {"padding": "x" * 100_000} for event in events)
        rejected(service, 2)
        assert run("--redrive", MAX_VALUE_BYTES=SMALL).stdout.startswith("0 sent again, 2 left")
        assert run("--redrive", MAX_VALUE_BYTES=RAISED).stdout == "2 sent again, 0 left\n"
        rejected(service, 4)
        said = run("--redrive", MAX_VALUE_BYTES=RAISED).stdout
        assert said == "0 sent again, 4 left (sent before: 2, sent before and refused: 2)\n"
        take_in_what_was_sent_again(service)
        assert len(rejected(service, 4)) == 4
