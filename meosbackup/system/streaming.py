"""Files read and copied in pieces, hashed and made durable on the way."""

import hashlib
import os
import threading
from collections.abc import Callable
from typing import IO

from meosbackup.errors import StoppedError
from meosbackup.system import faults

_PIECE = 1 << 20
"""Bytes between two looks at `stop`, and between two syncs: half a second's worth on a slow stick."""


def stream(
    reader: IO[bytes],
    writer: IO[bytes] | None = None,
    *,
    is_durable: bool = False,
    stop: threading.Event | None = None,
    advance: Callable[[int], None] | None = None,
) -> str:
    """Read a file to its end in pieces, and return the SHA-256 of what was read in hexadecimal digits.

    Each piece goes to `writer`, if there is one, and with `is_durable` onto its medium before the next is read.
    `advance` is told the bytes of each piece. Raises OSError, and StoppedError once `stop` is set.
    """
    digest = hashlib.sha256()
    try:
        while piece := reader.read(_PIECE):
            if stop is not None and stop.is_set():
                raise StoppedError
            digest.update(piece)
            if writer is not None:
                writer.write(piece)
                if is_durable:
                    writer.flush()
                    os.fsync(writer.fileno())
            if advance is not None:
                advance(len(piece))
    except OSError as error:
        faults.winerror(error)  # noted now, since closing the files may fail in another way
        raise
    return digest.hexdigest()
