"""Slices: what was fetched for a partition, cut to be handed to its lane, and known to be whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import faust
from faust.types import TP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Gap(Exception):
    """Records of a partition were let go on their way to its lane: the mark must not pass them."""

    @classmethod
    def of(cls, part: Slice, mark: int) -> Gap:
        """What lies between the mark and a slice that was handed out."""
        where = f"{part.tp.topic}/{part.tp.partition}"
        return cls(
            f"records of {where} from {mark + 1} to {part.behind} came to nobody: "
            f"{part.first} is the next; a new worker will read on from the mark"
        )


class Slice(NamedTuple):
    """Consecutive records of one partition, as they are parsed: they do not say where they lie."""

    tp: TP
    records: list[Any]
    behind: int = -1
    """Offset of the last record before them that was handed out, else of the mark; -1 if none. What
    lies between is nobody's to see: compacted away, or the markers of a transaction."""

    @property
    def first(self) -> int:
        """Offset of the first record."""
        return int(self.records[0].offset)

    @property
    def last(self) -> int:
        """Offset of the last record."""
        return int(self.records[-1].offset)


class SliceSchema(faust.Schema):
    """No decoding by Faust: the list of records goes to the agent as it is."""

    def loads_key(self, _app: Any, _message: Any, **_: Any) -> None:
        """No key: a slice has many."""

    def loads_value(self, _app: Any, message: Any, **_: Any) -> Any:
        """The slice itself."""
        return message.value


def slices(
    records: Mapping[TP, list[Any]], read_from: Callable[[TP], int | None], most: int
) -> Iterator[tuple[TP, list[Any]]]:
    """Cut fetched records into slices of at most ``most``, round-robin over partitions.

    Args:
        records: what was fetched, in order, per partition.
        read_from: the offset to read from; older records (left from before a seek) are skipped.
        most: the most records in one slice.
    """
    waiting: dict[TP, list[list[Any]]] = {}
    for tp, fetched in records.items():
        start = read_from(tp)
        fresh = fetched if start is None else [r for r in fetched if r.offset >= start]
        waiting[tp] = [fresh[i : i + most] for i in range(0, len(fresh), most)]
    while waiting:
        for tp in list(waiting):
            if waiting[tp]:
                yield tp, waiting[tp].pop(0)
            else:
                del waiting[tp]
