"""What the platform knows of disks: which one is the system's own, how full they are, which drives are plugged in."""

import ctypes
import os
import shutil
import string
import sys
import tempfile
from dataclasses import dataclass
from glob import glob
from pathlib import Path

_MOUNT_FOLDERS = ("/media", "/run/media", "/mnt", "/Volumes")
_WINDOWS_REMOVABLE = 2
"""DRIVE_REMOVABLE of GetDriveTypeW."""
_WINDOWS_READ_ONLY = 0x80000
"""FILE_READ_ONLY_VOLUME of GetVolumeInformationW."""


LONGEST_PATH = 259 if sys.platform == "win32" else 4095
"""The characters that the path of a file may have; more on Windows only where its settings were changed."""


@dataclass(frozen=True)
class PluggedIn:
    """A removable drive that is plugged in, and its free bytes."""

    path: Path
    free: int


def has_short_path(folder: Path, below: int) -> bool:
    """Tell whether a folder's path is short enough for files whose paths below it have so many characters."""
    return len(str(folder.absolute())) + 1 + below <= LONGEST_PATH


def on_system_disk(path: Path) -> bool:
    """Tell whether a folder lies on the disk that the system, the user's files or temporary files lie on.

    The mount point of a stick that isn't plugged in does.
    """
    if sys.platform == "win32":
        system = os.environ.get("SYSTEMDRIVE", "C:")
        return os.path.splitdrive(os.path.realpath(path))[0].lower() == system.lower()
    return path.stat().st_dev in system_devices()


def on_same_disk(one: Path, other: Path) -> bool:
    """Tell whether two folders lie on the same disk; one that doesn't exist will lie on that of the folder above it.

    Raises OSError.
    """
    first, second = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    if sys.platform == "win32":
        return first.drive.lower() == second.drive.lower()
    return _existing(first).stat().st_dev == _existing(second).stat().st_dev


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def system_devices() -> set[int]:
    """Return the devices that hold the system, the user's files and temporary files (POSIX)."""
    folders = [Path("/"), Path.home(), Path(tempfile.gettempdir()), Path("/var")]
    return {folder.stat().st_dev for folder in folders if folder.is_dir()}


def is_read_only(path: Path) -> bool:
    """Tell whether the disk of a folder takes no writing at present, without writing to it. Raises OSError."""
    if sys.platform == "win32":
        flags, root = ctypes.c_ulong(), f"{os.path.splitdrive(os.path.realpath(path))[0]}\\"
        ask = ctypes.windll.kernel32.GetVolumeInformationW
        return bool(ask(root, None, 0, None, None, ctypes.byref(flags), None, 0) and flags.value & _WINDOWS_READ_ONLY)
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


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


def _mount_points() -> list[Path]:
    if sys.platform == "win32":
        letters = ctypes.windll.kernel32.GetLogicalDrives()
        roots = [f"{letter}:\\" for place, letter in enumerate(string.ascii_uppercase) if letters >> place & 1]
        return [Path(root) for root in roots if ctypes.windll.kernel32.GetDriveTypeW(root) == _WINDOWS_REMOVABLE]
    # Desktops mount sticks two levels below (/media/anna/STICK), people by hand one (/media/usb). A mount point whose
    # drive was pulled out answers with errors, which glob.glob and ismount pass over, and pathlib does not.
    below = [
        path for folder in _MOUNT_FOLDERS for pattern in ("*", "*/*")
        for path in glob(f"{folder}/{pattern}")  # noqa: PTH207
    ]  # fmt: skip
    return sorted({Path(path) for path in below if os.path.ismount(path)})
