"""What ``hookpoint titles`` shows: a ranking, with the numbers behind each place."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from consumers.engagement import Engagement
from consumers.titles import TitleReader
from hookpoint.commands._tables import LONGEST_NAME, Column, cell, print_json, print_table, say
from hookpoint.title_report import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings
    from consumers.engagement import Hook
    from consumers.titles import Ranked, Ranking

Numbers = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """How one ranking is shown.

    ``numbers`` takes from a title's engagement what stands behind its place; ``spelt`` has, for
    each of those numbers that has a column, how it is written.
    """

    heading: str
    score: Callable[[float], str]
    numbers: Callable[[Engagement, str | None], Numbers]
    spelt: dict[str, Callable[[Any], str]]


def show_titles(
    settings: Settings, ranking: Ranking, country: str | None, limit: int, *, as_json: bool
) -> None:
    """Print the first ``limit`` titles of ``ranking``; none is no error.

    Raises:
        redis.RedisError: Redis is away.
        BadTitleError: what is published cannot be read.
    """
    with TitleReader(settings) as reader:
        found = reader.top(ranking, country, limit)
    if not found:
        where = "" if country is None else f" in {country}"
        say(f"no titles by {ranking}{where} yet (a running worker ranks them as they are watched)")
        return
    shown = SHOWN[ranking]
    if as_json:
        for each in found:
            print_json(_as_json(each, shown, country))
        return
    columns = [
        Column("", 3, right=True),
        Column("title", 24, most=LONGEST_NAME),
        Column("id", 12, most=LONGEST_NAME),
        Column(shown.heading, 8, right=True),
        *(Column(name, 8, right=True) for name in shown.spelt),
    ]
    rows = []
    for each in found:
        numbers = shown.numbers(each.title.engagement or Engagement(), country)
        behind = [cell(spelt(numbers.get(name))) for name, spelt in shown.spelt.items()]
        named = (cell(each.rank), cell(each.title.name), cell(each.title.title_id, "dim"))
        rows.append([*named, cell(shown.score(each.score), "bold"), *behind])
    print_table(columns, rows)


def _as_json(each: Ranked, shown: Shown, country: str | None) -> Numbers:
    return {
        "rank": each.rank,
        "title_id": each.title.title_id,
        "name": each.title.facts.name if each.title.facts else None,
        "score": each.score,
        "updated_at": each.title.engagement.updated_at if each.title.engagement else None,
        **shown.numbers(each.title.engagement or Engagement(), country),
    }


# -- the numbers behind ----------------------------------------------------------------------------
def _of_hours(found: Engagement, _country: str | None) -> Numbers:
    return {
        "views": found.views,
        "viewers": found.viewers,
        "starters": found.starters,
        "completers": found.completers,
        "completion_28d": found.completion_28d,
    }


def _of_hooked(found: Engagement, _country: str | None) -> Numbers:
    hooks = [(number, season.hook) for number, season in found.seasons.items() if season.hook]
    # A title stands where its best season does.
    number, hook = max(hooks, key=_hooks_best, default=(None, None))
    if hook is None:
        return {}
    return {
        "season": number,
        "hook_point": hook.k,
        "of": hook.of,
        "h1": hook.h1,
        "p": hook.p,
        "low": hook.low,
        "high": hook.high,
        "n": hook.n,
        "lift": hook.lift,
        "provisional": hook.provisional,
    }


def _hooks_best(numbered: tuple[int, Hook]) -> tuple[bool, float]:
    _, hook = numbered
    return hook.k is not None, hook.h1 or 0.0


def _of_trending(found: Engagement, country: str | None) -> Numbers:
    numbers: Numbers = {
        "viewers_today": found.viewers_today,
        "viewers": found.viewers,
        "starters": found.starters,
        "hours": found.hours,
    }
    if country is not None and found.reach is not None:
        numbers["hours_there"] = found.reach.countries.get(country)
    return numbers


def _of_travelling(found: Engagement, _country: str | None) -> Numbers:
    reach = found.reach
    if reach is None:
        return {}
    best = max(reach.travels, key=lambda travel: travel.low or 0.0, default=None)
    numbers: Numbers = {
        "home": reach.home_country,
        "abroad_share": reach.abroad_share,
        "to": sorted({travel.value for travel in reach.travels}),
    }
    if best is not None:
        behind = {"h1": best.h1, "low": best.low, "h1_home": best.home, "n": best.n}
        numbers |= {"best": best.value, **behind}
    return numbers


def _of_new_voices(found: Engagement, _country: str | None) -> Numbers:
    voices = found.voices
    if voices is None:
        return {}
    numbers: Numbers = {
        "labels": list(voices.labels),
        "exposure": voices.exposure,
        "completion": voices.completion,
    }
    best = max(voices.breakthrough, key=lambda each: each.low or 0.0, default=None)
    return numbers if best is None else numbers | asdict(best)


def _text(value: Any) -> str:
    return words.NOTHING if value is None else str(value)


def _list(value: Any) -> str:
    return ", ".join(map(str, value or ())) or words.NOTHING


def _times(score: float) -> str:
    return f"x {score:.1f}"


def _yes_or_no(value: Any) -> str:
    return words.NOTHING if value is None else "yes" if value else "no"


SHOWN: dict[Ranking, Shown] = {
    "hours": Shown(
        "hours",
        words.count,
        _of_hours,
        {
            "views": words.count,
            "viewers": words.count,
            "starters": words.count,
            "completers": words.count,
            "completion_28d": words.share,
        },
    ),
    "hooked": Shown(
        "score",
        words.share,
        _of_hooked,
        {
            "season": _text,
            "hook_point": _text,
            "of": _text,
            "h1": words.share,
            "p": words.share,
            "low": words.share,
            "high": words.share,
            "n": words.count,
            "lift": words.points,
            "provisional": _yes_or_no,
        },
    ),
    "trending": Shown(
        "burst",
        _times,
        _of_trending,
        {
            "viewers_today": words.count,
            "viewers": words.count,
            "starters": words.count,
            "hours": words.hours,
            "hours_there": words.hours,
        },
    ),
    "travelling": Shown(
        "score",
        words.share,
        _of_travelling,
        {
            "home": _text,
            "abroad_share": words.share,
            "to": _list,
            "best": _text,
            "h1": words.share,
            "low": words.share,
            "h1_home": words.share,
            "n": words.count,
        },
    ),
    "new-voices": Shown(
        "score",
        words.share,
        _of_new_voices,
        {
            "labels": _list,
            "season": _text,
            "label": _text,
            "h1": words.share,
            "typical": words.share,
            "peers": words.count,
            "n": words.count,
            "exposure": words.share,
            "completion": words.share,
        },
    ),
}
