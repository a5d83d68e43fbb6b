"""A worker that a command starts is the one that the command itself belongs to."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from hookpoint.demo.worker import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path


def test_a_started_worker_does_not_run_what_lies_in_the_current_folder(tmp_path: Path) -> None:
    for package in ("hookpoint", "streams", "config"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit(3)\n")
    done = subprocess.run([*PROGRAM, "worker", "--help"], cwd=tmp_path, check=False)
    assert done.returncode == 0
