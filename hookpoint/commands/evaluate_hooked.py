"""``hookpoint evaluate hooked``: how good the viewers' hooked signal is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hookpoint.commands._benching import EXIT_FAILED, measured, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hookpoint.evaluate.hooked_judge import Judged

DEFAULT_VIEWERS, DEFAULT_TITLES, DEFAULT_WEEKS = 16_000, 12, 10.0


def hooked(  # noqa: PLR0913 - one argument per option
    *,
    viewers: Annotated[int, typer.Option(min=100, help="In each audience.")] = DEFAULT_VIEWERS,
    titles: Annotated[int, typer.Option(min=1, max=400)] = DEFAULT_TITLES,
    weeks: Annotated[
        float, typer.Option(min=1, help="Over which viewers arrive; all are followed to the end.")
    ] = DEFAULT_WEEKS,
    seed: Annotated[int, typer.Option(help="The same seed gives the same audiences.")] = 7,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small audience in place of the other options.")
    ] = False,
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Where hooked.md, .json and the plots go.")
    ] = Path("evaluate-out"),
) -> None:
    """How sure the hooked signal is and may be, beside simple rules and a regression.

    The report says which bars are met and which are not; docs/evaluation-hooked.md says why.
    """
    try:
        import sklearn  # noqa: F401, PLC0415 - the one thing that may not be there
    except ModuleNotFoundError:
        typer.echo("It needs `pip install 'hookpoint[evaluate]'`.", err=True)
        raise typer.Exit(EXIT_FAILED) from None
    from hookpoint.evaluate.hooked_audience import Crowd  # noqa: PLC0415 - loaded when needed
    from hookpoint.evaluate.hooked_report import as_json, markdown, tell  # noqa: PLC0415
    from hookpoint.evaluate.hooked_run import QUICK, evaluate  # noqa: PLC0415

    crowd = replace(QUICK, seed=seed) if quick else Crowd(viewers, titles, weeks, seed)
    console, found = measured(evaluate, crowd)
    tell(console, crowd, found)
    out.mkdir(parents=True, exist_ok=True)
    (out / "hooked.md").write_text(markdown(crowd, found), encoding="utf-8")
    write_json(out / "hooked.json", as_json(crowd, found))
    _plots(found, out)


def _plots(found: Sequence[Judged], out: Path) -> None:
    try:
        from hookpoint.evaluate.hooked_plots import draw  # noqa: PLC0415 - loaded when needed
    except ModuleNotFoundError:
        typer.echo("No plots: they need `pip install 'hookpoint[plots]'`.", err=True)
        return
    for file in draw(found, out):
        typer.echo(f"{file}")
