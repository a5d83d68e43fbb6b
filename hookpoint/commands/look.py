"""The read commands: taste, progress, signals, sessions."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Settings

INTERRUPTED = 130


def _utf8(text: str | None) -> str | None:
    """Refuses what the shell handed over in another encoding: no viewer can be called that."""
    if text is not None:
        if not text:
            raise typer.BadParameter("is empty")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise typer.BadParameter("is not UTF-8") from error
    return text


Viewer = Annotated[str, typer.Argument(help="The viewer's id.", callback=_utf8)]
OneViewer = Annotated[
    str | None, typer.Option("--viewer", help="Only this viewer's.", callback=_utf8)
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
AsJsonLines = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones until Ctrl-C.")]
FromStart = Annotated[
    bool, typer.Option("--from-start", help="From the oldest kept, not the latest.")
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        "-n",
        min=1,
        help="How many of the latest to show (20; 10 with --follow). "
        "With --from-start: stop after this many.",
    ),
]


def taste(
    viewer: Viewer,
    now: Annotated[
        bool, typer.Option("--now", help="Rank by the taste of now (half-life 7 days).")
    ] = False,
    top: Annotated[int, typer.Option(min=1, help="Values to show per facet.")] = 5,
    as_json: AsJson = False,
) -> None:
    """What a viewer likes: shares by genre, theme, creator, ... lasting beside now."""
    from hookpoint.commands._profiles import show_taste  # noqa: PLC0415  # imports Redis

    with clear_errors() as settings:
        show_taste(settings, viewer, by_now=now, top=top, as_json=as_json)


def progress(viewer: Viewer, as_json: AsJson = False) -> None:
    """How far a viewer is in each title, last seen first, and what they are hooked on."""
    from hookpoint.commands._profiles import show_progress  # noqa: PLC0415  # imports Redis

    with clear_errors() as settings:
        show_progress(settings, viewer, as_json=as_json)


def signals(  # noqa: PLR0913, PLR0917  # each argument is an option
    follow: Follow = False,
    from_start: FromStart = False,
    viewer: OneViewer = None,
    title: Annotated[
        str | None,
        typer.Option("--title", help="Only about this title, its viewers' too.", callback=_utf8),
    ] = None,
    signal_type: Annotated[
        str | None, typer.Option("--type", help="Only this type: hooked, trending, ...")
    ] = None,
    limit: Limit = None,
    as_json: AsJsonLines = False,
) -> None:
    """Who is hooked or done, which titles hook or trend: the latest signals, or as it happens."""
    from consumers.signals import Signal, SignalReader  # noqa: PLC0415  # imports Kafka
    from hookpoint.commands._following import Show, Wish  # noqa: PLC0415
    from hookpoint.commands._views import SIGNALS, short_type  # noqa: PLC0415

    def wanted(signal: Signal) -> bool:
        types = (signal.type, short_type(signal.type))
        return (
            (viewer is None or signal.who == viewer)
            and (title is None or signal.title_id == title)
            and (signal_type or types[0]) in types
        )

    filters = _filters({"of viewer": viewer, "of title": title, "of type": signal_type})
    with clear_errors() as settings, SignalReader(settings) as reader:
        Show(reader, SIGNALS, Wish(follow, from_start, limit, as_json, filters, wanted)).run()


def sessions(
    follow: Follow = False,
    from_start: FromStart = False,
    viewer: OneViewer = None,
    limit: Limit = None,
    as_json: AsJsonLines = False,
) -> None:
    """Closed playbacks: what was played, covered and watched again."""
    from consumers.sessions import Session, SessionReader  # noqa: PLC0415  # imports Kafka
    from hookpoint.commands._following import Show, Wish  # noqa: PLC0415
    from hookpoint.commands._views import SESSIONS  # noqa: PLC0415

    def wanted(session: Session) -> bool:
        return viewer is None or session.viewer == viewer

    filters = _filters({"of viewer": viewer})
    with clear_errors() as settings, SessionReader(settings) as reader:
        Show(reader, SESSIONS, Wish(follow, from_start, limit, as_json, filters, wanted)).run()


def register(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command(epilog="Example: hookpoint taste viewer-7 --now")(taste)
    app.command(epilog="Example: hookpoint progress viewer-7 --json")(progress)
    app.command(epilog="Example: hookpoint signals --follow --type hooked")(signals)
    app.command(epilog="Example: hookpoint sessions --viewer viewer-7 -n 50")(sessions)


def _filters(named: dict[str, str | None]) -> str:
    """``of viewer v and of type hooked``."""
    return " and ".join(f"{name} {value}" for name, value in named.items() if value is not None)


@contextmanager
def clear_errors() -> Iterator[Settings]:
    """Yields the settings; what is away or broken becomes one line and exit code 1.

    Raises:
        ValidationError, WrongSettingError: a setting cannot be right.
    """
    from redis.exceptions import RedisClusterException, RedisError  # noqa: PLC0415

    from config.settings import Settings  # noqa: PLC0415
    from config.wrong import refused_by_redis  # noqa: PLC0415
    from consumers.feed import ReaderError  # noqa: PLC0415
    from consumers.profiles import BadProfileError  # noqa: PLC0415
    from consumers.titles import BadTitleError  # noqa: PLC0415
    from hookpoint.commands._tables import say  # noqa: PLC0415

    settings = Settings()
    try:
        with _only_our_words():
            yield settings
    except (ReaderError, BadProfileError, BadTitleError) as error:
        say(f"hookpoint: {error}")
        raise typer.Exit(1) from error
    except (RedisError, RedisClusterException) as error:
        wrong = refused_by_redis(error)
        if wrong is not None:
            raise wrong from error
        say(
            f"hookpoint: Redis at {_redis_place(settings)} does not answer: {error}; "
            "is HOOKPOINT_REDIS_URL right?"
        )
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error


def _redis_place(settings: Settings) -> str:
    """Host and port, without the password that the URL may hold."""
    from urllib.parse import urlsplit  # noqa: PLC0415

    return urlsplit(settings.redis_url.get_secret_value()).netloc.rpartition("@")[2]


@contextmanager
def _only_our_words() -> Iterator[None]:
    """Keeps libraries from logging what the command says itself, in one line, at its end."""
    levels = {name: logging.getLogger(name).level for name in ("kafka", "aiokafka", "consumers")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
