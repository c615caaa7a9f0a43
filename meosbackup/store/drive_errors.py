"""What the user is told if the drive is missing, full, or doesn't work."""

import errno
import sys
from pathlib import Path

from meosbackup.batch import names
from meosbackup.errors import DriveFailedError, DriveGoneError, MeosBackupError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT}) if sys.platform != "win32" else frozenset({errno.ENOSPC})


def gone(target: Path, error: OSError | None = None) -> DriveGoneError:
    """Return the error for a drive that is away."""
    reason = f" ({error.strerror or error})" if error else ""
    return DriveGoneError(
        f"The drive is missing from {target}{reason}.", "Backups go on in the spool.", "Plug it in again."
    )


def explained(target: Path, error: OSError) -> MeosBackupError:
    """Return the error for what a drive answered."""
    if error.errno in _FULL:
        return full(target)
    if error.errno == errno.EROFS:
        return DriveFailedError(
            f"The drive at {target} is write-protected.",
            "Backups go on in the spool.",
            "Look for a switch on its side. If there is none, pull it out and plug it in again: after an error, the"
            " system itself may write-protect a drive.",
        )
    if error.errno == errno.EFBIG:
        return DriveFailedError(
            f"The drive at {target} can't hold a file of this size (FAT32: 4 GB at most).",
            "The batch is in the spool, not on the drive.",
            "Use a drive that is formatted as exFAT or NTFS.",
        )
    if error.errno in {errno.ENOENT, errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV, errno.ENXIO}:
        return gone(target, error)
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return DriveFailedError(
            f"On the drive at {target}, there is a file where the folder {names.ROOT_FOLDER} should be.",
            "The file is left alone; no batch is copied to the drive.",
            "Rename that file, or use another drive.",
        )
    return DriveFailedError(
        f"The drive at {target} doesn't work ({error.strerror or error}).",
        "Backups go on in the spool.",
        "Pull it out and plug it in again; if that doesn't help, use another drive.",
    )


def full(target: Path) -> DriveFailedError:
    """Return the error for a drive that is full."""
    return DriveFailedError(
        f"The drive at {target} is full, and every batch on it must be kept.",
        "Nothing on it was deleted; backups go on in the spool.",
        "Delete other files (photos …) from it, or use a larger drive.",
    )
