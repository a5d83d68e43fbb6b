"""The demo on a terminal, while it runs."""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from consumers.records import Signal
    from hookpoint.demo.background import Reading, Sending

BAR_WIDTH = 18
GENRES_SHOWN = 5
RATE_OVER_S = 3.0


class Rate:
    """Something counted, per second over the last three seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def __call__(self, count: int) -> float:
        """Take note of ``count`` and say how fast it grows."""
        now = time.monotonic()
        self._seen.append((now, count))
        while now - self._seen[0][0] > RATE_OVER_S and len(self._seen) > 2:  # noqa: PLR2004
            self._seen.popleft()
        begun, before = self._seen[0]
        return (count - before) / (now - begun) if now > begun else 0.0


class View:
    """Draws the state of the two threads.

    Args:
        names: titles by id.
        taste: true genre shares of the viewers to be shown.
    """

    def __init__(self, names: Mapping[str, str], taste: Mapping[str, Mapping[str, float]]) -> None:
        self.signals_shown = 12
        self.found: Mapping[str, Mapping[str, float]] = {}
        """Found genre shares by viewer."""
        self._names = names
        self._taste = taste
        self._sent = Rate()
        self._processed = Rate()

    def line(self, sending: Sending, reading: Reading) -> str:
        """The state as one plain line."""
        return (
            f"{_day(sending.time_s)}  sent {sending.handed_over:>9,} "
            f"({self._sent(sending.handed_over):>7,.0f}/s)  processed {reading.processed:>9,} "
            f"({self._processed(reading.processed):>7,.0f}/s)  "
            f"sessions {len(reading.sessions):,}  hooked {reading.counts['viewer.hooked']:,}"
        )

    def draw(self, sending: Sending, reading: Reading) -> RenderableType:
        """The state as a picture."""
        latest = list(reading.latest)[-self.signals_shown :]
        return Group(
            Panel(self._figures(sending, reading), title="hookpoint", border_style="cyan"),
            Panel(self._signals(latest), title="who got hooked, and why"),
            Panel(
                Columns([self._bars(viewer) for viewer in self._taste], equal=True, expand=True),
                title="taste: found ■, true ▒",
            ),
        )

    def why(self, signal: Signal) -> str:
        """A signal in words."""
        title = self._names.get(signal.title_id or "", signal.title_id or "?")
        if signal.is_about_title:
            where = f" in {signal.country}" if signal.country else ""
            return f"{title} {signal.type.partition('.')[2]} {signal.state or ''}{where}"
        so_far = f"{signal.k} of {signal.of} episodes" if signal.k is not None else ""
        if signal.p is not None:
            span = (
                f" ({signal.interval[0]:.2f} to {signal.interval[1]:.2f})"
                if signal.interval
                else ""
            )
            so_far += f", p = {signal.p:.2f}{span}"
        if signal.type == "viewer.hooked" and signal.basis == "pace":
            so_far += ", three of them within a day"
        what = signal.type.removeprefix("viewer.")
        return f"{signal.subject} {what}: {title}, season {signal.season}; {so_far}"

    def _figures(self, sending: Sending, reading: Reading) -> Table:
        grid = Table.grid(expand=True)
        for _ in range(4):
            grid.add_column(justify="center")
        waiting = max(0, sending.handed_over - reading.processed)
        grid.add_row(
            f"[bold]{_day(sending.time_s)}[/]\nevent time",
            f"[bold]{self._sent(sending.handed_over):,.0f}/s[/]\nsent {sending.handed_over:,}",
            f"[bold green]{self._processed(reading.processed):,.0f}/s[/]\n"
            f"processed {reading.processed:,}",
            f"[bold]{waiting:,}[/]\nwaiting",
        )
        kinds = " · ".join(
            f"{count:,} {kind.split('.')[-1]}" for kind, count in reading.counts.most_common()
        )
        grid.add_row("", f"sessions {len(reading.sessions):,}", kinds, "")
        return grid

    def _signals(self, signals: list[Signal]) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        for signal in reversed(signals):
            style = {"viewer.hooked": "bold green", "viewer.completed": "cyan"}.get(signal.type, "")
            text.append(f"{signal.time:%d %b %H:%M}  {self.why(signal)}\n", style=style)
        return text

    def _bars(self, viewer: str) -> Table:
        true, found = self._taste[viewer], self.found.get(viewer, {})
        table = Table.grid(padding=(0, 1))
        table.add_row(Text(viewer, style="bold"), "")
        whole = sum(found.values()) or 1.0
        for genre in sorted(true, key=lambda it: -true[it])[:GENRES_SHOWN]:
            share = found.get(genre, 0.0) / whole
            table.add_row(genre, Text(_bar(share, "■"), style="green"))
            table.add_row("", Text(_bar(true[genre], "▒"), style="dim"))
        return table


def _bar(share: float, block: str) -> str:
    return f"{block * round(share * BAR_WIDTH)} {share:.0%}"


def _day(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%a %d %b %H:%M")
