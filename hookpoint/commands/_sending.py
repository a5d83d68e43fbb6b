"""What people see of ``replay`` and ``simulate`` while they send, and at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Task

    from producers.lines import Lines
    from producers.replay import Replayed

REFUSED_LINES_NAMED = 20


class Shown:
    """What people see of a replay: a bar on a terminal, refused lines, and the sum."""

    def __init__(self) -> None:
        self.latest: Replayed | None = None
        self.titles = 0
        """Sent and confirmed."""
        self._console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}

    def progress(self, lines: Lines, done: Replayed) -> None:
        """Move the bar of the source on."""
        if lines.name not in self._tasks:
            self._tasks[lines.name] = self.bar.add_task(lines.name, total=lines.size, rate="")
        task = self._tasks[lines.name]
        elapsed = self.bar.tasks[0].elapsed
        rate = f"{done.lines / elapsed:,.0f} lines/s" if elapsed else ""
        self.bar.update(task, completed=lines.position, rate=rate)

    def refused(self, source: str, number: int, reason: str) -> None:
        """Name a refused line, as long as there are few."""
        if self.latest is not None and self.latest.refused <= REFUSED_LINES_NAMED:
            self.say(f"{source}:{number}: {reason}")

    def summary(self, done: Replayed) -> None:
        """Counts at the end."""
        if done.refused > REFUSED_LINES_NAMED:
            self.say(f"… and {done.refused - REFUSED_LINES_NAMED:,} more refused lines")
        for reason in done.broken:
            self.say(f"{reason}; the rest of it was not read")
        titles = f"{self.titles:,} titles, " if self.titles else ""
        typer.echo(
            f"{titles}{done.handed_over:,} events sent, {done.ticks:,} ticks, "
            f"{done.refused:,} of {done.lines:,} lines refused"
        )

    def say(self, line: str) -> None:
        """One line on standard error, above the bar."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Counted(ProgressColumn):
    """Events handed over, and how many a second once that can be told."""

    def render(self, task: Task) -> Text:
        """One line."""
        rate = "" if task.speed is None else f" {task.speed:,.0f}/s"
        return Text(f"{task.description} {task.completed:,.0f} events{rate}")
