"""The demo from start to end."""

from __future__ import annotations

import io
import re
import time
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

from config.settings import Settings
from consumers.connection import connect
from consumers.profiles import ProfileReader
from consumers.titles import TitleReader
from hookpoint.demo import findings
from hookpoint.demo.background import LATEST, Reading, Sending
from hookpoint.demo.summary import summary_table
from hookpoint.demo.view import View
from hookpoint.demo.worker import RunningWorker, own_names, running_worker
from hookpoint.processes import StackError
from hookpoint.stack import running_stack
from hookpoint.title_report.build import build_report
from hookpoint.title_report.terminal import print_report
from hookpoint.topics import ensure_topics
from producers.send import send_catalogue, send_declared
from producers.simulator import Audience, AudienceOptions, Truth
from streams.keys import Keys

READY_WITHIN_S = 60.0
STALLED_AFTER_S = 60.0
SETTLED_AFTER_S, SETTLED_WITHIN_S = 1.5, 30.0
"""The titles agent takes what has gathered four times a second."""
FRAME_S = 0.25
LINE_EVERY_S = 3.0
TASTE_EVERY_S = 1.0
VIEWERS_SHOWN = 3
SIGNALS_TOLD = 3
ROUNDS_UNTIL_QUIET = 10
ROWS_BESIDE_SIGNALS = 21
PLAIN_WIDTH = 120


def run_demo(options: AudienceOptions, seconds: float | None, picture: Path | None = None) -> None:
    """Start servers and a worker, stream the audience through, and compare.

    Args:
        options: the audience.
        seconds: wall-clock time that the streaming is spread over; None for full speed.
        picture: an SVG of the last view and the comparison goes here, if given.

    Raises:
        StackError: a server or the worker did not start, ended or came to a halt.
        SendError: the broker refused.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    audience = Audience(options)
    truth = audience.truth()
    console.print(
        f"{options.viewers:,} viewers live {options.weeks:g} weeks with {options.titles} titles: "
        f"{len(truth.playbacks):,} playbacks, {len(truth.finished_seasons()):,} seasons finished."
    )
    own = own_names(Settings()).model_copy(update={"demographics": bool(options.declared_share)})
    with running_stack(own) as settings:
        ensure_topics(settings)
        with running_worker(settings) as worker:
            _get_ready(settings, audience, worker)
            speed = (options.end_s - options.start_s) / seconds if seconds else None
            sending, reading = Sending(settings, audience, speed), Reading(settings)
            begun = time.monotonic()
            try:
                sending.start()
                reading.start()
                show = _Show(settings, truth, console)
                show.run(sending, reading, worker)
            finally:
                sending.stop()
                reading.stop()
            took_s = time.monotonic() - begun
            _let_titles_settle(settings, worker)
        table = _compared(settings, truth, reading)
        console.print(table)
        _show_title(settings)
        if picture is not None:
            _save(picture, show.last_view(sending, reading), table)
    console.print(
        f"{reading.processed:,} records in {took_s:.1f} s, "
        f"{reading.processed / took_s:,.0f} a second from sending to the last profile."
    )


def _let_titles_settle(settings: Settings, worker: RunningWorker) -> None:
    """Wait until the titles agent has worked off what the last viewers did."""
    keys, topic = Keys(settings.key_prefix), settings.topics.progress
    names = [keys.mark(settings.group, topic, it) for it in range(settings.partitions)]
    before, since = None, time.monotonic()
    patience = since + SETTLED_WITHIN_S
    with closing(connect(settings)) as client:
        while time.monotonic() < min(since + SETTLED_AFTER_S, patience):
            worker.check()
            now = [client.hget(name, "offset") for name in names]
            if now != before:
                before, since = now, time.monotonic()
            time.sleep(FRAME_S)


def _show_title(settings: Settings) -> None:
    """The report of the title that hooks best, as `hookpoint title` shows it."""
    with TitleReader(settings) as reader:
        best = reader.top("hooked", limit=1)
    if best:
        print_report(build_report(best[0].title))


def _get_ready(settings: Settings, audience: Audience, worker: RunningWorker) -> None:
    """Send the catalogue and what viewers declare, and wait until the worker has taken it in."""
    titles, declared = audience.catalogue(), audience.declared()
    send_catalogue(settings, titles)
    keys = Keys(settings.key_prefix)
    wanted = [keys.title(title["title_id"]) for title in titles]
    if settings.demographics:
        send_declared(settings, declared)
        wanted += map(keys.declared, declared)
    patience = time.monotonic() + READY_WITHIN_S
    with closing(connect(settings)) as client:
        while not all(client.exists(key) for key in wanted):
            worker.check()
            if time.monotonic() > patience:
                raise StackError(
                    f"the worker knows no catalogue after {READY_WITHIN_S:.0f} s\n{worker.tail()}"
                )
            time.sleep(FRAME_S)


class _Show:
    """Shows the run until everything is processed: a picture on a terminal, lines elsewhere."""

    def __init__(self, settings: Settings, truth: Truth, console: Console) -> None:
        watched: dict[str, float] = {}
        for playback in truth.playbacks:
            watched[playback.viewer] = watched.get(playback.viewer, 0.0) + playback.covered_s
        most = sorted(watched, key=lambda viewer: -watched[viewer])[:VIEWERS_SHOWN]
        names = {title_id: title.name for title_id, title in truth.titles.items()}
        self._view = View(names, {viewer: truth.taste[viewer] for viewer in most})
        self._view.signals_shown = max(2, min(LATEST, console.height - ROWS_BESIDE_SIGNALS))
        self._viewers = most
        self._settings = settings
        self._console = console
        self._told: set[str] = set()
        self._next_line = 0.0
        self._next_taste = 0.0

    def run(self, sending: Sending, reading: Reading, worker: RunningWorker) -> None:
        """Until the worker's marks have reached what the broker confirmed."""
        progress, since = -1, time.monotonic()
        live = Live(console=self._console, refresh_per_second=4, transient=True)
        drawn = live if self._console.is_terminal else nullcontext()
        with drawn, ProfileReader(self._settings) as profiles:
            while not _all_read(sending, reading):
                for part in (worker, sending, reading):
                    part.check()
                self._frame(live, sending, reading, profiles)
                now = sending.handed_over + reading.processed + len(reading.sessions)
                if now != progress:
                    progress, since = now, time.monotonic()
                elif time.monotonic() - since > STALLED_AFTER_S:
                    raise StackError(
                        f"nothing moves: {sending.handed_over:,} events sent, "
                        f"{reading.processed:,} processed\n{worker.tail()}"
                    )
                time.sleep(FRAME_S)

    def last_view(self, sending: Sending, reading: Reading) -> RenderableType:
        """What a terminal showed last."""
        with ProfileReader(self._settings) as profiles:
            self._view.found = _genres(profiles, self._viewers)
        return self._view.draw(sending, reading)

    def _frame(
        self, live: Live, sending: Sending, reading: Reading, profiles: ProfileReader
    ) -> None:
        now = time.monotonic()
        if self._console.is_terminal:
            if now >= self._next_taste:
                self._next_taste = now + TASTE_EVERY_S
                self._view.found = _genres(profiles, self._viewers)
            live.update(self._view.draw(sending, reading))
        elif now >= self._next_line:
            self._next_line = now + LINE_EVERY_S
            self._tell_new(reading)
            self._console.print(self._view.line(sending, reading), highlight=False)

    def _tell_new(self, reading: Reading) -> None:
        """A few of the viewers who got hooked since the last line, for those without a terminal."""
        hooked = [it for it in list(reading.latest) if it.type == "viewer.hooked"]
        new = [it for it in hooked if it.id not in self._told][-SIGNALS_TOLD:]
        self._told.update(it.id for it in hooked)
        for signal in new:
            self._console.print(f"  {self._view.why(signal)}", highlight=False)


