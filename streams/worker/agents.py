"""What there is to do: which topic is read by whom, and of which part of the work that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Agent
    from streams.worker.app import Worker


class Reader(NamedTuple):
    """Who reads a topic: a worker that has the ``part`` among its agents."""

    part: Agent
    topic: str
    agent: Callable[[Any], Any]


def agents(worker: Worker) -> dict[str, Reader]:
    """All that a worker may be told to do, by name."""
    topics = worker.settings.topics

    async def viewers(stream: Any) -> None:
        """Hand slices of playback events to the lanes of their partitions."""
        async for event in stream.noack().events():
            worker.viewers.submit(event)

    async def titles(stream: Any) -> None:
        """Hand slices of what viewers did with titles to the lanes of their partitions."""
        async for event in stream.noack().events():
            worker.titles.submit(event)

    async def catalogue(stream: Any) -> None:
        """Take titles into the catalogue."""
        async for event in stream.noack().events():
            await worker.absorb_titles(event)
            event.ack()

    async def declared(stream: Any) -> None:
        """Take in what viewers have agreed to be counted under."""
        async for event in stream.noack().events():
            await worker.patience(worker.declared.absorb, event.value)
            event.ack()

    found = {
        "viewers": Reader("viewers", topics.events, viewers),
        "titles": Reader("titles", topics.progress, titles),
        "catalogue": Reader("catalogue", topics.titles, catalogue),
    }
    if worker.settings.demographics:
        # Those whom it is of use to; no part of its own, that could be forgotten.
        found["declared"] = Reader("viewers", topics.viewers, declared)
    return found
