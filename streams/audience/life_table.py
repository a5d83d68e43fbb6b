"""Who goes on, told while many are still in the middle: the actuarial life table.

Someone who has not gone on yet is neither counted as gone (that would punish what is new) nor left
out (that would flatter it): they count as at risk for as long as they were watched. Kaplan and
Meier 1958; for buckets of time, Cutler and Ederer 1958; the variance is Greenwood's, 1926.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from streams.audience.beta import Beta

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEAST_AT_RISK = 50.0
"""Entrants that a bucket must speak for: one viewer then moves c by no more than 1/50."""
LOW, HIGH = 0.05, 0.95
"""Published bounds: each holds with 95 %, both with 90 %."""


class Bucket(NamedTuple):
    """One stretch of the time since exposure began.

    ``entered`` were at risk as it began, ``went_on`` went on within it, ``pending`` have been
    watched for no longer than part of it: for the share ``watched`` of it, on average. ``end_s`` is
    its end in seconds, or the longest that anyone was watched if that is less.
    """

    entered: float
    went_on: float
    pending: float
    end_s: float = 0.0
    watched: float = 0.5


@dataclass(frozen=True, slots=True)
class Estimate:
    """The share ``c`` that goes on within ``horizon_s``, and how sure that is.

    ``se`` is the standard error, ``n`` the viewers behind it, ``n_eff`` how many with a known
    outcome would say as much, ``low`` and ``high`` the 5 % and 95 % bounds. ``gap_cdf`` has the
    share of those who go on that did so by the end of each bucket; the last is 1 (none if nobody
    went on).
    """

    c: float
    n: float
    belief: Beta
    gap_cdf: tuple[float, ...]
    horizon_s: float

    @property
    def se(self) -> float:
        """Standard error of ``c``."""
        return self.belief.deviation

    @property
    def n_eff(self) -> float:
        """Observations that the estimate is worth."""
        return self.belief.size

    @property
    def low(self) -> float:
        """Lower 5 % bound, never above ``c``."""
        return min(self.c, self.belief.quantile(LOW))

    @property
    def high(self) -> float:
        """Upper 95 % bound, never below ``c``."""
        return max(self.c, self.belief.quantile(HIGH))


NOTHING = Estimate(0.5, 0.0, Beta(0.5, 2.0), (), 0.0)
"""Nobody was at risk: any share is as likely as any other, Beta(1, 1)."""


def estimate(buckets: Sequence[Bucket]) -> Estimate:
    """The share that goes on: ``n_b = entered_b - pending_b / 2``, ``c = 1 - prod(1 - d_b / n_b)``.

    The half is what ``watched`` is if viewers leave the bucket evenly; where more is known, n_b is
    ``entered_b - pending_b (1 - watched_b)``.

    The Beta distribution around it has Greenwood's variance. Where that is 0 the exact
    bounds of Clopper and Pearson step in: if nobody went on, for those watched through the last
    bucket, who alone can vouch for it; if a bucket lost everyone, for that bucket's share.

    Reading ends where the buckets speak for fewer than ``LEAST_AT_RISK`` entrants (or a third of
    all, if that is less): there one viewer more or less would change everything.
    """
    if not buckets or _at_risk(buckets[0]) <= 0:
        return NOTHING
    least = min(LEAST_AT_RISK, _at_risk(buckets[0]) / 3)
    staying, relative, vouching, horizon = 1.0, 0.0, 0.0, 0.0
    gone: list[float] = []
    for it in buckets:
        n = _at_risk(it)
        if n <= 0 or n / staying < least:
            break
        vouching, horizon = n, it.end_s
        if it.went_on >= n:
            belief = _everyone(staying, relative, n)
            shares = _shares(gone, buckets, 1.0)
            return Estimate(1.0, buckets[0].entered, belief, shares, buckets[-1].end_s)
        staying *= 1 - it.went_on / n
        relative += it.went_on / (n * (n - it.went_on))
        gone.append(1 - staying)
    c = 1 - staying
    if c <= 0:
        return Estimate(0.0, buckets[0].entered, Beta.none_of(vouching), (), horizon)
    belief = Beta.of_moments(c, staying**2 * relative)
    return Estimate(c, buckets[0].entered, belief, _shares(gone, buckets, c), horizon)


def pooled(tables: Iterable[Sequence[Bucket]]) -> list[Bucket]:
    """One life table of several with the same buckets."""
    return [_together(same) for same in zip(*tables, strict=True)]


def _together(buckets: Sequence[Bucket]) -> Bucket:
    entered = went_on = pending = watched = end_s = 0.0
    for at_risk, went, waits, until_s, share in buckets:
        end_s = max(end_s, until_s)
        if at_risk:
            entered += at_risk
            went_on += went
            pending += waits
            watched += waits * share
    return Bucket(entered, went_on, pending, end_s, watched / pending if pending else 0.5)


def _at_risk(bucket: Bucket) -> float:
    return bucket.entered - bucket.pending * (1 - bucket.watched)


def _shares(gone: list[float], buckets: Sequence[Bucket], c: float) -> tuple[float, ...]:
    """Of those who go on, by the end of each bucket."""
    return tuple(it / c for it in gone) + (1.0,) * (len(buckets) - len(gone))


def _everyone(staying: float, relative: float, n: float) -> Beta:
    """Where a bucket of ``n`` lost everyone: what stays is ``staying`` x Beta(1, n)."""
    if not relative:
        return Beta.all_of(n)
    last = Beta.none_of(n)
    mean = staying * last.mean
    square = staying**2 * (1 + relative) * (last.mean**2 + last.variance)
    return Beta.of_moments(1 - mean, max(square - mean**2, 0.0))