def _all_read(sending: Sending, reading: Reading) -> bool:
    """Everything sent was absorbed, and nothing more comes out."""
    if sending.is_alive() or sending.failure is not None:
        return False
    absorbed = all(
        reading.marks.get(lane.partition, -1) >= offset for lane, offset in sending.targets.items()
    )
    return absorbed and reading.rounds_without_news >= ROUNDS_UNTIL_QUIET


def _save(picture: Path, view: RenderableType, table: Table) -> None:
    """The last view and the comparison as an SVG."""
    console = Console(record=True, width=PLAIN_WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(view)
    console.print(table)
    drawn = console.export_svg(title="hookpoint demo")
    # Rich links fonts from the web; any monospaced font will do.
    picture.write_text(re.sub(r"@font-face\s*{[^}]*}", "", drawn), encoding="utf-8")


def _compared(settings: Settings, truth: Truth, reading: Reading) -> Table:
    """What was found, beside the truth."""
    signals = list(reading.signals.values())
    with ProfileReader(settings) as profiles:
        tastes = _genres(profiles, list(truth.taste))
    watched = findings.watched_shares(truth)
    given = {viewer: truth.taste[viewer] for viewer in watched}
    return summary_table(
        watch=findings.compare_watch_time(truth, reading.sessions),
        completed=findings.compare_completions(truth, signals),
        hooks=findings.compare_hooks(truth, signals),
        watched=findings.compare_tastes(watched, tastes),
        given=findings.compare_tastes(given, tastes),
        curves=findings.compare_curves(truth, _curves(settings, truth)),
        points=findings.compare_hook_points(truth, _hook_points(settings, truth)),
    )


def _genres(profiles: ProfileReader, viewers: list[str]) -> dict[str, dict[str, float]]:
    """Lasting genre shares of viewers that have a profile."""
    return {
        viewer: dict(taste.lasting.get("genre", {}))
        for viewer, taste in profiles.tastes(viewers).items()
        if taste is not None
    }


def _curves(
    settings: Settings, truth: Truth
) -> dict[tuple[str, int], tuple[list[float], list[float]]]:
    """Published curves by title and season: shares who go on, and viewers behind each."""
    keys = Keys(settings.key_prefix)
    found: dict[tuple[str, int], tuple[list[float], list[float]]] = {}
    client: Any
    with closing(connect(settings)) as client:
        for title in truth.titles.values():
            fields = client.hgetall(keys.engagement(title.title_id))
            for season in title.seasons:
                if text := fields.get(f"curve:{season.number}"):
                    curve = orjson.loads(text)
                    found[title.title_id, season.number] = (curve["c"], curve["n"])
    return found


def _hook_points(settings: Settings, truth: Truth) -> dict[tuple[str, int], int | None]:
    """Published hook points by title and season."""
    with TitleReader(settings) as reader:
        titles = {title.title_id: title for title in reader.titles(truth.titles)}
    return {
        (title_id, number): season.hook.k
        for title_id, title in titles.items()
        if title.engagement is not None
        for number, season in title.engagement.seasons.items()
        if season.hook is not None
    }
