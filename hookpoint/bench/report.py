"""What a run says at its end: to people, as Markdown and as JSON."""

from __future__ import annotations

import platform
import statistics
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import psutil
from rich.table import Table

from hookpoint.bench.contenders import HOOKPOINT
from hookpoint.bench.peer import PEERS
from streams.worker.core import CORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from hookpoint.bench.backlog import Backlog, BenchOptions
    from hookpoint.bench.check import Spot
    from hookpoint.bench.measuring import Figures

MIB = 1024 * 1024
PACKAGES = (
    "hookpoint", "faust-streaming", "aiokafka", "confluent-kafka", "redis", "hiredis", "msgspec",
    "uvloop",
)  # fmt: skip
NAMES = (HOOKPOINT, *(peer.name for peer in PEERS))
LEFT_OUT = {peer.name: peer.left_out for peer in PEERS}
HEADINGS = (
    "contender", "rounds", "events", "events/s", "per CPU-s", "peak MiB", "hookpoint per CPU-s",
    "viewers right",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Where this runs."""
    return {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "core": CORE,
    }


def versions() -> dict[str, str]:
    """Of what the contenders are made of, as far as it is installed here."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class Medians:
    """One contender over its rounds."""

    contender: str
    rounds: int
    events: float
    per_second: float
    per_cpu_second: float
    peak_rss_bytes: float
    ratio: float
    """Hookpoint's events per CPU-second over this one's; above 1, hookpoint is faster."""
    steady: bool
    """Whether every round was long enough to say something."""
    worst: Spot
    """The spot check of the round with the fewest right viewers."""


@dataclass(frozen=True, slots=True)
class Result:
    """One whole run.

    ``servers`` says which broker and Redis it ran on, ``absent`` why a contender did not run.
    """

    options: BenchOptions
    weeks: float
    backlog: Backlog
    servers: Mapping[str, str]
    rounds: Sequence[Figures]
    spots: Mapping[str, Sequence[Spot]]
    absent: Mapping[str, str] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def of(self, contender: str) -> list[Figures]:
        """The rounds of one contender."""
        return [it for it in self.rounds if it.contender == contender]

    def medians(self) -> list[Medians]:
        """Those that ran, hookpoint first."""
        return [self._medians(name) for name in NAMES if self.of(name)]

    def _medians(self, contender: str) -> Medians:
        ours = median(it.per_cpu_second for it in self.of(HOOKPOINT))
        rounds = self.of(contender)
        per_cpu_second = median(it.per_cpu_second for it in rounds)
        return Medians(
            contender,
            len(rounds),
            median(it.events for it in rounds),
            median(it.per_second for it in rounds),
            per_cpu_second,
            median(it.peak_rss_bytes for it in rounds),
            ours / per_cpu_second,
            all(it.steady for it in rounds),
            min(self.spots[contender], key=lambda it: it.right / max(1, it.viewers)),
        )

    @property
    def wrong(self) -> list[str]:
        """Contenders that promise the right answer and did not give it."""
        exact = {HOOKPOINT, *(peer.name for peer in PEERS if peer.exact)}
        return [
            it.contender for it in self.medians() if it.contender in exact and not it.worst.agrees
        ]


def median(values: Iterable[float]) -> float:
    """The middle one, or the mean of the two in the middle."""
    return statistics.median(list(values))


def tell(console: Console, result: Result) -> None:
    """The tables and what they mean."""
    console.print(_rounds(result))
    table = Table(title="Medians", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == HEADINGS[0] else "right")
    for row in _rows(result):
        table.add_row(*row)
    console.print(table)
    for line in _remarks(result):
        console.print(line, highlight=False)


def _rounds(result: Result) -> Table:
    table = Table(title=_stream(result), title_justify="left")
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
    return table


def _stream(result: Result) -> str:
    return (
        f"{result.backlog.events:,} events of {result.options.viewers:,} viewers, "
        f"seed {result.options.seed}; {result.servers['broker']}, {result.servers['redis']}"
    )


def _rows(result: Result) -> list[tuple[str, ...]]:
    ours = result.medians()[0]
    return [
        (
            it.contender,
            f"{it.rounds}",
            f"{it.events:,.0f}",
            f"{it.per_second:,.0f}",
            f"{it.per_cpu_second:,.0f}",
            f"{it.peak_rss_bytes / MIB:,.0f}",
            f"{it.ratio:.2f} x" if it.steady and ours.steady else "too short",
            f"{it.worst.right:,} of {it.worst.viewers:,}",
        )
        for it in result.medians()
    ]


def _remarks(result: Result) -> list[str]:
    remarks = [_checked(it) for it in result.medians()]
    remarks += [f"{name}: not run: {why}" for name, why in result.absent.items()]
    remarks += [
        f"{it.contender}: the stream is too short for it: its rates say nothing."
        for it in result.medians()
        if not it.steady
    ]
    quarters = [
        median(them) / MIB
        for them in zip(*(it.rss_bytes_by_quarter for it in result.of(HOOKPOINT)), strict=True)
    ]
    remarks.append(
        f"{HOOKPOINT}: memory while each quarter of the backlog was worked off, MiB: "
        f"{', '.join(f'{it:,.0f}' for it in quarters)}."
    )
    return remarks


def _checked(medians: Medians) -> str:
    spot = medians.worst
    verdict = "right" if spot.agrees else "WRONG"
    share = f" and {spot.worst_share:.4f} of taste" if spot.worst_share else ""
    off = spot.found_s / spot.true_s - 1 if spot.true_s else 0.0
    return (
        f"{medians.contender}: the answer is {verdict}: {spot.right:,} of {spot.viewers:,} "
        f"viewers, {spot.figures:,} figures, worst {spot.worst_s:,.2f} s{share} off; "
        f"{spot.found_s / 3600:,.1f} of {spot.true_s / 3600:,.1f} hours ({off:+.2%})."
    )


def as_markdown(result: Result) -> str:
    """The table for people, with what another run would be compared by."""
    here = machine()
    packages = ", ".join(f"{name} {it}" for name, it in versions().items())
    rule = ("---", *("---:" for _ in HEADINGS[1:]))
    where = (
        f"{_stream(result)}; {result.weeks:.2f} weeks of viewing, "
        f"{result.backlog.bytes / 1e6:,.0f} MB. {result.at:%Y-%m-%d %H:%M} UTC, "
        f"{here['platform']}, {here['cores']} cores, {here['memory_bytes'] / MIB / 1024:,.0f} GiB; "
        f"Python {here['python']}, hookpoint's core {here['core']}, {packages}."
    )
    means = (
        "Medians of rounds by turns. `hookpoint per CPU-s`: hookpoint's events per CPU-second over "
        "the contender's; above 1, hookpoint is faster. What is measured: docs/bench.md."
    )
    lines = ["# Side by side", "", where, ""]
    lines += [f"| {' | '.join(row)} |" for row in (HEADINGS, rule, *_rows(result))]
    lines += ["", means, "", *(f"- {line}" for line in _remarks(result))]
    lines += ["", "What they leave out that hookpoint does:", ""]
    lines += [f"- {it.contender}: {LEFT_OUT[it.contender]}" for it in result.medians()[1:]]
    lines.append("")
    return "\n".join(lines)


def as_json(result: Result) -> dict[str, Any]:
    """Everything that another run on another machine would be compared by."""
    return {
        "at": result.at.isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "servers": dict(result.servers),
        "options": asdict(result.options),
        "stream": {
            "events": result.backlog.events,
            "bytes": result.backlog.bytes,
            "partitions": len(result.backlog.last_offsets),
            "weeks": result.weeks,
        },
        "rounds": [_figures(it) for it in result.rounds],
        "medians": [
            {key: value for key, value in asdict(it).items() if key != "worst"}
            for it in result.medians()
        ],
        "checks": {name: [_spot(it) for it in spots] for name, spots in result.spots.items()},
        "not_run": dict(result.absent),
        "left_out": {it.contender: LEFT_OUT[it.contender] for it in result.medians()[1:]},
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return asdict(figures) | {
        "events_per_second": figures.per_second,
        "events_per_cpu_second": figures.per_cpu_second,
    }


def _spot(spot: Spot) -> dict[str, Any]:
    return asdict(spot) | {"agrees": spot.agrees}
