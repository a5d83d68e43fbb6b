"""The shares of genres that hookpoint should publish, worked out again from the reports.

Written from docs/redis.md and the numbers in ``streams.rules``, not with the code of
``streams.viewing``: coverage of each viewing, its worth, and the decay, all at once and at the end.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from hookpoint.bench.peers.watching import Report, credit
from producers.simulator.truth import Episode, Span, length
from streams.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hookpoint.bench.reference import Seen
    from producers.simulator.truth import Truth

ACTS = frozenset({"paused", "seeked", "rate_changed"})
"""What only a viewer does."""


class _Playback(NamedTuple):
    began_s: float
    ended_s: float
    episode: Episode
    spans: Sequence[Span]
    automatic: bool
    """Autoplay started it, and nobody acted."""


def expected_shares(seen: Iterable[Seen], truth: Truth) -> dict[str, float]:
    """Genre to its share in the lasting taste of one viewer.

    Args:
        seen: all reports of the viewer, in any order.
        truth: knows the titles; nothing else of it is used.
    """
    rules = Rules()
    playbacks = _playbacks(seen)
    # Shares are as of the last report of a playback that is over; the tick at the end ends all.
    as_of_s = max((playback.ended_s for playback in playbacks), default=0.0)
    sums: dict[str, float] = defaultdict(float)
    for at_s, title_id, worth in _worths(playbacks, truth, rules):
        decayed = worth * 2 ** ((at_s - as_of_s) / rules.half_life_lasting_s)
        genres = truth.titles[title_id].genres
        for genre in genres:
            sums[genre] += decayed / len(genres)
    prior, weight = _catalogue_shares(truth), rules.taste_prior
    whole = sum(sums.values()) + weight
    return {genre: (amount + weight * prior[genre]) / whole for genre, amount in sums.items()}


def _catalogue_shares(truth: Truth) -> dict[str, float]:
    """Each title counts once, split over its genres."""
    parts: dict[str, float] = defaultdict(float)
    for title in truth.titles.values():
        for genre in title.genres:
            parts[genre] += 1 / len(title.genres) / len(truth.titles)
    return parts


def _playbacks(seen: Iterable[Seen]) -> list[_Playback]:
    by_id: dict[str, dict[int, Seen]] = defaultdict(dict)
    for it in seen:
        by_id[it.playback_id][it.report[0]] = it
    return sorted(_playback([them[seq] for seq in sorted(them)]) for them in by_id.values())


def _playback(seen: Sequence[Seen]) -> _Playback:
    reports: list[Report] = [it.report for it in seen]
    spans = [(before[2], after[4]) for before, after in pairwise(reports) if credit(before, after)]
    first = seen[0]
    return _Playback(
        reports[0][1],
        reports[-1][1],
        (first.title_id, first.season, first.episode),
        spans,
        first.autoplay and not any(it.kind in ACTS for it in seen),
    )


def _worths(
    playbacks: Sequence[_Playback], truth: Truth, rules: Rules
) -> Iterable[tuple[float, str, float]]:
    """When, which title, and how much each viewing with a positive worth counts."""
    viewings: dict[Episode, list[tuple[_Playback, float]]] = defaultdict(list)
    for playback, factor in zip(playbacks, _factors(playbacks, rules), strict=True):
        viewing = viewings[playback.episode]
        if viewing and playback.began_s - viewing[-1][0].ended_s > rules.abandoned_after_s:
            yield from _worth(viewing, truth, rules)
            viewing.clear()
        viewing.append((playback, factor))
    for viewing in viewings.values():
        yield from _worth(viewing, truth, rules)


def _factors(playbacks: Sequence[_Playback], rules: Rules) -> list[float]:
    """How deliberate each one is: episodes that autoplay started one after the other fade."""
    factors, streak, ended_s = [], 0, float("-inf")
    for playback in playbacks:
        joined = playback.began_s - ended_s <= rules.sitting_gap_s
        streak = (streak + 1 if joined else 1) if playback.automatic else 0
        weights = rules.autoplay_weights
        factors.append(weights[min(streak, len(weights)) - 1] if streak else 1.0)
        ended_s = max(ended_s, playback.ended_s)
    return factors


def _worth(
    viewing: Sequence[tuple[_Playback, float]], truth: Truth, rules: Rules
) -> Iterable[tuple[float, str, float]]:
    covered_s = length([span for playback, _ in viewing for span in playback.spans])
    share = min(1.0, covered_s / truth.runtime_s(viewing[0][0].episode))
    if covered_s >= rules.started_s and share >= rules.partial_share:
        ended_s = max(playback.ended_s for playback, _ in viewing)
        yield ended_s, viewing[0][0].episode[0], share * max(factor for _, factor in viewing)
