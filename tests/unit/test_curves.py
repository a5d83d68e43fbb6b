"""Lanes that need the same curves at the same time all decide with them, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from streams.worker import curves as curves_module
from streams.worker.catalogue_store import Snapshot
from streams.worker.curves import MOST_IN_VAIN, Curves
from streams.worker.store import StoreAway

CURVE = {
    "version": "3", "episodes": 3, "c": [0.9, 0.8], "low": [0.8, 0.7], "n": [90, 80],
    "gap_s": [0, 3600], "gap_cdf": [0, 1],
}  # fmt: skip


class SlowTitles:
    """Curves that take a turn of the event loop, or an outage, to be read."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.answer = asyncio.Event()

    async def curves(self, titles: Any) -> list[dict[bytes, bytes]]:
        self.asked += 1
        await self.answer.wait()
        if self.away:
            self.away = False
            raise StoreAway("gone")
        return [{b"curve:1": orjson.dumps(CURVE)} for _ in titles]


async def looked_up(curves: Curves, snapshot: Snapshot) -> bool:
    await curves.refresh(["dark"])
    return ("dark", 1) in snapshot.catalogue.curves


async def test_a_lane_waits_for_a_curve_that_another_is_looking_up():
    titles: Any = SlowTitles()
    snapshot = Snapshot(titles)
    curves = Curves(titles, snapshot)
    lanes = [asyncio.create_task(looked_up(curves, snapshot)) for _ in range(3)]
    await asyncio.sleep(0)
    titles.answer.set()
    assert await asyncio.gather(*lanes) == [True, True, True]
    assert titles.asked == 1


async def test_a_lane_looks_a_curve_up_itself_where_another_has_failed_to():
    titles: Any = SlowTitles()
    titles.away = True
    snapshot = Snapshot(titles)
    curves = Curves(titles, snapshot)
    first, second = (asyncio.create_task(looked_up(curves, snapshot)) for _ in range(2))
    await asyncio.sleep(0)
    titles.answer.set()
    with pytest.raises(StoreAway):
        await first
    assert await second


# -- titles on their way ---------------------------------------------------------------------------
class ComingTitles:
    """A catalogue that learns of titles when it is told to."""

    def __init__(self) -> None:
        self.news_of: dict[str, bytes] = {}

    async def news(self, version: int) -> tuple[int, dict[str, bytes]]:
        fresh = self.news_of if len(self.news_of) > version else {}
        return len(self.news_of), fresh

    def comes(self, title: str) -> None:
        facts = {"title_id": title, "name": title, "kind": "film", "runtime_s": 60}
        self.news_of[title] = orjson.dumps(facts)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def patience(monkeypatch):
    """As long as a test needs: it ends when it is told to, or at once."""

    def set_to(seconds: float) -> None:
        monkeypatch.setattr(curves_module, "TITLE_PATIENCE_S", seconds)

    monkeypatch.setattr(curves_module, "LOOK_EVERY_S", 0.0)
    return set_to


async def test_every_lane_that_meets_a_new_title_waits_for_it(patience):
    patience(60)
    titles: Any = ComingTitles()
    snapshot = Snapshot(titles)
    curves = Curves(titles, snapshot)
    first = asyncio.create_task(curves.await_titles(["dark"]))
    await turns()
    second = asyncio.create_task(curves.await_titles(["dark"]))
    await turns()
    assert not first.done()
    assert not second.done()
    titles.comes("dark")
    await asyncio.gather(first, second)
    assert "dark" in snapshot.catalogue.titles


async def test_a_title_that_does_not_come_is_waited_for_once(patience):
    patience(0.05)
    titles: Any = ComingTitles()
    curves = Curves(titles, Snapshot(titles))
    await curves.await_titles(["never"])
    patience(60)
    await asyncio.wait_for(curves.await_titles(["never"]), 5)


async def test_where_nobody_sends_titles_events_soon_go_on_without(patience):
    patience(0.01)
    titles: Any = ComingTitles()
    curves = Curves(titles, Snapshot(titles))
    for number in range(MOST_IN_VAIN):
        await curves.await_titles([f"never-{number}"])
    patience(60)
    await asyncio.wait_for(curves.await_titles(["another"]), 5)
