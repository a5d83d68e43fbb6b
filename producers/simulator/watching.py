"""How one sitting in front of one episode goes, cleanly or messily."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from producers.simulator.catalogue import Title
    from producers.simulator.playback import Player
    from producers.simulator.viewer import Viewer

_INTERRUPT_CHANCE = 0.12
_DEATH_CHANCE = 0.08
_CREDITS_CHANCE = 0.2
_RATES = (0.75, 1.25, 1.5, 2.0)
_PAUSE_MAX_S = 3 * 3600.0


def watch(
    player: Player, viewer: Viewer, rng: random.Random, titles: tuple[Title, ...], *, messy: bool
) -> float:
    """Play the viewer's next episode on ``player`` and move the viewer's journey on.

    Returns:
        When the viewer's next playback starts (epoch seconds).
    """
    runtime_s = viewer.journey.runtime_s
    if viewer.abandons(rng):
        player.play_to(max(player.position_s, rng.uniform(0.01, 0.4) * runtime_s))
        player.stop()
        return viewer.dropped(rng, titles, player.time_s)
    if messy:
        leaves_at_s = _fiddle(player, rng, runtime_s)
        if leaves_at_s is not None:
            return viewer.interrupted(leaves_at_s, rng, player.time_s)
    if rng.random() < _CREDITS_CHANCE:
        player.play_to(max(player.position_s, rng.uniform(0.95, 0.99) * runtime_s))
        player.stop()
    else:
        player.play_to(runtime_s)
        player.complete()
    return viewer.finished(rng, titles, player.time_s)


def _fiddle(player: Player, rng: random.Random, runtime_s: float) -> float | None:
    """Some acts on the way. Returns the position at which the viewer left early, if so."""
    for _ in range(rng.randint(1, 4)):
        left_s = runtime_s - player.position_s
        player.play_to(player.position_s + rng.uniform(0.02, 0.4) * left_s)
        _act(player, rng, runtime_s)
    if rng.random() < _INTERRUPT_CHANCE + _DEATH_CHANCE:
        player.play_to(player.position_s + rng.uniform(0.1, 0.7) * (runtime_s - player.position_s))
        left_at_s = player.position_s
        if rng.random() < _DEATH_CHANCE / (_INTERRUPT_CHANCE + _DEATH_CHANCE):
            player.die()
        else:
            player.stop()
        return left_at_s
    return None


def _act(player: Player, rng: random.Random, runtime_s: float) -> None:
    act = rng.random()
    if act < 0.40:  # noqa: PLR2004 - shares of the acts, here and below
        player.pause(min(rng.lognormvariate(5.2, 1.4), _PAUSE_MAX_S))  # median 3 minutes
    elif act < 0.60:  # noqa: PLR2004
        player.seek(max(0.0, player.position_s - rng.choice((10.0, 15.0, 30.0, 120.0))))
    elif act < 0.70:  # noqa: PLR2004
        player.seek(min(runtime_s, player.position_s + rng.choice((10.0, 30.0, 85.0))))
    elif act < 0.80:  # noqa: PLR2004
        player.change_rate(1.0 if player.rate != 1.0 else rng.choice(_RATES))
    else:
        player.stall(rng.uniform(0.5, 20.0))
