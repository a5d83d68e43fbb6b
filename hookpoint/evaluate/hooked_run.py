"""Both audiences lived through and judged, each in a process of its own."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from queue import Empty
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from config.settings import Settings
from hookpoint.evaluate.hooked_audience import Crowd, Life
from hookpoint.evaluate.hooked_curves import KnownCurves, LearnedCurves
from hookpoint.evaluate.hooked_fold import Fold
from hookpoint.evaluate.hooked_judge import Journey, Judged, judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from queue import Queue

    from rich.console import Console

    from streams.rules import Rules

ALIKE, DIFFERENT = "viewers alike", "viewers differ"
LOOK_S = 0.5
QUICK = Crowd(viewers=2_000, titles=5)
"""Enough to see that all of it works; its curves rest on few viewers."""


@dataclass(frozen=True, slots=True)
class Job:
    """One audience to be judged; ``number`` names it in the progress that it tells."""

    number: int
    name: str
    crowd: Crowd
    rules: Rules


def evaluate(crowd: Crowd, console: Console) -> list[Judged]:
    """Judge the rule on viewers who are alike, and on such as differ."""
    rules = Settings().rules
    crowds = {ALIKE: crowd, DIFFERENT: replace(crowd, differ=True)}
    jobs = [Job(at, name, it, rules) for at, (name, it) in enumerate(crowds.items())]
    context = multiprocessing.get_context("spawn")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
    with (
        context.Manager() as manager,
        Progress(*columns, TimeElapsedColumn(), console=console) as progress,
        ProcessPoolExecutor(max_workers=2, mp_context=context) as pool,
    ):
        told: Queue[tuple[int, int]] = manager.Queue()
        rows = [progress.add_task(job.name, total=crowd.viewers, told="") for job in jobs]
        waiting: set[Future[Judged]] = set()
        futures = [pool.submit(live, job, told) for job in jobs]
        waiting.update(futures)
        while waiting:
            _, waiting = wait(waiting, timeout=LOOK_S, return_when=FIRST_COMPLETED)
            _show(progress, rows, told)
        return [future.result() for future in futures]


def _show(progress: Progress, rows: Sequence[TaskID], told: Queue[tuple[int, int]]) -> None:
    while True:
        try:
            number, settled = told.get_nowait()
        except Empty:
            return
        progress.update(rows[number], completed=settled, told=f"{settled:,} viewers are through")


def live(job: Job, told: Queue[tuple[int, int]] | None = None) -> Judged:
    """Live through one audience, and judge."""
    life = Life(job.crowd)
    known = KnownCurves(life.titles, job.crowd.seed, differ=job.crowd.differ)

    def passed(_: int) -> None:
        if told is not None:
            told.put((job.number, life.settled))

    fold = Fold(
        [title.facts() for title in life.titles],
        LearnedCurves(life.titles),
        known.at(0).curves,
        job.rules,
        passed,
    )
    found = fold.run(life.records())
    return judge(job.name, found, _journeys(life), job.crowd.split_s, job.rules.hooked_at)


def _journeys(life: Life) -> dict[str, Journey]:
    finished = life.truth.finished_seasons()
    found = {}
    for follower, arrived_s in zip(life.followers, life.arrived_s, strict=True):
        title = follower.journey.title
        found[follower.name] = Journey(
            title.title_id,
            len(title.seasons[0].runtimes_s),
            title.released_s > life.crowd.start_s - 1,
            follower.began_with,
            arrived_s,
            finished.get((follower.name, title.title_id, 1), 0.0),
        )
    return found
