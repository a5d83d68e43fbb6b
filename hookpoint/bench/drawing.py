"""Pictures made of text: Rich draws them, so no plotting library is needed (docs/adr/0019)."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.console import Console, Group

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.text import Text

WIDTH = 110


def save_svg(target: Path, title: str, lines: Iterable[Text]) -> None:
    """Write ``lines``, at most ``WIDTH`` characters wide, as an SVG in a frame with a title."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Group(*lines))
    drawn = console.export_svg(title=title)
    # Rich links fonts from the web; any monospaced font will do.
    target.write_text(re.sub(r"@font-face\s*{[^}]*}", "", drawn), encoding="utf-8")
