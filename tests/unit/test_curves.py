"""Lanes that need the same curves at the same time all decide with them, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from streams.worker.catalogue_store import Snapshot
from streams.worker.curves import Curves
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
