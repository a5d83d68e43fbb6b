"""Files that a command is to write: refused before the work, not after it."""

from __future__ import annotations

import os
from pathlib import Path  # typer reads the annotations of a callback

import typer

STDOUT = "-"


def can_be_written(path: Path | None) -> Path | None:
    """Option callback: ``path``, if a file can be written there; ``-`` and None pass.

    Raises:
        typer.BadParameter: its folder is missing, or it or its folder may not be written to.
    """
    if path is None or str(path) == STDOUT:
        return path
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise typer.BadParameter(f"{path} may not be written")
    return path
