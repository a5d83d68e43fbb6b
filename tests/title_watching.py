"""A title as the agent counts it, whose viewers' way through it is known."""

from __future__ import annotations

from streams.audience.records import (
    Figures,
    Flags,
    Lineage,
    Passage,
    Progress,
    Row,
    Seat,
    Session,
)
from streams.audience.title import Surroundings, TitleAudience
from streams.audience.voices import Line, Table
from streams.catalogue import Catalogue, Season, Title
from streams.rules import Rules

HOUR_MS = 3_600_000
T0 = 20_000 * 24 * HOUR_MS
LENGTH, VIEWERS = 6, 600
NOTHING, COMPLETED = Flags(), Flags(started=True, watched=True, completed=True)
SEASON = Season(LENGTH, dict.fromkeys(range(1, LENGTH + 1), 3_000_000))
DARK = Title("dark", "Dark", (), {1: SEASON}, country="DE", language="de", labels=("new",))


def surroundings() -> Surroundings:
    """``dark`` in the catalogue, and six other seasons of its length that hook a third."""
    table = Table()
    for number in range(6):
        table.put(f"other-{number}:1", Line(500, 100, h1=0.3, low=0.25, n=500, of=LENGTH))
    table.put("dark:1", Line(VIEWERS, 300, ("new",), 0.6, 0.5, VIEWERS, LENGTH))
    return Surroundings(Catalogue({"dark": DARK}), Rules(), table)


AROUND = surroundings()


def country_of(number: int) -> str:
    """Every third viewer is abroad."""
    return ("DE", "DE", "FR")[number % 3]


def language_of(number: int) -> str:
    """Of the audio: everybody hears that of their country."""
    return {"DE": "de-DE", "FR": "fr-FR"}[country_of(number)]


def leaves(number: int) -> bool:
    """At home two of five leave after the first episode, abroad one of five; nobody later."""
    return number % 5 < (2 if country_of(number) == "DE" else 1)


FINISHERS = sum(not leaves(number) for number in range(VIEWERS))


def watched_title() -> TitleAudience:
    """``dark`` after ``VIEWERS`` viewers, one beginning every hour."""
    told = [it for number in range(VIEWERS) for it in viewing(number, T0 + number * HOUR_MS)]
    title = TitleAudience("dark", AROUND.rules)
    for offset, record in enumerate(sorted(told, key=lambda it: it.at_ms)):
        title.absorb("events/0", Lineage(offset, 0, 0, 0), record, title.clock_ms, AROUND)
    return title


def viewing(number: int, begun_ms: int) -> list[Progress | Session]:
    """One viewer, an episode an hour."""
    viewer, country, language = f"v{number}", country_of(number), language_of(number)
    seat = Seat(country, language, "tv", 20, "drama")
    far = 1 if leaves(number) else LENGTH
    records: list[Progress | Session] = []
    for episode in range(1, far + 1):
        at_ms = begun_ms + episode * HOUR_MS
        rows = [Passage(episode, None, Row(at_ms, 0))] if episode < LENGTH else []
        if episode == 1:
            rows.append(Passage(0, None, Row(begun_ms, 0)))
        else:
            held = Row(at_ms - HOUR_MS, 0)
            rows.append(Passage(episode - 1, held, Row(held.entered_ms, at_ms - HOUR_MS // 2)))
        if episode == LENGTH:
            rows.append(Passage(0, Row(begun_ms, 0), Row(begun_ms, at_ms)))
        place = (viewer, "dark", 1, episode, at_ms)
        records.append(Progress(*place, seat, NOTHING, COMPLETED, tuple(rows)))
        position_s = 1000 if far == 1 else 3000
        played = Figures(3000, 3000, 3000, 0, position_s, country, language, "tv")
        records.append(
            Session(*place, f"{viewer}-{episode}", 1, at_ms - HOUR_MS, played, runtime_s=3000)
        )
    return records
