"""Heartbeats in a row of which only the last one says anything.

Of the heartbeats along one line the first and the last are kept (``knots``). So where several of
them wait to be applied, and nothing else happens in between, applying the last one alone leaves the
same state. A backlog is mostly made of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.viewing.knots import CELL_MS, HEARTBEAT, LINE_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events import Work
    from streams.rules import Rules
    from streams.viewing.playback import Playback


def end_of_run(  # noqa: PLR0913, PLR0917 - what heartbeats may meet
    works: Sequence[Work], at: int, playback: Playback, room_ms: int, due_ms: int, rules: Rules
) -> int:
    """How far heartbeats go on along the line of one that has just been applied.

    All of them would be credited up to where they say, so what is covered only grows from one to
    the next, and by no more than their position does.

    Args:
        works: offset, stream time before it in ms, and event, of one source, in order.
        at: index of the heartbeat that has been applied; it was the last knot of its playback.
        playback: whose heartbeats they are.
        room_ms: as far as the position moves less than this, coverage reaches no threshold.
        due_ms: no timer is due before.
        rules: how much farther than its rate says a player may come.

    Returns:
        Index of the last of them; ``at`` if there is none.
    """
    before = playback.line_from()
    if before is None:
        return at
    _, key, knot, _, facts = works[at][2]
    at_ms, seq, _, position_ms, rate, _ = knot
    pace = rate or 1.0
    quarter_ms = (at_ms // CELL_MS + 1) * CELL_MS
    line = float((position_ms - pace * at_ms) // LINE_MS * LINE_MS)
    beyond, until_ms = line + LINE_MS, position_ms + room_ms
    slack_ms = rules.seek_slack_s * 1000
    since_ms, start_ms, played_at, playing, _, _, _, _ = before
    if playing and position_ms - start_ms > played_at * (at_ms - since_ms) + slack_ms:
        return at  # it was not credited, so what the next one adds is more than its own move
    sequenced, end, count = playback.knots.sequenced, at, len(works)
    for index in range(at + 1, count):
        _, clock_ms, event = works[index]
        _, of, knot, _, said = event  # taking it apart at once is faster than by names
        if clock_ms >= due_ms or of is not key or said is not facts:
            break
        then_ms, number, kind, place_ms, named, _ = knot
        if (
            kind != HEARTBEAT
            or named != rate
            or not at_ms < then_ms < quarter_ms
            or not position_ms <= place_ms < until_ms
            or (sequenced and number <= seq)
            or not line <= place_ms - pace * then_ms < beyond
            or (playing and place_ms - start_ms > played_at * (then_ms - since_ms) + slack_ms)
        ):
            break
        at_ms, seq, position_ms, end = then_ms, number, place_ms, index
    return end
