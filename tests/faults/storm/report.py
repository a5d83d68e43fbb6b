"""What a run of the storms has done and found, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from outcomes import Differences

LINES_SHOWN, WIDTH_SHOWN = 12, 220
WORDS = {
    "lost": ("keys_lost", "keys_different", "sessions_missing", "rejects_missing"),
    "doubled": ("keys_extra", "sessions_extra", "rejects_extra", "progress_doubled"),
    "signals missing": ("signals_missing",),
    "signals too many": ("signals_extra",),
    "progress missing": ("progress_missing",),
    "titles lost": ("titles_lost",),
    "titles doubled": ("titles_doubled",),
    "titles' signals not sent": ("titles_unsent",),
    "titles' reports stale": ("titles_stale",),
    "with another body": (
        "sessions_different", "signals_different", "rejects_different", "two_bodies",
    ),
}  # fmt: skip
"""How the kinds of differences are summed up."""


@dataclass(slots=True)
class Done:
    """What became of a fault; times in seconds since the act began."""

    name: str
    began_s: float
    ended_s: float = 0.0
    said: str = ""
    failed: bool = False


class Beat(NamedTuple):
    """How far an act was at one moment: records sent and absorbed."""

    at_s: float
    sent: int
    absorbed: int


@dataclass(slots=True)
class Act:
    """What happened in one act."""

    name: str
    seconds: float = 0.0
    faults: list[Done] = field(default_factory=list)
    exits: dict[str, int] = field(default_factory=dict)
    """Workers by exit code (-9: SIGKILL)."""
    last_words: dict[str, int] = field(default_factory=dict)
    """Workers that ended themselves, by the exception."""
    outages: dict[str, int] = field(default_factory=dict)
    """How often workers said that a server was away, by server."""
    measured: dict[str, Any] = field(default_factory=dict)
    pulse: list[Beat] = field(default_factory=list)
    wrong: dict[str, int] | None = None
    """Differences from the quiet run by kind; None if it was not compared."""

    def compared(self, differences: Differences) -> None:
        """Note what the comparison has found."""
        self.wrong = differences.counts()

    def summary(self) -> dict[str, int]:
        """``WORDS`` and how many there are of each."""
        wrong = self.wrong or {}
        return {word: sum(wrong[kind] for kind in kinds) for word, kinds in WORDS.items()}


@dataclass(slots=True)
class Report:
    """One run."""

    seed: int
    folder: Path
    acts: list[Act] = field(default_factory=list)
    failure: str = ""
    seconds: float = 0.0
    console: Console = field(default_factory=lambda: Console(width=110, highlight=False))

    @property
    def is_good(self) -> bool:
        """Whether everything was done, and nothing differs."""
        return not self.failure and not any(any((act.wrong or {}).values()) for act in self.acts)

    def say(self, line: str) -> None:
        """Tell how it goes."""
        self.console.print(line)

    def fails(self, why: str) -> None:
        """Tell what has ended the run; all of it goes to a file."""
        self.failure, *more = why.splitlines() or ["no word why"]
        (self.folder / "failure.txt").write_text(why)
        self.say(f"[red]FAILED[/] with seed {self.seed}:")
        for line in [self.failure, *more[-LINES_SHOWN:]]:
            self.console.print(line[:WIDTH_SHOWN], markup=False, soft_wrap=True)

    def save(self) -> Path:
        """Write all of it as JSON. Returns where."""
        path = self.folder / "report.json"
        found = {
            "seed": self.seed,
            "good": self.is_good,
            "failure": self.failure,
            "seconds": round(self.seconds, 1),
            "acts": [asdict(act) | {"pulse": list(map(list, act.pulse))} for act in self.acts],
        }
        path.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return path

    def show(self) -> None:
        """Tell what was done and what came of it."""
        for act in self.acts:
            if act.faults:
                self.console.print(_faults(act))
        self.console.print(_results(self.acts))
        path = self.save()
        word = "[green]all as if nothing had happened[/]" if self.is_good else "[red]FAILED[/]"
        self.say(f"seed {self.seed}: {word}, {self.seconds:.0f} s; {path}")
        if not self.is_good:
            self.say(f"again: make faults SEED={self.seed}")


def _faults(act: Act) -> Table:
    table = Table(title=f"{act.name}: what was done to it", title_justify="left", box=None)
    table.add_column("at s", justify="right")
    table.add_column("for s", justify="right")
    table.add_column("fault", no_wrap=True)
    table.add_column("")
    for it in act.faults:
        took_s = max(0.0, it.ended_s - it.began_s)
        table.add_row(f"{it.began_s:.1f}", f"{took_s:.1f}", it.name, it.said.partition("\n")[0])
    return table


def _results(acts: list[Act]) -> Table:
    table = Table(title="what came of it", title_justify="left", box=None)
    table.add_column("")
    for act in acts:
        table.add_column(act.name, justify="right")
    rows: dict[str, list[str]] = {}
    for number, act in enumerate(acts):
        for name, text in _row_texts(act).items():
            rows.setdefault(name, [""] * len(acts))[number] = text
    for name, texts in rows.items():
        table.add_row(name, *texts)
    return table


def _row_texts(act: Act) -> dict[str, str]:
    found = {"seconds": f"{act.seconds:.0f}"}
    for name, value in act.measured.items():
        found[name] = f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
    found["workers restarted"] = f"{sum(n for code, n in act.exits.items() if code != '0'):,}"
    for word, count in act.last_words.items():
        found[f"  of {word}"] = f"{count:,}"
    for server, count in act.outages.items():
        found[f"outages of {server}"] = f"{count:,}"
    if act.wrong is not None:
        for word, count in act.summary().items():
            found[word] = f"[red]{count:,}[/]" if count else "[green]0[/]"
    return found
