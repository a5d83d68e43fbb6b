"""The one rule of the comparison: how many seconds lie between two reports of a playback.

Every peer and the truth that they are checked against use it (docs/bench.md). Nothing but the
standard library is imported: the peers run in environments of their own.
"""

from __future__ import annotations

from bisect import bisect_left

SEEK_SLACK_S = 2.0

Report = tuple[int, float, float, float, float]
"""Place in the playback (``seq``), time, media position, rate from here on, and the media position
that was reached before this report: where a seek began, else the position. Seconds."""


def credit(before: Report, after: Report) -> float:
    """Seconds spent playing between two successive reports of a playback.

    Nothing unless the position moved forward, and no further than the rate allows: a pause or a
    stall moves nothing, and what moves further was a jump.
    """
    passed_s, moved_s = after[1] - before[1], after[4] - before[2]
    if passed_s <= 0 or moved_s <= 0:
        return 0.0
    spent_s = moved_s / before[3]
    if spent_s <= passed_s:
        return spent_s
    return passed_s if moved_s <= passed_s * before[3] + SEEK_SLACK_S else 0.0


def add(reports: list[Report], report: Report) -> float:
    """Put one report in its place among those of its playback, sorted by ``seq``.

    Returns:
        By how many seconds the playback's watch time grows (less than 0: it shrinks); 0 for a
        report that is there already.
    """
    if not reports or report[0] > reports[-1][0]:
        gained_s = credit(reports[-1], report) if reports else 0.0
        reports.append(report)
        return gained_s
    at = bisect_left(reports, report[0], key=_place)
    after = reports[at]
    if after[0] == report[0]:
        return 0.0
    gained_s = credit(report, after)
    if at:
        before = reports[at - 1]
        gained_s += credit(before, report) - credit(before, after)
    reports.insert(at, report)
    return gained_s


def _place(report: Report) -> int:
    return report[0]
