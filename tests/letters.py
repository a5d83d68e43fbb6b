"""Rejected records and their dead letters, as a worker makes them, without one running."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson
from players import an_event
from typer.testing import CliRunner
from workers import Sender, read_topic, sending

from config.settings import Settings
from hookpoint.cli import app
from hookpoint.topics import ensure_topics
from streams.events import Reject
from streams.worker.decoding import dead_letter
from streams.worker.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from consumers.records import RawRecord

NOW_S = 1_767_571_200.0
Raw = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


def good(viewer: str = "viewer-7", **data: Any) -> Raw:
    """A record that the contract takes."""
    position = data.pop("position_s", 60)
    event = an_event(viewer, "heartbeat", NOW_S, position, **data)
    return viewer.encode(), orjson.dumps(event), []


def bad(viewer: str = "viewer-7", **data: Any) -> Raw:
    """A record that it does not: a position in words."""
    return good(viewer, **({"position_s": "sixty"} | data))


POSITION = Reject("field", "position_s", "'sixty' is not seconds from 0 to 864000")
LATE = Reject("too_late", "time", "90000 s behind the stream")


class Letters:
    """Sends records to the topic of events, and dead letters of them as a worker would."""

    def __init__(self, settings: Settings, sender: Sender) -> None:
        self.settings = settings
        self._sender = sender

    def reject(self, record: Raw, why: Reject = POSITION, *, topic: str = "") -> str:
        """Send a record that lies where it was sent to, and its dead letter. Returns its place."""
        topic = topic or self.settings.topics.events
        return self.letter(record, why, (topic, *self.lay(record, topic)))

    def lay(self, record: Raw, topic: str = "") -> tuple[int, int]:
        """Send a record, to the events if to nowhere else. Returns its partition and offset."""
        (place,) = self._sender.send(topic or self.settings.topics.events, [record])
        return place

    def letter(
        self, record: Raw, why: Reject = POSITION, place: tuple[str, int, int] | None = None
    ) -> str:
        """Send a dead letter of a record that is not there (any more). Returns its place."""
        topic, partition, offset = place or (self.settings.topics.events, 0, 5)
        key, value, headers = record
        there = SimpleNamespace(offset=offset, key=key, value=value, headers=headers)
        sent = Publisher(self.settings).letter(dead_letter((topic, partition), there, why))
        self._sender.send(sent.topic, [(sent.key, sent.value, list(sent.headers))])
        return f"{topic}/{partition}/{offset}"

    def sent_again(self) -> list[RawRecord]:
        """Records of the topic of events that say which rejected one they repeat."""
        found = read_topic(self.settings, self.settings.topics.events)
        return [record for record in found if "redriven" in record.headers]

    def repeated(self) -> list[str]:
        """The places of the rejected ones that were sent again, sorted."""
        return sorted(record.headers["redriven"].decode() for record in self.sent_again())


@contextmanager
def some_letters(settings: Settings) -> Iterator[Letters]:
    """On topics of their own."""
    ensure_topics(settings)
    with sending(settings) as sender:
        yield Letters(settings, sender)


def runner(settings: Settings) -> Callable[..., Result]:
    """Runs ``hookpoint rejects``; ``variables`` are settings without their prefix."""

    def run(*arguments: str, stdin: bytes | None = None, **variables: str) -> Result:
        env = variables_of(settings, **variables)
        return CliRunner(env=env).invoke(app, ["rejects", *arguments], input=stdin)

    return run


def variables_of(settings: Settings, **more: str) -> dict[str, str]:
    """What a command needs to find these topics and keys."""
    chosen = {
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "GROUP": settings.group,
        "KEY_PREFIX": settings.key_prefix,
        **{f"TOPICS__{role.upper()}": name for role, name in settings.topics},
        **more,
    }
    return {f"HOOKPOINT_{name}": text for name, text in chosen.items()}


def as_lines(result: Result) -> list[dict[str, Any]]:
    """What it wrote as JSON lines."""
    return [orjson.loads(line) for line in result.stdout.splitlines()]
