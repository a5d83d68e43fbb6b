"""The private state of a viewer in words: for the viewer, who has a right to know what is kept.

Each part says what it is. Nothing that is stored is left out: a test changes every stored value in
turn and looks for the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from streams.signals import PROGRESS, REFUSED, SESSIONS, SIGNALS, seconds, stamp
from streams.viewing import intervals as iv
from streams.viewing.knots import NO_POSITION, NO_RATE, NO_SEQ, Kind
from streams.viewing.settled import dump_rest, dump_sums
from streams.viewing.viewer import Viewer
from streams.viewing.wire import dump_live, dump_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.audience.records import Seat
    from streams.rules import Rules
    from streams.signals import Out
    from streams.viewing.episode import Episode, EpisodeKey
    from streams.viewing.intervals import Intervals
    from streams.viewing.journey import Journey
    from streams.viewing.knots import Knot
    from streams.viewing.playback import Playback
    from streams.viewing.shapes import Past, Step
    from streams.viewing.taste import DecayingSums

OUTGOING = {
    SESSIONS: "viewing-sessions",
    SIGNALS: "engagement-signals",
    PROGRESS: "title-progress",
    REFUSED: "playback-rejects",
}
FACT_UNITS = {"duration": "duration_ms", "offset": "utc_offset_minutes"}


def says_nothing(viewer: Viewer, rules: Rules) -> bool:
    """Whether nothing of what they did is left in a viewer's state; marks alone do not count."""
    nobody = Viewer(viewer.name, rules)
    nobody.marks = viewer.marks
    parts = (dump_live, dump_rest, dump_sums, dump_out)
    return all(dump(viewer) == dump(nobody) for dump in parts)


def statement(viewer: Viewer) -> dict[str, Any]:
    """Every part of a viewer's state, each with what it is.

    Times are RFC 3339, UTC, or null for never; media positions and spans are in seconds.
    """
    return {
        "playbacks": _part(
            "What players reported in the last days, kept while a late report may still mend it: "
            "per playback the reports, what they add up to, and the session that was last sent.",
            [_playback(playback) for playback in viewer.playbacks.values()],
        ),
        "coverage": _part(
            "Which seconds of each episode or film were watched (`covered`); of those, what can no "
            "longer be mended in this viewing and in earlier ones; when it counted as started, "
            "watched and completed; and what this viewing counts towards taste.",
            [_episode(episode) for _, episode in sorted(viewer.episodes.items())],
        ),
        "journeys": _part(
            "The way through each season: how far each episode is, whether hooked, on what "
            "grounds, and the last signals, which a late report may still take back.",
            [_journey(journey) for _, journey in sorted(viewer.journeys.items())],
        ),
        "taste": _part(
            "The sums that the public shares of taste are made of. Each halves every 7 (now) or "
            "90 days (lasting); `for` and `against` are as of `counted_at`.",
            {
                "now": _sums(viewer.taste.now),
                "lasting": _sums(viewer.taste.lasting),
                "changed_at": _time(viewer.taste_ms),
            },
        ),
        "time_spent": _part(
            "Seconds spent playing, ever; by device and stretch of time for the last two days.",
            {
                "watched_s": seconds(viewer.watched_ms),
                "older_s": seconds(viewer.attendance.folded_ms),
                "recent": {d: _times(it) for d, it in viewer.attendance.recent.items()},
                "counted_to": {d: _time(ms) for d, ms in viewer.attendance.folded_to.items()},
            },
        ),
        "shelf": _part(
            "Episodes of which only the public progress is left (episode 0 is a whole season).",
            [_shelved(viewer, key) for key in viewer.shelf],
        ),
        "autoplay": _part(
            "Of playbacks that nothing can mend any more: when the last one ended and the last one "
            "began, and how many in a row had started by themselves by then.",
            {
                "ended_at": _time(viewer.chain.end_ms),
                "began_at": _time(viewer.chain.began_ms),
                "in_a_row": viewer.chain.streak,
            },
        ),
        "marks": _part(
            "The last record of each partition of the topic of events that is counted here, so "
            "that none is counted twice.",
            dict(viewer.marks),
        ),
        "outbox": _part(
            "What was decided last and is kept until it has surely been published.",
            [_out(out) for out in viewer.outbox],
        ),
        "writes": _part("How often this state was written.", viewer.version),
    }


def _part(what: str, data: Any) -> dict[str, Any]:
    return {"what": what, "data": data}


def _playback(playback: Playback) -> dict[str, Any]:
    return {
        "playback_id": playback.key[0],
        **_about(playback.key[1:]),
        "session_id": playback.session_id,
        "runtime_s": seconds(playback.limit_ms) if playback.limit_ms else None,
        "watched": _spans(playback.cover_all()),
        "is_over": playback.closed,
        "only_play_and_pause": playback.bare,
        "next_elsewhere_at": _time(playback.next_ms),
        "started_in_a_row_by_autoplay": playback.streak,
        "player_said": {
            FACT_UNITS.get(name, name): {"value": value, "at": _time(at_ms)}
            for name, (at_ms, value) in playback.facts.items()
        },
        "reports_are_numbered": playback.knots.sequenced,
        "reports": [_report(knot) for knot in playback.knots.knots],
        "session": None if playback.sent is None else _session(playback.sent),
        "session_revision": playback.revision,
    }


