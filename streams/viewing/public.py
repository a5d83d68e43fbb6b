"""What others may read of a viewer: the fields of docs/redis.md, made from the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from streams.signals import seconds, stamp
from streams.viewing.context import season_view
from streams.viewing.taste import shares
from streams.viewing.wire import dump_live, dump_out, dump_rest, dump_sums

if TYPE_CHECKING:
    from streams.viewing.context import Context, SeasonKey
    from streams.viewing.episode import EpisodeKey
    from streams.viewing.viewer import Viewer


class Write(NamedTuple):
    """One viewer's change of state as a value; stores apply it whole or not at all.

    ``version`` is what the store must hold now (0 for nothing); the write makes it one more.
    ``rest``, ``sums`` and ``taste`` are None where they stay as they are.
    """

    viewer: str
    version: int
    live: bytes
    rest: bytes | None
    sums: bytes | None
    out: bytes
    taste: dict[str, str] | None
    progress: dict[str, bytes]
    progress_gone: list[str]
    hooked: dict[str, bytes]
    hooked_gone: list[str]


def write_of(viewer: Viewer, context: Context) -> Write:
    """Everything that changed since the last write."""
    first = viewer.version == 0
    return Write(
        viewer.name,
        viewer.version,
        dump_live(viewer),
        dump_rest(viewer) if viewer.rest_changed or first else None,
        dump_sums(viewer) if viewer.taste_changed or first else None,
        dump_out(viewer),
        taste_fields(viewer, context) if viewer.taste_changed else None,
        _progress(viewer),
        [episode_field(key) for key in sorted(viewer.gone_episodes)],
        _hooked(viewer, context),
        [season_field(key) for key in sorted(viewer.gone_journeys | _without_state(viewer))],
    )


def taste_fields(viewer: Viewer, context: Context) -> dict[str, str]:
    """``taste:{viewer}``: shares, lasting and of now."""
    prior, weight = context.catalogue.prior, context.rules.taste_prior
    fields: dict[str, str] = {}
    for prefix, sums in (("", viewer.taste.lasting), ("now:", viewer.taste.now)):
        for name, share in shares(sums.current(), prior, weight).items():
            fields[prefix + name] = f"{share:.4f}"
    fields["watched_s"] = f"{viewer.watched_ms / 1000:.0f}"
    fields["updated_at"] = stamp(viewer.taste_ms)
    return fields


def _progress(viewer: Viewer) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    for key in sorted(viewer.changed_episodes):
        episode = viewer.episodes.get(key) or viewer.leaving.get(key)
        if episode is not None:
            fields[episode_field(key)] = orjson.dumps(
                {
                    "position_s": seconds(episode.position_ms),
                    "coverage_s": seconds(episode.coverage_ms()),
                    "runtime_s": seconds(episode.runtime_ms) if episode.runtime_ms else None,
                    "completed": bool(episode.completed_ms),
                    "seen_at": stamp(episode.seen_ms),
                }
            )
    for season, (episodes, seen_ms) in sorted(viewer.summaries.items()):
        fields[season_field(season)] = orjson.dumps(
            {"completed": True, "episodes": episodes, "seen_at": stamp(seen_ms)}
        )
    return fields


def _without_state(viewer: Viewer) -> set[SeasonKey]:
    """Seasons whose only signal was retracted, or that are watched anew."""
    journeys = viewer.journeys
    return {k for k in viewer.changed_journeys if k in journeys and not journeys[k].state}


def _hooked(viewer: Viewer, context: Context) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    for key in sorted(viewer.changed_journeys):
        journey = viewer.journeys.get(key)
        if journey is not None and journey.state:
            fields[season_field(key)] = orjson.dumps(
                {
                    "state": journey.state,
                    "p": journey.p,
                    "basis": journey.basis,
                    "since": stamp(journey.since_ms),
                    "k": journey.reached,
                    "of": season_view(key, context).of or None,
                }
            )
    return fields


def episode_field(key: EpisodeKey) -> str:
    """``title:season:episode``; ``title:season`` for episode 0, ``title`` for a film."""
    title, season, episode = key
    if not season:
        return _escaped(title)
    return f"{_escaped(title)}:{season}:{episode}" if episode else season_field((title, season))


def season_field(key: SeasonKey) -> str:
    """``title:season``."""
    return f"{_escaped(key[0])}:{key[1]}"


def _escaped(title: str) -> str:
    return title.replace("%", "%25").replace(":", "%3A")
