"""What others may read of a viewer: the fields of docs/redis.md, made from the state.

Redis keeps a hash in one piece, without tables and pointers, while it has at most 128 fields and no
value is longer than 64 bytes. So a value is a short JSON list and a time is a Unix time in seconds
(docs/adr/0021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from streams.viewing.context import season_view
from streams.viewing.settled import dump_rest, dump_sums
from streams.viewing.taste import shares
from streams.viewing.wire import dump_beats, dump_live, dump_out

if TYPE_CHECKING:
    from streams.viewing.context import Context, SeasonKey
    from streams.viewing.episode import EpisodeKey
    from streams.viewing.viewer import Viewer

LEAST_SHARE = 0.005
"""Taste below this, lasting and of now, is not published: a viewer has some such traces of hundreds
of creators and themes."""
MOST_SHARES = 120
"""Values that are published, the strongest first."""


_encode = msgspec.json.Encoder().encode


class Write(NamedTuple):
    """One viewer's change of state as a value; stores apply it whole or not at all.

    ``version`` is what the store must hold now (0 for nothing); the write makes it one more.
    ``live``, ``rest``, ``sums`` and ``taste`` are None where they stay as they are; ``beats`` goes
    with the ``live`` that stays.
    """

    viewer: str
    version: int
    live: bytes | None
    rest: bytes | None
    sums: bytes | None
    out: bytes
    taste: dict[str, str] | None
    progress: dict[str, bytes]
    progress_gone: list[str]
    hooked: dict[str, bytes]
    hooked_gone: list[str]
    beats: bytes = b""


_new = tuple.__new__
"""Makes a named tuple of a tuple without the detour over its Python-level constructor."""


def write_of(viewer: Viewer, context: Context) -> Write:
    """Everything that changed since the last write."""
    first = viewer.version == 0
    live = rest = sums = taste = None
    beats = b""
    if viewer.live_changed or first:
        live = dump_live(viewer)
        viewer.beating.clear()
    else:
        beats = dump_beats(viewer)
    if viewer.rest_changed or first:
        rest = viewer.rest = dump_rest(viewer)
    if viewer.taste_changed or first:
        sums = viewer.sums = dump_sums(viewer)
        taste = taste_fields(viewer, context) if viewer.taste_changed else None
    # Most writes are of a heartbeat, and of these most fields are empty.
    seasons = bool(viewer.changed_journeys or viewer.gone_journeys)
    return _new(
        Write,
        (
            viewer.name,
            viewer.version,
            live,
            rest,
            sums,
            dump_out(viewer),
            taste,
            _progress(viewer),
            [episode_field(key) for key in sorted(viewer.gone_episodes)]
            if viewer.gone_episodes
            else [],
            _hooked(viewer, context) if seasons else {},
            _hooked_gone(viewer) if seasons else [],
            beats,
        ),
    )


def taste_fields(viewer: Viewer, context: Context) -> dict[str, str]:
    """``taste:{viewer}``: the lasting share and that of now of everything that has one."""
    prior, weight = context.catalogue.prior, context.rules.taste_prior
    lasting = shares(viewer.taste.lasting.current(), prior, weight)
    now = shares(viewer.taste.now.current(), prior, weight)
    both = {name: (share, now.get(name, 0.0)) for name, share in lasting.items()}
    for name, share in now.items():
        if name not in both:
            both[name] = (0.0, share)
    names = [name for name, pair in both.items() if max(pair) >= LEAST_SHARE]
    if len(names) > MOST_SHARES:
        names = sorted(names, key=lambda name: (-max(both[name]), name))[:MOST_SHARES]
    fields: dict[str, str] = {}
    for name in names:
        share, of_now = both[name]
        fields[name] = f"{_share(share)} {_share(of_now)}"
    fields["watched_s"] = f"{viewer.watched_ms / 1000:.0f}"
    fields["updated_at"] = str(viewer.taste_ms // 1000)
    return fields


STEPS = 10_000
TEXTS = ["0", *(f"{step / STEPS:.4f}".strip("0") for step in range(1, STEPS)), "1"]
"""Shares to four digits, without a zero that says nothing; a profile has a hundred of them."""


def _share(share: float) -> str:
    return TEXTS[round(share * STEPS)]


def _progress(viewer: Viewer) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    changed = viewer.changed_episodes
    for key in sorted(changed) if len(changed) > 1 else changed:
        episode = viewer.episodes.get(key) or viewer.leaving.get(key)
        if episode is not None:
            fields[episode_field(key)] = _encode(
                (
                    _seconds(episode.position_ms),
                    _seconds(episode.coverage_ms()),
                    _seconds(episode.runtime_ms) or None,
                    episode.completed_ms > 0,
                    episode.seen_ms // 1000,
                )
            )
    if viewer.summaries:
        for season, (episodes, seen_ms) in sorted(viewer.summaries.items()):
            fields[season_field(season)] = _encode((episodes, seen_ms // 1000))
    return fields


def _seconds(ms: int) -> int | float:
    """Exact to the millisecond, and short where it is whole."""
    return ms / 1000 if ms % 1000 else ms // 1000


def _hooked_gone(viewer: Viewer) -> list[str]:
    """What is forgotten, and seasons whose only signal was retracted or that are watched anew."""
    journeys = viewer.journeys
    stateless = {k for k in viewer.changed_journeys if k in journeys and not journeys[k].state}
    return [season_field(key) for key in sorted(viewer.gone_journeys | stateless)]


def _hooked(viewer: Viewer, context: Context) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    for key in sorted(viewer.changed_journeys):
        journey = viewer.journeys.get(key)
        if journey is not None and journey.state:
            fields[season_field(key)] = _encode(
                (
                    journey.state,
                    journey.p,
                    journey.basis,
                    journey.since_ms // 1000,
                    journey.reached,
                    season_view(key, context).of or None,
                )
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
    if "%" in title or ":" in title:
        return title.replace("%", "%25").replace(":", "%3A")
    return title
