"""What a run says at its end, to people and as JSON."""

from __future__ import annotations

import platform
import statistics
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import psutil
from rich.table import Table

from hookpoint.bench.contenders import HOOKPOINT, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from hookpoint.bench.backlog import Backlog, BenchOptions
    from hookpoint.bench.check import Check
    from hookpoint.bench.measuring import Figures

MIB = 1024 * 1024
PACKAGES = ("hookpoint", "faust-streaming", "aiokafka", "redis", "hiredis", "msgspec", "uvloop")
NOT_DONE = (
    "The plain agent only adds up watch time per viewer, and writes one hash per event. It counts "
    "a duplicate or a replay again, takes late events for jumps, forgets what it knows at a "
    "restart, and has no coverage, taste, sessions or signals."
)


@dataclass(frozen=True, slots=True)
class Result:
    """One whole run. ``servers`` says which broker and Redis it ran on."""

    options: BenchOptions
    weeks: float
    backlog: Backlog
    servers: dict[str, str]
    rounds: Sequence[Figures]
    check: Check

    def of(self, contender: str) -> list[Figures]:
        """The rounds of one contender."""
        return [it for it in self.rounds if it.contender == contender]

    @property
    def ratio(self) -> float | None:
        """Median events per CPU-second of hookpoint over those of the plain agent, if it ran."""
        plain = self.of(PLAIN)
        if not plain:
            return None
        ours = median(it.per_cpu_second for it in self.of(HOOKPOINT))
        return ours / median(it.per_cpu_second for it in plain)


def median(values: Iterable[float]) -> float:
    """The middle one, or the mean of the two in the middle."""
    return statistics.median(list(values))


def tell(console: Console, result: Result) -> None:
    """The table and what it means."""
    console.print(_table(result))
    ours = result.of(HOOKPOINT)
    console.print(
        f"One hookpoint worker: {median(it.per_second for it in ours):,.0f} valid events a second, "
        f"{median(it.per_cpu_second for it in ours):,.0f} per CPU-second, "
        f"{max(it.peak_rss_bytes for it in ours) / MIB:,.0f} MiB at its largest.",
        highlight=False,
    )
    quarters = [
        median(them) / MIB for them in zip(*(it.rss_bytes_by_quarter for it in ours), strict=True)
    ]
    console.print(
        f"Memory while each quarter of the backlog was worked off, MiB: "
        f"{', '.join(f'{it:,.0f}' for it in quarters)}.",
        highlight=False,
    )
    if result.ratio is not None:
        console.print(f"{result.ratio:.1f} times the plain agent per CPU-second.", highlight=False)
        console.print(NOT_DONE, highlight=False)
    console.print(_checked(result.check), highlight=False)


def _table(result: Result) -> Table:
    table = Table(
        title=f"{result.backlog.events:,} events of {result.options.viewers:,} viewers, "
        f"seed {result.options.seed}; {result.servers['broker']}, {result.servers['redis']}",
        title_justify="left",
    )
    for name in ("round", "events", "seconds", "events/s", "per CPU-s", "peak MiB", "load", "busy"):
        table.add_column(name, justify="left" if name == "round" else "right")
    for figures in result.rounds:
        table.add_row(
            figures.contender,
            f"{figures.events:,}",
            f"{figures.wall_s:.1f}",
            f"{figures.per_second:,.0f}",
            f"{figures.per_cpu_second:,.0f}",
            f"{figures.peak_rss_bytes / MIB:,.0f}",
            f"{figures.load:.1f}",
            f"{figures.busy:.0%}",
        )
    table.add_section()
    for contender in (HOOKPOINT, PLAIN):
        if rounds := result.of(contender):
            table.add_row(
                f"{contender}, median of {len(rounds)}",
                "",
                "",
                f"{median(it.per_second for it in rounds):,.0f}",
                f"{median(it.per_cpu_second for it in rounds):,.0f}",
                f"{median(it.peak_rss_bytes for it in rounds) / MIB:,.0f}",
                "",
                "",
            )
    return table


def _checked(check: Check) -> str:
    verdict = "right" if check.agrees else "WRONG"
    return (
        f"The answer is {verdict}: {check.right:,} of {check.episodes:,} episodes of "
        f"{check.viewers:,} viewers agree with the truth to the second, worst {check.worst_s:.3f} s"
        f" off; {check.found_s / 3600:,.1f} of {check.true_s / 3600:,.1f} hours."
    )


def as_json(result: Result) -> dict[str, Any]:
    """Everything that another run on another machine would be compared by."""
    return {
        "machine": {
            "platform": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": psutil.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
        },
        "versions": {"python": platform.python_version()} | {it: version(it) for it in PACKAGES},
        "servers": result.servers,
        "options": asdict(result.options),
        "stream": {
            "events": result.backlog.events,
            "bytes": result.backlog.bytes,
            "partitions": len(result.backlog.last_offsets),
            "weeks": result.weeks,
        },
        "rounds": [_figures(it) for it in result.rounds],
        "medians": {
            contender: {
                "events_per_second": median(it.per_second for it in rounds),
                "events_per_cpu_second": median(it.per_cpu_second for it in rounds),
                "peak_rss_bytes": median(it.peak_rss_bytes for it in rounds),
            }
            for contender in (HOOKPOINT, PLAIN)
            if (rounds := result.of(contender))
        },
        "ratio_per_cpu_second": result.ratio,
        "check": asdict(result.check) | {"agrees": result.check.agrees},
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return asdict(figures) | {
        "events_per_second": figures.per_second,
        "events_per_cpu_second": figures.per_cpu_second,
    }
