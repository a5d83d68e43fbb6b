"""The compiled core says and keeps what the interpreted one does, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from streams.signals import PROGRESS, SESSIONS, SIGNALS

ROOT = Path(__file__).parents[2]
COMPILED = ROOT / "build" / "compiled"
SAID = Path(__file__).with_name("said.py")

pytestmark = pytest.mark.skipif(
    not (COMPILED / ".ready").exists(), reason="`make compiled` has not been run"
)


def said(seed: int, *folders: Path) -> dict:
    done = subprocess.run(
        [sys.executable, str(SAID), str(seed)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return orjson.loads(done.stdout)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_cores_say_and_keep_the_same_of_any_audience(seed):
    interpreted, compiled = said(seed, ROOT), said(seed, COMPILED)
    assert interpreted.pop("core") == ["interpreted", "streams.decoder"]
    assert compiled.pop("core") == ["compiled", "streams.scanner"]
    assert compiled == interpreted
    assert interpreted["said"] > 500
    assert set(interpreted["topics"]) == {PROGRESS, SESSIONS, SIGNALS}
