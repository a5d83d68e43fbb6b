"""``hookpoint title`` and ``hookpoint titles``: what is published about titles' audiences."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, get_args

import typer

from hookpoint.commands._writing import can_be_written
from hookpoint.commands.look import AsJson, AsJsonLines, _utf8, clear_errors
from streams.audience.tally import spoken

BY_DEFAULT = "hours"
RANKINGS = ("hours", "hooked", "trending", "travelling", "new-voices")


def _country(code: str | None) -> str | None:
    """An ISO 3166-1 alpha-2 code, as the keys spell it."""
    if code is None:
        return None
    if not re.fullmatch("[A-Za-z]{2}", code):
        raise typer.BadParameter(f"{code!r} is no country code of two letters")
    return code.upper()


def _language(code: str | None) -> str | None:
    """A language without its region, as the keys spell it."""
    from streams.contract import LANGUAGE  # noqa: PLC0415  # builds its tables

    if code is not None and not LANGUAGE.match(code):
        raise typer.BadParameter(f"{code!r} is no language tag, as ko or pt-BR")
    return None if code is None else spoken(code)


def _ranking(name: str) -> str:
    if name not in RANKINGS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(RANKINGS)}")
    return name


TitleId = Annotated[str, typer.Argument(metavar="TITLE", help="The title's id.", callback=_utf8)]


def title(  # noqa: PLR0913, PLR0917  # each argument is an option
    title_id: TitleId,
    season: Annotated[
        int | None,
        typer.Option(min=0, help="This season instead of the last one watched; 0 is a film."),
    ] = None,
    country: Annotated[
        str | None, typer.Option(help="The curve of this country, as DE.", callback=_country)
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(help="The curve of who hears this language, as ko.", callback=_language),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A page with plots instead; - is standard output.",
            callback=can_be_written,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show it again when it changes, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """How a title's audience does: figures, hook point, where they leave, who they are, reach."""
    from hookpoint.commands._title import Asked, follow_title, show_title, write_page  # noqa: PLC0415
    from hookpoint.title_report.season import Group  # noqa: PLC0415

    if html is not None and (follow or as_json):
        raise typer.BadParameter("--html goes with neither --json nor --follow")
    if country is not None and language is not None:
        raise typer.BadParameter("--country and --language do not go together")
    group = Group("language", language) if language is not None else None
    if country is not None:
        group = Group("country", country)
    asked = Asked(title_id, season, group, as_json)
    with clear_errors() as settings:
        if html is not None:
            write_page(settings, asked, html)
        elif follow:
            follow_title(settings, asked)
        else:
            show_title(settings, asked)


def titles(
    top: Annotated[
        str,
        typer.Option(help=f"One of {', '.join(RANKINGS)}.", callback=_ranking),
    ] = BY_DEFAULT,
    country: Annotated[
        str | None, typer.Option(help="Trending in this country, as DE.", callback=_country)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many to show.")] = 20,
    as_json: AsJsonLines = False,
) -> None:
    """Titles that are ahead, best first, each with the numbers behind its place."""
    from consumers.titles import Ranking  # noqa: PLC0415  # imports Redis
    from hookpoint.commands._titles import show_titles  # noqa: PLC0415

    ranking = next(each for each in get_args(Ranking) if each == top)
    if country is not None and ranking != "trending":
        raise typer.BadParameter("--country goes with --top trending only")
    with clear_errors() as settings:
        show_titles(settings, ranking, country, limit, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command(epilog="Example: hookpoint title dark --html dark.html")(title)
    app.command(epilog="Example: hookpoint titles --top trending --country DE")(titles)
