"""``hookpoint bench``: how fast it is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hookpoint.commands._benching import EXIT_FAILED, measured
from hookpoint.commands.bench_latency import latency
from hookpoint.commands.bench_profile import profile
from hookpoint.commands.bench_scale import scale
from hookpoint.commands.bench_titles import titles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hookpoint.bench.backlog import BenchOptions
    from hookpoint.bench.peer import Peer
    from hookpoint.bench.report import Result

bench_app = typer.Typer(help="Measure how fast it is on this machine.")


def register(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.add_typer(bench_app, name="bench")
    bench_app.command()(latency)
    bench_app.command()(profile)
    bench_app.command()(scale)
    bench_app.command()(titles)


@bench_app.callback(invoke_without_command=True)
def bench(  # noqa: PLR0913 - one argument per option
    ctx: typer.Context,
    *,
    events: Annotated[int, typer.Option(min=1000, help="About how many events.")] = 1_000_000,
    viewers: Annotated[int, typer.Option(min=1)] = 4_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same stream.")] = 7,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Rounds of each contender.")] = 3,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="hand, quix, faust, streams or none; can be given often.",
            show_default="all",
        ),
    ] = None,
    markdown: Annotated[Path, typer.Option(dir_okay=False, help="Where the table goes.")] = Path(
        "bench-out/bench.md"
    ),
    json_out: Annotated[
        Path, typer.Option("--json", dir_okay=False, help="Where all figures go.")
    ] = Path("bench-out/bench.json"),
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Only the ratio to the hand-written loop, on a small stream of its own; "
            "goes into the history.",
        ),
    ] = False,
    history: Annotated[
        Path, typer.Option(dir_okay=False, help="The history of --quick: a line of JSON each.")
    ] = Path("bench-history.jsonl"),
) -> None:
    """Measure one worker on a backlog, beside others that do the same work.

    Exit code 1 says that a contender failed, that an answer was wrong or, with --quick, that
    hookpoint has become far slower.
    """
    if ctx.invoked_subcommand is not None:
        return
    from hookpoint.bench.backlog import BenchOptions  # noqa: PLC0415  commands load what they need
    from hookpoint.bench.peer import HAND_LOOP  # noqa: PLC0415
    from hookpoint.bench.quick import QUICK  # noqa: PLC0415

    if quick:
        _keep(_run(QUICK, [HAND_LOOP]), history)
        return
    result = _run(BenchOptions(events, viewers, seed, rounds), _chosen(against))
    _write(result, markdown, json_out)
    if result.wrong:
        raise typer.Exit(EXIT_FAILED)


def _chosen(names: Sequence[str] | None) -> list[Peer]:
    from hookpoint.bench.peer import PEERS  # noqa: PLC0415

    known = {peer.key: peer for peer in PEERS}
    if names is None:
        return list(PEERS)
    unknown = set(names) - known.keys() - {"none"}
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: one of {', '.join(known)}, none")
    return [peer for key, peer in known.items() if key in names]


def _run(options: BenchOptions, peers: Sequence[Peer]) -> Result:
    from hookpoint.bench.report import tell  # noqa: PLC0415
    from hookpoint.bench.run import run_bench  # noqa: PLC0415

    console, result = measured(lambda it, console: run_bench(it, peers, console), options)
    tell(console, result)
    return result


def _write(result: Result, markdown: Path, json_out: Path) -> None:
    import orjson  # noqa: PLC0415

    from hookpoint.bench.report import as_json, as_markdown  # noqa: PLC0415

    for file in (markdown, json_out):
        file.parent.mkdir(parents=True, exist_ok=True)
    markdown.write_text(as_markdown(result), encoding="utf-8")
    json_out.write_bytes(orjson.dumps(as_json(result), option=orjson.OPT_INDENT_2))
    typer.echo(f"Written to {markdown} and {json_out}.")


def _keep(result: Result, history: Path) -> None:
    from hookpoint.bench.quick import FLOOR, append, commit_here, history_line  # noqa: PLC0415

    line = history_line(result, commit_here())
    append(history, line)
    typer.echo(
        f"{line['ratio']:.3f} of the hand-written loop's events per CPU-second "
        f"({line['hookpoint_per_cpu_second']:,} and {line['hand_loop_per_cpu_second']:,}); "
        f"added to {history}."
    )
    too_slow = line["steady"] and line["ratio"] < FLOOR
    if too_slow:
        typer.echo(f"Far slower than it was: the ratio must not be below {FLOOR:.2f}.", err=True)
    if too_slow or result.wrong:
        raise typer.Exit(EXIT_FAILED)
