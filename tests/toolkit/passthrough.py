"""A file system (FUSE) that keeps its files in a folder: slowly, up to a size, or not as they were given.

python -m tests.toolkit.passthrough FOLDER PLACE --bytes-per-second 2000000
"""

import argparse
import errno
import os
import sys
import time
from pathlib import Path
from typing import Any

from meosbackup.system import files

_STAT = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size")
_TIMES = ("st_atime", "st_mtime", "st_ctime")
_STATVFS = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_namemax")
_SIZES = {"f_blocks", "f_bfree", "f_bavail"}


class PassThrough:
    """What the kernel asks of a file system; an OSError is its answer."""

    use_ns = True

    def __init__(self, wanted: argparse.Namespace) -> None:
        self._wanted = wanted

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = self._at(path).lstat()
        times = {name: getattr(found, f"{name}_ns") for name in _TIMES}
        return {name: getattr(found, name) for name in _STAT} | times

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *(entry.name for entry in self._at(path).iterdir())]

    def statfs(self, path: str) -> dict[str, int]:
        if sys.platform == "win32":
            raise OSError(errno.ENOSYS, "")
        found = os.statvfs(self._at(path))
        return {name: 0 if self._wanted.untold and name in _SIZES else getattr(found, name) for name in _STATVFS}

    def mkdir(self, path: str, mode: int) -> int:
        self._at(path).mkdir(mode)
        return 0

    def rmdir(self, path: str) -> int:
        self._at(path).rmdir()
        return 0

    def unlink(self, path: str) -> int:
        self._at(path).unlink()
        return 0

    def rename(self, old: str, new: str) -> int:
        self._at(old).replace(self._at(new))
        return 0

    def create(self, path: str, mode: int, fi: object = None) -> int:
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags)

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        if sys.platform == "win32":
            raise OSError(errno.ENOSYS, "")
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        if sys.platform == "win32":
            raise OSError(errno.ENOSYS, "")
        if self._wanted.largest_file and offset + len(data) > self._wanted.largest_file:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        if self._wanted.bytes_per_second:
            time.sleep(len(data) / self._wanted.bytes_per_second)
        kept = bytearray(data)
        if self._wanted.corrupt and ".dump.sql" in path:
            kept[len(kept) // 2] ^= 1
        return os.pwrite(fh, kept, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        os.truncate(self._at(path), length)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        os.fsync(fh)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        files.sync(self._at(path))
        return 0

    def _at(self, path: str) -> Path:
        return Path(self._wanted.folder + path)


def serve(operations: object, place: str, **options: float) -> None:
    """Answer what the kernel asks of a place, in the background, until that is unmounted.

    The kernel's cache is used as for a real drive, so that a reader has to go past it to see what the drive holds.
    """
    # Not above: tests.toolkit.vfat uses this module where there is no FUSE. The package comes without types.
    import mfusepy as fuse  # type: ignore[import-untyped]  # noqa: PLC0415

    fuse.FUSE(operations, place, foreground=False, kernel_cache=True, big_writes=True, **options)


def main() -> None:
    """Serve the files of a folder at another place, in the background, until that is unmounted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("place")
    parser.add_argument("--bytes-per-second", type=float, default=0.0)
    parser.add_argument("--largest-file", type=int, default=0)
    parser.add_argument("--corrupt", action="store_true")
    parser.add_argument("--untold", action="store_true")
    wanted = parser.parse_args()
    serve(PassThrough(wanted), wanted.place)


if __name__ == "__main__":
    main()
