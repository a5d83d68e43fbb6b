"""Speed of the right answer: what was found of some viewers, beside what they truly watched."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consumers.profiles import ProfileReader
from hookpoint.bench.peers.job import profile_key
from hookpoint.bench.reference import summed
from hookpoint.bench.taste import expected_shares
from producers.simulator.truth import Episode, Span, Truth, length

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from config.settings import Settings
    from hookpoint.bench.reference import Reference

CLOSE_S = 1.0
ROUNDED_S = 0.5
"""hookpoint publishes watch time in whole seconds."""
CLOSE_SHARE = 0.001
"""Shares are published with four digits, and the moment that they are read as of is not the
check's own to the minute."""
SECONDS, SHARE = "seconds", "share"


@dataclass(frozen=True, slots=True)
class Spot:
    """Profiles of some viewers beside what they should be.

    A viewer is right if every figure is: watch time, each genre and, of hookpoint, the coverage of
    each episode.
    """

    viewers: int
    right: int
    figures: int
    found_s: float
    """Watch time of all of them, as found."""
    true_s: float
    """The same as it should be."""
    worst_s: float
    """The largest difference of a figure in seconds."""
    worst_share: float = 0.0
    """The largest difference of a share of taste."""

    @property
    def agrees(self) -> bool:
        """Whether every viewer is right."""
        return self.right == self.viewers > 0


class _Comparing:
    """Adds up a spot check, viewer by viewer."""

    def __init__(self) -> None:
        self._viewers = self._right = self._figures = 0
        self._found_s = self._true_s = 0.0
        self._worst = {SECONDS: 0.0, SHARE: 0.0}

    def watched(self, found_s: float, true_s: float) -> None:
        self._found_s += found_s
        self._true_s += true_s

    def viewer(self, offs: Iterable[tuple[str, float, float]]) -> None:
        """Take in one viewer's differences: unit, by how much, and how much is close."""
        self._viewers += 1
        right = True
        for unit, off, close in offs:
            self._figures += 1
            self._worst[unit] = max(self._worst[unit], off)
            right = right and off <= close
        self._right += right

    def spot(self) -> Spot:
        return Spot(
            self._viewers,
            self._right,
            self._figures,
            self._found_s,
            self._true_s,
            self._worst[SECONDS],
            self._worst[SHARE],
        )


def check_peer(
    settings: Settings,
    client: Any,
    reference: Reference,
    genres: Mapping[str, Sequence[str]],
    positions: Mapping[int, int],
) -> Spot:
    """Compare a peer's profiles with what follows from the records that it took.

    Args:
        settings: of the round; they name the keys.
        client: of Redis, decoding answers.
        reference: the sample and its reports.
        genres: of each title.
        positions: the peer's next offset by partition. Viewers without a report before it are
            left out.
    """
    comparing = _Comparing()
    for viewer in reference.viewers:
        seen = reference.seen(viewer, positions)
        if not seen:
            continue
        fields = client.hgetall(profile_key(settings.key_prefix, viewer))
        found = {name: float(value) for name, value in fields.items() if name != "seen_at"}
        sums = summed(seen, genres)
        true = {f"genre:{genre}": seconds for genre, seconds in sums.genres.items()}
        true["watched_s"] = sums.watched_s
        comparing.watched(found.get("watched_s", 0.0), sums.watched_s)
        comparing.viewer(
            (SECONDS, abs(found.get(name, 0.0) - true.get(name, 0.0)), CLOSE_S)
            for name in true.keys() | found.keys()
        )
    return comparing.spot()


def check_hookpoint(settings: Settings, truth: Truth, reference: Reference) -> Spot:
    """Compare hookpoint's public keys with the truth.

    Args:
        settings: of the round; they name the keys.
        truth: what the simulated players knew: watch time, and coverage of each episode.
        reference: the sample and its reports, which tell the shares of genres.
    """
    viewers = reference.viewers
    watched, covered = _truly_watched(truth, viewers), _truly_covered(truth, viewers)
    comparing = _Comparing()
    with ProfileReader(settings) as reader:
        for viewer in viewers:
            taste = reader.taste(viewer)
            found_s = taste.watched_s if taste else 0.0
            shares = taste.lasting.get("genre", {}) if taste else {}
            progress = {
                (entry.title_id, entry.season or 0, entry.episode or 0): entry.coverage_s or 0.0
                for entry in reader.progress(viewer)
            }
            comparing.watched(found_s, watched[viewer])
            comparing.viewer(
                [
                    (SECONDS, abs(found_s - watched[viewer]), CLOSE_S + ROUNDED_S),
                    *_off(SECONDS, progress, covered[viewer], CLOSE_S),
                    *_off(
                        SHARE,
                        shares,
                        expected_shares(reference.seen(viewer), truth),
                        CLOSE_SHARE,
                    ),
                ]
            )
    return comparing.spot()


def _off(
    unit: str, found: Mapping[Any, float], true: Mapping[Any, float], close: float
) -> Iterator[tuple[str, float, float]]:
    for key in true.keys() | found.keys():
        yield unit, abs(found.get(key, 0.0) - true.get(key, 0.0)), close


def _truly_watched(truth: Truth, viewers: Iterable[str]) -> dict[str, float]:
    """Seconds spent playing that reports can prove, by viewer."""
    watched = dict.fromkeys(viewers, 0.0)
    for playback in truth.playbacks:
        if playback.viewer in watched:
            watched[playback.viewer] += playback.reported_wall_s
    return watched


def _truly_covered(truth: Truth, viewers: Iterable[str]) -> dict[str, dict[Episode, float]]:
    """Distinct media seconds that reports can prove, by viewer and episode."""
    spans: dict[str, dict[Episode, list[Span]]] = {it: defaultdict(list) for it in viewers}
    for playback in truth.playbacks:
        if playback.viewer in spans:
            spans[playback.viewer][playback.episode].extend(playback.reported_spans)
    return {
        viewer: {episode: length(played) for episode, played in of_viewer.items()}
        for viewer, of_viewer in spans.items()
    }
