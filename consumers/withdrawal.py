"""Withdraws what erased viewers have declared: their records on the topic ``viewers``."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Self

from consumers.courier import Courier, CourierError, Parcel, Parts
from consumers.feed import ReaderError

if TYPE_CHECKING:
    from types import TracebackType

    from config.settings import Settings

AT_ONCE = 500


class Withdrawals:
    """Sends a tombstone per viewer, in batches. A context manager, which sends the last.

    Without ``settings.demographics`` there is no such topic of ours, and nothing is sent.

    Raises:
        ReaderError: Kafka is away or refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: list[str] = []
        self._held = ExitStack()
        self._courier: Courier | None = None

    def add(self, viewer: str) -> None:
        """Withdraw what ``viewer`` has declared, with the next batch."""
        if self._settings.demographics:
            self._waiting.append(viewer)
            if len(self._waiting) >= AT_ONCE:
                self._send()

    def _send(self) -> None:
        try:
            self._send_all()
        except CourierError as error:
            raise ReaderError(str(error)) from error

    def _send_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        topic = self._settings.topics.viewers
        if self._courier is None:
            self._courier = self._held.enter_context(Courier(self._settings, topic))
        courier = self._courier
        keys = [viewer.encode() for viewer in waiting]
        parcels = [Parcel(courier.partition_of(key, 0), Parts(key, None, ())) for key in keys]
        for problem in courier.send(parcels):
            if problem is not None:
                raise CourierError(f"Kafka did not take a record of {topic}: {problem}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._held:
            if self._waiting and problem is None:
                self._send()
            elif self._waiting and not isinstance(problem, ReaderError):
                with suppress(ReaderError):
                    self._send()
