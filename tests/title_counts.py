"""What is counted of titles, as far as it depends on the records alone.

Records of several source partitions interleave anew in every run, and a title's clock goes with
them. Left out is what depends on that: bursts, tables of single countries, when something was
decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from streams.audience import wire
from streams.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Settings
    from streams.audience.retention import Retention
    from streams.audience.title import TitleAudience

Counts = dict[str, int]
"""Numbers by where in a title's counts they stand."""
FAR_MS = 60 * 86_400_000
"""So long after a title's last record nobody is pending any more."""
TOLD = ("starters", "watchers", "completers", "hours")
"""Of the public report: what needs no catalogue."""


class TitleKeys(NamedTuple):
    """What Redis holds of all titles."""

    counts: dict[str, Counts]
    outboxes: list[str]
    """Bodies of the signals that are in them."""
    stale: list[str]
    """What is published and is not what is counted."""


def title_keys(client: Any, settings: Settings) -> TitleKeys:
    """Read them all; ``client`` gives bytes."""
    counts: dict[str, Counts] = {}
    outboxes: list[str] = []
    stale: list[str] = []
    for title_id, title in titles_in(client, settings).items():
        counts[title_id] = dict(_numbers("", counted(title)))
        outboxes += [it.body for it in title.outbox]
        public = client.hgetall(Keys(settings.key_prefix).engagement(title_id))
        told = {name: float(public.get(name.encode(), "nan")) for name in TOLD}
        known = {name: title.engagement.scalars(None)[name] for name in TOLD}
        if told != known:
            stale.append(f"{title_id}: says {told}, and {known} is counted")
    for title_id, day, viewers in _viewers(client, settings.key_prefix):
        counts.setdefault(title_id, {})[f"/viewers{day}"] = viewers
    return TitleKeys(counts, outboxes, stale)


def titles_in(client: Any, settings: Settings) -> dict[str, TitleAudience]:
    """All titles by id, as a worker would load them."""
    found: dict[str, TitleAudience] = {}
    for name, title_id, _ in _names(client, f"{settings.key_prefix}audience:"):
        fields = client.hgetall(name)
        version, out = int(fields.pop(b"version")), fields.pop(b"out")
        parts = {name.decode(): part for name, part in fields.items()}
        found[title_id] = wire.load(title_id, version, parts, out, settings.rules)
    return found


def counted(title: TitleAudience) -> dict[str, Any]:
    """What two runs over the same records agree on."""
    far_ms = title.clock_ms + FAR_MS
    seasons = title.retention.items()
    return {
        "clock_ms": title.clock_ms,
        "engagement": title.engagement.dump(),
        "people": title.people.dump(),
        "reach": title.reach.dump(),
        "passages": {str(number): _passages(season, far_ms) for number, season in seasons},
    }


def _passages(season: Retention, far_ms: int) -> dict[str, Any]:
    """Everyone's, by k, with cells as coarse as they become."""
    season.compact(far_ms)
    (_, tables), *_ = season.dump()
    return {str(k): table for k, table in tables}


def _viewers(client: Any, prefix: str) -> Iterator[tuple[str, str, int]]:
    """How many different viewers there were of each title, ever ("") and by day, by estimate."""
    for name, title_id, day in _names(client, f"{prefix}viewers:"):
        yield title_id, day, client.pfcount(name)


def _names(client: Any, begin: str) -> Iterator[tuple[bytes, str, str]]:
    """Keys, the title of each, and what follows it."""
    for name in sorted(client.scan_iter(match=f"{begin}*", count=5000)):
        title, _, rest = name.decode().removeprefix(begin + "{").partition("}")
        yield name, title, rest


def _numbers(where: str, value: Any) -> Iterator[tuple[str, int]]:
    """Every number in nested lists and dicts, with the way to it."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in pairs:
            yield from _numbers(f"{where}/{name}", inner)
    else:
        yield where, value
