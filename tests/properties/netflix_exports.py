"""Exports with a known truth: a household watches, and its players report as real ones do."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from pathlib import Path

PLAYBACK_HEADER = [
    "Profile Name",
    "Title Description",
    "Device",
    "Playback Start Utc Ts",
    "Country",
    "Playtraces",
]
VIEWING_HEADER = [
    "Profile Name",
    "Start Time",
    "Duration",
    "Attributes",
    "Title",
    "Supplemental Video Type",
    "Device Type",
    "Bookmark",
    "Latest Bookmark",
    "Country",
]
SHOWS = [
    ("The Lighthouse", "O Farol", "Season", "Temporada"),
    ("Night: Shift", "Plantão: Noturno", "Part", "Parte"),
    ("Слово", "Слово", "Сезон", "Сезон"),
]
FILMS = ["A Quiet Harbour Part II", "Sea: Chapter Two", '"Sr."', "12:30 to Nowhere"]
TELEVISION = "Acme DTV Smart TV"
BROWSER = "Acme Browser PC (Cadmium)"


@dataclass
class Player:
    """One true playback and the trace that its player reported."""

    rng: random.Random
    whole_seconds: bool
    at_ms: float = 0.0
    position_ms: float = 0.0
    wall_ms: float = 0.0
    trace: list[dict[str, object]] = field(default_factory=list)

    def report(self, kind: str) -> None:
        position = self.position_ms
        position = position // 1000 * 1000 if self.whole_seconds else position
        self.trace.append(
            {
                "eventType": kind,
                "sessionOffsetMs": round(self.at_ms),
                "mediaOffsetMs": round(position),
            }
        )

    def wait(self, low_ms: float, high_ms: float) -> None:
        self.at_ms += self.rng.uniform(low_ms, high_ms)

    def play(self, wall_ms: float, rate: float = 1.0) -> None:
        self.at_ms += wall_ms
        self.position_ms += wall_ms * rate
        self.wall_ms += wall_ms


@dataclass
class Truth:
    """What really happened, by profile and start: Netflix's own record."""

    wall_s: float
    position_s: float


@dataclass
class Generated:
    playback: list[list[str]] = field(default_factory=list)
    viewing: list[list[str]] = field(default_factory=list)
    truth: dict[tuple[str, str], Truth] = field(default_factory=dict)


def watch(rng: random.Random, player: Player) -> None:
    """One ordinary run: a start, runs of playing with pauses and seeks between, mostly a stop."""
    player.position_ms = rng.choice([0.0, 0.0, rng.uniform(0, 1_200_000) // 1000 * 1000])
    player.report("start")
    player.wait(300, 9_000)
    player.report("playing")
    rate = rng.choice([1.0] * 8 + [1.25, 1.5, 0.75])
    for _ in range(rng.randint(1, 6)):
        for _ in range(rng.randint(0, 3)):
            player.play(rng.uniform(2_000, 20_000), rate)
            player.report("playing")
        player.play(rng.uniform(60_000, 1_500_000), rate)
        player.report("paused")
        if rng.random() < 0.4:
            player.wait(1, 4_000)
            player.position_ms = max(0.0, player.position_ms + rng.uniform(-300_000, 300_000))
            player.report("reposition")
        player.wait(200, 2_400_000 if rng.random() < 0.2 else 9_000)
        player.report("playing")
    player.play(rng.uniform(10_000, 900_000), rate)
    player.report(rng.choice(["paused", "stopped", "stopped", "stopped"]))


def household(rng: random.Random, playbacks: int = 120) -> Generated:
    made = Generated()
    start = datetime(2023, 1, 1, 18, tzinfo=UTC)
    for number in range(playbacks):
        start += timedelta(seconds=rng.randint(1, 20_000))
        profile = rng.choice(["Åsa", "kids {1}", "Ana, Bo"])
        if rng.random() < 0.25:
            promotion(rng, made, profile, start)
            continue
        device = rng.choice([TELEVISION, BROWSER])
        player = Player(rng, whole_seconds=device == TELEVISION)
        watch(rng, player)
        title, local = _title(rng, number)
        trace = json.dumps(player.trace, separators=(",", ":"))
        made.playback.append([profile, title, device, _stamp(start), "BR", trace])
        truth = Truth(player.wall_ms / 1000, player.position_ms / 1000)
        made.truth[profile, _stamp(start)] = truth
        made.viewing.append(_viewing(profile, start, truth, local, device))
    # Newest first, as Netflix writes them.
    made.playback.reverse()
    made.viewing.reverse()
    return made


def promotion(rng: random.Random, made: Generated, profile: str, start: datetime) -> None:
    player = Player(rng, whole_seconds=False)
    player.report("start")
    player.wait(500, 2_000)
    player.report("playing")
    player.play(rng.uniform(1_000, 40_000))
    player.report("stopped")
    title = rng.choice(["Season 1 Trailer 2: Reef", "Reef_hook_primary_16x9", "Reef - Clip 2"])
    trace = json.dumps(player.trace)
    made.playback.append([profile, title, BROWSER, _stamp(start), "BR", trace])
    truth = Truth(player.wall_ms / 1000, player.position_ms / 1000)
    if rng.random() < 0.7:
        row = _viewing(profile, start, truth, title, BROWSER)
        row[5] = "HOOK"
        made.viewing.append(row)


def _title(rng: random.Random, number: int) -> tuple[str, str]:
    if rng.random() < 0.3:
        film = rng.choice(FILMS)
        return film, film
    name, local, word, local_word = rng.choice(SHOWS)
    season, episode = rng.randint(1, 2), number % 8 + 1
    return (
        f'{name}: {word} {season}: "Tide {episode}, again"',
        f"{local}: {local_word} {season}: Maré {episode} (Episódio {episode})",
    )


def _viewing(profile: str, start: datetime, truth: Truth, title: str, device: str) -> list[str]:
    bookmark = _clock(truth.position_s)
    return [
        profile,
        _stamp(start),
        _clock(truth.wall_s),
        "",
        title,
        "",
        device,
        bookmark,
        "Not latest view",
        "BR (Brazil)",
    ]


def _stamp(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def write(made: Generated, folder: Path, *, viewing: bool = True) -> Path:
    """Write it as Netflix lays it out."""
    inner = folder / "netflix-report" / "CONTENT_INTERACTION"
    inner.mkdir(parents=True)
    name = "PlaybackRelatedEvents.csv"
    (inner / name).write_text(as_csv(PLAYBACK_HEADER, made.playback), "utf-8", newline="")
    if viewing:
        text = as_csv(VIEWING_HEADER, made.viewing)
        (inner / "ViewingActivity.csv").write_text(text, "utf-8", newline="")
    return folder


def as_csv(header: list[str], rows: list[list[str]], line_end: str = "\r\n") -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end).writerows([header, *rows])
    return text.getvalue()
