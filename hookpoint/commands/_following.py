"""Showing a topic: its latest records, its first ones, or each as it comes."""

from __future__ import annotations

import heapq
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from hookpoint.commands._tables import cell, print_json, print_line, print_table, say

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator

    from consumers.reader import Reader
    from hookpoint.commands._tables import View

T = TypeVar("T")

FINITE_LIMIT = 20
BACKLOG_LIMIT = 10
CHECK_AFTER_S = 10.0
"""Quiet time after which a follower asks whether Kafka is still there."""


@dataclass(frozen=True, slots=True)
class Wish(Generic[T]):
    """What a person asked to see. ``filters`` says in words what ``wanted`` lets through."""

    follow: bool
    from_start: bool
    limit: int | None
    as_json: bool
    filters: str
    wanted: Callable[[T], bool]


class Show(Generic[T]):
    """One command's run over one topic."""

    def __init__(self, reader: Reader[T], view: View[T], wish: Wish[T]) -> None:
        self._reader = reader
        self._view = view
        self._wish = wish
        self._read = 0
        self._headed = False

    def run(self) -> None:
        """Show it, and say on standard error what there was not.

        Raises:
            ReaderError: Kafka is away.
        """
        if self._wish.follow:
            self._follow()
        elif self._wish.from_start:
            self._print_all(itertools.islice(self._there(), self._wish.limit or FINITE_LIMIT))
        else:
            self._print_all(self._latest(self._wish.limit or FINITE_LIMIT))
        self._tell_skipped()

    def _latest(self, limit: int) -> list[T]:
        """The last ``limit`` that are wanted, oldest first."""
        # Records of one partition are in order, but the latest of all may lie in any one. A
        # replaced record has its replacement after it, so both or only the latter are read.
        enough = None if self._wish.filters else 4 * limit
        found = self._view.latest(self._there(enough))
        return heapq.nlargest(limit, found, key=self._view.moment)[::-1]

    def _there(self, last_per_partition: int | None = None) -> Iterator[T]:
        for value in self._reader.whats_there(last_per_partition=last_per_partition):
            self._read += 1
            if self._wish.wanted(value):
                yield value

    def _follow(self) -> None:
        wish = self._wish
        backlog = self._there() if wish.from_start else self._latest(wish.limit or BACKLOG_LIMIT)
        values = itertools.chain(backlog, self._coming())
        # With --from-start the limit ends it; otherwise it says how much of the past to show.
        for value in itertools.islice(values, wish.limit if wish.from_start else None):
            self._print_one(value)

    def _coming(self) -> Iterator[T]:
        if not self._read:
            say(f"no {self._view.noun} yet; waiting for the first")
        quiet_since, was_away = time.monotonic(), False
        while True:
            value = self._reader.poll(0.5)
            if value is not None:
                quiet_since, was_away = time.monotonic(), False
                if self._wish.wanted(value):
                    yield value
            elif time.monotonic() - quiet_since > CHECK_AFTER_S:
                is_away = not self._reader.feed.answers()
                if is_away != was_away:
                    say("Kafka does not answer; waiting for it" if is_away else "Kafka is back")
                quiet_since, was_away = time.monotonic(), is_away

    def _print_all(self, values: Iterable[T]) -> None:
        if self._wish.as_json:
            shown = 0
            for shown, value in enumerate(values, start=1):  # noqa: B007  # counts
                print_json(self._view.as_json(value))
        else:
            rows = [self._view.row(value) for value in values]
            shown = len(rows)
            if rows:
                print_table(self._view.columns, rows)
        if not shown:
            self._tell_nothing()

    def _print_one(self, value: T) -> None:
        if self._wish.as_json:
            print_json(self._view.as_json(value))
            return
        columns = self._view.columns
        if not self._headed:
            print_line(columns, [cell(column.heading, "bold") for column in columns])
            self._headed = True
        print_line(columns, self._view.row(value))

    def _tell_nothing(self) -> None:
        topic = self._reader.feed.topic
        if self._read:
            say(f"none of the {self._read:,} {self._view.noun} on {topic} is {self._wish.filters}")
        elif not self._reader.bad:
            say(f"topic {topic} is empty: no {self._view.noun} yet (a running worker sends them)")

    def _tell_skipped(self) -> None:
        if self._reader.bad:
            say(f"skipped {_counted(self._reader.bad)} that break the contract")


def _counted(bad: Counter[str]) -> str:
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in bad.most_common())
    return f"{bad.total():,} records ({reasons})"
