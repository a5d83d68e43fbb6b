"""What a folder of an Apache Kafka node remembers: who runs in it, and on which port it was."""

from __future__ import annotations

import base64
import fcntl
import os
import re
import uuid
from typing import TYPE_CHECKING

from hookpoint.processes import StackError, port_is_free

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROPERTIES = "server.properties"
_LISTENS = re.compile(r"^listeners=PLAINTEXT://[^:,]+:(\d+)", re.MULTILINE)


class FolderLock:
    """One process at a time may run a server in ``folder``; the kernel lets go of it for the dead.

    The file stays when it is released: removed, it could be locked twice by two who open it then.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def hold(self) -> None:
        """Take the folder; taking again what is held changes nothing.

        Raises:
            StackError: another process has it; one line with its id.
        """
        if self._file is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 20).decode(errors="replace").strip() or "that has just started"
            os.close(file)
            raise StackError(
                f"{self._folder} is in use: process {holder} runs Kafka there"
            ) from None
        except BaseException:
            os.close(file)
            raise
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file

    def release(self) -> None:
        """Let others have it."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def ports_again(
    folders: Mapping[int, Path], first: int | None
) -> tuple[dict[int, int], dict[int, int]]:
    """Where the nodes of ``folders`` listened for clients when they ran last.

    Args:
        folders: by node id.
        first: the port that node 1 gets in any case; None leaves it to its folder.

    Returns:
        The ports that they get again, and those that another process has by now; both by node id.
    """
    had = {i: port for i, folder in folders.items() if (port := _listened_on(folder))}
    if first is not None:
        had[1] = first
    kept = {i: port for i, port in had.items() if port == first or port_is_free(port)}
    return kept, {i: port for i, port in had.items() if i not in kept}


def cluster_id(folder: Path) -> str:
    """Of the cluster that has data in ``folder``, or a new one."""
    try:
        meta = (folder / "data" / "meta.properties").read_text()
    except FileNotFoundError:
        return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return meta.partition("cluster.id=")[2].splitlines()[0]


def _listened_on(folder: Path) -> int | None:
    try:
        found = _LISTENS.search((folder / PROPERTIES).read_text(errors="replace"))
    except FileNotFoundError:
        return None
    return int(found[1]) if found else None
