"""Attempts at what the world may interrupt, until one is whole."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from streams.worker import metrics
from streams.worker.store import Conflict, Fenced

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from streams.worker.store import Source, Store

T = TypeVar("T")
MOST_CONFLICTS = 100
"""Lost races for one slice, one after the other, before it is a bug and not a race."""


async def insist(
    retry: Callable[..., Any],
    store: Store,
    sources: Iterable[Source],
    attempt: Callable[..., Awaitable[T]],
    *args: Any,
) -> T:
    """Try until it is done: outages are waited out, lost races for a viewer run again.

    Args:
        retry: waits outages out.
        store: asked, after a lost race, whether the sources are still ours.
        sources: what is worked on.
        attempt: what to do; it may be repeated at any point.
        *args: what it is called with.

    Raises:
        Fenced: a source is not ours any more.
    """
    held = list(sources)

    async def still_ours() -> None:
        with fences_counted():
            for source in held:
                await store.still_ours(source)

    for _ in range(MOST_CONFLICTS):
        try:
            done: T = await retry(attempt, *args)
        except Conflict:
            metrics.CONFLICTS.inc()
            await retry(still_ours)
        else:
            return done
    names = ", ".join(f"{topic}/{partition}" for topic, partition in held)
    raise RuntimeError(f"{names}: {MOST_CONFLICTS} conflicts over one slice")


@contextmanager
def fences_counted() -> Iterator[None]:
    """Count what shows that a partition was taken from us."""
    try:
        yield
    except Fenced:
        metrics.FENCED.inc()
        raise
