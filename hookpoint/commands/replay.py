"""``hookpoint replay`` and ``hookpoint simulate``: events out of files, and out of thin air."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress

from hookpoint.commands._sending import Counted, Shown
from hookpoint.commands._writing import can_be_written

if TYPE_CHECKING:
    from config.settings import Settings
    from producers.replay import Replay, Replayed
    from producers.simulator import AudienceOptions

EXIT_BROKE_OFF = 1
EXIT_NOTHING_SENT = 2

Speed = Annotated[
    float | None,
    typer.Option(min=0.001, help="So many times as fast as recorded.", show_default="full speed"),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(replay)
    app.command()(simulate)


def replay(  # noqa: PLR0913 - one argument per option
    files: Annotated[list[str], typer.Argument(help="JSON lines, also gzipped; - is stdin.")],
    *,
    speed: Speed = None,
    as_recorded: Annotated[bool, typer.Option(help="The same as --speed 1.")] = False,
    catalogue: Annotated[
        str | None, typer.Option(help="Send these titles first (JSON lines).")
    ] = None,
    tick: Annotated[
        bool, typer.Option(help="Move time on at the end, so that everything closes.")
    ] = False,
    tick_at: Annotated[
        str | None,
        typer.Option(
            help="When that tick is (RFC 3339).", show_default="31 minutes after the latest event"
        ),
    ] = None,
) -> None:
    """Send recorded events. Exit code 0 even if lines were refused, 2 if nothing could be sent."""
    from config.settings import Settings  # noqa: PLC0415  commands load what they need
    from producers.lines import UnreadableError  # noqa: PLC0415
    from producers.replay import read_titles  # noqa: PLC0415
    from producers.send import SendError  # noqa: PLC0415

    settings = _ready(Settings())
    tick_s = _moment(tick_at) if tick_at else None
    try:
        titles = read_titles(catalogue) if catalogue else []
    except UnreadableError as problem:
        _fail(str(problem), EXIT_NOTHING_SENT)
    show = Shown()
    try:
        done = asyncio.run(
            _replay(
                settings,
                files,
                titles=titles,
                speed=1.0 if as_recorded else speed,
                show=show,
                tick_s=tick_s,
                tick=tick,
            )
        )
    except SendError as problem:
        nothing = show.titles == 0 and (show.latest is None or show.latest.handed_over == 0)
        _fail(str(problem), EXIT_NOTHING_SENT if nothing else EXIT_BROKE_OFF)
    show.summary(done)
    if show.titles + done.handed_over + done.ticks == 0:
        _fail("nothing could be sent", EXIT_NOTHING_SENT)
    if done.broken:
        raise typer.Exit(EXIT_BROKE_OFF)


def simulate(  # noqa: PLR0913 - one argument per option
    *,
    viewers: Annotated[int, typer.Option(min=1)] = 1000,
    titles: Annotated[int, typer.Option(min=1, max=400)] = 40,
    weeks: Annotated[float, typer.Option(min=0.01, help="Weeks of event time.")] = 4.0,
    start: Annotated[str, typer.Option(help="Where event time begins (RFC 3339).")] = "2026-01-05",
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
    heartbeat: Annotated[float, typer.Option(min=1.0, help="Seconds between heartbeats.")] = 45.0,
    messy: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of playbacks that play messily.")
    ] = 0.3,
    demographics: Annotated[
        bool,
        typer.Option("--demographics", help="Most viewers declare age band, country, language."),
    ] = False,
    speed: Speed = None,
    full_speed: Annotated[
        bool, typer.Option("--full-speed", help="As fast as the broker takes them (the default).")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write JSON lines here instead; - is stdout.", callback=can_be_written),
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="Write the titles here.", callback=can_be_written)
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", "--forever", help="Event time is now, without end.")
    ] = False,
) -> None:
    """Send what an invented audience does: the catalogue, the events, and a tick at the end."""
    from config.settings import Settings  # noqa: PLC0415  commands load what they need
    from producers.simulator import MOST, Audience, AudienceOptions  # noqa: PLC0415

    if sum((speed is not None, full_speed, live)) > 1:
        raise typer.BadParameter("choose one of --speed, --full-speed and --live")
    options = AudienceOptions(
        viewers=viewers,
        titles=titles,
        weeks=weeks,
        seed=seed,
        start_s=_moment(start),
        heartbeat_s=heartbeat,
        messy_share=messy,
        declared_share=MOST if demographics else 0.0,
        keep_truth=False,
    )
    if catalogue is not None:
        from producers.live import write_titles  # noqa: PLC0415

        write_titles(Audience(options).catalogue(), catalogue)
    if out is not None:
        if live or speed is not None:
            raise typer.BadParameter("--out writes at full speed")
        if demographics:
            raise typer.BadParameter("--out writes events only, --demographics sends to Kafka")
        _write(options, out)
        return
    settings = _ready(Settings())
    if demographics and not settings.demographics:
        raise typer.BadParameter("--demographics needs HOOKPOINT_DEMOGRAPHICS=true")
    _simulate(settings, options, speed, live=live)


async def _replay(  # noqa: PLR0913 - one call, from `replay`
    settings: Settings,
    files: list[str],
    *,
    titles: list[dict[str, Any]],
    speed: float | None,
    show: Shown,
    tick_s: float | None,
    tick: bool,
) -> Replayed:
    from producers.pacing import Pace  # noqa: PLC0415  commands load what they need
    from producers.replay import TICK_AFTER_S, Replay  # noqa: PLC0415
    from producers.send import BulkSender  # noqa: PLC0415

    async with BulkSender(settings, tell=show.say) as sender:
        await sender.send_titles(titles)
        await sender.flush()
        show.titles = len(titles)
        replay = Replay(
            sender,
            settings.topics.events,
            Pace(speed) if speed else None,
            on_refused=show.refused,
            on_progress=show.progress,
        )
        with show.bar:
            done = await _run(replay, files, show)
        if tick_s is None and tick and done.latest_s is not None:
            tick_s = done.latest_s + TICK_AFTER_S
        if tick_s is not None:
            await sender.send_tick(tick_s)
            done.ticks += 1
    return done


async def _run(replay: Replay, files: list[str], show: Shown) -> Replayed:
    show.latest = replay.done
    return await replay.run(files)


def _simulate(
    settings: Settings, options: AudienceOptions, speed: float | None, *, live: bool
) -> None:
    from hookpoint.stack import ends_on_signals  # noqa: PLC0415  commands load what they need
    from producers.live import send_audience  # noqa: PLC0415
    from producers.send import SendError  # noqa: PLC0415

    console = Console(stderr=True)
    bar = Progress(Counted(), console=console, disable=not console.is_terminal)
    try:
        with ends_on_signals(), bar:
            task = bar.add_task("live" if live else "simulated", total=None)
            sent = asyncio.run(
                send_audience(
                    settings,
                    options,
                    speed,
                    live=live,
                    progress=lambda count, _: bar.advance(task, count),
                    tell=lambda line: console.print(line, highlight=False, soft_wrap=True),
                )
            )
    except SendError as problem:
        _fail(str(problem), EXIT_NOTHING_SENT)
    typer.echo(f"{sent:,} events of {options.viewers:,} viewers sent")


def _write(options: AudienceOptions, out: Path) -> None:
    from producers.live import open_for_writing, write_records  # noqa: PLC0415
    from producers.simulator import Audience  # noqa: PLC0415

    records = Audience(options).records()
    if str(out) == "-":
        write_records(records, typer.get_binary_stream("stdout"))
        return
    with ExitStack() as files:
        count = write_records(records, open_for_writing(out, files))
    typer.echo(f"{count:,} events of {options.viewers:,} viewers written to {out}", err=True)


def _ready(settings: Settings) -> Settings:
    """Configure the log; the clients' own lines say nothing that the command does not."""
    from config.logging import configure_logging  # noqa: PLC0415  commands load what they need

    # People read what a tool says, also where they have piped it into a file.
    wants_console = settings.log_format == "auto"
    configure_logging(
        settings.model_copy(update={"log_format": "console"}) if wants_console else settings
    )
    if settings.log_level != "DEBUG":
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    return settings


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise typer.BadParameter(f"{text!r} is not a time like 2026-01-05T00:00:00Z") from problem
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
