"""What others may read of a title: the fields of docs/redis.md, made from its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from streams.audience import hook_point
from streams.audience.decisions import EVERYONE, length
from streams.audience.hook_point import NONE
from streams.audience.life_table import LOW
from streams.audience.peers import line_name
from streams.audience.retention import LEAST_VIEWERS
from streams.signals import stamp

if TYPE_CHECKING:
    from streams.audience.retention import Retention, SeasonCurve
    from streams.audience.title import Surroundings, TitleAudience

WEEK_S, MONTH_S = 7 * 86400.0, 28 * 86400.0


class Report(NamedTuple):
    """What a title publishes at one time.

    ``fields`` of ``engagement:{title}``; ``ranks`` as (key without prefix, title, score or None to
    leave it out); ``lines`` of the table of peers, by ``title:season``.
    """

    fields: dict[str, Any]
    ranks: list[tuple[str, str, float | None]]
    lines: dict[str, bytes | None]


def report_of(audience: TitleAudience, around: Surroundings) -> Report:
    """Everything, as of the title's clock."""
    title = around.catalogue.titles.get(audience.title_id)
    engagement, at_ms = audience.engagement, audience.clock_ms
    fields: dict[str, Any] = {"updated_at": stamp(at_ms), **engagement.scalars(title)}
    ranks: list[tuple[str, str, float | None]] = [("top:hours", audience.title_id, fields["hours"])]
    lines: dict[str, bytes | None] = {}
    best = None
    for number in sorted(engagement.seasons):
        said = engagement.season(number, title)
        retention = audience.retention.get(number)
        if retention is not None:
            said |= _completion(retention, at_ms)
        fields[f"season:{number}"] = _json(said)
        fields[f"episodes:{number}"] = _json(engagement.episodes(number, title))
        fields[f"dropoff:{number}"] = _json(engagement.drop_off(number, around.rules.least_viewers))
        of = length(title, number)
        if retention is not None and of:
            pooled = _curves(audience, number, of, around, fields)
            lines[line_name(audience.title_id, number)] = _line(pooled)
            best = max((it for it in (best, _score(pooled)) if it is not None), default=None)
    fields["audience"] = _json(audience.people.report(around.rules.least_viewers))
    ranks.append(("top:hooked", audience.title_id, best))
    return Report(fields, ranks, lines)


def _completion(retention: Retention, at_ms: int) -> dict[str, float]:
    found = {
        "completion_7d": retention.completion(WEEK_S, at_ms),
        "completion_28d": retention.completion(MONTH_S, at_ms),
    }
    return {name: round(it.c, 3) for name, it in found.items() if it is not None}


def _curves(
    audience: TitleAudience,
    number: int,
    of: int,
    around: Surroundings,
    fields: dict[str, Any],
) -> SeasonCurve | None:
    """Publish the curves of a season; returns that of everyone."""
    retention = audience.retention[number]
    pooled = None
    for country in (EVERYONE, *retention.countries()):
        curve = retention.curve(of, audience.clock_ms, country)
        if curve is None:
            continue
        place = f"{number}:{country}" if country else str(number)
        hook = audience.decisions.hooks.get((number, country), NONE)
        fields[f"curve:{place}"] = _json(curve.published())
        peers = around.peers.h1_of_length(of, line_name(audience.title_id, number))
        told = hook_point.published(hook, curve, peers)
        told["since"] = stamp(hook.since_ms) if hook.since_ms else None
        fields[f"hook:{place}"] = _json(told)
        if not country:
            pooled = curve
    return pooled


def _score(curve: SeasonCurve | None) -> float | None:
    """How surely a season hooks from its beginning: the lower bound of H_1."""
    if curve is None or curve.steps[0].n < LEAST_VIEWERS:
        return None
    return min(curve.h[0], curve.beliefs[0].quantile(LOW))


def _line(curve: SeasonCurve | None) -> bytes | None:
    if curve is None or curve.steps[0].n < LEAST_VIEWERS:
        return None
    return _json({"of": curve.of, "h1": round(curve.h[0], 3), "n": int(curve.steps[0].n)})


def _json(value: Any) -> bytes:
    return orjson.dumps(value)
