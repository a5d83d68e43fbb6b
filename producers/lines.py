"""Lines of files, of gzipped files and of standard input, with a position for progress bars."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import io
    from types import TracebackType

READ_BYTES = 1 << 20
STDIN = "-"
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class UnreadableError(RuntimeError):
    """A source cannot be opened or breaks off; the message names it."""


class Lines:
    """Lines of one source, a block at a time; a context manager.

    Args:
        name: a path, or ``-`` for standard input. A gzipped file is recognised by its first bytes.

    Raises:
        UnreadableError: on entering, if the file cannot be opened.
    """

    def __init__(self, name: str) -> None:
        self.name = "stdin" if name == STDIN else name
        self.is_stdin = name == STDIN
        self._path = Path(name)
        self._raw: io.BufferedReader | None = None
        self._text: io.BufferedIOBase | None = None
        self._rest: list[bytes] = []
        self._at_start = True

    def __enter__(self) -> Self:
        try:
            # A reader of its own: a thread may still wait on it when the process ends.
            raw = os.fdopen(0, "rb", closefd=False) if self.is_stdin else self._path.open("rb")
            zipped = not self.is_stdin and raw.peek(2)[:2] == _GZIP_MAGIC
        except OSError as problem:
            raise UnreadableError(f"{self.name}: {problem.strerror or problem}") from problem
        self._raw = raw
        self._text = gzip.GzipFile(fileobj=raw) if zipped else raw
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._raw is not None and not self.is_stdin:
            self._raw.close()

    @property
    def size(self) -> int | None:
        """Bytes of the file as it lies on disk; None for standard input."""
        return None if self.is_stdin else self._path.stat().st_size

    @property
    def position(self) -> int:
        """Bytes of the file that have been read (of the compressed file, where it is one)."""
        return 0 if self._raw is None or self.is_stdin else self._raw.tell()

    def read(self) -> list[bytes]:
        """The next lines without their ends; empty at the end. Waits on standard input.

        A byte order mark at the very beginning is no part of the first line.

        Raises:
            UnreadableError: the file breaks off or is damaged; what came before was returned.
        """
        block = self._next_block()
        if block and self._at_start:
            self._at_start = False
            block[0] = block[0].removeprefix(_BYTE_ORDER_MARK)
        return block

    def _next_block(self) -> list[bytes]:
        if self._text is None:
            return []
        while True:
            try:
                block = self._text.read1(READ_BYTES)
            except (OSError, EOFError, zlib.error) as problem:
                self._text = None
                raise UnreadableError(f"{self.name}: {problem}") from problem
            if not block:
                self._text = None
                last, self._rest = b"".join(self._rest), []
                return [last] if last else []
            *whole, rest = block.split(b"\n")
            if not whole:
                self._rest.append(rest)
                continue
            whole[0] = b"".join((*self._rest, whole[0]))
            self._rest = [rest]
            return whole
