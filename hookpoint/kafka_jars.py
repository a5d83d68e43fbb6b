"""Where Apache Kafka comes from: Java of the machine, jars from Maven Central, kept in a cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from hookpoint.processes import StackError

if TYPE_CHECKING:
    from collections.abc import Callable

KAFKA_VERSION = "4.1.1"
KAFKA_JAR = f"kafka_2.13-{KAFKA_VERSION}.jar"
JAVA_AT_LEAST = 17
JARS_VARIABLE = "HOOKPOINT_KAFKA_JARS"
FETCHED_WITHIN_S = 900.0
JAVA_TOLD_WITHIN_S = 30.0


def fetch(tell: Callable[[str], object] | None = None) -> Path:
    """The folder with Apache Kafka's jars; downloaded with Maven the first time.

    HOOKPOINT_KAFKA_JARS names a folder that has them already; otherwise they are kept in
    ``$XDG_CACHE_HOME`` (or ``~/.cache``).

    Args:
        tell: called with a line for people before the download.

    Raises:
        StackError: Java or Maven is missing, or the download failed; one line.
    """
    java()
    folder = jars_folder()
    if (folder / KAFKA_JAR).is_file():
        return folder
    if JARS_VARIABLE in os.environ:
        raise StackError(f"no Apache Kafka: {JARS_VARIABLE}={folder} has no {KAFKA_JAR}")
    maven = _maven()
    if tell:
        tell(f"Downloading Apache Kafka {KAFKA_VERSION} (45 MB, once) to {folder}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as name:
        _download(maven, Path(name))
        try:
            (Path(name) / "jars").rename(folder)
        except OSError:
            if not (folder / KAFKA_JAR).is_file():  # another process was faster
                raise
    return folder


def obstacle() -> str | None:
    """Why Apache Kafka cannot be had here, in one line; None if it can (maybe by a download)."""
    try:
        java()
        if not (jars_folder() / KAFKA_JAR).is_file():
            if JARS_VARIABLE in os.environ:
                fetch()
            _maven()
    except StackError as problem:
        return str(problem)
    return None


def jars_folder() -> Path:
    """Where the jars are, or will be."""
    named = os.environ.get(JARS_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "hookpoint" / f"kafka-{KAFKA_VERSION}"


def java() -> str:
    """Path of a Java of at least 17: JAVA_HOME's, else the one on PATH.

    Raises:
        StackError: there is none; one line.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise StackError(
            f"no Apache Kafka: it needs Java {JAVA_AT_LEAST} or newer, and none is on PATH"
        )
    told = run([found, "-version"], Path.cwd(), JAVA_TOLD_WITHIN_S).stdout
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    if version is None or int(version[1]) < JAVA_AT_LEAST:
        is_what = f"Java {version[1]}" if version else "no Java that runs"
        raise StackError(
            f"no Apache Kafka: it needs Java {JAVA_AT_LEAST} or newer, and {found} is {is_what}"
        )
    return found


def _maven() -> str:
    found = shutil.which("mvn")
    if found is None:
        raise StackError(
            f"no Apache Kafka: its jars come with Maven, and no mvn is on PATH "
            f"({JARS_VARIABLE} can name a folder that has them)"
        )
    return found


def _download(maven: str, folder: Path) -> None:
    with as_file(files("hookpoint") / "kafka-pom.xml") as packaged:
        shutil.copyfile(packaged, folder / "pom.xml")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars"]
    done = run([maven, "-q", "-B", *goal], folder, FETCHED_WITHIN_S)
    if done.returncode or not (folder / "jars" / KAFKA_JAR).is_file():
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        why = errors[0] if errors else f"exit code {done.returncode}"
        raise StackError(f"no Apache Kafka: Maven could not download it: {why}")


def run(command: list[str], folder: Path, within_s: float) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with all that it prints in ``stdout``.

    Raises:
        StackError: it took longer than ``within_s`` seconds.
    """
    try:
        return subprocess.run(  # noqa: S603  the command is ours, no shell
            command,
            cwd=folder,
            timeout=within_s,
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"{command[0]} took longer than {within_s:.0f} s") from None
