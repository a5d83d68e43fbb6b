"""Taking away keys by name: nobody's keys are looked through."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from consumers.connection import connect
from producers.simulator.catalogue import MARKETS
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from config.settings import Settings

AT_ONCE = 2000
TOPS = ("hooked", "travelling", "new-voices", "hours")
COUNTRIES = {country for country, _ in MARKETS}
"""Those of simulated viewers."""
Item = TypeVar("Item")


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """``items`` in lists of ``size``, the last one shorter."""
    left = iter(items)
    while some := list(islice(left, size)):
        yield some


def remove_keys(
    settings: Settings, viewers: Iterable[str], titles: Iterable[str], days: Sequence[str] = ()
) -> None:
    """Remove every key under the prefix of ``settings`` that a worker makes of these.

    ``days`` are those (``2026-11-22``) on which titles were watched.
    """
    client: Any
    with closing(connect(settings)) as client:
        for some in chunks(_keys(settings, viewers, titles, days), AT_ONCE):
            with client.pipeline(transaction=False) as batch:
                for name in some:
                    batch.unlink(name)
                batch.execute()


def _keys(
    settings: Settings, viewers: Iterable[str], titles: Iterable[str], days: Sequence[str]
) -> Iterator[str]:
    keys, topics, group = Keys(settings.key_prefix), settings.topics, settings.group
    for viewer in viewers:
        of_viewer = keys.viewer(viewer)
        yield from (of_viewer.state, of_viewer.taste, of_viewer.progress, of_viewer.hooked)
    for title in titles:
        yield keys.title(title)
        yield keys.engagement(title)
        yield keys.audience(title)
        yield from (keys.viewers(title, day) for day in ("", *days))
    for topic in (topics.events, topics.progress, topics.titles):
        yield keys.topic_id(group, topic)
        for partition in range(settings.partitions):
            yield keys.mark(group, topic, partition)
            yield keys.due(group, topic, partition)
    yield from (keys.catalogue_facts(), keys.catalogue_marks(), keys.catalogue_changes())
    yield keys.peers()
    yield from (keys.top(name) for name in TOPS)
    yield from (keys.trending(name) for name in ("all", *COUNTRIES))
