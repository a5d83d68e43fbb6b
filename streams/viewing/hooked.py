"""Is this viewer hooked? The probability to finish the season, from the title's curve.

With c_j = P(goes on | watched j), H_k the product of c_j from k on, and G the distribution of the
gap among those who went on: having finished k and been idle for a,
``c_k(a) = c_k (1-G(a)) / (c_k (1-G(a)) + 1 - c_k)`` and ``p = c_k(a) * H_{k+1}``.

A season is finished at 90 % of its runtime, in a long one before the last episode: the product ends
with the episode that finishes it, ``until``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.catalogue import Curve
    from streams.rules import Rules

Z90 = 1.6448536269514722
"""Half-width of a central 90 % interval in standard deviations (and of a 5 % lower bound)."""


SEEN_FOR_S = 7 * 86_400.0
"""How long a season's viewers must have been watched: sooner, who pauses looks like who left."""


@dataclass(frozen=True, slots=True)
class Chance:
    """The probability to finish, its central 90 % interval, and the fewest viewers behind it."""

    p: float
    low: float
    high: float
    n: int


def gap_share(curve: Curve, idle_s: float) -> float:
    """G(a): share of those who went on that had done so after ``idle_s``; linear in between."""
    edges, cdf = curve.gap_s, curve.gap_cdf
    i = bisect_right(edges, idle_s)
    if i >= len(edges):
        return cdf[-1]
    if i == 0:
        return 0.0
    width = edges[i] - edges[i - 1]
    return cdf[i - 1] + (cdf[i] - cdf[i - 1]) * (idle_s - edges[i - 1]) / width


def going_on(c: float, gone: float) -> float:
    """c_k(a) for a share ``gone`` = G(a) of the gaps already over."""
    still = c * (1 - gone)
    return still / (still + 1 - c) if still + 1 - c > 0 else 1.0


def chance(curve: Curve, k: int, *, on_next: bool, idle_s: float = 0.0, until: int = 0) -> Chance:
    """Probability to finish after episode ``k``; ``on_next`` if the viewer is in k+1 already.

    ``until`` is the episode that finishes the season, 0 for its last.

    The interval treats each c_j's error as independent and log-normal, with the standard error
    that its 5 % bound implies.
    """
    start = k + 1 if on_next else k
    end = until or curve.of
    ahead = range(start, end)
    log_p, variance, n = 0.0, 0.0, min(curve.n[max(k, 1) - 1 : end - 1], default=0)
    for j in ahead:
        c = curve.c[j - 1]
        goes = going_on(c, gap_share(curve, idle_s)) if j == k and idle_s else c
        if goes <= 0:  # nobody ever went on, or nobody after so long
            return Chance(0.0, 0.0, 0.0, n)
        log_p += math.log(goes)
        variance += ((c - curve.low[j - 1]) / (Z90 * c)) ** 2
    spread = Z90 * math.sqrt(variance)
    p = math.exp(log_p)
    return Chance(p, p * math.exp(-spread), min(1.0, p * math.exp(spread)), n)


def known(curve: Curve, found: Chance, rules: Rules) -> bool:
    """Whether enough viewers were watched for long enough to say anything of the title."""
    return found.n >= rules.curve_n and curve.horizon_s >= SEEN_FOR_S


def trustworthy(found: Chance, rules: Rules) -> bool:
    """Whether enough is known about the title to speak of a viewer."""
    return found.low >= rules.curve_bound and found.n >= rules.curve_n


def cools_after_s(curve: Curve, k: int, rules: Rules, until: int = 0) -> float:
    """The idle time after which p falls below the cooling threshold.

    Solves ``c_k(a) * H_{k+1} = threshold`` for G(a), then inverts G; ``until`` as for ``chance``.
    """
    end = until or curve.of
    rest = math.prod(curve.c[k : end - 1]) if k < end else 1.0
    c = curve.c[k - 1] if 1 <= k < end else 1.0
    need = rules.cooled_below / rest if rest > 0 else 1.0
    if need >= 1 or c <= 0:
        return 0.0
    if c >= 1:
        return curve.gap_s[-1]
    return _gap_quantile(curve, 1 - need / (1 - need) * (1 - c) / c)


def _gap_quantile(curve: Curve, share: float) -> float:
    if share <= 0:
        return 0.0
    for i in range(1, len(curve.gap_s)):
        low, high = curve.gap_cdf[i - 1], curve.gap_cdf[i]
        if high >= share and high > low:
            width = curve.gap_s[i] - curve.gap_s[i - 1]
            return curve.gap_s[i - 1] + width * (share - low) / (high - low)
    return curve.gap_s[-1]
