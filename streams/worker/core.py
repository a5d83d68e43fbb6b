"""Whether this process runs the core compiled or as it is written (docs/adr/0018)."""

from __future__ import annotations

from streams.viewing import viewer

CORE = "interpreted" if (viewer.__file__ or "").endswith(".py") else "compiled"
