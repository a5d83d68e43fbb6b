"""The Kafka Streams peer: a small Java program, built with Maven and kept in the user's cache.

It runs where the broker is Apache Kafka: what the embedded broker lacks of Kafka's protocol is not
Kafka Streams' fault.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from config.settings import Settings
from hookpoint.kafka_jars import FETCHED_WITHIN_S, java, run
from hookpoint.processes import StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hookpoint.bench.peers.job import Job

JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    "-Xms256m",
    "-Xmx1g",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
)
MAIN = "peer.Main"
JAR = "peer.jar"


def obstacle(_settings: Settings) -> str | None:
    """Why it cannot run here, in one line; builds it if it can, the first time."""
    if "kafka_bootstrap" not in Settings().model_fields_set:
        return "it needs Apache Kafka as the broker: `make bench KAFKA=apache`"
    try:
        java()
        _built()
    except StackError as problem:
        return str(problem)
    return None


def command(job: Job) -> Sequence[str]:
    """The command of one round."""
    return [java(), *JAVA_OPTIONS, "-cp", f"{_built()}/*", MAIN, job.text()]


def _built() -> Path:
    """The folder with its jars, by the content of its sources.

    Raises:
        StackError: Maven is missing, or it could not build it; one line.
    """
    with as_file(files("hookpoint.bench") / "java") as sources:
        folder = _cache() / f"kafka-streams-peer-{_content(sources)}"
        if not (folder / JAR).is_file():
            _build(sources, folder)
    return folder


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hookpoint"


def _content(sources: Path) -> str:
    content = hashlib.sha256()
    for file in sorted(sources.rglob("*")):
        if file.is_file():
            content.update(f"{file.relative_to(sources)}\0".encode() + file.read_bytes())
    return content.hexdigest()[:12]


def _build(sources: Path, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise StackError("no Kafka Streams: it is built with Maven, and no mvn is on PATH")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as name:
        work = Path(name)
        shutil.copytree(sources, work, dirs_exist_ok=True)
        goals = ["package", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
        done = run([maven, "-q", "-B", *goals], work, FETCHED_WITHIN_S)
        if done.returncode:
            errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
            why = " ".join(errors[:2]) if errors else f"exit code {done.returncode}"
            raise StackError(f"no Kafka Streams: Maven could not build it: {why}")
        (work / "target" / JAR).rename(work / "jars" / JAR)
        try:
            (work / "jars").rename(folder)
        except OSError:
            if not (folder / JAR).is_file():  # another process was faster
                raise
