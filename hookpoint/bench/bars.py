"""Progress of long work, drawn so seldom that it does not disturb what is measured."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console


@contextmanager
def progress(console: Console, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere. Yields what is told how much is done.

    A ``total`` of None says that it is not known.
    """
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        # Drawing costs some of the core that is measured.
        refresh_per_second=2,
        disable=not console.is_terminal,
    )
    with bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)
