"""Real servers as child processes on loopback.

Each server dies with the process that started it, even if that is killed outright (on Linux), and
keeps its port and its data folder over a restart, so that outages can be tried for real.
"""

from __future__ import annotations

import errno
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import FrameType

LOOPBACK = "127.0.0.1"
READY_WITHIN_S = 15.0
STOPPED_WITHIN_S = 5.0
PORT_TRIES = 3
EMPTY_LOG = "(empty log)"

# Below the usual ephemeral range: a client that keeps knocking at a dead port inside that range
# may be given the very same source port, connect to itself and keep the server from coming back.
PORTS = range(10_000, 22_000)
# Redis Cluster's own bus listens this far above the port for clients.
BUS_OFFSET = 10_000

# The kernel sends the death signal when the *thread* that forked ends, not the process, so one
# thread that lives as long as the process does all the forking.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-spawner")

# A stub that execs the server, because running Python between fork and exec may deadlock where
# other threads hold locks. PR_SET_PDEATHSIG is 1 and survives the exec.
_TETHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class StackError(RuntimeError):
    """A server cannot be found, cannot start or died; the message says what to do."""


class PortTakenError(StackError):
    """Another process listens on the port."""


class _NotYetError(Exception):
    """The server is up but does not answer yet."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP wait until the block is over.

    An exception in the middle of ``Popen`` loses the process that it has just started: it runs, and
    nobody knows its id. Signals belong to the main thread; elsewhere this does nothing. A signal
    that came is raised at the end of the block, so whatever cleans up has to be around it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        held.append(number)

    before = {
        number: signal.signal(number, hold)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # A child inherits what is ignored, and only that.
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in held:
            signal.raise_signal(late)


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do it: a port whose last connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as problem:
            if problem.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def free_port() -> int:
    """A loopback port that is free now, and whose Redis Cluster bus port is free as well."""
    for port in random.sample(PORTS, 200):
        if port_is_free(port) and port_is_free(port + BUS_OFFSET):
            return port
    raise StackError(f"no free port on {LOOPBACK} between {PORTS.start} and {PORTS.stop}")


class Server(ABC):
    """One server process on one loopback port.

    Args:
        folder: where its log and data go; kept over a restart, removed by nobody here.
        port: the port to listen on; None takes a free one.
    """

    name: str
    ready_within_s = READY_WITHIN_S
    stopped_within_s = STOPPED_WITHIN_S

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder.resolve()
        self._port_is_ours_to_choose = port is None
        self.port = port if port is not None else free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The absolute path of the binary and its arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether this very process (not another on its port) serves requests."""

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process is alive (it may be paused)."""
        return self._process is not None and self._process.poll() is None

    @property
    def log_file(self) -> Path:
        """What the server has printed, over all its restarts."""
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            PortTakenError: the port is taken.
            StackError: the binary is missing, or the server died or never answered.
        """
        if self.running:
            return
        attempts = PORT_TRIES if self._port_is_ours_to_choose else 1
        for attempt in Retrying(
            stop=stop_after_attempt(attempts),
            retry=retry_if_exception_type(PortTakenError),
            reraise=True,
        ):
            with attempt:
                if attempt.retry_state.attempt_number > 1:
                    self.port = free_port()
                self._start_once()
        # From here on clients know the port, so a restart must not move it.
        self._port_is_ours_to_choose = False

    def _start_once(self) -> None:
        if not port_is_free(self.port):
            raise PortTakenError(f"port {self.port} on {LOOPBACK} is taken: {self.name} needs it")
        command = list(self.command())
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with undisturbed():
                spawning = _SPAWNER.submit(_spawn, command, self.folder, self.log_file)
                self._process = spawning.result()
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise

    def _wait_until_it_answers(self) -> None:
        retrying = Retrying(
            stop=stop_after_delay(self.ready_within_s),
            wait=wait_fixed(0.02),
            retry=retry_if_exception_type(_NotYetError),
        )
        try:
            for attempt in retrying:
                with attempt:
                    self._look()
        except RetryError:
            raise StackError(
                f"{self.name} did not answer within {self.ready_within_s:.0f} s\n{self.log_tail()}"
            ) from None

    def _look(self) -> None:
        if not self.running:
            tail = self.log_tail()
            kind = PortTakenError if "in use" in tail else StackError
            raise kind(f"{self.name} ended while starting on port {self.port}\n{tail}")
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1):
                pass
        except OSError:
            raise _NotYetError from None
        if not self.answers():
            raise _NotYetError

    def log_tail(self, lines: int = 15) -> str:
        """The last lines it printed, without colours."""
        try:
            text = self.log_file.read_text(errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(_ANSI.sub("", text).strip().splitlines()[-lines:]) or EMPTY_LOG

    def how_it_ended(self) -> str:
        """``was ended by SIGKILL`` or ``ended by itself with exit code 1``, for people."""
        code = self._process.poll() if self._process else None
        if code is not None and code < 0:
            names = {number.value: number.name for number in signal.Signals}
            return f"was ended by {names.get(-code, f'signal {-code}')}"
        return "ended by itself" + (f" with exit code {code}" if code is not None else "")

    def stop(self) -> None:
        """Ask it to end, and insist after a few seconds."""
        if self._process is None:
            return
        if self.running:
            self.resume()
            self._process.terminate()
            try:
                self._process.wait(self.stopped_within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """End it at once, as a power cut would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Start it again on the same port, with the same data folder; stops it first if needed."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open, nothing is answered from here on."""
        if self._process and self.running:
            freeze(self._process)

    def resume(self) -> None:
        """Let it go on after ``pause``."""
        if self._process and self.running:
            self._process.send_signal(signal.SIGCONT)


def freeze(process: subprocess.Popen[bytes]) -> None:
    """Send SIGSTOP and wait until it has taken hold.

    On a busy machine a thread of the process may go on for a while, and still answer somebody.
    """
    process.send_signal(signal.SIGSTOP)
    if sys.platform == "linux":
        with suppress(ChildProcessError):  # it has ended, and somebody has noticed
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def _spawn(command: list[str], folder: Path, log_file: Path) -> subprocess.Popen[bytes]:
    if sys.platform == "linux":
        tether = [sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid())]
        command = [*tether, *command]
    with log_file.open("ab") as log:
        return subprocess.Popen(  # noqa: S603  the command is ours, no shell
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches a terminal's whole process group; servers must outlive their clients.
            start_new_session=True,
        )
