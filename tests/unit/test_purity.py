"""The rooms that decide know no broker, no store, no clock and no chance."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = sorted(
    path
    for pattern in (
        "streams/viewing/*.py", "streams/audience/*.py", "streams/events.py", "streams/contract.py",
        "streams/decoder.py", "streams/signals.py",
        "streams/keys.py", "streams/catalogue.py", "streams/rules.py",
    )
    for path in ROOT.glob(pattern)
)  # fmt: skip
SHELL = {"faust", "mode", "aiokafka", "kafka", "redis", "structlog", "prometheus_client"}
IMPURE = {"time", "random", "secrets", "uuid", "os", "socket", "asyncio", "threading"}
CLOCKS = {"now", "utcnow", "today", "random", "uuid4"}


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_there_are_pure_modules() -> None:
    assert {"streams.viewing.viewer", "streams.events", "streams.rules"} <= set(map(module, PURE))


def test_no_pure_module_pulls_in_the_shell() -> None:
    names = [module(path) for path in PURE]
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in out.stdout.split()}
    assert "streams.worker" not in out.stdout.split()
    assert not loaded & (SHELL | {"config", "producers", "consumers", "hookpoint"})


@pytest.mark.parametrize("path", PURE, ids=module)
def test_no_pure_module_knows_the_time_or_draws_lots(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & IMPURE
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in IMPURE
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in CLOCKS, f"line {node.lineno}"
