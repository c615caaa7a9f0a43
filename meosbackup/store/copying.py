"""Copies to and from a drive, each compared with the SHA-256 that was taken when its file was made."""

import threading
from collections.abc import Callable
from pathlib import Path

from meosbackup.errors import DriveFailedError, MeosBackupError
from meosbackup.system import files


class DamagedSourceError(MeosBackupError):
    """A file of the spool differs from what was written."""


def to_drive(source: Path, target: Path, sha256: str, stop: threading.Event) -> None:
    """Copy a file of the spool, make the copy durable, and read it back from the drive to compare it.

    Raises DamagedSourceError; DriveFailedError if what is read back differs; OSError, StoppedError.
    """
    with files.open_regular(source) as reader, target.open("xb") as writer:
        found = files.stream(reader, writer, is_durable=True, stop=stop)
    if found != sha256:
        raise DamagedSourceError(
            f"The contents of {source} differ from what was written.",
            "This batch is given up; the others are unchanged.",
            "Check the disk of this computer.",
        )
    if files.sha256(target, stop=stop) != sha256:
        raise differs(target)


def differs(path: Path) -> DriveFailedError:
    """Return the words for a drive that keeps something other than what was written to it."""
    return DriveFailedError(
        f"What was read back from {path} is not what was written.",
        "The drive can't be trusted. This batch is in the spool, not on the drive.",
        "Use another drive.",
    )


def from_drive(source: Path, target: Path, sha256: str, stop: threading.Event, advance: Callable[[int], None]) -> bool:
    """Copy a file of a batch to the local disk; tell whether its contents are what was written.

    `advance` is told the bytes of each piece. Raises OSError, also if the file is a link or not a regular file;
    StoppedError.
    """
    with files.open_regular(source) as reader, target.open("wb") as writer:
        return files.stream(reader, writer, stop=stop, advance=advance) == sha256
