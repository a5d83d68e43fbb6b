"""``make faults``: storms over a running service, compared with a run that nobody disturbs.

On Apache Kafka, three nodes; the same seed plans the same faults at the same times. What the
machine makes of them differs from run to run, what comes out must not.
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from faults.storm.cluster import cluster_storm
from faults.storm.deeds import DEEDS
from faults.storm.report import Act, Report
from faults.storm.scenes import Given, quiet, storm
from faults.storm.world import Brokers, World
from outcomes import Outcome, differences

from hookpoint.processes import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from faults.storm.deeds import Deed

BIG = ("kafka", "redis", "cluster")


def main() -> int:
    """Run all acts once. Returns the exit code."""
    options = _options()
    for name in ("aiokafka", "kafka"):  # clients of this process; workers log for themselves
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    folder = Path(tempfile.mkdtemp(prefix=f"hookpoint-faults-{options.seed}-"))
    report, began = Report(options.seed, folder), time.monotonic()
    report.say(f"seed {options.seed}, logs in {folder}")
    try:
        _play(report, [deed for deed in DEEDS if _wanted(deed, options.only)])
    except (AssertionError, StackError) as problem:
        report.fails(str(problem))
    finally:
        for name in BIG:
            shutil.rmtree(folder / name, ignore_errors=True)
    report.seconds = time.monotonic() - began
    report.show()
    return 0 if report.is_good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faults.storm", description=__doc__)
    chance = random.SystemRandom().randrange(10**6)
    parser.add_argument("--seed", type=int, default=chance, help="by chance if not given")
    parser.add_argument("--only", default="", help="parts of names of faults, with commas between")
    return parser.parse_args()


def _wanted(deed: Deed, only: str) -> bool:
    return any(word in deed.name for word in only.split(","))


def _play(report: Report, deeds: Sequence[Deed]) -> None:
    given, folder = Given(), report.folder
    with Brokers(folder / "kafka") as brokers:
        report.say(f"{brokers.kafka.title}; one Redis; a Redis Cluster of 3 primaries, 3 replicas")
        with World(brokers, folder, "storm") as world:
            with _act(report, "storm") as act:
                found = storm(world, report.seed, given, act, deeds)
            with _act(report, "quiet") as still:
                expected = quiet(brokers, world, given, folder, still)
        _compare(report, act, found, expected)
        with _act(report, "cluster") as act:
            found = cluster_storm(brokers, folder, given, report.seed, act)
        _compare(report, act, found, expected)


@contextmanager
def _act(report: Report, name: str) -> Iterator[Act]:
    act, began = Act(name), time.monotonic()
    report.acts.append(act)
    try:
        yield act
    finally:
        act.seconds = time.monotonic() - began


def _compare(report: Report, act: Act, found: Outcome, expected: Outcome) -> None:
    wrong = differences(found, expected)
    act.compared(wrong)
    act.measured["records out"] = sum(found.records.values())
    if any(wrong):
        (report.folder / f"{act.name}-differences.txt").write_text(wrong.in_full())
        report.console.print(f"{act.name}:\n{wrong}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
