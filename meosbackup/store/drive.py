"""The drive: which one it is, whether it is still there, and its space.

Whatever is written to it goes below a folder that `drive.json` marks. Once a drive is pulled out, its mount point is an
empty folder on the system's disk: there is no marked folder, so nothing can be written there by mistake.
"""

import errno
import json
import os
import re
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meosbackup import wording
from meosbackup.batch import names
from meosbackup.errors import DriveFailedError, DriveFullSoonError, DriveGoneError, MeosBackupError, WrongUsageError
from meosbackup.settings.model import SPOOL
from meosbackup.system import disks, durable, faults, files
from meosbackup.system.faults import Fault, HeldError, TooLargeError
from meosbackup.text import unbroken

MARK_FILE = "drive.json"
FORMAT = 1

_LARGEST_MARK = 10_000
"""Bytes; a mark takes 100."""
_ID = re.compile("[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True)
class Place:
    """Where drives are expected; `may_be_system_disk` if the target was on the system's disk from the start."""

    target: Path
    may_be_system_disk: bool

    @property
    def root(self) -> Path:
        """The folder on the drive that holds all that meosbackup writes."""
        return root(self.target)


def root(target: Path) -> Path:
    """Return the folder on the drive that holds all that meosbackup writes."""
    return target / names.ROOT_FOLDER


def checked_target(target: Path | None, *, any_disk: bool) -> Path:
    """Return the target if backups can go there.

    Raises WrongUsageError if none is set, or it is not a folder, not writable or on the system's own disk;
    DriveGoneError if it doesn't exist.
    """
    if target is None or target == SPOOL:
        raise WrongUsageError(
            "No target is set.", "Nothing is backed up.", f"Name the drive with --target. {_plugged_in()}"
        )
    if not disks.has_short_path(target, names.LONGEST):
        raise WrongUsageError(
            f"The path of the target {target} is too long for this computer.",
            "Nothing is backed up: the names of some files in it would be longer than Windows allows.",
            "With --target, name the drive's top folder, or another folder with a shorter path.",
        )
    try:
        exists, is_folder = target.exists(), target.is_dir()
    except OSError as error:
        raise WrongUsageError(
            f"The target {target} can't be read ({error.strerror or error}).",
            "Nothing is backed up.",
            f"Pull the drive out and plug it in again. {_plugged_in()}",
        ) from error
    if not exists:
        raise DriveGoneError(
            f"There is no folder {target}.",
            "Nothing is backed up.",
            f"Plug the drive in, or name another one with --target. {_plugged_in()}",
        )
    if not is_folder:
        raise WrongUsageError(
            f"The target {target} is not a folder.",
            "Nothing is backed up.",
            f"Name the drive's top folder with --target. {_plugged_in()}",
        )
    if not any_disk and disks.on_system_disk(target):
        raise WrongUsageError(
            f"The target {target} is on the system's own disk. A drive that isn't plugged in looks like that, too.",
            "Nothing is backed up: if this computer fails, such a backup fails with it.",
            f"Plug the drive in. {_plugged_in()} If you mean this folder, add --any-disk.",
        )
    try:
        files.try_writing(target)
    except OSError as error:
        raise WrongUsageError(
            f"The target {target} can't be written to ({error.strerror or error}).",
            "Nothing is backed up.",
            "Look for a write-protection switch on the drive, and check that your user may write there.",
        ) from error
    return target


def place(target: Path) -> Place:
    """Return the place of a target that was checked. Raises DriveGoneError."""
    try:
        return Place(target, disks.on_system_disk(target))
    except OSError as error:
        raise gone(target, error) from error


def identity(where: Place) -> str | None:
    """Return the id of the drive that is plugged in now; None if it has no mark yet.

    Raises DriveGoneError, DriveFailedError.
    """
    try:
        if not where.target.is_dir():
            raise gone(where.target)
        if not where.may_be_system_disk and disks.on_system_disk(where.target):
            raise gone(where.target)
    except OSError as error:
        raise gone(where.target, error) from error
    try:
        return _read_mark(where.root / MARK_FILE) if files.has_folder(where.root) else None
    except OSError as error:
        raise explained(where.target, error) from error


def check_writable(where: Place) -> None:
    """Check that the drive isn't write-protected, without writing to it. Raises DriveGoneError, DriveFailedError."""
    try:
        is_read_only = disks.is_read_only(where.target)
    except OSError as error:
        raise explained(where.target, error) from error
    if is_read_only:
        raise explained(where.target, OSError(errno.EROFS, os.strerror(errno.EROFS)))


def mark(where: Place, now: datetime) -> str:
    """Mark the drive that is plugged in as meosbackup's, and return its new id.

    Raises DriveGoneError, DriveFailedError.
    """
    new = str(uuid.uuid4())
    text = json.dumps({"format": FORMAT, "id": new, "created": now.isoformat()}) + "\n"
    try:
        _make_root(where)
        durable.write(where.root / MARK_FILE, text.encode())
    except OSError as error:
        raise explained(where.target, error) from error
    return new


def free_bytes(target: Path) -> int | None:
    """Return the free bytes of the drive; None if its file system doesn't tell. Raises DriveGoneError."""
    try:
        return disks.free_bytes(target) if disks.total_bytes(target) else None
    except OSError as error:
        raise gone(target, error) from error


def _read_mark(path: Path) -> str | None:
    """Read the id of a drive; a mark that is cut short or not ours counts as none."""
    try:
        document = json.loads(files.read_short(path, _LARGEST_MARK))
    except (FileNotFoundError, TooLargeError, ValueError, RecursionError):
        return None
    found = document.get("id") if isinstance(document, dict) else None
    return found if isinstance(found, str) and _ID.fullmatch(found) else None


def _make_root(where: Place) -> None:
    """Make the folder for all that is written, on the very disk that was looked at, even if it is pulled out now."""
    if sys.platform == "win32":
        files.make_folder(where.root)
        return
    handle = os.open(where.target, os.O_RDONLY)
    try:
        if not where.may_be_system_disk and os.fstat(handle).st_dev in disks.system_devices():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        try:
            os.mkdir(names.ROOT_FOLDER, dir_fd=handle)
        except FileExistsError:
            return
        os.fsync(handle)
    finally:
        os.close(handle)


def _plugged_in() -> str:
    drives = disks.plugged_in()
    if not drives:
        return "No removable drive is plugged in."
    found = ", ".join(f"{unbroken(str(drive.path))} ({drive.free / 1e9:.1f} GB free)" for drive in drives)
    return f"Plugged in: {found}."


CLOSE_IT = "Close it in that program: an editor, a preview, a virus scanner. It will retry automatically."

_WORDS = {
    Fault.IN_THE_WAY: (
        "On the drive, {path} is in the way: {reason}.",
        "It was left alone, and no batch is copied to the drive.",
        "Rename or delete it, or use another drive.",
    ),
    Fault.HELD: (
        "Another program has {path} open.",
        "No batch is copied to the drive until it is closed; backups continue on this computer.",
        CLOSE_IT,
    ),
    Fault.WRITE_PROTECTED: (
        "The drive at {target} is write-protected.",
        "Backups continue on this computer.",
        (
            "Look for a switch on its side. If there is none, pull it out and plug it in again: after an error, the"
            " system itself may write-protect a drive."
        ),
    ),
    Fault.FULL: (
        "The drive at {target} is full, and every batch on it must be kept.",
        "Nothing on it was deleted; backups continue on this computer.",
        "Delete other files (photos …) from it, or use a larger drive.",
    ),
    Fault.TOO_LARGE: (
        "The drive at {target} can't hold a file of this size (FAT32: 4 GB at most).",
        "The batch is on this computer, not on the drive.",
        "Use a drive that is formatted as exFAT or NTFS.",
    ),
    Fault.TOO_LONG: (
        "The path {path} is too long for this computer.",
        "The batch is on this computer, not on the drive.",
        "With --target, name the drive's top folder, or another folder with a shorter path.",
    ),
    Fault.OTHER: (
        "The drive at {target} doesn't work ({reason}).",
        "Backups continue on this computer.",
        "Pull it out and plug it in again; if that doesn't help, use another drive.",
    ),
}
"""What is said of each fault of a drive that isn't missing."""


def gone(target: Path, error: OSError | None = None) -> DriveGoneError:
    """Return the error for a drive that is away."""
    reason = f" ({error.strerror or error})" if error else ""
    return DriveGoneError(
        f"The drive is missing from {target}{reason}.", "Backups continue on this computer.", "Plug it in again."
    )


def explained(target: Path, error: OSError) -> MeosBackupError:
    """Return the error for what a drive answered."""
    fault = faults.fault(error)
    if fault is Fault.GONE:
        return gone(target, error)
    what, means, do = _WORDS[fault]
    path = error.filename2 or error.filename or target
    return DriveFailedError(what.format(target=target, path=path, reason=error.strerror or error), means, do)


def guide_held(target: Path, error: OSError) -> MeosBackupError:
    """Return the error for what a drive answered when the guide at its top was written."""
    told = explained(target, error)
    if faults.fault(error) is not Fault.HELD:
        return told
    means = "Batches still go to the drive; only this guide is out of date. Each batch's folder has one of its own."
    return DriveFailedError(told.what, means, told.do)


def full_soon(target: Path, free: int) -> DriveFullSoonError:
    """Return the error for a drive that will be full within an hour."""
    return DriveFullSoonError(
        f"The drive at {target} has room for less than an hour ({wording.size(free)} free).",
        "After that, batches are on this computer only.",
        "Delete other files (photos …) from it, or have a larger drive ready.",
    )


def full(target: Path, kept_open: Sequence[HeldError] = ()) -> DriveFailedError:
    """Return the error for a drive that is full; `kept_open` is why more batches couldn't be deleted."""
    what, means, do = _WORDS[Fault.FULL]
    if kept_open:
        what = "The drive at {target} is full, and another program has a batch open that could be deleted."
        means = "No batch is copied to the drive until there is room; backups continue on this computer."
        do = f"Close {kept_open[0].filename} in that program. It will retry automatically."
    return DriveFailedError(what.format(target=target), means, do)
