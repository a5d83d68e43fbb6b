"""Compiles the core where asked: ``HOOKPOINT_COMPILE=1 pip install .`` (docs/adr/0018).

Everything else about the package is in pyproject.toml. Without the variable, and wherever there is
no compiler, the same files run as they are.
"""

import os
from pathlib import Path

from setuptools import setup

MYPY = "mypy==2.4.1"
CYTHON = "cython==3.3.1"
INTERPRETED = {"__init__.py", "context.py", "shapes.py"}
"""What only names things would gain nothing, and shapes would lose what the decoder reads."""


def _compiled() -> dict[str, list[object]]:
    if os.environ.get("HOOKPOINT_COMPILE", "") in ("", "0"):
        return {}
    asked: dict[str, list[object]] = {"setup_requires": [MYPY, CYTHON]}
    try:
        from Cython.Build import cythonize  # noqa: PLC0415  not there until it is asked for
        from mypyc.build import mypycify  # noqa: PLC0415
    except ImportError:
        return asked  # the first look, which finds out what a build needs
    core = sorted(Path("streams/viewing").glob("*.py"))
    modules = [str(it) for it in [*core, Path("streams/signals.py")] if it.name not in INTERPRETED]
    # --strict would judge what is imported as well; `make check` does that.
    flags = ["--ignore-missing-imports", "--follow-imports=silent"]
    scanner = cythonize(["streams/scanner.pyx"], build_dir="build/cython")
    return asked | {"ext_modules": [*mypycify([*flags, *modules], opt_level="3"), *scanner]}


setup(**_compiled())
