"""Wherever slices begin and end, the same is said, under the same lineage, in the same order.

So a store that comes back older than it was, and is told everything anew in other slices, makes no
record that a reader with a mark per source partition would take for news.
"""

from __future__ import annotations

import asyncio
from functools import cache
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import Settings
from producers.send import tick
from producers.simulator import Audience, AudienceOptions
from streams.catalogue import Catalogue, parse_title
from streams.signals import lineage_order
from streams.viewing.context import Context
from streams.worker import lane as lanes
from streams.worker.cache import Cache
from streams.worker.lane import Lane, Shell
from streams.worker.store import Kept, Mark, MemoryStore

SOURCE = ("playback-events", 0)
OPTIONS = AudienceOptions(
    viewers=12, titles=6, weeks=0.6, seed=3, messy_share=0.5, late_share=0.2, keep_truth=False
)
MANY_DAYS_S = 40 * 86_400.0


class Notebook:
    """Writes down what is published, in order."""

    def __init__(self) -> None:
        self.said: list[tuple[tuple[int, int, int, int], str, str, str]] = []

    async def publish(self, outs: Any, _letters: Any) -> None:
        ordered = sorted(outs, key=lambda pair: lineage_order(*pair))
        self.said += [(lineage_order(*it), it[1].topic, it[1].key, it[1].body) for it in ordered]


class NoCurves:
    async def await_titles(self, _titles: Any) -> None:
        """None are awaited."""

    async def refresh(self, _titles: Any) -> None:
        """There are none."""


@cache
def world() -> Context:
    titles = {it["title_id"]: parse_title(it) for it in Audience(OPTIONS).catalogue()}
    return Context(Catalogue(titles, {}, {}, 1), Settings(_env_file=None).rules)


@cache
def stream() -> tuple[Any, ...]:
    """An audience's records, two jumps of stream time, and one more record after each."""
    found = list(Audience(OPTIONS).records())
    last_s = found[-1].time_s
    values = [(it.key, it.value, it.time_s) for it in found]
    for days in (1, 2):
        at_s = last_s + days * MANY_DAYS_S
        values += [(None, tick(at_s), at_s), (b"late", orjson.dumps({}), at_s)]
    return tuple(
        SimpleNamespace(
            topic=SOURCE[0], partition=0, offset=offset, key=key, value=value, headers=(),
            timestamp=int(time_s * 1000),
        )
        for offset, (key, value, time_s) in enumerate(values)
    )  # fmt: skip


async def once(call: Any, *args: Any) -> Any:
    return await call(*args)


async def run(cuts: list[int]) -> tuple[Kept, Notebook]:
    """Everything that is said of the stream, cut at these offsets; a new worker takes each part."""
    kept, notebook = Kept(), Notebook()
    chosen = Settings(_env_file=None)
    for begin, end in zip([0, *cuts], [*cuts, len(stream())], strict=True):
        store = MemoryStore(kept)
        marks = await store.claim([SOURCE])
        shell = Shell(
            chosen, store, Cache(store, chosen.rules, 100), notebook, NoCurves(), world, once,
            lambda *_: None, asyncio.Event(),
        )  # fmt: skip
        lane = Lane(shell, SOURCE, marks.get(SOURCE, Mark(-1, 0)))
        if begin < end:
            await lane.handle(stream()[begin:end])
    return kept, notebook


@cache
def in_one_go() -> tuple[Kept, Notebook]:
    return asyncio.run(run([]))


def public(kept: Kept) -> tuple[Any, ...]:
    states = {name: (it.live, it.rest) for name, it in kept.states.items()}
    return states, kept.taste, kept.progress, kept.hooked, kept.marks, kept.timers


def test_the_stream_says_enough_by_timers_to_be_a_test():
    _, notebook = in_one_go()
    by_timers = [lineage for lineage, *_ in notebook.said if lineage[1]]
    assert len(by_timers) > 25
    assert len({lineage[0] for lineage in by_timers}) > 10


@pytest.mark.parametrize(("within", "at_once"), [(2000, 500), (2, 2), (1, 3)])
@given(cuts=st.lists(st.integers(0, len(stream())), max_size=8).map(sorted))
@settings(max_examples=10)
def test_slices_change_neither_what_is_said_nor_its_lineage_nor_its_order(within, at_once, cuts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "DUE_WITHIN", within)
        patch.setattr(lanes, "DUE_AT_ONCE", at_once)
        kept, notebook = asyncio.run(run(cuts))
    expected_kept, expected = in_one_go()
    assert notebook.said == expected.said
    lineages = [lineage for lineage, *_ in notebook.said]
    assert lineages == sorted(lineages)
    assert public(kept)[:-1] == public(expected_kept)[:-1]
