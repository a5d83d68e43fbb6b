"""What a title's audience is said to do: hook points found, revised, withdrawn; one signal each.

The id of a signal is a hash of what it is about and how many there were of that before, so the same
decision has the same id, whoever takes it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from streams.audience import hook_point
from streams.audience.hook_point import NONE, Hook
from streams.signals import stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.audience.retention import Retention
    from streams.audience.title import Surroundings, TitleAudience
    from streams.catalogue import Title

EVERYONE = ""
"""Stands for all countries together."""
COUNTRIES_EVERY_H = 24
"""Hook points by country are looked at once a day of event time, the pooled ones every hour."""
HOUR_MS = 3_600_000


class Decisions:
    """The last word on everything that is decided about a title, and how often there was one."""

    __slots__ = ("_counts", "_title_id", "hooks")

    def __init__(self, title_id: str) -> None:
        self._title_id = title_id
        self.hooks: dict[tuple[int, str], Hook] = {}
        self._counts: dict[str, int] = {}

    def dump(self) -> list[Any]:
        """Plain values, to be kept."""
        hooks = [[*key, hook.k, hook.since_ms] for key, hook in sorted(self.hooks.items())]
        return [hooks, self._counts]

    def load(self, data: list[Any]) -> None:
        """Take up what ``dump`` gave."""
        hooks, self._counts = data
        self.hooks = {(season, country): Hook(k, since) for season, country, k, since in hooks}

    def take(
        self,
        audience: TitleAudience,
        title: Title | None,
        at_ms: int,
        moved: Sequence[int],
        around: Surroundings,
    ) -> Iterator[str]:
        """Decide at a whole hour on the seasons that have ``moved``.

        Returns:
            Bodies of ``engagement-signals``.
        """
        for number in moved:
            of = length(title, number)
            if of:
                yield from self._hook_points(number, of, audience.retention[number], at_ms, around)

    # -- hook points -------------------------------------------------------------------------------
    def _hook_points(
        self, number: int, of: int, retention: Retention, at_ms: int, around: Surroundings
    ) -> Iterator[str]:
        daily = at_ms // HOUR_MS % COUNTRIES_EVERY_H == 0
        for country in (EVERYONE, *(retention.countries() if daily else ())):
            held = self.hooks.get((number, country), NONE)
            if held.k is None and not retention.can_hook(country):
                continue
            curve = retention.curve(of, at_ms, country)
            hook, change = hook_point.decide(held, curve, at_ms)
            if curve is None or change is None:
                continue
            self.hooks[number, country] = hook
            told = hook_point.published(hook, curve)
            del told["since"], told["version"], told["share"], told["lift_peers"]
            data = {
                "title_id": self._title_id,
                "season": number,
                "country": country or None,
                "state": change.what,
                **told,
                "before": change.before,
                "curve_version": curve.version,
                "catalogue_version": around.catalogue.version,
            }
            yield self._signal("hook_point", f"{number}:{country}", at_ms, data)

    # -- signals -----------------------------------------------------------------------------------
    def _signal(self, kind: str, about: str, at_ms: int, data: dict[str, Any]) -> str:
        """A CloudEvent of ``engagement-signals``."""
        counted = f"{kind}:{about}"
        number = self._counts[counted] = self._counts.get(counted, 0) + 1
        name = repr((self._title_id, kind, about, data["state"], number)).encode()
        body = {
            "specversion": "1.0",
            "id": blake2b(name, digest_size=16).hexdigest(),
            "source": "hookpoint",
            "type": f"title.{kind}",
            "subject": self._title_id,
            "time": stamp(at_ms),
            "datacontenttype": "application/json",
            "data": data,
        }
        return orjson.dumps(body).decode()


def length(title: Title | None, season: int) -> int:
    """How many episodes a season has; 0 while nobody knows."""
    found = title.seasons.get(season) if title else None
    return found.of if found else 0
