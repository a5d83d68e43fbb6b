"""Speed of the right answer: what was found of some viewers, beside what they truly watched."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.profiles import ProfileReader
from producers.simulator.truth import Episode, Span, Truth, length

if TYPE_CHECKING:
    from collections.abc import Iterable

    from config.settings import Settings

SAMPLE = 200
CLOSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """Covered seconds in ``progress:{viewer}`` beside the truth, episode by episode."""

    viewers: int
    episodes: int
    right: int
    """Episodes that agree to the second."""
    found_s: float
    true_s: float
    worst_s: float
    """The largest difference of any episode."""

    @property
    def agrees(self) -> bool:
        """Whether every episode agrees."""
        return self.right == self.episodes > 0


def check(settings: Settings, truth: Truth, seed: int) -> Check:
    """Compare a random sample of viewers, at most 200, on what their players reported."""
    viewers = sorted({playback.viewer for playback in truth.playbacks})
    sample = random.Random(seed).sample(viewers, min(SAMPLE, len(viewers)))
    true = _covered(truth, sample)
    found: dict[tuple[str, Episode], float] = {}
    with ProfileReader(settings) as reader:
        for viewer in sample:
            for entry in reader.progress(viewer):
                episode = (entry.title_id, entry.season or 0, entry.episode or 0)
                found[viewer, episode] = entry.coverage_s or 0.0
    off = [abs(found.get(key, 0.0) - true.get(key, 0.0)) for key in true.keys() | found.keys()]
    return Check(
        viewers=len(sample),
        episodes=len(off),
        right=sum(it <= CLOSE_S for it in off),
        found_s=sum(found.values()),
        true_s=sum(true.values()),
        worst_s=max(off, default=0.0),
    )


def _covered(truth: Truth, viewers: Iterable[str]) -> dict[tuple[str, Episode], float]:
    """Distinct media seconds that reports can prove, by viewer and episode."""
    wanted = set(viewers)
    spans: dict[tuple[str, Episode], list[Span]] = defaultdict(list)
    for playback in truth.playbacks:
        if playback.viewer in wanted:
            spans[playback.viewer, playback.episode].extend(playback.reported_spans)
    return {key: length(played) for key, played in spans.items()}
