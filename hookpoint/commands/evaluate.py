"""``hookpoint evaluate``: how close what is published comes to the truth, where that is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hookpoint.commands._benching import EXIT_INTERRUPTED, PLAIN_WIDTH, write_json
from hookpoint.commands.evaluate_hooked import hooked

if TYPE_CHECKING:
    from hookpoint.evaluate.run import Evaluation

evaluate_app = typer.Typer(
    help="Play simulated audiences of which the truth is known.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.add_typer(evaluate_app, name="evaluate")
    evaluate_app.command()(hooked)


@evaluate_app.command()
def retention(
    *,
    runs: Annotated[int, typer.Option(min=2, max=10_000, help="Of each scenario.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 1,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="SCENARIO", help="Only this one; can be given often."),
    ] = None,
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Where retention.md, .json and the plots go.")
    ] = Path("evaluate-out"),
) -> None:
    """Curves and hook points against the truth, and against two naive ways to count.

    The report says which bars are met and which are not; docs/evaluation.md says why.
    """
    from rich.console import Console  # noqa: PLC0415 - commands load what they need

    from hookpoint.evaluate.retention_report import as_json, markdown, tell  # noqa: PLC0415
    from hookpoint.evaluate.run import Options, evaluate  # noqa: PLC0415
    from hookpoint.evaluate.scenarios import SCENARIOS  # noqa: PLC0415

    chosen = tuple(it for it in SCENARIOS if not only or it.name in only)
    if unknown := set(only or ()) - {it.name for it in SCENARIOS}:
        names = ", ".join(it.name for it in SCENARIOS)
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the scenarios are {names}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    try:
        found = evaluate(Options(runs=runs, seed=seed, scenarios=chosen), console)
    except KeyboardInterrupt:
        typer.echo("Stopped; nothing is left running.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    tell(console, found)
    out.mkdir(parents=True, exist_ok=True)
    (out / "retention.md").write_text(markdown(found), encoding="utf-8")
    write_json(out / "retention.json", as_json(found))
    _plots(found, out)


def _plots(found: Evaluation, out: Path) -> None:
    try:
        from hookpoint.evaluate.plots import draw  # noqa: PLC0415
    except ModuleNotFoundError:
        typer.echo("No plots: they need `pip install 'hookpoint[plots]'`.", err=True)
        return
    for file in draw(found, out):
        typer.echo(f"{file}")