def _report(knot: Knot) -> dict[str, Any]:
    return {
        "at": stamp(knot.at_ms),
        "what": Kind(knot.kind).name.lower(),
        "position_s": seconds(knot.position_ms),
        "rate": None if knot.rate == NO_RATE else knot.rate,
        "from_position_s": None if knot.origin_ms == NO_POSITION else seconds(knot.origin_ms),
        "seq": None if knot.seq == NO_SEQ else knot.seq,
    }


def _session(sent: list[Any]) -> dict[str, Any]:
    (
        first, last, wall, advanced, covered, position, imputed,
        device, country, language, began, automatic,
    ) = sent  # fmt: skip
    return {
        "started_at": stamp(first),
        "ended_at": stamp(last),
        "wall_s": seconds(wall),
        "advanced_s": seconds(advanced),
        "coverage_s": seconds(covered),
        "from_position_s": seconds(began),
        "position_s": seconds(position),
        "imputed": imputed,
        "device": device,
        "country": country,
        "language": language,
        "autoplay": automatic,
    }


def _episode(episode: Episode) -> dict[str, Any]:
    return {
        **_about(episode.key),
        "runtime_s": seconds(episode.runtime_ms) if episode.runtime_ms else None,
        "covered_s": seconds(episode.coverage_ms()),
        "covered": _spans(
            iv.union(episode.view, episode.old, *(p.cover_all() for p in episode.live))
        ),
        "this_viewing": _spans(episode.view),
        "earlier_viewings": _spans(episode.old),
        "position_s": seconds(episode.position_ms),
        "viewing_since": _time(episode.opened_ms),
        "seen_at": _time(episode.seen_ms),
        "started_at": _time(episode.started_ms),
        "watched_at": _time(episode.watched_ms),
        "completed_at": _time(episode.completed_ms),
        "player_said_completed": episode.ended,
        "chosen": episode.deliberate,
        "autoplay_weight": episode.factor,
        "local_hour": None if episode.band < 0 else episode.band,
        "counts_towards_taste": {
            "weight": episode.credit.weight,
            "at": _time(episode.credit.at_ms),
            "local_hour": None if episode.credit.hour < 0 else episode.credit.hour,
        },
        "before_it_faded": None if episode.floor is None else _step(episode.floor),
        "counted_with_the_film_as": _seat(episode.seat),
        "film_watched_anew": episode.anew,
    }


def _shelved(viewer: Viewer, key: EpisodeKey) -> dict[str, Any]:
    title, season, episode = key
    what = {"title_id": title, "season": season, "episode": episode}
    what |= {"seen_at": _time(viewer.shelf[key])}
    film = viewer.films.get(key)
    if film is not None:
        what |= {
            "before_it_faded": _step(film.step),
            "counted_with_the_film_as": _seat(film.seat),
            "film_watched_anew": film.anew,
        }
    return what


def _journey(journey: Journey) -> dict[str, Any]:
    return {
        "title_id": journey.title_id,
        "season": journey.season,
        "watched_anew": journey.epoch,
        "state": journey.state or None,
        "basis": journey.basis or None,
        "p": journey.p,
        "since": _time(journey.since_ms),
        "last_activity_at": _time(journey.last_ms),
        "episodes": [{"episode": n} | _step(step) for n, step in journey.steps.items()],
        "faded": {"furthest": journey.faded[0], "completed": journey.faded[1]},
        "signals_sent": journey.sent,
        "last_signals": [_past(past) for past in journey.past],
        "counted_with_the_season_as": _seat(journey.seat),
    }


def _seat(seat: Seat | None) -> dict[str, Any] | None:
    return None if seat is None else msgspec.structs.asdict(seat)


def _step(step: Step) -> dict[str, Any]:
    return {
        "covered_s": seconds(step.covered_ms),
        "runtime_s": seconds(step.runtime_ms) if step.runtime_ms else None,
        "started_at": _time(step.started_ms),
        "watched_at": _time(step.watched_ms),
        "completed_at": _time(step.completed_ms),
        "chosen": bool(step.deliberate),
    }


def _past(past: Past) -> dict[str, Any]:
    state, basis, since_ms, p = past.before
    return {
        "id": past.signal_id,
        "signal": past.word,
        "basis": past.basis,
        "at": _time(past.at_ms),
        "rests_on_what_was_known_at": _time(past.known_ms),
        "idle_from": _time(past.idle_from_ms),
        "completed": past.completed,
        "before": {
            "state": state or None,
            "basis": basis or None,
            "since": _time(since_ms),
            "p": p,
        },
    }


def _sums(sums: DecayingSums) -> dict[str, Any]:
    return {
        "counted_at": _time(sums.reference_ms),
        "last_at": _time(sums.last_ms),
        "for": sums.positive,
        "against": sums.negative,
    }


def _out(out: Out) -> dict[str, Any]:
    return {
        "topic": OUTGOING.get(out.topic, out.topic),
        "key": out.key,
        "body": _read(out.body),
        "because_of": {"partition": out.source, "offset": out.offset, "number": out.rank},
        "due_at": _time(out.due_ms),
    }


def _read(body: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body


def _about(key: EpisodeKey) -> Mapping[str, Any]:
    title_id, season, episode = key
    return {"title_id": title_id, "season": season or None, "episode": episode or None}


def _time(ms: int) -> str | None:
    return stamp(ms) if ms else None


def _spans(intervals: Intervals) -> list[list[float]]:
    return [[seconds(start), seconds(end)] for start, end in intervals]


def _times(intervals: Iterable[list[int]]) -> list[list[str]]:
    return [[stamp(start), stamp(end)] for start, end in intervals]
