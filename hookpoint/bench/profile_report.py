"""What a profile says: tables, Markdown, JSON, and a picture of what each stage takes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from hookpoint.bench.drawing import save_svg
from hookpoint.bench.profile_spy import PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rich.console import Console

    from hookpoint.bench.profile import ProfileResult
    from hookpoint.bench.profile_figures import Profile

STAGES = ("stage", "samples", "share", "±", "µs per event", "±")
BESIDE = ("beside it", "")
BAR_WIDTH, NAME_WIDTH = 55, 32


def title(result: ProfileResult, profile: Profile) -> str:
    """What the figures of one part hold for."""
    servers, options, span = result.facts["servers"], result.options, profile.span
    what = (
        f"A backlog, {options.viewers:,} viewers"
        if profile.late_ms is None
        else f"A live stream at {options.rate:,.0f} events/s, {options.crowd:,} viewers"
    )
    return (
        f"{what}: {span.events:,} events in {span.wall_s:.1f} s, seed {options.seed}, "
        f"core {result.facts['machine']['core']}; {servers['broker']}, {servers['redis']}"
    )


def tell(console: Console, result: ProfileResult) -> None:
    """Everything, for people."""
    for profile in result.profiles:
        stages = Table(title=title(result, profile), title_justify="left")
        for number, name in enumerate(STAGES):
            stages.add_column(name, justify="right" if number else "left")
        for row in _stages(profile):
            stages.add_row(*row)
        stages.add_section()
        stages.add_row(*_whole(profile))
        console.print(stages)
        beside = Table(show_header=False)
        beside.add_column()
        beside.add_column(justify="right")
        for row in _beside(profile):
            beside.add_row(*row)
        console.print(beside)
        for note in notes(profile):
            console.print(note, highlight=False)


def _stages(profile: Profile) -> Iterator[tuple[str, ...]]:
    for it in profile.costs():
        yield (
            it.stage.value,
            f"{it.samples:,}",
            f"{it.share:.1%}",
            f"{it.share_error:.1%}",
            f"{it.us_per_event:.2f}",
            f"{it.us_per_event_error:.2f}",
        )


def _whole(profile: Profile) -> tuple[str, ...]:
    total = profile.samples.total
    return ("the worker", f"{total:,}", "100.0%", "", f"{profile.us_per_event:.2f}", "")


def _beside(profile: Profile) -> Iterator[tuple[str, str]]:
    """What is not in the samples, of the same span."""
    span = profile.span
    yield "worker: cores in use", f"{span.cores:.2f}"
    yield "worker: of the wall clock, waiting at least", f"{span.waiting:.0%}"
    if span.queued is not None:
        yield "worker: threads ready and without a core", f"{span.queued:.2f}"
    yield "Redis: processor time, µs per event", _us(profile, span.redis_cpu_s)
    yield "Redis: in Lua scripts, µs per event", _us(profile, span.scripts_s)
    rest_s = max(0.0, span.redis_cpu_s - span.scripts_s)
    yield "Redis: all else, at least (protocol, sockets, plain commands)", _us(profile, rest_s)
    yield "Redis: in commands, those of the scripts included", _us(profile, span.commands_s)


def _us(profile: Profile, seconds: float) -> str:
    return f"{profile.span.per_event_us(seconds):.2f}"


def notes(profile: Profile) -> Iterator[str]:
    """What must be said beside the figures."""
    span = profile.span
    queued = "" if span.queued is None else f" and {span.queued:.2f} ready without one"
    yield (
        f"{profile.part.capitalize()}: {PER_S} times a second, samples found "
        f"{profile.busy_threads:.2f} threads at work; the system counted {span.cores:.2f} on a "
        f"core{queued}. {profile.unreadable:,} stacks could not be read, {profile.samples.torn:,} "
        "of those that were had lost their beginning."
    )
    if not profile.steady:
        yield f"The {profile.part} is too short: these figures say little."
    if profile.late_ms is not None:
        yield f"The sender was at most {profile.late_ms:.1f} ms late for 99 % of the events."
    if not profile.kept_up:
        yield "THE WORKER DID NOT KEEP UP: this is how it works off a backlog."


def markdown(result: ProfileResult) -> str:
    """The same for a page of the docs."""
    lines: list[str] = []
    for profile in result.profiles:
        lines += [title(result, profile) + ".", ""]
        lines += _as_markdown(STAGES, [*_stages(profile), _whole(profile)])
        lines += ["", *_as_markdown(BESIDE, _beside(profile)), "", *notes(profile), ""]
    return "\n".join(lines)


def _as_markdown(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|---|" + "---:|" * (len(columns) - 1)
    yield from ("| " + " | ".join(row) + " |" for row in rows)


def as_json(result: ProfileResult) -> dict[str, Any]:
    """Everything that another run on another machine would be compared by."""
    return {
        **result.facts,
        "options": asdict(result.options),
        "samples_per_s": PER_S,
        "profiles": [_figures(it) for it in result.profiles],
    }


def _figures(profile: Profile) -> dict[str, Any]:
    span = profile.span
    return {
        "part": profile.part,
        "events": span.events,
        "wall_s": span.wall_s,
        "cpu_s": span.cpu_s,
        "us_per_event": profile.us_per_event,
        "stages": [it._asdict() for it in profile.costs()],
        "samples": profile.samples.total,
        "torn": profile.samples.torn,
        "unreadable": profile.unreadable,
        "busy_threads": profile.busy_threads,
        "cores": span.cores,
        "waiting": span.waiting,
        "queued": span.queued,
        "redis": {
            "us_per_event": span.per_event_us(span.redis_cpu_s),
            "scripts_us_per_event": span.per_event_us(span.scripts_s),
            "commands_us_per_event": span.per_event_us(span.commands_s),
            "commands": {
                name: {
                    "calls_per_event": it.calls / span.events,
                    "us_per_event": span.per_event_us(it.seconds),
                }
                for name, it in sorted(span.commands.items())
            },
        },
        "steady": profile.steady,
        "late_ms": profile.late_ms,
        "kept_up": profile.kept_up,
        "notes": list(notes(profile)),
    }


def save_picture(result: ProfileResult, target: Path) -> None:
    """A bar for each stage as an SVG, all on one scale."""
    save_svg(target, "hookpoint bench profile", _bars(result))


def _bars(result: ProfileResult) -> Iterator[Text]:
    costs = [list(profile.costs()) for profile in result.profiles]
    longest = max(it.us_per_event for of_part in costs for it in of_part)
    for profile, of_part in zip(result.profiles, costs, strict=True):
        yield Text(title(result, profile) + "\n", style="bold")
        for it in of_part:
            length = round(BAR_WIDTH * it.us_per_event / longest)
            bar = Text("█" * length, style="green")
            told = f" {it.us_per_event:.1f} µs ({it.share:.0%})"
            yield Text(f"{it.stage.value:{NAME_WIDTH}}").append_text(bar).append(told)
        span = profile.span
        yield Text(
            f"\n{profile.us_per_event:.1f} µs of the worker per event; Redis "
            f"{span.per_event_us(span.redis_cpu_s):.1f} µs, of it "
            f"{span.per_event_us(span.scripts_s):.1f} in Lua scripts; waiting for at least "
            f"{span.waiting:.0%} of the time\n"
        )
