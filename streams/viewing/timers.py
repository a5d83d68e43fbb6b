"""What happens to a viewer because nothing happens: playbacks close, viewings settle, memory fades.

Each timer acts at its own due time, whenever it is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.viewing.context import season_view
from streams.viewing.journey import Journey
from streams.viewing.playback import Playback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.rules import Rules
    from streams.viewing.context import Context, SeasonKey
    from streams.viewing.episode import Episode
    from streams.viewing.viewer import Viewer

NEVER = 1 << 62
RESTLESS = frozenset({"hooked", "cooled"})
"""States of a journey that time alone changes."""


class Timer(NamedTuple):
    """The next thing that happens if nothing else does."""

    due_ms: int
    target: Playback | Episode | Journey


def earliest(viewer: Viewer, context: Context) -> Timer | None:
    """The viewer's next timer; of those due at one time, the first found in a fixed order."""
    rules = context.rules
    found: Timer | None = None
    for timer in _timers(viewer, context, rules):
        if found is None or timer.due_ms < found.due_ms or _breaks_tie(timer, found):
            found = timer
    return found


def _breaks_tie(timer: Timer, found: Timer) -> bool:
    return timer.due_ms == found.due_ms and _order(timer) < _order(found)


def _order(timer: Timer) -> tuple[int, str]:
    """Which of two timers comes first at one time: not the one that was read first."""
    what = timer.target
    if isinstance(what, Playback):
        return 0, repr(what.key)
    if isinstance(what, Journey):
        return 1, repr((what.title_id, what.season))
    return 2, repr(what.key)


def _timers(viewer: Viewer, context: Context, rules: Rules) -> Iterator[Timer]:
    for playback in viewer.playbacks.values():
        due = sealed_ms(playback, rules) if playback.closed else playback.silence_ms(rules)
        yield Timer(due, playback)
    for key, journey in viewer.journeys.items():
        if journey.state in RESTLESS:
            yield Timer(journey.due_ms(season_view(key, context)), journey)
    for episode in viewer.episodes.values():
        if not episode.live:
            yield Timer(fades_ms(episode, rules), episode)


def fades_ms(episode: Episode, rules: Rules) -> int:
    """When the viewing of an episode that nobody watches any more ends, or memory of it does."""
    wait_s = rules.abandoned_after_s if episode.viewing else rules.keep_coverage_s
    return episode.seen_ms + int(wait_s * 1000)


def sealed_ms(playback: Playback, rules: Rules) -> int:
    """When a closed playback can no longer be mended."""
    return max(playback.silence_ms(rules), playback.last_ms + int(rules.lateness_s * 1000))


def act(viewer: Viewer, timer: Timer, context: Context) -> None:
    """Let happen what was due."""
    what, due = timer.target, timer.due_ms
    if isinstance(what, Playback):
        if what.closed:
            viewer.seal(what, context, due)
        else:
            viewer.close_silent(what, context)
    elif isinstance(what, Journey):
        key = (what.title_id, what.season)
        signal = what.idle(due, season_view(key, context))
        viewer.signal(key, [signal] if signal else [], context)
        viewer.rest_changed = True
    elif what.viewing:
        viewer.weigh(what, context, settled=True)
        what.settle()
        viewer.rest_changed = True
    else:
        shelve(viewer, what, context.rules)


# -- fading ----------------------------------------------------------------------------------------
def shelve_oldest(viewer: Viewer, context: Context) -> None:
    """Bound the memory of a viewer who opens episodes without end."""
    idle = [episode for episode in viewer.episodes.values() if not episode.live]
    if idle:
        oldest = min(idle, key=lambda episode: (episode.seen_ms, episode.key))
        viewer.weigh(oldest, context, settled=True)
        shelve(viewer, oldest, context.rules)


def shelve(viewer: Viewer, episode: Episode, rules: Rules) -> None:
    """Forget an episode's coverage; its published progress stays while there is room."""
    del viewer.episodes[episode.key]
    if episode.key in viewer.changed_episodes:
        viewer.leaving[episode.key] = episode  # what changed last is still to be published
    viewer.shelf[episode.key] = episode.seen_ms
    faded = None if episode.key[1] else episode.fade_film()
    if faded is not None:
        viewer.films[episode.key] = faded
    _summarise(viewer, episode.season)
    while len(viewer.shelf) + len(viewer.episodes) > rules.keep_progress and viewer.shelf:
        _forget(viewer, min(viewer.shelf, key=lambda key: (viewer.shelf[key], key)))
    while len(viewer.journeys) > rules.keep_journeys:
        key = min(viewer.journeys, key=lambda key: (viewer.journeys[key].last_ms, key))
        del viewer.journeys[key]
        viewer.gone_journeys.add(key)
    viewer.rest_changed = True


def _summarise(viewer: Viewer, season: SeasonKey) -> None:
    """A finished season of which nothing is left in memory shrinks to one line."""
    journey = viewer.journeys.get(season)
    if journey is None or journey.state != "completed" or in_memory(viewer, season):
        return
    for key in [key for key in viewer.shelf if key[:2] == season]:
        _forget(viewer, key)
    whole = (*season, 0)
    viewer.shelf[whole] = journey.last_ms
    viewer.gone_episodes.discard(whole)
    viewer.summaries[season] = (journey.completed, journey.last_ms)
    journey.shrink()


def reopen(viewer: Viewer, season: SeasonKey) -> None:
    """A finished season that has faded is watched another time: begin it anew."""
    journey = viewer.journeys.get(season)
    if journey is None or journey.state != "completed" or in_memory(viewer, season):
        return
    journey.restart()
    viewer.changed_journeys.add(season)
    viewer.summaries.pop(season, None)
    if (*season, 0) in viewer.shelf:
        _forget(viewer, (*season, 0))
        viewer.rest_changed = True


def take_down(viewer: Viewer, episode: Episode) -> None:
    """Have in an episode that is opened another time what is left of it."""
    if viewer.shelf.pop(episode.key, None) is not None:
        viewer.rest_changed = True
    viewer.gone_episodes.discard(episode.key)
    title, season, number = episode.key
    journey, film = viewer.journeys.get((title, season)), viewer.films.pop(episode.key, None)
    if journey is not None:
        episode.floor = journey.steps.get(number)
    elif film is not None:
        episode.resume_film(film)


def in_memory(viewer: Viewer, season: SeasonKey) -> bool:
    """Whether anything is known in detail of the season."""
    return any(key[:2] == season for key in viewer.episodes)


def _forget(viewer: Viewer, key: tuple[str, int, int]) -> None:
    del viewer.shelf[key]
    viewer.films.pop(key, None)
    viewer.gone_episodes.add(key)
    viewer.changed_episodes.discard(key)
    viewer.leaving.pop(key, None)
