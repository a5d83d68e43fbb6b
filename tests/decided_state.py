"""A stored state as what a fold alone decides, whichever slices it was stored after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.viewing.settled import dump_rest, dump_sums
from streams.viewing.wire import Stored, dump_live, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.rules import Rules


def decided(viewer: str, stored: Stored, rules: Rules) -> tuple[bytes, bytes, bytes]:
    """Live, rest and sums, with the heartbeats that were stored beside the live part in it.

    ``version`` and ``out`` count writes, and how much ``beats`` holds depends on where slices end.
    """
    state = load(viewer, stored, rules)
    return dump_live(state), dump_rest(state), dump_sums(state)


def stored_of(fields: Mapping[bytes, bytes]) -> Stored:
    """A state as Redis holds it."""
    parts = (fields.get(name, b"") for name in (b"live", b"rest", b"sums", b"out", b"beats"))
    return Stored(int(fields[b"version"]), *parts)
