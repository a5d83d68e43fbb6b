"""What the read commands show of signals and sessions: columns, rows, JSON."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hookpoint.commands._tables import (
    LONGEST_NAME,
    Column,
    View,
    cell,
    clock,
    moment,
    percent,
    state_cell,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

    from consumers.records import Session, Signal

TIME = Column("time (UTC)", 19)
DAY_S = 86_400
SHOWN_IN_COLUMNS = {"title_id", "season", "country", "language", "state", "k", "of"}
"""Of a title's signal; the rest of its data are the reasons."""


def place(title_id: str | None, season: int | None, episode: int | None = None) -> Text:
    """``dark S1 E3``."""
    season_text = "" if season is None else f" S{season}"
    return cell(f"{title_id or '-'}{season_text}{'' if episode is None else f' E{episode}'}")


def short_type(signal_type: str) -> str:
    """``hooked`` for ``viewer.hooked``."""
    return signal_type.partition(".")[2] or signal_type


def _signal_row(signal: Signal) -> list[Text]:
    return _title_row(signal) if signal.is_about_title else _viewer_row(signal)


def _viewer_row(signal: Signal) -> list[Text]:
    why = ", ".join(_reason(name, value) for name, value in signal.because.items())
    if signal.retracts is not None:
        why = f"takes back {signal.retracts}" + (f", {why}" if why else "")
    return [
        cell(moment(signal.time)),
        state_cell(short_type(signal.type)),
        cell(signal.viewer or signal.subject),
        place(signal.title_id, signal.season),
        cell(_sure(signal)),
        cell(_so_far(signal)),
        cell(": ".join(part for part in (signal.basis, why) if part) or None, "dim"),
    ]


def _title_row(signal: Signal) -> list[Text]:
    # Of a burst, p is something else: it stays among the reasons.
    has_share = signal.type == "title.hook_point"
    shown = SHOWN_IN_COLUMNS | ({"p", "low", "high"} if has_share else set())
    reasons = (_title_reason(name, it) for name, it in signal.data.items() if name not in shown)
    why = ", ".join(reason for reason in reasons if reason)
    return [
        cell(moment(signal.time)),
        state_cell(short_type(signal.type)),
        cell(_audience(signal)),
        place(signal.title_id or signal.subject, signal.season),
        cell(_sure(signal) if has_share else None),
        cell(_so_far(signal)),
        cell(": ".join(part for part in (signal.state, why) if part) or None, "dim"),
    ]


def _audience(signal: Signal) -> str:
    if signal.language is not None:
        return f"audience in {signal.language} audio"
    return "audience" if signal.country is None else f"audience in {signal.country}"


def _sure(signal: Signal) -> str | None:
    sure = percent(signal.p)
    if sure is not None and signal.interval is not None:
        low, high = signal.interval
        sure += f" ({low * 100:.0f}-{high * 100:.0f})"
    return sure


def _so_far(signal: Signal) -> str | None:
    return None if signal.k is None else f"{signal.k} of {'?' if signal.of is None else signal.of}"


def _title_reason(name: str, value: Any) -> str:
    """``n 560``; nothing for what is not so, or not known."""
    if value is None or value is False:
        return ""
    word = name.replace("_", " ")
    if value is True:
        return word
    if name.endswith("_s") and isinstance(value, int | float):
        return f"{word.removesuffix(' s')} {value / DAY_S:.3g} days"
    if isinstance(value, list):
        return f"{word} {', '.join(map(str, value))}"
    return f"{word} {value:.3g}" if isinstance(value, float) else f"{word} {value}"


def _reason(name: str, value: Any) -> str:
    """``completed 4``; times are spelt out."""
    if name == "last_activity_ms":
        with suppress(TypeError, ValueError, OverflowError):
            return f"last activity {moment(datetime.fromtimestamp(value / 1000, UTC))}"
    if name == "idle_s" and isinstance(value, int):
        return f"idle {_span(value)}"
    return f"{name.replace('_', ' ')} {value}"


def _span(seconds: int) -> str:
    """A time without activity, in whole units of which there are at least two."""
    for unit_s, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s} {unit}"
    return f"{seconds} s"


def _signal_json(signal: Signal) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": signal.id,
        "source": signal.source,
        "type": signal.type,
        "subject": signal.subject,
        "time": signal.time,
        "datacontenttype": "application/json",
        "data": signal.data,
    }


def _session_row(session: Session) -> list[Text]:
    return [
        cell(moment(session.ended_at)),
        cell(session.viewer),
        place(session.title_id, session.season, session.episode),
        cell(clock(session.wall_s)),
        cell(clock(session.coverage_s)),
        cell(clock(session.rewatched_s)),
        cell(clock(session.position_s)),
        cell(session.device),
        cell("imputed" if session.imputed else "", "yellow"),
        cell(session.revision),
    ]


def _latest_revisions(sessions: Iterable[Session]) -> Iterable[Session]:
    highest: dict[str, Session] = {}
    for session in sessions:
        before = highest.get(session.id)
        if before is None or session.revision > before.revision:
            highest[session.id] = session
    return highest.values()


SIGNALS: View[Signal] = View(
    noun="signals",
    columns=(
        TIME,
        Column("signal", 12),
        Column("who", 16, most=LONGEST_NAME),
        Column("title", 18, most=LONGEST_NAME),
        Column("p (interval)", 14),
        Column("done", 8),
        Column("because", 0, wraps=True),
    ),
    row=_signal_row,
    as_json=_signal_json,
    moment=lambda signal: signal.time,
    latest=lambda signals: signals,
)
SESSIONS: View[Session] = View(
    noun="sessions",
    columns=(
        Column("ended (UTC)", 19),
        Column("viewer", 16, most=LONGEST_NAME),
        Column("title", 20, most=LONGEST_NAME),
        Column("played", 8, right=True),
        Column("covered", 8, right=True),
        Column("again", 7, right=True),
        Column("left at", 8, right=True),
        Column("device", 10, most=LONGEST_NAME),
        Column("", 7),
        Column("rev", 3, right=True),
    ),
    row=_session_row,
    as_json=asdict,
    moment=lambda session: session.ended_at,
    latest=_latest_revisions,
)
