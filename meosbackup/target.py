"""The target that the user names: whether it can be a drive."""

import tempfile
from pathlib import Path

from meosbackup import disks
from meosbackup.errors import DriveGoneError, WrongUsageError


def check(target: Path | None, *, any_disk: bool) -> Path:
    """Return the target, where it can be one.

    Raises WrongUsageError where there is none, or it is no folder, not writable or on the system's own disk;
    DriveGoneError where it doesn't exist.
    """
    if target is None:
        raise WrongUsageError(
            "No target is set.", "Nothing is backed up.", f"Name the drive by --target. {_plugged_in()}"
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
            f"Plug the drive in, or name another by --target. {_plugged_in()}",
        )
    if not is_folder:
        raise WrongUsageError(
            f"The target {target} is not a folder.",
            "Nothing is backed up.",
            f"Name the drive's top folder by --target. {_plugged_in()}",
        )
    if not any_disk and disks.on_system_disk(target):
        raise WrongUsageError(
            f"The target {target} is on the system's own disk. A drive that isn't plugged in looks like that too.",
            "Nothing is backed up: if this computer fails, such a backup fails with it.",
            f"Plug the drive in. {_plugged_in()} If you mean this folder, add --any-disk.",
        )
    try:
        with tempfile.TemporaryFile(dir=target):
            pass
    except OSError as error:
        raise WrongUsageError(
            f"The target {target} can't be written to ({error.strerror or error}).",
            "Nothing is backed up.",
            "Look for a write-protection switch on the drive, and whether your user may write there.",
        ) from error
    return target


def _plugged_in() -> str:
    drives = disks.plugged_in()
    if not drives:
        return "No removable drive is plugged in."
    found = ", ".join(f"{drive.path} ({drive.free / 1e9:.1f} GB free)" for drive in drives)
    return f"Plugged in: {found}."
