"""What ``hookpoint title`` shows of one title."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from consumers.titles import TitleReader
from hookpoint.commands._tables import output, print_json, say
from hookpoint.commands._writing import STDOUT
from hookpoint.title_report.build import build_report, chosen_season
from hookpoint.title_report.terminal import print_report

if TYPE_CHECKING:
    from pathlib import Path

    from config.settings import Settings
    from consumers.titles import Title
    from hookpoint.title_report.model import Report
    from hookpoint.title_report.season import Group

LOOK_EVERY_S = 1.0
"""As often as a title's engagement is written."""
INSTALL = "pip install 'hookpoint[plots]'"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked to see."""

    title_id: str
    season: int | None
    group: Group | None
    as_json: bool


def show_title(settings: Settings, asked: Asked) -> None:
    """Print the report; exit code 1 if there is nothing to report.

    Raises:
        redis.RedisError: Redis is away.
        BadTitleError: what is published cannot be read.
    """
    with TitleReader(settings) as reader:
        _print(settings, _found(reader, asked), asked)


def follow_title(settings: Settings, asked: Asked) -> None:
    """Print the report, and again whenever it has changed; never returns.

    Raises:
        redis.RedisError: Redis is away.
        BadTitleError: what is published cannot be read.
    """
    with TitleReader(settings) as reader:
        shown: Title | None = None
        while True:
            found = reader.title(asked.title_id)
            if shown is None and not found.known:
                say(f"nothing about title {asked.title_id} yet; waiting")
            elif shown is not None and found == shown:
                time.sleep(LOOK_EVERY_S)
                continue
            elif found.known:
                console = output()
                if console.is_terminal and not asked.as_json:
                    console.clear()
                _print(settings, found, asked)
            shown = found
            time.sleep(LOOK_EVERY_S)


def write_page(settings: Settings, asked: Asked, path: Path) -> None:
    """Write the report as a page to ``path``; exit code 1 if there is nothing, or no way, to.

    Raises:
        redis.RedisError: Redis is away.
        BadTitleError: what is published cannot be read.
    """
    try:
        from hookpoint.title_report.page import html_page  # noqa: PLC0415  # an optional extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        say(f"hookpoint: --html draws with matplotlib, which is not installed: {INSTALL}")
        raise typer.Exit(1) from error
    with TitleReader(settings) as reader:
        found = _found(reader, asked)
    page = html_page(_report(settings, found, asked))
    if str(path) == STDOUT:
        sys.stdout.write(page)
        return
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        say(f"hookpoint: {path} cannot be written: {error.strerror}")
        raise typer.Exit(1) from error
    say(f"written to {path}")


def _found(reader: TitleReader, asked: Asked) -> Title:
    found = reader.title(asked.title_id)
    if not found.known:
        say(
            f"hookpoint: title {asked.title_id}: unknown title "
            "(`hookpoint titles` names some that are watched)"
        )
        raise typer.Exit(1)
    if asked.season is not None and chosen_season(found, asked.season) is None:
        there = ", ".join(map(str, found.engagement.seasons if found.engagement else ()))
        has = f"there is {there}" if there else "nobody has watched any yet"
        say(f"hookpoint: title {asked.title_id}: nothing about season {asked.season}; {has}")
        raise typer.Exit(1)
    return found


def _print(settings: Settings, found: Title, asked: Asked) -> None:
    if asked.as_json:
        print_json(_as_json(found, asked))
    else:
        print_report(_report(settings, found, asked))


def _report(settings: Settings, found: Title, asked: Asked) -> Report:
    return build_report(found, asked.season, asked.group, settings.rules)


def _as_json(found: Title, asked: Asked) -> dict[str, Any]:
    body = asdict(found)
    if body["engagement"] is not None:
        # JSON has names only.
        body["engagement"]["seasons"] = {
            str(number): season | _wanted(season, asked.group)
            for number, season in body["engagement"]["seasons"].items()
            if asked.season in (None, number)
        }
    return body


def _wanted(season: dict[str, Any], group: Group | None) -> dict[str, Any]:
    if group is None:
        return {}
    wanted = "countries" if group.kind == "country" else "languages"
    found = season[wanted].get(group.value)
    return {"countries": {}, "languages": {}, wanted: {group.value: found} if found else {}}
