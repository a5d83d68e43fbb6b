"""A worker as a child process, with names and servers of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.settings import TopicNames
from hookpoint.processes import StackError, undisturbed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Settings

STOP_WITHIN_S = 30.0
SESSION_TIMEOUT_S = 6.0
"""The embedded broker takes half of it to form a group."""
OUTAGE_MAX_S = 30.0
"""A worker whose demo was killed loses its servers, and must not wait for them for long."""
IDLE_AFTER_S = 86_400.0
"""The simulated weeks are over: the wall clock must not move their time on."""
LOG_TAIL_LINES = 20
PROGRAM = (sys.executable, "-P", "-c", "from hookpoint.cli import main; main()")
"""``hookpoint`` as a process of its own. ``-P``: what this process imports, which may be the
compiled core, and not what lies in the folder that it happens to be started in."""


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """The process and the file that it logs to."""

    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise ``StackError`` with the end of its log if it has ended."""
        if self.process.poll() is not None:
            raise StackError(f"the worker ended ({self.process.returncode})\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:]) or "(empty log)"


def own_names(settings: Settings, purpose: str = "demo") -> Settings:
    """Topics, group and keys that nobody else uses: configured servers have a life of their own."""
    own = f"{purpose}-{uuid.uuid4().hex[:8]}"
    topics = TopicNames(**{role: f"{own}-{name}" for role, name in settings.topics})
    # By update, so that the addresses still count as configured or not.
    return settings.model_copy(
        update={
            "topics": topics,
            "group": own,
            "key_prefix": f"{own}:",
            "session_timeout_s": SESSION_TIMEOUT_S,
            "outage_max_s": OUTAGE_MAX_S,
            "idle_after_s": IDLE_AFTER_S,
        }
    )


@contextmanager
def running_worker(settings: Settings) -> Iterator[RunningWorker]:
    """A worker on ``settings``, stopped by SIGTERM at the end (and by force after 30 seconds)."""
    command = [*PROGRAM, "worker"]
    with running_process(command, environment(settings)) as worker:
        yield worker


@contextmanager
def running_process(command: list[str], environment: dict[str, str]) -> Iterator[RunningWorker]:
    """One of our own programs, its output in a log, stopped in order at the end."""
    with tempfile.TemporaryDirectory(prefix="hookpoint-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "process.log"
        process = None
        try:
            with log.open("wb") as output, undisturbed():
                process = subprocess.Popen(  # noqa: S603 - our own program, no input from outside
                    command,
                    env=os.environ | environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C reaches the terminal's whole group; this one is to be stopped in order.
                    start_new_session=True,
                )
            yield RunningWorker(process, log)
        finally:
            if process is not None:
                _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def environment(settings: Settings) -> dict[str, str]:
    """What a process of ours must be told to use the servers and names of ``settings``."""
    topics = {f"HOOKPOINT_TOPICS__{role.upper()}": name for role, name in settings.topics}
    return topics | {
        "HOOKPOINT_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "HOOKPOINT_REDIS_URL": settings.redis_url.get_secret_value(),
        "HOOKPOINT_GROUP": settings.group,
        "HOOKPOINT_KEY_PREFIX": settings.key_prefix,
        "HOOKPOINT_AGENTS": ",".join(sorted(settings.agents)),
        "HOOKPOINT_DEMOGRAPHICS": str(settings.demographics),
        "HOOKPOINT_SLICE_MAX": str(settings.slice_max),
        "HOOKPOINT_SESSION_TIMEOUT_S": str(settings.session_timeout_s),
        "HOOKPOINT_OUTAGE_MAX_S": str(settings.outage_max_s),
        "HOOKPOINT_IDLE_AFTER_S": str(settings.idle_after_s),
        "HOOKPOINT_WEB_PORT": "0",
        # Its log is shown only if it fails: then the cause must be in its last lines.
        "HOOKPOINT_LOG_LEVEL": "WARNING",
        "HOOKPOINT_LOG_FORMAT": "console",
    }
