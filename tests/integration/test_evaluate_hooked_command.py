"""``hookpoint evaluate hooked --quick``, from the shell to its files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(320)]

BIN = Path(sys.executable).parent
QUICK_S = 300


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("evaluate")
    done = subprocess.run(
        [BIN / "hookpoint", "evaluate", "hooked", "--quick", "--seed", "7", "--out", out],
        capture_output=True, text=True, timeout=QUICK_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, out, orjson.loads((out / "hooked.json").read_bytes())


def test_both_audiences_are_told_of_in_words_and_figures(
    ran: tuple[str, Path, dict[str, Any]],
) -> None:
    printed, out, told = ran
    assert [it["name"] for it in told["audiences"]] == ["viewers alike", "viewers differ"]
    page = (out / "hooked.md").read_text(encoding="utf-8")
    for name in ("Viewers alike", "Viewers differ", "Reliability in ten bins", "reached k*"):
        assert name in page
        assert name in printed
    for audience in told["audiences"]:
        assert audience["refused"] == 0
        assert audience["judged"] < audience["viewers"] == told["crowd"]["viewers"]
        assert sum(it["cases"] for it in audience["rated"][0]["score"]["bins"]) == (
            audience["predictions"] - audience["without_curve"]
        )


def test_the_rule_beats_every_rival_where_viewers_are_as_alike_as_it_takes_them_to_be(
    ran: tuple[str, Path, dict[str, Any]],
) -> None:
    alike = ran[2]["audiences"][0]
    ours, known, *others = alike["rated"]
    assert len(others) == 6
    assert all(it["behind"]["mean"] > 0 for it in others)
    assert ours["score"]["brier"] == pytest.approx(known["score"]["brier"], abs=0.02)
    signals = {it["name"].strip(): it["warned"] for it in alike["signals"]}
    by_audience = signals["basis audience"]
    assert by_audience["right"] / by_audience["said"] > alike["rated"][0]["score"]["share"]


def test_plots_are_drawn(ran: tuple[str, Path, dict[str, Any]]) -> None:
    _, out, _ = ran
    for name in ("reliability", "precision-recall", "lead"):
        for number in (1, 2):
            drawn = (out / f"hooked-{name}-{number}.svg").read_text(encoding="utf-8")
            assert drawn.rstrip().endswith("</svg>")
