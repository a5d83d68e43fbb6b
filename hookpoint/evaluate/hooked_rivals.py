"""What the hooked rule is measured against: simple rules, and a logistic regression.

All of them are made of the viewers who train: a rule that says yes or no becomes a probability by
the share of its yeses (and of its noes) that finished among those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from hookpoint.evaluate.hooked_fold import Point

PILOT = "finished the pilot"
THREE = "three episodes in 24 h"
HOOK = "reached k*"
LOGISTIC = "logistic regression"
LOGISTIC_SQUARED = "the same with squares and products"
BASE = "share that finishes"
IN_24H = 3

RULES: dict[str, Callable[[Point], bool]] = {
    BASE: lambda _: True,
    PILOT: lambda point: point.pilot,
    THREE: lambda point: point.features.in_24h >= IN_24H,
    HOOK: lambda point: point.hook_reached,
}
"""``BASE`` knows only the share of all predictions that came true."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A rival's probabilities for some points, and where it says yes."""

    name: str
    p: tuple[float, ...]
    yes: tuple[bool, ...]


def rivals(
    training: Sequence[Point], judged: Sequence[Point], finished: Container[str], hooked_at: float
) -> list[Rival]:
    """Every rival's word on the points that are judged.

    Args:
        training: points of viewers that are not judged.
        judged: points to be predicted.
        finished: the viewers who finish their season.
        hooked_at: the probability at which a regression says yes.
    """
    came = [point.viewer in finished for point in training]
    found = [_of_rule(name, rule, training, came, judged) for name, rule in RULES.items()]
    for name, degree in ((LOGISTIC, 1), (LOGISTIC_SQUARED, 2)):
        p = _regression(degree, training, came, judged)
        found.append(Rival(name, p, tuple(it >= hooked_at for it in p)))
    return found


def _of_rule(
    name: str,
    rule: Callable[[Point], bool],
    training: Sequence[Point],
    came: Sequence[bool],
    judged: Sequence[Point],
) -> Rival:
    share = {}
    for answer in (True, False):
        such = [true for point, true in zip(training, came, strict=True) if rule(point) is answer]
        share[answer] = sum(such) / len(such) if such else 0.0
    yes = tuple(rule(point) for point in judged)
    return Rival(name, tuple(share[it] for it in yes), yes)


def _regression(
    degree: int, training: Sequence[Point], came: Sequence[bool], judged: Sequence[Point]
) -> tuple[float, ...]:
    if len(set(came)) == 1:
        return (float(came[0]),) * len(judged)
    model = make_pipeline(
        StandardScaler(),
        PolynomialFeatures(degree, include_bias=False),
        LogisticRegression(max_iter=1000),
    )
    model.fit([point.features for point in training], came)
    chances = model.predict_proba([point.features for point in judged])
    return tuple(float(it) for it in chances[:, 1])
