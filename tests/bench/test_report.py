"""Medians, ratios, the table and the history of the bench."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from hookpoint.bench.backlog import Backlog, BenchOptions
from hookpoint.bench.check import Spot
from hookpoint.bench.contenders import HOOKPOINT
from hookpoint.bench.measuring import Figures
from hookpoint.bench.peer import HAND_LOOP, PEERS
from hookpoint.bench.quick import append, history_line
from hookpoint.bench.report import Result, as_json, as_markdown

FAUST = next(peer.name for peer in PEERS if not peer.exact)
RIGHT = Spot(viewers=10, right=10, figures=30, found_s=3600.0, true_s=3600.0, worst_s=0.1)
WRONG = replace(RIGHT, right=7, found_s=3240.0, worst_s=90.0)


def figures(contender, cpu_s, events=1000):
    return Figures(
        contender=contender,
        events=events,
        wall_s=2.0,
        cpu_s=cpu_s,
        peak_rss_bytes=100 * 1024 * 1024,
        rss_bytes_by_quarter=(1, 2, 3, 4),
        startup_s=1.0,
        load=0.5,
        busy=0.5,
    )


@pytest.fixture
def result():
    return Result(
        options=BenchOptions(events=1000, viewers=10),
        weeks=1.0,
        backlog=Backlog(1000, 8, 300_000, {0: 1007}),
        servers={"broker": "a broker", "redis": "a Redis"},
        rounds=[
            figures(HOOKPOINT, 1.0),
            figures(HAND_LOOP.name, 0.25),
            figures(FAUST, 20.0),
            figures(HOOKPOINT, 4.0),
            figures(HAND_LOOP.name, 0.5),
            figures(HOOKPOINT, 2.0),
            figures(HAND_LOOP.name, 0.2),
        ],
        spots={HOOKPOINT: [RIGHT], HAND_LOOP.name: [RIGHT, RIGHT], FAUST: [WRONG]},
        absent={"Kafka Streams": "it needs another broker"},
    )


def test_ratios_are_those_of_the_medians_per_cpu_second(result):
    ratios = {it.contender: it.ratio for it in result.medians()}
    assert ratios == {HOOKPOINT: 1.0, HAND_LOOP.name: 500 / 4000, FAUST: 500 / 50}


def test_only_one_who_promises_the_right_answer_can_be_wrong(result):
    assert result.wrong == []
    spots = result.spots | {HAND_LOOP.name: [RIGHT, WRONG, RIGHT]}
    assert replace(result, spots=spots).wrong == [HAND_LOOP.name]


def test_the_table_names_every_contender_what_it_leaves_out_and_who_did_not_run(result):
    table = as_markdown(result)
    assert "| hookpoint worker | 3 | 1,000 | 500 | 500 | 100 | 1.00 x | 10 of 10 |" in table
    assert "| hand-written loop | 3 | 1,000 | 500 | 4,000 | 100 | 0.12 x | 10 of 10 |" in table
    assert "7 of 10 viewers, 30 figures, worst 90.00 s off; 0.9 of 1.0 hours (-10.00%)" in table
    assert "- Kafka Streams: not run: it needs another broker" in table
    assert HAND_LOOP.left_out in table
    assert "seed 7; a broker, a Redis" in table


def test_a_stream_too_short_for_a_contender_is_said_to_be(result):
    said = "hand-written loop: the stream is too short for it: its rates say nothing."
    assert said not in as_markdown(result)
    rounds = [*result.rounds, replace(figures(HAND_LOOP.name, 0.3), steady=False)]
    assert said in as_markdown(replace(result, rounds=rounds))


def test_the_figures_are_there_as_json(result):
    told = orjson.loads(orjson.dumps(as_json(result)))
    assert [it["ratio"] for it in told["medians"]] == [1.0, 0.125, 10.0]
    assert len(told["rounds"]) == 7
    assert told["checks"][FAUST][0]["agrees"] is False
    assert told["options"]["seed"] == 7
    assert told["not_run"] == {"Kafka Streams": "it needs another broker"}


def test_the_history_gets_a_line_more(result, tmp_path):
    history = tmp_path / "history.jsonl"
    for commit in ("abc", None):
        append(history, history_line(result, commit))
    first, second = map(orjson.loads, history.read_bytes().splitlines())
    assert (first["commit"], second["commit"]) == ("abc", None)
    assert first["ratio"] == 0.125
    assert first["steady"] is True
    assert first["hookpoint_per_cpu_second"] == 500
    assert first["hand_loop_per_cpu_second"] == 4000
