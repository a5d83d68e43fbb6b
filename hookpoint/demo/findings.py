"""What was found beside what was true. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consumers.records import Session, Signal
    from producers.simulator import Truth

CLOSE_S = 1.0
"""Found and true watch time of a playback agree if they differ by at most this."""
KNOWN_AFTER_S = 5 * 3600.0
"""A taste is compared once this much was watched."""
TRUSTED_N = 50
"""A share of a curve is compared if at least this many viewers are behind it."""
_HOUR_S = 3600.0
_MIN_COMPLETED = 2

Season = tuple[str, str, int]
"""Viewer, title id, season."""


@dataclass(frozen=True, slots=True)
class WatchTime:
    """Distinct media seconds per playback: sessions beside what the players reported."""

    playbacks: int
    found: int
    close: int
    worst_s: float
    found_h: float
    reported_h: float
    true_h: float
    """What was really watched, with what players that died never reported."""


@dataclass(frozen=True, slots=True)
class Completions:
    """``viewer.completed`` beside seasons truly finished."""

    true: int
    found: int
    both: int


@dataclass(frozen=True, slots=True)
class Hooks:
    """``viewer.hooked`` beside what became of those viewers.

    ``undecided`` were still on the season when the simulation ended. ``base_rate`` is the share
    that finished among all who completed two episodes of a season and are decided.
    """

    hooked: int
    undecided: int
    finished: int
    finished_in_all: int
    foreseen: int
    base_rate: float | None
    lead_h: float | None
    """Median hours from the signal to the end of the season."""
    left: float | None
    """Median episodes that were left at the signal."""

    @property
    def precision(self) -> float | None:
        """Share of decided hooked viewers who finished."""
        decided = self.hooked - self.undecided
        return self.finished / decided if decided else None

    @property
    def recall(self) -> float | None:
        """Share of finished seasons that a signal foresaw."""
        return self.foreseen / self.finished_in_all if self.finished_in_all else None


@dataclass(frozen=True, slots=True)
class Tastes:
    """Found genre shares of some viewers beside other shares of theirs."""

    compared: int
    same_favourite: int
    correlation: float | None
    """Mean Pearson correlation over viewers."""


@dataclass(frozen=True, slots=True)
class Curves:
    """Found shares who go on beside the true ones, where the number of viewers allows it."""

    compared: int
    mean_error: float | None


@dataclass(frozen=True, slots=True)
class HookPoints:
    """Found hook points beside the true ones, of seasons that have both."""

    found: int
    true: int
    both: int
    same: int
    close: int
    """The true episode, or the one before or after it."""


def compare_hook_points(truth: Truth, found: Mapping[tuple[str, int], int | None]) -> HookPoints:
    """Compare hook points by (title, season); None where none was found."""
    true = truth.hook_points()
    off = [
        abs(k - hook)
        for season, k in found.items()
        if k is not None and (hook := true.get(season)) is not None
    ]
    return HookPoints(
        found=sum(k is not None for k in found.values()),
        true=sum(hook is not None for hook in true.values()),
        both=len(off),
        same=off.count(0),
        close=sum(it <= 1 for it in off),
    )


def compare_watch_time(truth: Truth, sessions: Mapping[str, Session]) -> WatchTime:
    """Compare the sessions (by id, highest revision) with the playbacks."""
    of_playback: dict[str, float] = defaultdict(float)
    for session in sessions.values():
        of_playback[session.playback_id] += session.coverage_s
    errors = [
        abs(of_playback[playback.playback_id] - playback.reported_s)
        for playback in truth.playbacks
        if playback.playback_id in of_playback
    ]
    return WatchTime(
        playbacks=len(truth.playbacks),
        found=len(errors),
        close=sum(error <= CLOSE_S for error in errors),
        worst_s=max(errors, default=0.0),
        found_h=sum(of_playback.values()) / _HOUR_S,
        reported_h=sum(playback.reported_s for playback in truth.playbacks) / _HOUR_S,
        true_h=sum(playback.covered_s for playback in truth.playbacks) / _HOUR_S,
    )


def valid(signals: Iterable[Signal]) -> list[Signal]:
    """Signals about seasons that were not taken back, by event time."""
    kept = list(signals)
    retracted = {signal.retracts for signal in kept if signal.retracts is not None}
    kept = [it for it in kept if it.id not in retracted and it.title_id and it.season]
    return sorted(kept, key=lambda signal: signal.time)


def compare_completions(truth: Truth, signals: Iterable[Signal]) -> Completions:
    """Compare who was said to have completed a season with who has."""
    true = set(truth.finished_seasons())
    found = {_season(it) for it in valid(signals) if it.type == "viewer.completed"}
    return Completions(len(true), len(found), len(true & found))


def compare_hooks(truth: Truth, signals: Iterable[Signal]) -> Hooks:
    """Compare who was said to be hooked with who went on to finish."""
    finished = truth.finished_seasons()
    first: dict[Season, Signal] = {}
    for signal in valid(signals):
        if signal.type == "viewer.hooked":
            first.setdefault(_season(signal), signal)
    still_on_it = _still_on_it(truth)
    foreseen = {
        season: signal
        for season, signal in first.items()
        if season in finished and signal.time.timestamp() < finished[season]
    }
    leads = [finished[season] - it.time.timestamp() for season, it in foreseen.items()]
    left = [it.of - it.k for it in foreseen.values() if it.of is not None and it.k is not None]
    return Hooks(
        hooked=len(first),
        undecided=sum(1 for season in first if season not in finished and season in still_on_it),
        finished=sum(1 for season in first if season in finished),
        finished_in_all=len(finished),
        foreseen=len(foreseen),
        base_rate=_base_rate(truth, set(finished), still_on_it),
        lead_h=statistics.median(leads) / _HOUR_S if leads else None,
        left=statistics.median(left) if left else None,
    )


def watched_shares(truth: Truth) -> dict[str, dict[str, float]]:
    """Genres of what each viewer truly watched, an episode shared out over its genres.

    Only viewers who watched for five hours or more; the others have shown too little.
    """
    watched_s: dict[str, float] = defaultdict(float)
    shares = {viewer: dict.fromkeys(given, 0.0) for viewer, given in truth.taste.items()}
    for playback in truth.playbacks:
        watched_s[playback.viewer] += playback.covered_s
        genres = truth.titles[playback.episode[0]].genres
        share = playback.covered_s / truth.runtime_s(playback.episode) / len(genres)
        for genre in genres:
            shares[playback.viewer][genre] += share
    return {viewer: it for viewer, it in shares.items() if watched_s[viewer] >= KNOWN_AFTER_S}


def compare_tastes(
    true: Mapping[str, Mapping[str, float]], found: Mapping[str, Mapping[str, float]]
) -> Tastes:
    """Compare genre shares per viewer, on any scale, for those who have both."""
    same, correlations, compared = 0, [], 0
    for viewer, given in true.items():
        shares = found.get(viewer)
        if not shares:
            continue
        compared += 1
        same += max(shares, key=lambda it: shares[it]) == max(given, key=lambda it: given[it])
        values = [shares.get(genre, 0.0) for genre in given]
        if len(set(values)) > 1 and len(set(given.values())) > 1:
            correlations.append(statistics.correlation(values, list(given.values())))
    return Tastes(compared, same, statistics.fmean(correlations) if correlations else None)


def compare_curves(
    truth: Truth, curves: Mapping[tuple[str, int], tuple[list[float], list[float]]]
) -> Curves:
    """Compare curves by (title, season): shares who go on, and how many viewers are behind each."""
    errors = []
    for (title_id, number), (shares, counts) in curves.items():
        true = truth.titles[title_id].seasons[number - 1].goes_on
        errors += [
            abs(share - true[at])
            for at, (share, count) in enumerate(zip(shares, counts, strict=True))
            if count >= TRUSTED_N and at < len(true)
        ]
    return Curves(len(errors), statistics.fmean(errors) if errors else None)


def _season(signal: Signal) -> Season:
    return (signal.viewer or "", signal.title_id or "", signal.season or 0)


def _still_on_it(truth: Truth) -> set[Season]:
    """Seasons that viewers had watched last when the simulation ended."""
    last: dict[str, Season] = {}
    for playback in sorted(truth.playbacks, key=lambda it: it.started_s):
        last[playback.viewer] = (playback.viewer, *playback.episode[:2])
    return set(last.values())


def _base_rate(truth: Truth, finished: set[Season], still_on_it: set[Season]) -> float | None:
    begun = {
        (viewer, title_id, season)
        for viewer, seasons in truth.completed_episodes().items()
        for (title_id, season), episodes in seasons.items()
        if season and len(episodes) >= _MIN_COMPLETED
    }
    decided = [season for season in begun if season in finished or season not in still_on_it]
    return sum(season in finished for season in decided) / len(decided) if decided else None
