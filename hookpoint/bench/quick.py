"""The short bench: hookpoint beside the hand-written loop, and the history of their ratio."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from hookpoint.bench.backlog import BenchOptions
from hookpoint.bench.contenders import HOOKPOINT
from hookpoint.bench.peer import HAND_LOOP
from hookpoint.bench.report import machine

if TYPE_CHECKING:
    from hookpoint.bench.report import Result

QUICK = BenchOptions(events=300_000, viewers=2_000, rounds=3, checked=300)
FLOOR = 0.05
"""hookpoint's events per CPU-second over the hand-written loop's, below which a change has made it
slower beyond doubt: about a third of what is usual (bench-history.jsonl), where rounds differ by a
sixth."""
HISTORY = Path("bench-history.jsonl")


def ratio_of(result: Result) -> float:
    """Median events per CPU-second of hookpoint over those of the hand-written loop."""
    by_name = {it.contender: it for it in result.medians()}
    return by_name[HAND_LOOP.name].ratio


def history_line(result: Result, commit: str | None) -> dict[str, Any]:
    """What the history keeps of one run."""
    by_name = {it.contender: it for it in result.medians()}
    here = machine()
    return {
        "at": result.at.isoformat(timespec="seconds"),
        "commit": commit,
        "machine": f"{here['platform']}, {here['cores']} cores, Python {here['python']}",
        "core": here["core"],
        "broker": result.servers["broker"],
        "events": result.backlog.events,
        "steady": all(it.steady for it in by_name.values()),
        "ratio": round(ratio_of(result), 4),
        "hookpoint_per_cpu_second": round(by_name[HOOKPOINT].per_cpu_second),
        "hand_loop_per_cpu_second": round(by_name[HAND_LOOP.name].per_cpu_second),
    }


def append(history: Path, line: dict[str, Any]) -> None:
    """Add one line to the history."""
    with history.open("ab") as file:
        file.write(orjson.dumps(line) + b"\n")


def commit_here() -> str | None:
    """The commit that is checked out, with a ``+`` if files differ from it; None if unknown."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+" if changed else commit


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - no input from outside
        ["git", *arguments],  # noqa: S607 - whichever git the user has
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
