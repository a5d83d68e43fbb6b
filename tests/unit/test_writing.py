"""A command that writes a file at its end says at its beginning that it cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hookpoint.cli import app
from hookpoint.commands._writing import can_be_written


@pytest.mark.parametrize(
    "command",
    [
        ("demo", "--picture"),
        ("demo", "--netflix-export", ".", "--json"),
        ("simulate", "--out"),
        ("simulate", "--catalogue"),
    ],
    ids=" ".join,
)
def test_a_folder_that_is_missing_is_named_before_anything_runs(command, tmp_path):
    missing = tmp_path / "none"
    # Wide, so that the message is not broken into lines.
    result = CliRunner(env={"COLUMNS": "1000"}).invoke(app, [*command, str(missing / "x")])
    assert result.exit_code == 2
    assert f"there is no folder {missing}" in result.stderr
    assert command[-1] in result.stderr


def test_a_folder_is_no_file_to_write(tmp_path):
    with pytest.raises(typer.BadParameter, match="is a folder"):
        can_be_written(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_what_may_not_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(typer.BadParameter, match="may not be written"):
        can_be_written(tmp_path / "x")


def test_a_file_in_an_existing_folder_and_standard_output_pass(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (Path("new.json"), tmp_path / "new.json", Path("-"), None):
        assert can_be_written(path) == path
    assert list(tmp_path.iterdir()) == []
