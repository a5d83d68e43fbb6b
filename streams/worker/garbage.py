"""Collections of garbage that stop nobody for long.

All lanes stand still while Python looks for cycles, about a millisecond per thousand objects. The
fold makes next to none: what it lets go is freed at once, by counting. So only the young are looked
at, few at a time and each once, and all of them once an hour.
"""

from __future__ import annotations

import asyncio
import gc

import structlog

log = structlog.get_logger()
YOUNG = 1_500
"""New objects that are looked at together."""
NEVER = 1_000_000_000
"""How often the young must have been looked at before their elders are."""
ALL_EVERY_S = 3600.0


def look_at_the_young_alone() -> None:
    """From now on; what there is already stays for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, NEVER, NEVER)


async def look_at_all() -> None:
    """Find the cycles that outlived their youth, once an hour. Never returns."""
    while True:
        await asyncio.sleep(ALL_EVERY_S)
        found = gc.collect()
        log.debug("garbage collected", objects=found)
