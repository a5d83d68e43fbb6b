"""Viewers for whom one event must change a public key, end a session and set off a signal.

A probe begins an episode of nine minutes nine minutes ago, and completes it now. The end is what
is timed: it makes ``progress:{viewer}`` say ``completed``, closes the playback (a record of
``viewing-sessions``) and completes the season (a ``viewer.completed`` on ``engagement-signals``),
all of it at once and by no timer.
"""

from __future__ import annotations

from typing import Any

import orjson

from producers.records import Record
from streams.signals import stamp

PREFIX = "probe-"
TITLE = "bench-probe"
EPISODE_S = 540.0
"""Less than the ten minutes of silence after which a playback closes by itself."""
FACTS: dict[str, Any] = {
    "title_id": TITLE,
    "kind": "series",
    "name": "Bench probe",
    "genres": ["drama"],
    "language": "en",
    "country": "GB",
    "seasons": [
        {"season": 1, "complete": True, "episodes": [{"episode": 1, "duration_s": EPISODE_S}]}
    ],
}


def probe_name(number: int) -> str:
    """The viewer id of one probe."""
    return f"{PREFIX}{number}"


def probe_number(viewer: str) -> int | None:
    """Which probe a viewer is, if one."""
    number = viewer.removeprefix(PREFIX)
    return int(number) if viewer.startswith(PREFIX) and number.isdecimal() else None


def begins(number: int, time_s: float) -> Record:
    """The start of a probe's playback, sent at ``time_s`` (epoch seconds), of nine minutes ago."""
    return _record(number, "started", 0.0, time_s - EPISODE_S, time_s)


def ends(number: int, time_s: float) -> Record:
    """The end of it, at ``time_s`` (epoch seconds)."""
    return _record(number, "completed", EPISODE_S, time_s, time_s)


def _record(number: int, kind: str, position_s: float, time_s: float, sent_s: float) -> Record:
    name = probe_name(number)
    event = {
        "specversion": "1.0",
        "id": f"{name}-{kind}",
        "source": "/players/probe",
        "type": f"playback.{kind}",
        "subject": name,
        "time": stamp(round(time_s * 1000)),
        "data": {
            "playback_id": name,
            "title_id": TITLE,
            "season": 1,
            "episode": 1,
            "position_s": position_s,
            "seq": int(position_s > 0),
        },
    }
    return Record(name.encode(), orjson.dumps(event), sent_s)
