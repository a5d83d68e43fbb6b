"""Events as a player would report them, and a title for them to be about."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import orjson

EPISODE_S = 2700
A_SEASON: dict[str, Any] = {
    "title_id": "dark",
    "kind": "series",
    "name": "Dark",
    "genres": ["drama", "mystery"],
    "language": "de",
    "country": "DE",
    "original": True,
    "seasons": [
        {
            "season": 1,
            "complete": True,
            "episodes": [{"episode": n, "duration_s": EPISODE_S} for n in range(1, 7)],
        }
    ],
}
"""Six episodes of 45 minutes."""

_numbers = itertools.count(1)


def stamp(time_s: float) -> str:
    """RFC 3339, UTC."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")


def an_event(viewer: str, word: str, time_s: float, position_s: float, **data: Any) -> Any:
    """A structured event; of episode 1 of ``dark``, unless ``data`` says otherwise."""
    playback = {"playback_id": f"p-{viewer}", "title_id": "dark", "season": 1, "episode": 1}
    return {
        "specversion": "1.0",
        "id": f"e{next(_numbers)}",
        "source": "/players/test",
        "type": word if word in ("play", "pause") else f"playback.{word}",
        "subject": viewer,
        "time": stamp(time_s),
        "data": playback | {"position_s": position_s} | data,
    }


def as_binary(event: dict[str, Any]) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """The same event as key, value and headers of the binary mode."""
    headers = [(f"ce_{name}", text.encode()) for name, text in event.items() if name != "data"]
    headers.append(("content-type", b"application/json"))
    return event["subject"].encode(), orjson.dumps(event["data"]), headers


def watched(viewer: str, title_id: str, episode: int, time_s: float, **data: Any) -> list[Any]:
    """One episode from its beginning to its end."""
    about = {"title_id": title_id, "episode": episode, "playback_id": f"{viewer}-{episode}"} | data
    return [
        an_event(viewer, "started", time_s, 0, **about),
        an_event(viewer, "completed", time_s + EPISODE_S, EPISODE_S, **about),
    ]


def a_crowd(title_id: str, viewers: int, begin_s: float, every_s: float) -> list[Any]:
    """New viewers who watch the first episode, one beginning after the other."""
    return [
        event
        for number in range(viewers)
        for event in watched(
            f"new-{title_id}-{begin_s:.0f}-{number}", title_id, 1, begin_s + number * every_s
        )
    ]


def a_run(viewer: str, time_s: float) -> list[Any]:
    """One playback with every type of event: 2,500 of 2,700 seconds in 2,000 seconds."""
    steps: list[tuple[str, float, float, dict[str, Any]]] = [
        ("started", 0, 0, {"device": "tv", "country": "DE", "language": "de"}),
        ("heartbeat", 60, 60, {}),
        ("paused", 600, 600, {}),
        ("resumed", 660, 600, {}),
        ("buffering", 960, 900, {}),
        ("buffered", 970, 900, {}),
        ("rate_changed", 1070, 1000, {"rate": 1.5}),
        ("seeked", 1270, 1500, {"from_position_s": 1300, "rate": 1.5}),
        ("heartbeat", 1470, 1800, {"rate": 1.5}),
        ("completed", 2070, 2700, {"rate": 1.5}),
        ("stopped", 2071, 2700, {}),
    ]
    return [an_event(viewer, word, time_s + s, at, **more) for word, s, at, more in steps]


def the_worked_example(viewer: str, time_s: float) -> list[Any]:
    """2,700 s: play 0-600, seek to 1,200, at 1.5x to 1,800, seek to 1,500, to 1,750, die."""
    steps: list[tuple[str, float, float, dict[str, Any]]] = [
        ("started", 0, 0, {}),
        ("seeked", 600, 1200, {"from_position_s": 600}),
        ("rate_changed", 600, 1200, {"rate": 1.5}),
        ("seeked", 1000, 1500, {"from_position_s": 1800, "rate": 1.5}),
        ("rate_changed", 1000, 1500, {"rate": 1}),
        ("heartbeat", 1250, 1750, {}),
    ]
    return [
        an_event(viewer, word, time_s + s, at, seq=number, **more)
        for number, (word, s, at, more) in enumerate(steps)
    ]
