"""What the platform knows of disks: which is the system's own, and which drives are plugged in."""

import ctypes
import os
import shutil
import string
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_MOUNT_FOLDERS = ("/media", "/run/media", "/mnt", "/Volumes")
_WINDOWS_REMOVABLE = 2
"""DRIVE_REMOVABLE of GetDriveTypeW."""


@dataclass(frozen=True)
class PluggedIn:
    """A removable drive that is plugged in, and its free bytes."""

    path: Path
    free: int


def on_system_disk(path: Path) -> bool:
    """Tell whether a folder lies on the disk that the system, the user's files or temporary files lie on.

    The mount point of a stick that isn't plugged in does.
    """
    if sys.platform == "win32":
        system = os.environ.get("SYSTEMDRIVE", "C:")
        return os.path.splitdrive(os.path.realpath(path))[0].lower() == system.lower()
    return path.stat().st_dev in system_devices()


def system_devices() -> set[int]:
    """Return the devices that hold the system, the user's files and temporary files (POSIX)."""
    folders = [Path("/"), Path.home(), Path(tempfile.gettempdir()), Path("/var")]
    return {folder.stat().st_dev for folder in folders if folder.is_dir()}


def free_bytes(path: Path) -> int:
    """Return the bytes that are free for the user on the disk of a folder. Raises OSError."""
    return shutil.disk_usage(path).free


def total_bytes(path: Path) -> int:
    """Return the size of the disk of a folder in bytes. Raises OSError."""
    return shutil.disk_usage(path).total


def plugged_in() -> list[PluggedIn]:
    """Return the removable drives that are plugged in, as far as the platform tells."""
    drives = []
    for path in _mount_points():
        try:
            drives.append(PluggedIn(path, free_bytes(path)))
        except OSError:  # a card reader without its card
            continue
    return drives


def forget_cached(file: IO[bytes]) -> None:
    """Have the next reading of a file come from the medium, where the platform can be told so."""
    if sys.platform == "linux":
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sync_file(path: Path) -> None:
    """Make what a file holds durable. Raises OSError."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the platform can."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder durably where there is none; the one above it must be there. Raises OSError."""
    if not folder.is_dir():
        folder.mkdir()
        sync_folder(folder.parent)


def rename(source: Path, target: Path) -> None:
    """Give a file or folder another name, durably; a file may take the place of one. Raises OSError."""
    source.replace(target)
    sync_folder(target.parent)
    # Linux's FAT notes where the content begins, under the new name, only when the file or folder itself is synced; a
    # power cut before that leaves an empty one. Were it synced first, one before the names were would leave two names
    # for the same content, and with the one that is tidied up the other would lose it.
    if target.is_dir():
        sync_folder(target)
    else:
        sync_file(target)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all. Raises OSError."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        rename(partial, path)
    except OSError:
        with suppress(OSError):  # a drive that is full takes the removal, one that is gone can't
            partial.unlink(missing_ok=True)
        raise


def _mount_points() -> list[Path]:
    if sys.platform == "win32":
        letters = ctypes.windll.kernel32.GetLogicalDrives()
        roots = [f"{letter}:\\" for place, letter in enumerate(string.ascii_uppercase) if letters >> place & 1]
        return [Path(root) for root in roots if ctypes.windll.kernel32.GetDriveTypeW(root) == _WINDOWS_REMOVABLE]
    # Desktops mount sticks two levels below (/media/anna/STICK), people by hand one (/media/usb).
    below = [path for folder in _MOUNT_FOLDERS for pattern in ("*", "*/*") for path in Path(folder).glob(pattern)]
    return sorted({path for path in below if path.is_mount()})
