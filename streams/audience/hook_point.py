"""The hook point: the first episode after which at least 70 % of those who watched it finish.

``k* = min{k >= 2: Pr(H_k >= .70) >= .95, n_k >= 50}``, where these are the thresholds of
``Rules`` (``hook_share``, ``hook_found_at``, ``least_viewers``). One that was found stays until
``Pr(H_k >= .70) < .80`` (``hook_kept_at``), or until an earlier episode is as certain as that one
had to be: what was said is not taken back because a day was a little worse. While viewers were
watched for less than 28 days, an earlier one has to wait until they were watched for twice as long
as at the last change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from streams.audience.life_table import HIGH, LOW
from streams.audience.people import rounded
from streams.audience.scale import EVERYONES, Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.audience.season_curve import SeasonCurve
    from streams.rules import Rules

FIRST = 2
"""Finishing the pilot is no hook."""


@dataclass(frozen=True, slots=True)
class Hook:
    """What was decided last: ``k`` (None for not found), since when in event ms."""

    k: int | None = None
    since_ms: int = 0


NONE = Hook()


@dataclass(frozen=True, slots=True)
class Change:
    """A decision that matters: one signal."""

    what: Literal["found", "revised", "withdrawn"]
    k: int | None
    before: int | None
    p: float
    """Pr(H_k >= ``hook_share``), of ``k``, or of ``before`` if it is withdrawn."""


def decide(
    previous: Hook, curve: SeasonCurve | None, at_ms: int, rules: Rules
) -> tuple[Hook, Change | None]:
    """The hook point after looking at ``curve``, and what changed if anything did.

    Without a curve (the season's length is not known) nothing changes.
    """
    if curve is None:
        return previous, None
    candidates = (k for k in range(FIRST, curve.of) if curve.steps[k - 1].n >= rules.least_viewers)
    certain = next((k for k in candidates if above(curve, k, rules) >= rules.hook_found_at), None)
    k = previous.k
    if k is not None and k < curve.of and above(curve, k, rules) >= rules.hook_kept_at:
        since_s = (at_ms - previous.since_ms) / 1000
        waits = curve.provisional and since_s < curve.horizon_s / 2  # both grow with the clock
        if waits or certain is None or certain >= k:
            return previous, None
    if certain == k:
        return previous, None
    asked = certain or k
    p = above(curve, asked, rules) if asked and asked < curve.of else 0.0
    what: Literal["found", "revised", "withdrawn"] = (
        "withdrawn" if certain is None else "found" if k is None else "revised"
    )
    return Hook(certain, at_ms), Change(what, certain, k, p)


def above(curve: SeasonCurve, k: int, rules: Rules) -> float:
    """Pr(H_k >= ``hook_share``), for k in 1 .. K-1."""
    return curve.beliefs[k - 1].above(rules.hook_share)


def lift(curve: SeasonCurve, k: int) -> float:
    """How much more go on from ``k`` than if the season lost as many at every episode.

    ``H_k - H_1^((K-k)/(K-1))``, both within the time that all episodes were seen for: with the same
    loss everywhere it is 0, however short that time was.
    """
    shares = curve.evenly_seen()
    evenly: float = math.prod(shares) ** ((curve.of - k) / (curve.of - 1))
    return math.prod(shares[k - 1 :]) - evenly


def peers_mean(peers: Sequence[float], least: int) -> float | None:
    """The mean H_1 of seasons of the same length; None if they are fewer than ``least``."""
    return sum(peers) / len(peers) if len(peers) >= least else None


def published(
    hook: Hook, curve: SeasonCurve, rules: Rules, beside: float | None = None
) -> dict[str, Any]:
    """The field ``hook:S`` of docs/redis.md; without a hook point, the figures are those of H_1.

    ``beside`` is the H_1 that it is compared with, if there is any (``peers_mean``).
    """
    k = hook.k if hook.k is not None and hook.k < curve.of else None
    at = (k or 1) - 1
    h1, raised, shares = _told(curve, k, rules)
    return {
        "k": k,
        "of": curve.of,
        **shares,
        "n": rounded(int(curve.steps[at].n), rules.least_viewers),
        "h1": h1,
        "share": round(k / curve.of, 3) if k else None,
        "lift": raised,
        "lift_peers": None if beside is None else round(h1 - beside, 3),
        "horizon_s": curve.told_horizon_s,
        "provisional": curve.provisional,
        "since": hook.since_ms,
        "version": curve.version,
    }


def _told(
    curve: SeasonCurve, k: int | None, rules: Rules
) -> tuple[float, float | None, dict[str, float]]:
    """H_1, the lift at ``k``, and H_k with all that is around it (of no ``k``, H_1)."""
    at, raised = k or 1, lift(curve, k) if k else None
    if curve.of_group:
        least = rules.least_viewers
        to, told = Scale.of(curve.fewest(1), least), curve.group_share(at, least)
        low, high, sure = told.low, told.high, told.above(rules.hook_share)
        p = told.value
    else:
        to, belief, h = EVERYONES, curve.beliefs[at - 1], curve.h[at - 1]
        p, sure = to.nearest(h), to.nearest(belief.above(rules.hook_share))
        low, high = to.down(min(h, belief.quantile(LOW))), to.up(max(h, belief.quantile(HIGH)))
    shares = {"p": p, "certainty": sure, "low": low, "high": high}
    return to.nearest(curve.h[0]), None if raised is None else to.nearest(raised), shares
