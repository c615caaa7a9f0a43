"""A file copied so that what lies on the medium afterwards is known to be what was meant."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from meosbackup.errors import DriveFailedError, MeosBackupError, StoppedError
from meosbackup.system import disks

_PIECE = 1 << 20
"""Bytes between two looks at `stop`, each made durable: half a second's worth on a slow stick."""


class DamagedSourceError(MeosBackupError):
    """A file of the spool is not what it was when it was made."""


def copy(source: Path, target: Path, sha256: str, stop: threading.Event) -> None:
    """Copy a file piece by piece, make it durable, read it back from the medium, and compare its SHA-256.

    Raises DamagedSourceError, DriveFailedError where what is read back differs, OSError, StoppedError.
    """
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("xb") as writer:
        while piece := reader.read(_PIECE):
            if stop.is_set():
                raise StoppedError
            digest.update(piece)
            writer.write(piece)
            writer.flush()
            os.fsync(writer.fileno())
        if digest.hexdigest() != sha256:
            raise DamagedSourceError(
                f"The file {source} is not what it was when it was made.",
                "This batch is given up; the others are as they were.",
                "Look after the disk of this computer.",
            )
    if read_back(target, stop) != sha256:
        raise other_bytes(target)


def other_bytes(path: Path) -> DriveFailedError:
    """Return the words for a drive that keeps something else than it was given."""
    return DriveFailedError(
        f"What was read back from {path} is not what was written.",
        "The drive can't be trusted. This batch is in the spool, and not on the drive.",
        "Use another drive.",
    )


def read_back(path: Path, stop: threading.Event) -> str:
    """Return the SHA-256 of a file, read from the medium where that can be had. Raises OSError, StoppedError."""
    digest = hashlib.sha256()
    with path.open("rb") as reader:
        disks.forget_cached(reader)
        while piece := reader.read(_PIECE):
            if stop.is_set():
                raise StoppedError
            digest.update(piece)
    return digest.hexdigest()


def fetch(source: Path, target: Path, sha256: str, stop: threading.Event, advance: Callable[[int], None]) -> bool:
    """Copy a file from the drive to the local disk; tell whether it is what it was when it was made.

    `advance` is told of each piece, in bytes. Raises OSError, StoppedError.
    """
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while piece := reader.read(_PIECE):
            if stop.is_set():
                raise StoppedError
            digest.update(piece)
            writer.write(piece)
            advance(len(piece))
    return digest.hexdigest() == sha256
