"""Taking away what a round has written, by name: nobody's keys are looked through."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from config.kafka import kafka_python_security
from consumers.connection import connect
from hookpoint.bench.peers.job import absorbed_key, profile_key
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Settings
    from hookpoint.bench.backlog import Backlog
    from producers.simulator import Audience

AT_ONCE = 1000
log = logging.getLogger(__name__)


def remove_keys(settings: Settings, audience: Audience, backlog: Backlog) -> None:
    """Remove every key of one round."""
    names = list(_keys(settings, audience, backlog))
    client: Any
    with closing(connect(settings)) as client:
        for start in range(0, len(names), AT_ONCE):
            with client.pipeline(transaction=False) as batch:
                for name in names[start : start + AT_ONCE]:
                    batch.unlink(name)
                batch.execute()


def _keys(settings: Settings, audience: Audience, backlog: Backlog) -> Iterator[str]:
    keys, topics = Keys(settings.key_prefix), settings.topics
    for viewer in audience.truth().taste:
        of_viewer = keys.viewer(viewer)
        yield from (of_viewer.state, of_viewer.taste, of_viewer.progress, of_viewer.hooked)
        yield profile_key(settings.key_prefix, viewer)
    for title in audience.titles:
        yield keys.title(title.title_id)
        yield keys.engagement(title.title_id)
    for topic in (topics.events, topics.titles):
        for partition in backlog.last_offsets:
            yield keys.mark(settings.group, topic, partition)
            yield keys.due(settings.group, topic, partition)
    yield from (keys.catalogue_facts(), keys.catalogue_changes(), absorbed_key(settings.key_prefix))


def remove_topics(settings: Settings, beginning: str) -> None:
    """Remove the topics whose names begin with ``beginning``; says so in the log if it cannot."""
    try:
        with closing(
            KafkaAdminClient(
                bootstrap_servers=settings.kafka_bootstrap.split(","),
                **kafka_python_security(settings),
            )
        ) as admin:
            ours = [name for name in admin.list_topics() if name.startswith(beginning)]
            if ours:
                admin.delete_topics(ours)
    except (KafkaError, OSError) as problem:
        log.warning("topics %s* are left on the broker: %s", beginning, problem)
