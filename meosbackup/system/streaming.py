"""Files read and copied in pieces, hashed and made durable on the way."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from meosbackup.errors import StoppedError
from meosbackup.system import faults

_PIECE = 1 << 20
"""Bytes between two looks at `stop`, and between two syncs: half a second's worth on a slow stick."""


def stream(
    reader: IO[bytes],
    writer: IO[bytes] | None = None,
    *,
    stop: threading.Event | None = None,
    advance: Callable[[int], None] | None = None,
) -> str:
    """Read a file to its end in pieces, and return the SHA-256 of what was read in hexadecimal digits.

    Each piece goes to `writer`, if there is one. `advance` is told the bytes of each piece. Raises OSError, and
    StoppedError once `stop` is set.
    """
    digest = hashlib.sha256()
    with _noted():
        for piece in _pieces(reader, stop):
            digest.update(piece)
            if writer is not None:
                writer.write(piece)
            if advance is not None:
                advance(len(piece))
    return digest.hexdigest()


def copy(reader: IO[bytes], writer: IO[bytes], stop: threading.Event) -> None:
    """Copy a file in pieces, each of which is on its medium before the next one is written; not so the last one.

    Raises OSError, and StoppedError once `stop` is set.
    """
    with _noted():
        for number, piece in enumerate(_pieces(reader, stop)):
            if number:
                make_durable(writer)
            writer.write(piece)


def make_durable(writer: IO[bytes]) -> None:
    """Have all that was written to a file on its medium. Raises OSError."""
    with _noted():
        writer.flush()
        os.fsync(writer.fileno())


def _pieces(reader: IO[bytes], stop: threading.Event | None) -> Iterator[bytes]:
    while piece := reader.read(_PIECE):
        if stop is not None and stop.is_set():
            raise StoppedError
        yield piece


@contextmanager
def _noted() -> Iterator[None]:
    """Note Windows's number in an OSError at once, since closing the files may fail in another way."""
    try:
        yield
    except OSError as error:
        faults.winerror(error)
        raise
