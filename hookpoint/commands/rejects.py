"""``hookpoint rejects``: dead letters listed, summed up, taken out whole, and sent again."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hookpoint.commands.look import AsJsonLines, Follow, FromStart, clear_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config.settings import Settings
    from consumers.records import Place
    from consumers.rejects import Choice, RejectReader

AGO = re.compile(r"(\d{1,9})([smhd])\Z")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _known_reasons(reasons: list[str] | None) -> list[str] | None:
    from consumers.rejects import REASONS  # noqa: PLC0415  # imports Kafka

    for reason in reasons or ():
        if reason not in REASONS:
            raise typer.BadParameter(f"there is no reason {reason!r}; it is {_one_of(REASONS)}")
    return reasons


def _one_of(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _moment(text: str | None) -> str | None:
    if text is not None:
        _parsed(text)
    return text


def _parsed(text: str) -> datetime:
    """``2h`` ago, or a time; without an offset it is UTC."""
    try:
        ago = AGO.match(text)
        if ago is not None:
            return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{text!r} is no time like 2026-03-01T20:00Z or 90m, 2h, 3d (ago)"
        ) from error


def _coordinates(text: str | None) -> str | None:
    if text is not None:
        _place(text)
    return text


def _place(text: str) -> Place:
    from consumers.records import Place  # noqa: PLC0415  # commands load what they need

    topic, *numbers = text.rsplit("/", 2)
    if len(numbers) != 2 or not topic or not all(n.isdecimal() for n in numbers):  # noqa: PLR2004
        raise typer.BadParameter(f"{text!r} is not topic/partition/offset")
    return Place(topic, int(numbers[0]), int(numbers[1]))


def rejects(  # noqa: PLR0913  # each argument is an option
    *,
    reason: Annotated[
        list[str] | None,
        typer.Option(help="Only this reason; may be repeated.", callback=_known_reasons),
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="Only about this field; may be repeated.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Only records of this topic.")] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="Only of this partition.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Refused since a time, or 2h, 3d ago.", callback=_moment)
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Refused before a time, or 2h, 3d ago.", callback=_moment)
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-n",
            min=1,
            help="How many of the latest to show (20; 10 with --follow). "
            "With --from-start and --redrive: stop after this many.",
        ),
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Sums by reason and field.")] = False,
    follow: Follow = False,
    from_start: FromStart = False,
    as_json: AsJsonLines = False,
    raw: Annotated[
        str | None,
        typer.Option(
            metavar="TOPIC/PARTITION/OFFSET",
            help="Write the exact bytes of this record's value.",
            callback=_coordinates,
        ),
    ] = None,
    redrive: Annotated[
        bool,
        typer.Option("--redrive", help="Send again, once, what today's contract accepts."),
    ] = False,
    mended: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="With --redrive: send these instead, lines of --json that were edited; "
            "- is stdin.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --redrive: say what would be sent.")
    ] = False,
) -> None:
    """Records that were refused: where from, why, and what they held (escaped, cut).

    --redrive sends them again to the topic that they came from: all that pass today (a fix was
    deployed, a limit raised), or with --mended those that someone has mended. Each is sent once.
    """
    from consumers.rejects import Choice, RejectReader  # noqa: PLC0415  # imports Kafka
    from hookpoint.commands._rejects import REJECTS  # noqa: PLC0415

    _one_mode({"--count": count, "--follow": follow, "--raw": raw, "--redrive": redrive})
    if not redrive and (mended or dry_run):
        raise typer.BadParameter("--mended and --dry-run go with --redrive")
    choice = Choice(
        tuple(reason or ()),
        tuple(field or ()),
        topic,
        partition,
        None if since is None else _parsed(since),
        None if until is None else _parsed(until),
    )
    with clear_errors() as settings, RejectReader(settings) as reader:
        if raw is not None:
            _write_raw(settings, reader, _place(raw))
        elif redrive:
            from hookpoint.commands._redriving import Order, send_again  # noqa: PLC0415

            send_again(settings, reader, choice, Order(mended, limit, dry_run, as_json))
        elif count:
            _sum_up(reader, choice, limit, as_json=as_json)
        else:
            from hookpoint.commands._following import Show, Wish  # noqa: PLC0415

            wish = Wish(follow, from_start, limit, as_json, str(choice), choice.takes)
            Show(reader, REJECTS, wish).run()


def register(app: typer.Typer) -> None:
    """Add this module's command to ``app``."""
    app.command(epilog="Example: hookpoint rejects --reason field --json")(rejects)


def _one_mode(modes: Mapping[str, object]) -> None:
    chosen = [name for name, value in modes.items() if value]
    if len(chosen) > 1:
        raise typer.BadParameter(f"choose one of {_one_of(tuple(chosen))}")


def _sum_up(reader: RejectReader, choice: Choice, limit: int | None, *, as_json: bool) -> None:
    from consumers.rejects import kinds  # noqa: PLC0415  # imports Kafka
    from hookpoint.commands._rejects import print_kinds  # noqa: PLC0415
    from hookpoint.commands._tables import say  # noqa: PLC0415

    found = kinds(filter(choice.takes, reader.whats_there()))
    if found:
        print_kinds(found, most=limit, as_json=as_json)
    else:
        say(f"no rejects {choice}".rstrip() + f" on {reader.feed.topic}")


def _write_raw(settings: Settings, reader: RejectReader, place: Place) -> None:
    from consumers.courier import Courier, CourierError  # noqa: PLC0415  # imports Kafka
    from hookpoint.commands._tables import safe  # noqa: PLC0415

    reject = next((each for each in reader.whats_there() if each.place == place), None)
    if reject is None:
        _fail(f"no dead letter of {place} on {reader.feed.topic}")
    value: bytes | None = reject.value
    if len(reject.value) < reject.size:
        try:
            with Courier(settings, place.topic) as courier:
                original = courier.original(reject)
        except CourierError as error:
            _fail(str(error))
        value = original.value if original else None
    if value is None:
        _fail(f"{place} was {reject.size:,} bytes; only the first {len(reject.value):,} were kept")
    text = value.decode(errors="replace")
    if sys.stdout.isatty() and safe(text, len(text)) != text:
        _fail("these bytes could do things to a terminal; send them to a file or through a pipe")
    stdout = typer.get_binary_stream("stdout")
    stdout.write(value)
    stdout.flush()


def _fail(message: str) -> NoReturn:
    from hookpoint.commands._tables import say  # noqa: PLC0415  # commands load what they need

    say(f"hookpoint: {message}")
    raise typer.Exit(1)
